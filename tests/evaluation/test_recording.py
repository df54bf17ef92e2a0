"""Kinds of test: closed forms (two sets whose interval is known), identities."""

import math
from types import SimpleNamespace

import pytest

from dotlib.evaluation import recording
from dotlib.evaluation.judges import Scoring
from dotlib.results import records


@pytest.fixture
def record():
    return records.Record("stem", "smoke", "digits", 0, {})


def test_sets_give_their_mean_spread_and_number(record):
    recording.put_sets(record, "fid", [1.0, 3.0], unit="squared feature units", pair="a", method="dot", setting=20)
    row = record.get("fid", pair="a", method="dot", setting=20)
    assert (row.value, row.sd, row.n, row.unit) == (2, pytest.approx(math.sqrt(2)), 2, "squared feature units")


def test_a_difference_is_paired_and_its_interval_comes_back(record):
    """Differences 1 and 2: mean 1.5, standard error 1/2, and t at 97.5 % with one degree of freedom is 12.706."""
    interval = recording.put_difference(record, "fid", [4.0, 9.0], [3.0, 7.0], unit="", method="dot")
    row = record.get("fid", method="dot", against="bare")
    assert (row.value, row.n, row.interval) == (1.5, 2, interval)
    assert interval == pytest.approx((1.5 - 12.7062 / 2, 1.5 + 12.7062 / 2), rel=1e-5)
    recording.put_difference(record, "fid", [4.0, 9.0], [3.0, 7.0], unit="", against="naive", method="dot")
    assert record.get("fid", method="dot", against="naive").value == 1.5


def test_a_description_holds_every_file_and_setting(record):
    def run(name):
        trained = SimpleNamespace(name=name, settings=SimpleNamespace(key=lambda: f"key of {name}"))
        pair, panel = (
            SimpleNamespace(digests={name: "1"}),
            SimpleNamespace(digests={"judge": "2"}, origins={"test": "x"}),
        )
        return SimpleNamespace(what=pair, trained=trained, panel=panel, c=Scoring(sets=3))

    recording.describe(record, [run("a"), run("b")])
    assert record.made == {"weights": {"a": "1", "b": "1", "judge": "2"}, "images": {"test": "x"}}
    assert list(record.parameters["settings"]) == ["a", "b"]
    assert record.parameters["settings"]["b"]["training"] == "key of b"
    assert record.parameters["settings"]["b"]["scoring"]["sets"] == 3
