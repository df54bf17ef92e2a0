"""The comparison with DOT. Kinds of test: identities (differences are put and shown)."""

from types import SimpleNamespace

import pytest

from dotlib.evaluation.comparison import Point
from dotlib.experiments import frontier
from dotlib.results import records
from dotlib.samplers.base import Cost

NAMES = ("fid", "is_mean", "precision", "recall")


def point(method, setting, first, second, refused=""):
    costs = [] if refused else [Cost(1.0, 1.0, 0.0, 0.001)] * 2
    scores = {} if refused else {key: [first, second] for key in NAMES}
    return Point(method, setting, scores, costs, costs, [], refused)


def test_every_method_is_compared_at_its_best_and_dot_too():
    """DOT is past its optimum at 20 updates, and DRS is best at its first setting."""
    record = records.start("frontier", profile="smoke", dataset="digits", seed=0, parameters={})
    points = [point("bare", 1, 5, 6), point("DOT", 10, 3, 5), point("DOT", 20, 9, 9)]
    points += [point("DRS", 20, 2, 3), point("DRS", 60, 7, 8), point("DDLS", 5, 0, 0, refused="infinite")]
    frontier.put_differences(record, points)
    header, _, *rows = frontier.difference_table(points).splitlines()
    assert header.startswith("| minus DOT, 10 | evaluations | FID |")
    assert [row.split(" | ")[0] for row in rows] == ["| bare", "| DRS, 20", "| DDLS, 5"]
    assert rows[2] == "| DDLS, 5 | - | refused | refused | refused | refused |"
    difference = record.get("fid", method="DRS", setting=20, against="DOT")
    assert difference.value == -1.5 and difference.n == 2
    assert difference.interval == pytest.approx((-1.5 - 6.353, -1.5 + 6.353), abs=1e-3)  # t(0.975; 1) sd / sqrt(2)
    assert {row.method for row in record.rows(against="DOT")} == {"DRS"}


def test_the_record_has_the_bare_samples_of_table_1(monkeypatch):
    """Those of DOT after no update, and not after twenty."""

    def record_of(record, compared, *, anew, put):
        put(record, [point("bare", 1, 5, 6), point("DOT", 20, 3, 5), point("DRS", 20, 2, 3)])
        return record, [], compared

    fid = {0: [8.0, 9.0], 20: [1.0, 2.0]}
    measured = SimpleNamespace(
        of=lambda method, step, quantity: fid[step] if (method, quantity) == ("dot", "fid") else []
    )
    monkeypatch.setattr(frontier.comparison, "load", lambda name, **_: f"compared {name}")
    monkeypatch.setattr(frontier.comparison_records, "record_of", record_of)
    monkeypatch.setattr(frontier.image_pairs, "table1_row", lambda *_, **__: SimpleNamespace(measured=measured))
    where = {"profile": "smoke", "seed": 0, "judge": "classifier", "device": "cpu", "anew": True}
    compared, record, _, source = frontier.record_of("digits-dcgan-sagan-ns", **where)
    assert compared == source == "compared digits-dcgan-sagan-ns"
    assert record.get("fid", method=frontier.OTHER_DRAW).value == 8.5
    assert record.get("fid", method="DRS", setting=20, against="DOT").value == -1.5


def test_two_draws_of_one_pair_stand_with_their_errors():
    """Means 5.5 and 8.5, standard errors 0.5 each: 3 / sqrt(0.5)."""
    record = records.start("frontier", profile="smoke", dataset="digits", seed=0, parameters={})
    record.put_trials("fid", [5, 6], method="bare", unit="")
    record.put_trials("fid", [8.0, 9.0], method=frontier.OTHER_DRAW, unit="")
    sentence = frontier.two_draws(record)
    assert sentence.replace("\u00a0", " ") == (
        "5.50 ± 0.50 here and 8.50 ± 0.50 there, 4.2 standard errors of their difference apart"
    )


def test_budgets_ascend():
    assert list(frontier.BUDGETS) == sorted(frontier.BUDGETS)
