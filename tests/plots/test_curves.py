"""Curves, intervals and matrices: that the numbers passed in are drawn, and can be read.

Kinds of test: identities, closed forms (contrast).
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from dotlib.plots import curves as curve_plots


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    """A page shows what a cell returns; a figure left open would be shown a second time."""
    yield
    assert plt.get_fignums() == []


def test_intervals_and_curves_show_their_names():
    figure = curve_plots.intervals({"one": (-1, 0, 1), "two": (1, 2, 3)}, unit="EMD", reference=0)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["one", "two"]
    ratios = curve_plots.intervals({"one": (0.5, 1, 2)}, unit="ratio", reference=1, log_x=True)
    assert (figure.axes[0].get_xscale(), ratios.axes[0].get_xscale()) == ("linear", "log")
    figure = curve_plots.lines(
        [1, 10],
        {"a": np.array([1, 2])},
        bands={"a": np.array([0.1, 0.1])},
        xlabel="pairs",
        ylabel="K",
        log_x=True,
        marks={"paper": 1.5},
    )
    assert figure.axes[0].get_xscale() == "log"
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["a"]


def test_paths_go_from_small_marks_to_large_ones_and_a_single_point_is_a_star():
    figure = curve_plots.paths(
        {"squared": ([0.8, 0.7, 0.2], [0.6, 0.7, 0.9]), "real": ([0.9], [0.95])}, xlabel="recall", ylabel="P"
    )
    (axis,) = figure.axes
    way, star = axis.lines
    assert way.get_xydata().tolist() == [[0.8, 0.6], [0.7, 0.7], [0.2, 0.9]] and star.get_marker() == "*"
    (marks,) = axis.collections
    assert marks.get_offsets().tolist() == [[0.7, 0.7], [0.2, 0.9]] and marks.get_sizes()[0] < marks.get_sizes()[1]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["squared", "real"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("recall", "P")


def test_gains_are_whole_where_named_and_others_may_leave_the_panel():
    """By hand: from 0 to 1 across and to 0.2 up, with 30 % of room on the left and below; -9 is out of sight."""
    line = pd.DataFrame({"rise": [1.0], "gain": [0.1], "low": [0.0], "high": [0.2]})
    far = pd.DataFrame({"rise": [-3.0], "gain": [-9.0], "low": [-10.0], "high": [-8.0]})
    panels = {"FID": {"DOT": line, "truncation": far}, "coverage": {"DOT": line}}
    figure = curve_plots.rises(panels, whole=["DOT"], xlabel="rise", ylabel="gain")
    axis = figure.axes[0]
    assert axis.get_xlim() == pytest.approx((-0.3, 1.05)) and axis.get_ylim() == pytest.approx((-0.06, 0.22))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["DOT", "truncation"]
    assert axis.lines[0].get_xydata().tolist() == [[0.0, 0.0], [1.0, 0.1]]


def test_bars_of_two_groups_stand_beside_each_other_at_their_label():
    (axis,) = curve_plots.bars({"a": [1, 2, 3], "b": [4, 5, 6]}, ["x", "y", "z"], xlabel="label", ylabel="k").axes
    found = {(round(bar.get_x() + bar.get_width() / 2), bar.get_height()) for bar in axis.patches}
    assert found == {(0, 1), (1, 2), (2, 3), (0, 4), (1, 5), (2, 6)}
    spans = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches)
    assert all(end <= start + 1e-9 for (_, end), (start, _) in itertools.pairwise(spans))
    assert [t.get_text() for t in axis.get_xticklabels()] == ["x", "y", "z"]


def test_histories_draw_each_quantity_in_a_panel_of_its_own():
    x = [0, 10, 20]
    panels = {
        "FID": (
            "squared feature units",
            {"dot": (x, np.array([3.0, 2, 1]), np.ones(3)), "naive": (x, np.array([3.0, 4, 5]), np.zeros(3))},
        ),
        "IS": ("inception score", {"dot": (x[:2], np.array([7.0, 8]), np.ones(2))}),
    }
    figure = curve_plots.histories(panels, xlabel="updates")
    for axis, (title, (unit, lines)) in zip(figure.axes, panels.items(), strict=True):
        assert (axis.get_title(), axis.get_ylabel(), axis.get_xlabel()) == (title, unit, "updates")
        assert [line.get_label() for line in axis.lines] == list(lines)
        for line, band, (xs, mean, half) in zip(axis.lines, axis.collections, lines.values(), strict=True):
            assert np.array_equal(line.get_xydata(), np.stack([xs, mean], 1)) is True
            heights = band.get_paths()[0].vertices[:, 1]
            assert heights.min() == (mean - half).min() and heights.max() == (mean + half).max()
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert len(set(colours)) == 2 and figure.axes[1].lines[0].get_color() == colours[0]


def test_more_than_three_histories_stand_in_two_rows_and_leave_no_empty_axes():
    line = {"dot": ([0, 1], np.ones(2), np.zeros(2))}
    widths = {}
    for n in (3, 4, 5):
        figure = curve_plots.histories({str(i): ("unit", line) for i in range(n)}, xlabel="updates")
        assert [axis.get_title() for axis in figure.axes] == [str(i) for i in range(n)]
        rows = len({round(axis.get_position().y0, 2) for axis in figure.axes})
        assert rows == (1 if n == 3 else 2)
        widths[n] = figure.get_figwidth()
    assert widths[4] < widths[3] == widths[5]


def test_strips_draw_each_value_beside_the_others_of_its_group():
    """Values in the order given, no strip reaching into another, a name once in the legend, a line at 0."""
    groups = {"0.1": {"a": [1.0, -2.0], "b": [3.0]}, "3": {"a": [4.0, 5.0], "b": [6.0]}}
    figure = curve_plots.strips(groups, xlabel="scale", ylabel="gap")
    (axis,) = figure.axes
    *drawn, zero = axis.lines
    assert [line.get_ydata().tolist() for line in drawn] == [[1, -2], [3], [4, 5], [6]] and set(zero.get_ydata()) == {0}
    spans = [(line.get_xdata().min(), line.get_xdata().max()) for line in drawn]
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))
    assert [round(sum(span) / 2) for span in spans] == [0, 0, 1, 1]
    assert [text.get_text() for text in axis.get_xticklabels()] == list(groups) and axis.get_yscale() == "symlog"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_strips_on_a_linear_axis_have_their_dashed_lines():
    figure = curve_plots.strips({"x": {"a": [3.0]}}, xlabel="", ylabel="z", dashed=(-2, 2), linear=True)
    (axis,) = figure.axes
    assert axis.get_yscale() == "linear" and [line.get_ydata()[0] for line in axis.lines] == [3, 0, -2, 2]


def test_spreads_draw_each_value_and_both_intervals_in_their_row():
    one, two = (np.array([-1.0, 0.5]), (-2.0, -0.25, 1.5), None), (np.array([2.0]), (1.0, 2.0, 3.0), (0.5, 0.75, 1.0))
    figure = curve_plots.spreads({"a": {"x": one, "y": two}, "b": {"x": two, "y": two}}, xlabel="difference", columns=2)
    first, second = figure.axes
    assert (first.get_title(), second.get_title(), first.get_xlabel()) == ("a", "b", "difference")
    assert [text.get_text() for text in first.get_yticklabels()] == ["x", "y"]
    drawn = [line.get_xydata() for line in first.lines]
    assert drawn[0].tolist() == [[-1, 0], [0.5, 0]] and drawn[3].tolist() == [[2, 1]]  # values in their rows
    assert [line[:, 0].tolist() for line in drawn[1:3]] == [[-2, 1.5], [-0.25]]  # an interval and its middle
    assert [line[:, 0].tolist() for line in drawn[6:8]] == [[0.5, 1], [0.75]]  # of a single one
    assert all(abs(line[0, 1]) < 0.5 for line in drawn[1:3]) and all(abs(line[0, 1] - 1) < 0.5 for line in drawn[4:8])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["one training", "over trainings", "one pair, over trials"]
    assert curve_plots.spreads({}, xlabel="difference").axes  # before there are trainings


VALUES = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 9.0]])


@pytest.mark.parametrize("centre", [None, 2.0])
def test_a_matrix_shows_its_numbers_and_leaves_gaps_white(centre):
    marked = VALUES > 3.5
    figure = curve_plots.matrix(VALUES, ["G", "H"], ["a", "b", "c"], unit="FID", centre=centre, marked=marked)
    axis = figure.axes[0]
    texts = {(t.get_position()[1], t.get_position()[0]): t for t in axis.texts}
    assert {key: text.get_text() for key, text in texts.items()} == {
        (0, 0): "1.00",
        (0, 1): "2.00",
        (1, 0): "3.00",
        (1, 1): "4.00",
        (1, 2): "9.00",
    }
    bold = {key for key, text in texts.items() if text.get_weight() == "bold"}
    assert bold == {(1, 1), (1, 2)}
    assert [t.get_text() for t in axis.get_xticklabels()] == ["a", "b", "c"]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["G", "H"]
    assert figure.axes[1].get_ylabel() == "FID"
    low, high = axis.get_images()[0].get_clim()
    if centre is None:
        assert (low, high) == (1, 9)
    else:
        assert high - centre == centre - low == 7  # the middle colour is the centre


def contrast(first, second):
    """WCAG contrast of two colours, 1 to 21."""

    def luminance(colour):
        rgb = np.array(plt.matplotlib.colors.to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("centre", [None, 0.0])
def test_the_numbers_of_a_matrix_can_be_read_on_their_cells(centre):
    """3 to 1 is what WCAG 2 asks of large text."""
    values = np.linspace(-1, 1, 21)[None]
    figure = curve_plots.matrix(values, ["G"], [str(i) for i in range(21)], unit="", centre=centre)
    (image,) = figure.axes[0].get_images()
    for text in figure.axes[0].texts:
        cell = image.cmap(image.norm(values[0, int(text.get_position()[0])]))
        assert contrast(text.get_color(), cell[:3]) > 3, text.get_text()


def test_a_matrix_of_one_value_needs_no_scale():
    figure = curve_plots.matrix(np.full((2, 2), 5.0), ["a", "b"], ["c", "d"], unit="", centre=5.0)
    assert {t.get_text() for t in figure.axes[0].texts} == {"5.00"}
    assert np.isfinite(figure.axes[0].get_images()[0].get_clim()).all()


def test_clouds_draw_every_point_and_join_only_where_asked():
    panels = {"along": {"a": ([1, 2], [3, 4])}, "ends": {"a": ([1], [3]), "b": ([5, 6], [7, 8])}}
    first, second = curve_plots.clouds(panels, xlabel="L", ylabel="FID", joined=("along",)).axes
    assert [line.get_linestyle() for line in (*first.lines, *second.lines)] == ["-", "None", "None"]
    assert [list(line.get_xydata()[-1]) for line in second.lines] == [[1, 3], [6, 8]]
    assert first.get_yscale() == "log" and [t.get_text() for t in second.get_legend().get_texts()] == ["a", "b"]


def test_a_panel_with_other_curves_has_a_legend_of_its_own():
    line = [0, 1], np.zeros(2), np.zeros(2)
    axes = curve_plots.histories(
        {"A": ("", {"x": line}), "B": ("", {"x": line}), "C": ("", {"y": line})}, xlabel="t"
    ).axes
    assert [axis.get_legend() is not None for axis in axes] == [True, False, True]


def test_a_forest_has_a_line_a_row_and_its_claims_side_shaded():
    panels = {"FID": {"a": (-2.0, -1.0, 0.5), "b": (1.0, 2.0, 3.0)}, "IS": {"a": (0.0, 0.1, 0.2), "b": (0.1, 0.2, 0.3)}}
    points = {title: {row: [middle] for row, (_, middle, _) in rows.items()} for title, rows in panels.items()}
    figure = curve_plots.forest(panels, points, shaded={"FID": -1})
    fid, other = figure.axes
    assert [label.get_text() for label in fid.get_yticklabels()] == ["b", "a"]
    assert fid.get_xlim()[0] == -fid.get_xlim()[1] and abs(fid.get_xlim()[0]) >= 3
    spans = [patch.get_extents().width for patch in fid.patches], len(other.patches)
    assert len(spans[0]) == 1 and spans[1] == 0


def test_slacks_show_the_pairs_near_the_plan_and_the_plan_above_them():
    rises, distances = np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([[1.0, 1.0], [9.0, 1.5]])
    axis = curve_plots.slacks(rises, distances, np.array([[False, True], [False, False]])).axes[0]
    assert sorted(map(tuple, axis.collections[0].get_offsets())) == [(-1, 1.5), (0, 1), (1, 1)]  # 9 is far
    assert axis.lines[1].get_xydata().tolist() == [[1, 1]] and axis.get_ylim() == (0, 1.6)


def test_slopes_are_densities_over_the_constant():
    axis = curve_plots.slopes({"a": np.linspace(0, 2, 100), "b": np.ones(9)}).axes[0]
    assert [line.get_xdata()[0] for line in axis.lines] == [1]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b"]
    assert all(0.9 < np.ptp(patch.get_xy()[:, 0]) < 2.1 for patch in axis.patches)
