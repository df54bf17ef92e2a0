"""Figures of samplers: a line for each method, a panel for each comparison. Kinds of test: identities."""

import numpy as np

from dotlib.evaluation.comparison import Point
from dotlib.plots import samplers as sampler_plots
from dotlib.samplers.base import Cost
from dotlib.samplers.calibration import Reliability

BINS = Reliability(*(np.array([0.25, 0.75]) for _ in range(3)), np.array([5, 5]))


def point(method, setting, fid, is_mean=(5.0, 5.1, 5.2)):
    scores = {"fid": list(fid), "is_mean": list(is_mean)}
    return Point(method, setting, scores, [Cost(3, 2, 1, 0.5)] * 3, [Cost()] * 3, [])


POINTS = [
    point("bare", 1, (30.0, 31.0, 32.0)),
    point("DOT", 20, (25.0, 26.5, 27.0), (5.5, 5.6, 5.9)),
    point("MH-GAN", 500, (29.0, 30.5, 30.0), (5.4, 5.5, 5.9)),
    point("best of", 4, (28.0, 29.0, 30.0)),
]


def test_comparisons_share_axes_and_distances_are_logarithmic():
    points = [Point("bare", 1, {"emd_euclidean": [0.1, 0.2]}, [Cost(1)] * 2, [Cost()] * 2, [])]
    axes, floor = [("evaluations", "emd_euclidean")], {"emd_euclidean": 0.05}
    figure = sampler_plots.frontier({"D": points, "oracle": points}, axes, floor)
    left, right = figure.axes
    assert [axis.get_title() for axis in figure.axes] == ["D", "oracle"]
    assert left.get_ylim() == right.get_ylim()
    assert left.get_xscale() == left.get_yscale() == "log"


def test_figures_have_a_line_for_each_method_and_its_intervals():
    figure = sampler_plots.frontier({"": POINTS}, [("evaluations", "fid"), ("is_mean", "fid")], {"fid": 3.0})
    first, second = figure.axes
    assert first.get_xscale() == "log" and second.get_xscale() == "linear"
    assert [c.get_label() for c in first.containers] == ["bare", "DOT", "MH-GAN", "best of"]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"bare", "DOT", "MH-GAN", "best of", "real"}
    assert sampler_plots.looks(POINTS)["best of"] not in sampler_plots.LOOKS.values()


def test_only_the_last_panel_of_a_column_has_numbers_below_it():
    panels = sampler_plots.reliability({f"D {i}": {"as trained": BINS} for i in range(5)})
    assert [a.get_title() for a in panels.axes if a.get_visible()] == [f"D {i}" for i in range(5)]
    shown = [a.xaxis.get_major_ticks()[0].label1.get_visible() for a in panels.axes[:5]]
    assert shown == [False, True, True, True, True]  # the last of every column


def test_a_map_that_is_missing_in_one_panel_keeps_its_colour_in_the_others():
    figure = sampler_plots.reliability(
        {"A": {"raw": BINS, "isotonic": BINS}, "B": {"raw": BINS, "logistic": BINS, "isotonic": BINS}}
    )
    colours = [{line.get_label(): line.get_color() for line in axis.lines[1:]} for axis in figure.axes]
    assert colours[0].items() <= colours[1].items() and len(set(colours[1].values())) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["raw", "isotonic", "logistic"]


SCORES = {"fid": 30.0, "is_mean": 5.0, "precision": 0.5, "recall": 0.4, "density": 0.6, "coverage": 0.7}


def scored(method, setting, evaluations, refused="", **changes):
    scores = {} if refused else {name: [v, v + 0.25, v + 0.5] for name, v in (SCORES | changes).items()}
    costs = [] if refused else [Cost(evaluations)] * 3
    return Point(method, setting, scores, costs, costs, [], refused)


def test_the_scatter_has_every_point_at_every_choice_of_axes_and_says_its_setting():
    points = [scored("bare", 1, 1), scored("DOT", 10, 21, fid=20.0), scored("DOT", 20, 41, fid=22.0)]
    points.append(scored("MH-GAN", 500, 999, refused="no"))
    shown = sampler_plots.scatter(points, SCORES | {"fid": 3.0})
    choices, marks = sampler_plots.CHOICES, {m.label: m for m in shown.panels[0].marks if m.kind == "points"}
    assert list(marks) == ["bare", "DOT", "real"] and shown.switches
    values, fid, price = np.asarray(marks["DOT"].values), choices.index("fid"), choices.index("evaluations")
    assert values[price, fid].tolist() == [[21, 20.25], [41, 22.25]]
    assert values[fid, price].tolist() == [[20.25, 21], [22.25, 41]]
    assert [name.partition(":")[0] for name in marks["DOT"].names] == ["DOT, 10", "DOT, 20"]
    assert "DOT, 20: 41 evaluations, FID 22.25, " in marks["DOT"].names[1]
    assert np.isnan(np.asarray(marks["real"].values)[price, fid]).any()  # real images have no price
    assert np.asarray(marks["real"].values)[fid, choices.index("recall"), 0].tolist() == [3.0, 0.4]
    level = next(m for m in shown.panels[0].marks if m.label == "real" and m.kind == "line")
    assert np.asarray(level.values)[price, fid, :, 1].tolist() == [3.0, 3.0]
    assert np.asarray(level.values)[fid, price, :, 0].tolist() == [3.0, 3.0]
    assert np.isnan(np.asarray(level.values)[fid, fid]).all()
    line, bars = (m for m in shown.panels[0].marks if m.label == "DOT" and m.kind == "line")
    across = np.asarray(bars.values)[fid, price][:2]
    half = 4.302653 * 0.25 / 3**0.5  # t at 97.5 % with two degrees of freedom
    assert np.allclose(across, [[20.25 - half, 21], [20.25 + half, 21]], atol=1e-5)
    assert np.array_equal(line.values, values)
    for axes in (shown.panels[0].xaxes, shown.panels[0].yaxes):
        at = axes.labels.index("FID")
        assert axes.scales[at] == "log" and axes.limits[at][0] < 3.0 and axes.limits[at][1] > 30.25
