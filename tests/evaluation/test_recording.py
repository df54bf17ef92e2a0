"""Kinds of test: identities (what was put is shown), failures."""

from types import SimpleNamespace

import pytest

from dotlib.data import downloads
from dotlib.errors import InputError
from dotlib.evaluation import recording
from dotlib.evaluation.judges import Scoring
from dotlib.evaluation.points import Figure3
from dotlib.metrics.scores import IMAGE_SCORES
from dotlib.results import paper, provenance, records
from dotlib.training import zoo


@pytest.fixture
def record():
    return records.Record("stem", "laptop", "digits", 0, {}, made={"dirty": False})


def test_a_description_holds_every_file_and_setting(record):
    def run(name):
        settings = SimpleNamespace(key=lambda: f"key of {name}", seed=0)
        made = dict.fromkeys(("commit", "device", "seconds_since_resume"), "") | {"dirty": name == "a"}
        trained = SimpleNamespace(name=name, settings=settings, sha256=f"sha of {name}", made=made, origin="shipped")
        panel = SimpleNamespace(digests={"judge": "2"}, origins={"test": "x"})
        pair = SimpleNamespace(digests={name: "1"})
        return SimpleNamespace(pair=pair, trained=trained, panel=panel, settings=Scoring(sets=3))

    recording.describe(record, [run("a"), run("b")])
    assert record.made["weights"] == {"a": "1", "b": "1", "judge": "2"}
    assert record.made["images"] == {"test": "x"}
    assert [pair["sha256"] for pair in record.made["pairs"].values()] == ["sha of a", "sha of b"]
    assert record.made["dirty"] is True
    assert list(record.parameters["settings"]) == ["a", "b"]
    assert record.parameters["settings"]["b"]["training"] == "key of b"
    assert record.parameters["settings"]["b"]["scoring"]["sets"] == 3


@pytest.mark.parametrize("dirty", [False, True])
def test_the_record_of_a_2d_pair_says_where_it_was_found_and_whether_its_source_was_changed(dirty, monkeypatch):
    monkeypatch.setattr(provenance, "source_state", lambda: ("c" * 40, False))
    made = {"commit": "c" * 40, "dirty": dirty, "device": "x", "seconds_since_resume": 1.0}
    names = {"name": "swissroll-wgan-gp", "sha256": "5a", "settings": SimpleNamespace(seed=3)}
    trained = SimpleNamespace(**names, made=made, origin=zoo.SHIPPED)
    pair = SimpleNamespace(name="swissroll", origin="trained here", digests={"file": "5a"}, trained=trained)
    opened = recording.open_toy_record("fig3_toy", pair, Figure3(), "laptop", 3)
    assert opened.made["pairs"]["swissroll-wgan-gp"] == made | {"sha256": "5a", "origin": "shipped"}
    assert opened.made["dirty"] is dirty and opened.key == "laptop-swissroll-s3"
    pair.trained = None  # the authors'
    opened = recording.open_toy_record("fig3_toy", pair, Figure3(), "laptop", 3)
    assert "pairs" not in opened.made and opened.made["dirty"] is False


def test_scores_are_put_with_their_paired_differences_to_bare_and_shown(record):
    """Differences 1 and 2: mean 1.5, standard error 1/2, and t at 97.5 % with one degree of freedom is 12.706."""
    values = {("bare", ""): {"fid": [3.0, 7.0]}, ("dot", 20): {"fid": [4.0, 9.0]}, ("k1", 20): {"fid": [4.0, 8.0]}}
    recording.put_scores(record, values, pair="a")
    bare, moved = record.get("fid", pair="a", method="bare"), record.get("fid", pair="a", method="dot", setting=20)
    assert (bare.value, moved.value, moved.n, moved.unit) == (5, 6.5, 2, "squared feature units")
    where = {"pair": "a", "method": "dot", "setting": 20}
    half = 12.7062 / 2
    row = record.get("fid", **where, against="bare")
    assert (row.value, *row.interval) == pytest.approx((1.5, 1.5 - half, 1.5 + half), rel=1e-5)
    assert recording.score(record, "fid", **where) == "6.50"
    assert recording.change(record, "fid", **where, against="bare") == "+1.50 [-4.85, +7.85]"
    interval = recording.put_change(record, "fid", values, ("dot", 20), ("k1", 20), pair="a")
    assert record.get("fid", **where, against="k1").interval == interval
    assert len([*record.rows(quantity="fid")]) == 3 + 2 + 1


@pytest.mark.parametrize(
    ("dataset", "judge", "origin", "asked", "own"),
    [
        ("cifar10-dcgan-sngan-hi", "inception", downloads.OFFICIAL, ("cifar10",), True),
        ("cifar10-dcgan-sngan-hi", "inception", downloads.OFFICIAL_MD5, ("cifar10", "stl10"), True),
        ("stl10-dcgan-sngan-hi", "inception", downloads.OFFICIAL, ("cifar10", "stl10"), True),
        ("stl10", "inception", downloads.OFFICIAL, ("cifar10",), False),  # a table of CIFAR-10
        ("cifar10", "classifier", downloads.OFFICIAL, ("cifar10",), False),
        ("cifar10", "inception", "a copy as JPEG", ("cifar10",), False),
        ("cifar10", "inception", None, ("cifar10",), False),
        ("mnist", "inception", downloads.OFFICIAL, ("cifar10", "stl10"), False),
        ("digits", "classifier", "built into scikit-learn", ("cifar10", "stl10"), False),
    ],
)
def test_the_papers_data_are_official_files_under_inception(dataset, judge, origin, asked, own):
    record = records.start("stem", profile="laptop", dataset=dataset, seed=0, parameters={}, judge=judge)
    record.made["images"] = {} if origin is None else {"test": origin}
    assert recording.on_papers_data(record, *asked) == own


def test_verdicts_of_a_table_are_corrected_together():
    """Holm by hand: 0.01 and 0.02 of three tests are multiplied by 3 and 2, and 0.04 by 1; a refusal is no test."""
    first, second = (
        records.start("stem", profile="laptop", dataset=name, seed=0, parameters={}) for name in ("digits", "mnist")
    )
    claims = [
        (first, "a", paper.Claim(0.02, paper.REPLICATED, paper.UNDECIDED)),
        (second, "a", paper.Claim(0.04, paper.CONTRADICTED, paper.UNDECIDED)),
        (second, "b", paper.without_test(paper.REFUSED)),
        (first, "b", paper.Claim(0.01, paper.CONTRADICTED, paper.UNDECIDED)),
    ]
    recording.put_verdicts(claims)
    assert first.verdicts == {"a": paper.REPLICATED, "b": paper.CONTRADICTED}
    assert second.verdicts == {"a": paper.CONTRADICTED, "b": paper.REFUSED}
    recording.put_verdicts([*claims, (second, "c", paper.Claim(0.5, paper.REPRODUCED, paper.UNDECIDED))])
    assert first.verdicts == {"a": paper.UNDECIDED, "b": paper.CONTRADICTED}
    assert second.verdicts == {"a": paper.UNDECIDED, "b": paper.REFUSED, "c": paper.UNDECIDED}
    first.profile = "smoke"
    recording.put_verdicts(claims)
    assert set(first.verdicts.values()) == {paper.SMOKE}


def test_verdicts_stand_beside_the_committed_ones(record, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "KEPT", tmp_path)
    other = records.start("stem", profile="laptop", dataset="mnist", seed=0, parameters={})
    other.verdicts["DOT lowers FID"] = "reproduced"
    records.write(other, tmp_path)
    record.verdicts |= {"DOT lowers FID": paper.UNDECIDED, "DOT raises IS": paper.CONTRADICTED}
    assert recording.verdict_table(record, "claim", record.verdicts).splitlines() == [
        "| claim | this build, digits | recorded, mnist, laptop |",
        "| :-- | --: | --: |",
        "| DOT lowers FID | undecided | reproduced |",
        "| DOT raises IS | contradicted | - |",
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


@pytest.mark.parametrize(
    ("table", "pair", "column", "quantity", "expected"),
    [
        ("tab1", "mnist-dcgan-sngan-ns", "bare", "fid", 20.74),
        ("tab1", "stl10-dcgan-sngan-ns", "dot", "fid", 34.84),
        ("tab1", "stl10-resnet-sagan-hi", "bare", "fid", None),
        ("tab7", "digits-dcgan-wgan-gp", "bare", "fid", 27.93),
        ("tab7", "digits-resnet-sagan-hi", "bare", "fid", None),
    ],
)
def test_a_pair_stands_beside_the_print_of_its_row(table, pair, column, quantity, expected):
    number = recording.printed(table, pair, column, quantity)
    assert (number and number.value) == expected


def test_the_answer_of_one_training_counts_all_claims_and_names_the_contradicted():
    record = records.start("fig4_spaces", profile="laptop", dataset="digits", seed=0, parameters={})
    words = [paper.REPLICATED, paper.CONTRADICTED, paper.UNDECIDED, f"{paper.NOT_RESOLVED} (measured: 1)"]
    record.verdicts = dict(zip("abcd", words, strict=True))
    told = recording.answer(record, record.verdicts, "sets of samples")
    assert told.startswith(
        "Of 4 claims, one a line of the table below, 1 hold here in sign, 1 are contradicted, and 2 cannot be told. "
    )
    assert "Contradicted: *b*. This is *one training* of digits, profile laptop: the intervals are over sets" in told
    record.verdicts["b"] = paper.REPRODUCED
    told = recording.answer(record, ["a", "b"], "pairs")
    assert told.startswith(
        "Of 2 claims, one a line of the table below, 2 hold here in sign, 0 are contradicted, and 0 cannot be told. "
    )
    assert "Contradicted:" not in told
