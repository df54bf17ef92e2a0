"""Kinds of test: identities (what was put is shown), failures."""

from types import SimpleNamespace

import pytest

from dotlib.errors import InputError
from dotlib.evaluation import recording
from dotlib.evaluation.judges import Scoring
from dotlib.metrics.scores import IMAGE_SCORES
from dotlib.results import records


@pytest.fixture
def record():
    return records.Record("stem", "laptop", "digits", 0, {})


def test_a_description_holds_every_file_and_setting(record):
    def run(name):
        trained = SimpleNamespace(name=name, settings=SimpleNamespace(key=lambda: f"key of {name}"))
        pair, panel = (
            SimpleNamespace(digests={name: "1"}),
            SimpleNamespace(digests={"judge": "2"}, origins={"test": "x"}),
        )
        return SimpleNamespace(pair=pair, trained=trained, panel=panel, settings=Scoring(sets=3))

    recording.describe(record, [run("a"), run("b")])
    assert record.made == {"weights": {"a": "1", "b": "1", "judge": "2"}, "images": {"test": "x"}}
    assert list(record.parameters["settings"]) == ["a", "b"]
    assert record.parameters["settings"]["b"]["training"] == "key of b"
    assert record.parameters["settings"]["b"]["scoring"]["sets"] == 3


def test_verdicts_stand_beside_the_committed_ones(record, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "KEPT", tmp_path)
    other = records.start("stem", profile="laptop", dataset="mnist", seed=0, parameters={})
    other.verdicts["DOT lowers FID"] = "reproduced"
    records.write(other, tmp_path)
    record.verdicts |= {"DOT lowers FID": "same sign", "DOT raises IS": "not reproduced"}
    assert recording.verdict_table(record, "claim", record.verdicts).splitlines() == [
        "| claim | this build, digits | recorded, mnist, laptop |",
        "| :-- | --: | --: |",
        "| DOT lowers FID | same sign | reproduced |",
        "| DOT raises IS | not reproduced | - |",
    ]


@pytest.mark.parametrize(
    ("quantity", "interval", "word"),
    [
        ("fid", (-2.0, -1.0), "better"),
        ("fid", (1.0, 2.0), "worse"),
        ("fid", (-1.0, 1.0), "undecided"),
        ("kid", (1.0, 2.0), "worse"),
        ("precision", (-0.2, -0.1), "worse"),
        ("is_mean", (0.1, 0.2), "better"),
        ("recall", (0.0, 0.1), "undecided"),
    ],
)
def test_the_direction_of_a_change_is_the_side_of_its_interval(quantity, interval, word):
    record = records.start(
        "tab1_scores", profile="smoke", dataset="digits-dcgan-sngan-hi", seed=0, parameters={"updates": 20}
    )
    for name in IMAGE_SCORES:
        here = interval if name == quantity else (-1.0, 1.0)
        record.put(name, sum(here) / 2, method="dot", setting=20, against="bare", interval=here, unit="", n=5)
    assert recording.direction_of_change(record, quantity) == word


def test_an_unknown_score_is_named():
    record = records.start(
        "tab1_scores", profile="smoke", dataset="digits-dcgan-sngan-hi", seed=0, parameters={"updates": 20}
    )
    with pytest.raises(InputError, match="quantity: .*'FID'"):
        recording.direction_of_change(record, "FID")
