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


def test_every_other_method_is_compared_at_its_last_setting():
    record = records.start("frontier", profile="smoke", dataset="digits", seed=0, parameters={})
    points = [point("bare", 1, 5, 6), point("DOT", 10, 9, 9), point("DOT", 20, 3, 5)]
    points += [point("DRS", 20, 2, 3), point("DDLS", 5, 0, 0, refused="infinite")]
    header, _, *rows = frontier.compare_with_dot(record, points).splitlines()
    assert header.startswith("| minus DOT, 20 | evaluations | FID |")
    assert [row.split(" | ")[0] for row in rows] == ["| bare", "| DRS, 20", "| DDLS, 5"]
    assert rows[2] == "| DDLS, 5 | - | refused | refused | refused | refused |"
    difference = record.get("fid", method="DRS", setting=20, against="DOT")
    assert difference.value == -1.5 and difference.n == 2
    assert difference.interval == pytest.approx((-1.5 - 6.353, -1.5 + 6.353), abs=1e-3)  # t(0.975; 1) sd / sqrt(2)
    assert {row.method for row in record.rows(against="DOT")} == {"DRS"}


def test_budgets_ascend():
    assert list(frontier.BUDGETS) == sorted(frontier.BUDGETS)
