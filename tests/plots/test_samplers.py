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
    panels = sampler_plots.reliability({f"D {i}": {"as trained": BINS} for i in range(4)})
    assert [a.get_title() for a in panels.axes if a.get_visible()] == [f"D {i}" for i in range(4)]
    shown = [a.xaxis.get_major_ticks()[0].label1.get_visible() for a in panels.axes[:4]]
    assert shown == [False, True, True, True]  # the last of every column


def test_a_map_that_is_missing_in_one_panel_keeps_its_colour_in_the_others():
    figure = sampler_plots.reliability(
        {"A": {"raw": BINS, "isotonic": BINS}, "B": {"raw": BINS, "logistic": BINS, "isotonic": BINS}}
    )
    colours = [{line.get_label(): line.get_color() for line in axis.lines[1:]} for axis in figure.axes]
    assert colours[0].items() <= colours[1].items() and len(set(colours[1].values())) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["raw", "isotonic", "logistic"]
