"""Records, tables and figures of a comparison of samplers.

Kinds: identities (numbers of a table are those of the points), failures.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from dotlib.errors import InputError
from dotlib.evaluation import comparison, comparison_records, comparison_tables
from dotlib.evaluation.comparison import Point
from dotlib.results import records
from dotlib.samplers.base import Cost


def point(method, setting, fid, is_mean=(5.0, 5.1, 5.2), acceptance=None):
    n = len(fid)
    return Point(
        method,
        setting,
        {"fid": list(fid), "is_mean": list(is_mean)},
        [Cost(3, 2, 1, 0.5)] * n,
        [Cost(10, 20, 0, 0.1)] * n,
        [acceptance] * n if acceptance else [],
    )


BARE = point("bare", 1, (30.0, 31.0, 32.0))
DOT = point("DOT", 20, (25.0, 26.5, 27.0), (5.5, 5.6, 5.9))
MH = point("MH-GAN", 500, (29.0, 30.5, 30.0), (5.4, 5.5, 5.9), acceptance=0.002)
POINTS = [BARE, DOT, MH]


def record():
    return records.start("frontier", profile="laptop", dataset="digits-x", seed=0, parameters={})


def test_a_record_holds_scores_differences_and_costs():
    kept = record()
    comparison_records.put_points(kept, POINTS)
    bare = kept.get("fid", method="bare")
    assert bare.value == 31.0 and bare.sd == 1.0
    difference = np.array([-5.0, -4.5, -5.0])
    change = kept.get("fid", method="DOT", setting=20, against="bare")
    assert change.value == pytest.approx(difference.mean())
    half = stats.t.ppf(0.975, 2) * difference.std(ddof=1) / np.sqrt(3)
    assert change.interval == pytest.approx((difference.mean() - half, difference.mean() + half))
    chain = {"method": "MH-GAN", "setting": 500}
    assert kept.get("evaluations", **chain).value == 3 + 2 + 2
    assert kept.get("seconds", method="DOT", setting=20).value == 0.5
    assert [(row.method, row.value) for row in kept.rows(quantity="acceptance")] == [("MH-GAN", pytest.approx(0.002))]
    assert [row.method for row in kept.rows(quantity="fid", against="bare")] == ["DOT", "MH-GAN"]


def test_tables_show_the_points():
    table = comparison_tables.frontier_table(POINTS, ["fid"])
    rows = {
        cells[0]: cells[1:]
        for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    }
    assert rows["bare"] == ["7.0", "500.00", "-", "31.00"]
    assert rows["DOT, 20"][3].startswith("26.17 (-4.83 [-5.55, -4.12])")
    assert rows["MH-GAN, 500"][2] == "0.002"
    costs = comparison_tables.cost_table(POINTS)
    assert "| DOT, 20 | 3.0 | 2.0 | 1.0 | 500.00 | 30 | 0.10 |" in costs


def costly(setting, rows, *fid):
    """DOT at one setting whose samples cost so many evaluations."""
    return Point("DOT", setting, {"fid": list(fid)}, [Cost(rows, 0, 0, 0.1)] * len(fid), [Cost()] * len(fid), [])


def test_a_budget_shows_the_best_setting_that_it_pays_for_and_no_hair_decides():
    family = [costly(5, 20, 9.0, 9.0), costly(10, 40, 7.0, 7.0), costly(20, 80, 8.0, 8.0)]
    assert [point.setting for point in comparison_tables.within(family, 39)] == [5, 10]  # 40 is within 5 % of 39
    assert [point.setting for point in comparison_tables.within(family, 38)] == [5]
    lines = comparison_tables.budget_table([BARE, *family], "fid", (18, 38, 1_000)).splitlines()
    assert lines[0] == "| FID (setting) | about 18 | about 38 | about 1,000 |"
    assert lines[2] == "| bare | 31.00 (1) | 31.00 (1) | 31.00 (1) |"
    assert lines[3] == "| DOT | - | 9.00 (5) | 7.00 (10) |"  # and not the largest


def test_methods_are_ranked_by_their_best_within_the_budget():
    """MH-GAN is best and costs 500 evaluations: within 100 it has no rank, and comes last with all its numbers."""
    dear = Point(
        "MH-GAN",
        500,
        {"fid": [1.0, 1.0], "is_mean": [6.0, 7.0]},
        [Cost(200, 200, 50, 0.1)] * 2,
        [Cost(9)] * 2,
        [0.25] * 2,
    )
    none = Point("OBRS", 0.5, {}, [], [], [], "nothing accepted")
    family = [costly(5, 20, 9.0, 9.0), costly(10, 40, 7.0, 7.0)]
    for each in family:
        each.scores["is_mean"] = [5.0, 5.0]
    bare = Point("bare", 1, {"fid": [9.5, 9.5], "is_mean": [4.0, 4.0]}, [Cost(1)] * 2, [Cost()] * 2, [])
    points = [dear, none, bare, *family]
    assert comparison_tables.ranks(points, "fid", 100) == {"DOT": 1, "bare": 2}
    assert comparison_tables.ranks(points, "fid", 500) == {"MH-GAN": 1, "DOT": 2, "bare": 3}
    assert comparison_tables.ranks(points, "is_mean", 500) == {"MH-GAN": 1, "DOT": 2, "bare": 3}  # higher is better
    head, _, *lines = comparison_tables.ranked_table(points, ["fid", "is_mean"], 100).splitlines()
    assert head.endswith("| once | accepted | FID | FID - bare | IS |")
    assert [line.split(" | ")[0] for line in lines] == [
        "| 1: DOT, 5",
        "| 1: DOT, 10",
        "| 2: bare",
        "| -: MH-GAN, 500",
        "| -: OBRS, 0.5",
    ]
    assert lines[1].endswith("| 40.0 (40, 0, 0) | 0 | - | 7.00 | -2.50 [-2.50, -2.50] | 5.00 |")
    assert lines[3].endswith("| 500.0 (200, 200, 50) | 9 | 0.250 | 1.00 | -8.50 [-8.50, -8.50] | 6.50 |")
    assert lines[4].count("refused") == 3


def test_no_set_is_scored_at_the_setting_that_it_chose():
    """The first set alone makes 5 look best; it is scored at 10, which is best on the two others."""
    first, second = costly(5, 20, 0.0, 9.0, 9.0), costly(10, 40, 8.0, 7.0, 6.0)
    found = comparison_tables.best([first, second], "fid")
    assert found.setting == 5 and found.scores["fid"] == [8.0, 9.0, 9.0]  # means 6 and 7; others of set 1: 9 and 6.5
    assert [cost.generator for cost in found.cost] == [40, 20, 20]
    high = [point("A", 1, (1.0, 1.0, 1.0), (5.0, 5.0, 5.0)), point("A", 2, (0.0, 0.0, 0.0), (4.0, 4.0, 4.0))]
    assert comparison_tables.best(high, "is_mean").setting == 1  # higher is better
    assert comparison_tables.best([], "fid") is None


def test_differences_are_paired_and_signed():
    table = comparison_tables.difference_table([MH], DOT, ["fid"])
    mean = np.mean([4.0, 4.0, 3.0])
    assert f"| MH-GAN, 500 | 7.0 | +{mean:.2f} [" in table


def test_without_bare_there_is_nothing_to_compare_with():
    with pytest.raises(InputError, match='^points: no "bare" among them'):
        comparison_records.put_points(record(), [DOT, MH])


def test_a_tidy_table_has_a_line_for_each_judge_and_the_means_are_its_means():
    scored = {"a": {"fid": 10.0, "kid": 0.1}, "b": {"fid": 14.0, "kid": 0.3}}
    of_set = comparison.over_judges(scored)
    assert (of_set["fid"], of_set["fid@a"], of_set["fid@b"]) == (12.0, 10.0, 14.0)
    point = Point(
        "bare", 1, {n: [value, value + 1] for n, value in of_set.items()}, [Cost(3, 2, 1, 0.5)] * 2, [Cost()] * 2, []
    )
    refused = Point("MH-GAN", 9, {}, [], [], [], "no")
    compared = SimpleNamespace(floor=comparison.over_judges({"a": {"fid": 1.0, "kid": 0}, "b": {"fid": 3.0, "kid": 0}}))
    lines = comparison_records.lines(compared, [point, refused], "classifier")
    assert [(line["method"], line["set"], line["judge"], line["fid"]) for line in lines] == [
        ("real", 0, "a", 1.0),
        ("real", 0, "b", 3.0),
        ("bare", 0, "a", 10.0),
        ("bare", 0, "b", 14.0),
        ("bare", 1, "a", 11.0),
        ("bare", 1, "b", 15.0),
    ]


def test_one_judge_keeps_its_scores_and_is_called_as_the_page_calls_it():
    assert comparison.over_judges({"classifier, seed 0": {"fid": 3.0}}) == {"fid": 3.0}
    compared = SimpleNamespace(floor={"fid": 3.0})
    (line,) = comparison_records.lines(compared, [], "classifier")
    assert (line["judge"], line["fid"]) == ("classifier", 3.0)
