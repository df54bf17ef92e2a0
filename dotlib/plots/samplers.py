"""Figures of a comparison of samplers: frontiers, and reliability of a discriminator."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dotlib.errors import check_count
from dotlib.evaluation.comparison import Point
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.plots import style
from dotlib.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from dotlib.samplers.calibration import Reliability

EVALUATIONS = "evaluations"  # of networks for a sample, as the name of an axis
LOOKS = {  # colour and mark of each method; others take the rest in turn
    "bare": (BLACK, "o"),
    "DOT": (VERMILION, "o"),
    "DOT exact": (VERMILION, "s"),
    "naive": (GREEN, "o"),
    "DRS": (SKY, "^"),
    "OBRS": (BLUE, "^"),
    "MH-GAN": (BLUE, "v"),
    "DDLS": (ORANGE, "D"),
    "DGflow KL": (PURPLE, "o"),
    "DGflow JS": (PURPLE, "s"),
    "DGflow logD": (PURPLE, "^"),
}
OTHERS = ((BLACK, "P"), (BLACK, "X"), (BLACK, "*"))
LOGARITHMIC = (EVALUATIONS, "fid", "emd_sqeuclidean", "emd_euclidean")  # a scale and no sign
Change = tuple[float, tuple[float, float]]  # mean of a paired difference, and its interval


@style.figure
def frontier(
    comparisons: Mapping[str, Sequence[Point]], axes: Sequence[tuple[str, str]], floor: Mapping[str, float]
) -> Figure:
    """One panel for each comparison, by its title, and (x, y), names of scores or EVALUATIONS; a line for each method.

    A line goes along the settings of its method; bars are 95 % t-intervals over the sets. The floor has the scores of
    real data in the samples' place, name -> value.
    """
    panels = [(title, points, x, y) for title, points in comparisons.items() for x, y in axes]
    check_count("panels", len(panels))
    size, shared = (4.2 * len(panels), 4.0), len(axes) == 1
    figure, grid = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharex=shared, sharey=shared)
    for axis, (title, points, x, y) in zip(grid[0], panels, strict=True):
        drawn = [point for point in points if not point.refused]
        for method, (colour, mark) in looks(drawn).items():
            places = np.array([[_place(p, x), _place(p, y)] for p in drawn if p.method == method])  # (points, 2, 2)
            (x_mean, x_half), (y_mean, y_half) = places.transpose(1, 2, 0)
            look = {"color": colour, "marker": mark, "markersize": 5, "linewidth": 1, "elinewidth": 0.8}
            axis.errorbar(x_mean, y_mean, xerr=x_half, yerr=y_half, label=method, **look)
        if x in floor and y in floor:
            axis.plot(floor[x], floor[y], "*", markersize=12, color=BLACK, label="real")
        elif y in floor:
            axis.axhline(floor[y], color=BLACK, linestyle="--", linewidth=1, label="real")
        axis.set(xlabel=_name(x), ylabel=_name(y), title=title)
        axis.set(xscale="log" if x in LOGARITHMIC else "linear", yscale="log" if y in LOGARITHMIC else "linear")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def looks(points: Sequence[Point]) -> dict[str, tuple[str, str]]:
    """Method -> (colour, mark), in the order of the points."""
    spare = iter(OTHERS * len(points))
    methods = dict.fromkeys(point.method for point in points)
    return {method: LOOKS[method] if method in LOOKS else next(spare) for method in methods}


@style.figure
def reliability(tables: Mapping[str, Mapping[str, Reliability]]) -> Figure:
    """A panel for each discriminator, a line for each calibration that it has, by its bins; the diagonal is right."""
    check_count("tables: panels", len(tables))
    columns = min(len(tables), 3)
    rows = -(-len(tables) // columns)
    size = (3.4 * columns, 3.4 * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for axis in grid.flat[len(tables) :]:
        axis.set_visible(False)
    for axis in grid.flat[max(0, len(tables) - columns) : len(tables)]:
        axis.tick_params(labelbottom=True)  # nothing is below it
    colours = _colours(tables.values())
    for axis, (title, lines) in zip(grid.flat, tables.items(), strict=False):
        axis.plot([0, 1], [0, 1], color=BLACK, linewidth=0.8)
        for name, bins in lines.items():
            axis.plot(bins.predicted, bins.observed, "o-", markersize=4, color=colours[name], label=name)
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=title)
    figure.supxlabel("predicted probability of being real")
    figure.supylabel("share of real samples")
    _legend(figure, grid.flat)
    return figure


@style.figure
def changes(panels: Mapping[str, Mapping[str, Mapping[str, Change | str]]], *, unit: str) -> Figure:
    """Pair -> method -> calibration -> (mean, its interval), or a word to be written at zero: panels, places, marks."""
    check_count("panels", len(panels))
    figure, grid = plt.subplots(1, len(panels), figsize=(3.4 * len(panels), 3.4), sharey=True, squeeze=False)
    colours = _colours(marks for methods in panels.values() for marks in methods.values())
    for axis, (title, methods) in zip(grid[0], panels.items(), strict=True):
        axis.axvline(0, color=BLACK, linewidth=0.8)
        for place, marks in enumerate(methods.values()):
            for step, (name, colour) in enumerate(colours.items()):
                _change(axis, marks[name], place + 0.22 * (step - (len(colours) - 1) / 2), name, colour)
        axis.set(title=title, yticks=range(len(methods)), yticklabels=list(methods))
    grid[0][0].invert_yaxis()  # shared
    figure.supxlabel(unit)
    _legend(figure, grid.flat)
    return figure


def _change(axis: Axes, shown: Change | str, y: float, name: str, colour: str) -> None:
    if isinstance(shown, str):
        axis.annotate(shown, (0, y), color=colour, fontsize=9, va="center")
        return
    mean, (low, high) = shown
    bar = [[mean - low], [high - mean]]
    axis.errorbar(mean, y, xerr=bar, fmt="o", markersize=4, color=colour, elinewidth=1, label=name)


def _colours(lines: Iterable[Iterable[str]]) -> dict[str, str]:
    """Name -> colour, the same in every panel."""
    names = dict.fromkeys(name for names in lines for name in names)
    return dict(zip(names, (VERMILION, BLUE, GREEN, ORANGE, PURPLE), strict=False))


def _legend(figure: Figure, axes: Iterable[Axes]) -> None:
    """Every label once, above; the name of the common axis is below."""
    entries = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside upper center", ncols=3)


def _place(point: Point, name: str) -> tuple[float, float]:
    """Mean and half of the 95 % interval over sets."""
    if name == EVALUATIONS:
        return point.evaluations(), 0.0
    values = np.asarray(point.scores[name])
    if len(values) == 1:
        return float(values[0]), 0.0
    mean, (_, high) = intervals.interval(values, np.zeros(len(values)))
    return mean, high - mean


def _name(quantity: str) -> str:
    return "evaluations a sample" if quantity == EVALUATIONS else SCORES[quantity].label
