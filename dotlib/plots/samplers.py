"""Figures of a comparison of samplers: frontiers, and reliability of a discriminator."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dotlib.errors import check_count
from dotlib.evaluation.comparison import Point
from dotlib.evaluation.comparison_tables import label_of
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.plots import style
from dotlib.plots.interactive import Control, Interactive, Mark, Panel, Scales
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
SHAPES = {"o": "circle", "s": "square", "^": "triangle", "v": "cross", "D": "diamond", "P": "cross", "X": "cross"}
TEXT = "currentColor"  # black on a light page, and light on a dark one
CHOICES = (EVALUATIONS, "fid", "is_mean", "precision", "recall", "density", "coverage")  # axes of `scatter`
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


def scatter(points: Sequence[Point], floor: Mapping[str, float]) -> Interactive:
    """The same for one comparison, on axes that a reader chooses, with methods that a reader switches off.

    Each point is called by its method, setting and scores. Points are of images, which have the scores of CHOICES.
    """
    drawn = [point for point in points if not point.refused]
    limits = tuple(_limits(name, [_place(point, name)[0] for point in drawn], floor) for name in CHOICES)
    marks: list[Mark] = []
    for method, (paint, mark) in looks(drawn).items():
        colour = TEXT if paint == BLACK else paint
        of_method = [point for point in drawn if point.method == method]
        places = np.array([[_place(point, name) for name in CHOICES] for point in of_method])  # (points, choices, 2)
        mean, half = places.transpose(2, 1, 0)  # (choices, points)
        low, high = np.maximum(mean - half, np.array(limits)[:, :1]), mean + half
        gap = np.full_like(mean, np.nan)
        across, up = (np.stack(of, 2).reshape(len(CHOICES), -1) for of in _cross(mean, low, high, gap))
        marks.append(Mark("line", _pairs(mean, mean), ("x", "y"), method, colour, 1))
        marks.append(Mark("line", _pairs(across, up), ("x", "y"), method, colour, 1, opacity=0.6))
        names = tuple(map(_told, of_method))
        look = {"names": names, "shape": SHAPES.get(mark, "star")}
        marks.append(Mark("points", _pairs(mean, mean), ("x", "y"), method, colour, 8, **look))
    marks += _real(floor, limits[0])
    labels, scales = tuple(map(_name, CHOICES)), tuple("log" if c in LOGARITHMIC else "linear" for c in CHOICES)
    xaxes, yaxes = (Scales(by, labels, limits, scales) for by in ("x", "y"))
    whole = limits[0]  # of a panel whose axes are chosen
    panel = Panel("", tuple(marks), whole, whole, size=(560, 400), xaxes=xaxes, yaxes=yaxes)
    return Interactive(
        "frontier-scatter",
        f"{len(drawn)} settings of {len(looks(drawn))} methods as points joined by lines, with bars for 95 % intervals "
        "over sets. Two lists choose the axes; the legend switches methods off. A table below has the numbers.",
        (Control("x", "horizontal", labels), Control("y", "vertical", labels, start=CHOICES.index("fid"))),
        (panel,),
        switches=True,
    )


def _told(point: Point) -> str:
    """A point under the pointer or with the focus: method and setting, price, and scores."""
    shown = (f"{_name(name)} {_place(point, name)[0]:.{SCORES[name].digits}f}" for name in CHOICES[1:])
    return f"{label_of(point)}: {point.evaluations():,.0f} evaluations, {', '.join(shown)}"


def _cross(mean: np.ndarray, low: np.ndarray, high: np.ndarray, gap: np.ndarray) -> tuple[list, list]:
    """Both coordinates of a cross over each interval, cut between its two lines and behind it."""
    return [low, high, gap, mean, mean, gap], [mean, mean, gap, low, high, gap]


def _pairs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(choices, n) each -> (choices, choices, n, 2): every choice of x with every choice of y."""
    return np.stack(np.broadcast_arrays(x[:, None], y[None]), axis=-1)


def _limits(name: str, values: Sequence[float], floor: Mapping[str, float]) -> tuple[float, float]:
    """Ends of an axis that has these values and those of real data a little inside."""
    shown = [*values, *([floor[name]] if name in floor else [])]
    if name in LOGARITHMIC:
        return 0.8 * min(shown), 1.25 * max(shown)
    space = 0.08 * (max(shown) - min(shown)) or 0.1
    return min(shown) - space, max(shown) + space


def _real(floor: Mapping[str, float], prices: tuple[float, float]) -> tuple[Mark, Mark]:
    """Real data in the samples' place: a point where both axes are scores, else a line, since they have no price."""
    values = np.array([[floor.get(name, np.nan)] for name in CHOICES])
    ends = np.full((len(CHOICES), len(CHOICES), 2, 2), np.nan)
    ends[0, 1:, :, 0] = ends[1:, 0, :, 1] = prices
    ends[0, 1:, :, 1] = ends[1:, 0, :, 0] = values[1:]
    name = ", ".join(f"{_name(c)} {floor[c]:.{SCORES[c].digits}f}" for c in CHOICES if c in floor)
    look = {"names": (f"real: {name}",), "shape": "star"}
    line = Mark("line", ends, ("x", "y"), "real", TEXT, 1, dashes="4 3")
    return line, Mark("points", _pairs(values, values), ("x", "y"), "real", TEXT, 11, **look)


def looks(points: Sequence[Point]) -> dict[str, tuple[str, str]]:
    """Method -> (colour, mark), in the order of the points."""
    spare = iter(OTHERS * len(points))
    methods = dict.fromkeys(point.method for point in points)
    return {method: LOOKS[method] if method in LOOKS else next(spare) for method in methods}


@style.figure
def reliability(tables: Mapping[str, Mapping[str, Reliability]]) -> Figure:
    """A panel for each discriminator, a line for each calibration that it has, by its bins; the diagonal is right."""
    check_count("tables: panels", len(tables))
    columns = min(len(tables), 4)
    rows = -(-len(tables) // columns)
    size = (2.8 * columns, 2.9 * rows)
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
