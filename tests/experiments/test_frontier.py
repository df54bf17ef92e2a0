"""The comparison with DOT. Kinds of test: identities (differences are put and shown)."""

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
