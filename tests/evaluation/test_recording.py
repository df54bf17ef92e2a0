"""Kinds of test: identities (what was put is shown)."""

from types import SimpleNamespace

import pytest

from dotlib.evaluation import recording
from dotlib.evaluation.judges import Scoring
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
