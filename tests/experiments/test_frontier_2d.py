"""Tables of the comparison in two dimensions. Kinds of test: identities (what was measured is shown)."""

import re
from types import SimpleNamespace

import pytest

from dotlib.evaluation.comparison import Point
from dotlib.experiments import frontier_2d
from dotlib.samplers.base import Cost


def point(method, setting, *distances, refused=""):
    scores = {} if refused else {"emd_euclidean": list(distances), "emd_sqeuclidean": [d * d for d in distances]}
    costs = [] if refused else [Cost(1.0, 1.0, 0.0, 0.001)] * len(distances)
    return Point(method, setting, scores, costs, costs, [], refused)


@pytest.fixture
def points():
    """DOT's last setting is nearer than bare, DDLS refuses, and the oracle makes DOT worse."""
    bare = point("bare", 1, 0.9, 1.1)
    return {
        ("swissroll", "D"): [
            bare,
            point("DOT", 10, 1.2, 1.2),
            point("DOT", 20, 0.7, 0.9),
            point("DDLS", 5, refused="infinite"),
        ],
        ("swissroll", "oracle"): [bare, point("DOT", 20, 1.3, 1.5), point("DDLS", 5, 0.2, 0.4)],
    }


def test_the_last_setting_of_each_method_counts(points):
    distances = frontier_2d.last_distances(points["swissroll", "D"])
    assert distances == {"bare": pytest.approx(1), "DOT": pytest.approx(0.8), "DDLS": None}


def test_a_method_is_nearer_only_where_its_sets_tell(points):
    """Differences to bare of two sets: DOT -0.2 in both, and +0.4; DDLS -0.7 in both, and where noisy -0.1 and -1.1.

    Equal differences have p = 0. Those of -0.1 and -1.1 have p = 0.44, though their mean is -0.6.
    """
    oracle = [*points["swissroll", "oracle"][:2], point("DDLS", 5, 0.8, 0.0)]
    rows = frontier_2d.nearer_table(points | {("swissroll", "noisy"): oracle}).splitlines()
    assert rows[0] == "| data, discriminator | W1 of bare | nearer | farther | undecided |"
    assert rows[2:] == [
        "| swissroll, D | 1.0000 | DOT | - | - |",
        "| swissroll, oracle | 1.0000 | DDLS | DOT | - |",
        "| swissroll, noisy | 1.0000 | - | DOT | DDLS |",
    ]


def test_many_methods_share_one_correction():
    """Alone p is 0.03; beside four others that do not differ it is no longer small."""
    bare = point("bare", 1, 1.0, 1.0, 1.0)
    close = point("DOT", 1, 0.9, 0.92, 0.85)
    others = [point(f"other {number}", 1, 0.5, 1.5, 1.0) for number in range(4)]
    assert frontier_2d.words([bare, close]) == {"DOT": "nearer"}
    assert frontier_2d.words([bare, close, *others])["DOT"] == "undecided"


def test_the_summary_has_a_column_a_landscape_and_real_points(points):
    comparisons = {key: SimpleNamespace(floor_sets={"emd_euclidean": [0.24, 0.26]}) for key in points}
    header, _, *rows = frontier_2d.summary(points, comparisons).splitlines()
    rows = [re.sub(r" \[[^]]*\]", " [ends]", row) for row in rows]
    assert header == "| W1 | swissroll, D | swissroll, oracle |"
    assert rows == [
        "| bare | 1.0000 [ends] | 1.0000 [ends] |",
        "| DOT | 0.8000 [ends] | 1.4000 [ends] |",
        "| DDLS | refused | 0.3000 [ends] |",
        "| real | 0.2500 [ends] | 0.2500 [ends] |",
    ]


def test_methods_below_the_floor_are_named_only_where_the_sets_tell(points):
    """DDLS with the oracle is 0.3 below real points in both sets; DOT with D is 0.1 above and below."""
    comparisons = {key: SimpleNamespace(floor_sets={"emd_euclidean": [0.8, 0.8]}) for key in points}
    points["swissroll", "oracle"][-1] = point("DDLS", 5, 0.5, 0.5)
    assert frontier_2d.nearer_than_real(points, comparisons) == "swissroll, D: none; swissroll, oracle: DDLS"


def test_the_answer_compares_both_landscapes_method_by_method(points):
    """DOT is farther with the oracle by 0.6 in both sets; naive is nearer by 0.5, and best of by 0.4 and -0.5."""
    points["swissroll", "D"] += [point("naive", 1, 1.0, 1.1), point("best of", 4, 0.9, 0.5)]
    points["swissroll", "oracle"] += [point("naive", 1, 0.5, 0.6), point("best of", 4, 0.5, 1.0)]
    text = frontier_2d.answer(points)
    assert text.startswith("On swissroll the exact log ratio in the place of the trained $D$ puts these methods ")
    assert "nearer: naive; farther: DOT; undecided: best of. The words are" in text  # DDLS refused with D
    points["swissroll", "oracle"][1] = point("DOT", 20, 0.1, 0.3)
    changed = frontier_2d.answer(points)
    assert "nearer: DOT, naive; farther: none; undecided: best of." in changed and "*one training*" in changed


def test_the_figure_has_changes_to_bare_and_says_who_refused(points):
    panels = frontier_2d.changes(points)
    assert list(panels) == ["swissroll"] and set(panels["swissroll"]) == {"DOT", "DDLS"}
    assert panels["swissroll"]["DDLS"]["D"] == "refused"
    mean, (low, high) = panels["swissroll"]["DOT"]["D"]
    assert (mean, low, high) == pytest.approx((-0.2, -0.2, -0.2))
    assert panels["swissroll"]["DDLS"]["oracle"][0] == pytest.approx(-0.7)
