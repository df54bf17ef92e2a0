"""Figures of a contest of samplers: frontiers, and reliability of a discriminator."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy import stats

from dotlib import plots
from dotlib.calibration import Reliability
from dotlib.errors import check_count
from dotlib.frontier import Point
from dotlib.plots import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from dotlib.sampler_reporting import QUANTITIES

EVALUATIONS = "evaluations"  # of networks for a sample, as the name of an axis
LOOKS = {  # colour and mark of each method; others take the rest in turn
    "bare": (BLACK, "o"), "DOT": (VERMILION, "o"), "DOT exact": (VERMILION, "s"),
    "naive": (GREEN, "o"), "DRS": (SKY, "^"), "OBRS": (BLUE, "^"), "MH-GAN": (BLUE, "v"),
    "DDLS": (ORANGE, "D"), "DGflow KL": (PURPLE, "o"), "DGflow JS": (PURPLE, "s"),
    "DGflow logD": (PURPLE, "^"),
}
OTHERS = ((BLACK, "P"), (BLACK, "X"), (BLACK, "*"))


def frontier(points: Sequence[Point], axes: Sequence[tuple[str, str]], *,
             floor: Mapping[str, float] | None = None) -> Figure:
    """One panel for each pair of quantities, one line for each method along its dial.

    axes:   (x, y) of each panel: names of scores, or EVALUATIONS.
    floor:  score of real data in the samples' place: name -> value.
    Bars are 95 % t-intervals over the sets.
    """
    check_count("axes: panels", len(axes))
    with plots.style():
        figure, grid = plt.subplots(1, len(axes), figsize=(4.2 * len(axes), 4.0), squeeze=False)
        for axis, (x, y) in zip(grid[0], axes, strict=True):
            for method, look in looks(points).items():
                _line(axis, [p for p in points if p.method == method], x, y, method, *look)
            _floor(axis, x, y, floor or {})
            axis.set(xlabel=_name(x), ylabel=_name(y))
            if x == EVALUATIONS:
                axis.set_xscale("log")
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        plt.close(figure)
        return figure


def looks(points: Sequence[Point]) -> dict[str, tuple[str, str]]:
    """Method -> (colour, mark), in the order of the points."""
    spare = iter(OTHERS * len(points))
    return {method: LOOKS[method] if method in LOOKS else next(spare)
            for method in dict.fromkeys(point.method for point in points)}


def reliability(tables: Mapping[str, Mapping[str, Reliability]]) -> Figure:
    """One panel for each discriminator, one line for each calibration; the diagonal is right.

    tables:  panel -> (line -> its bins).
    """
    check_count("tables: panels", len(tables))
    with plots.style():
        columns = min(len(tables), 3)
        rows = -(-len(tables) // columns)
        figure, grid = plt.subplots(rows, columns, figsize=(3.4 * columns, 3.4 * rows),
                                    sharex=True, sharey=True, squeeze=False)
        for axis in grid.flat[len(tables):]:
            axis.set_visible(False)
        for axis, (title, lines) in zip(grid.flat, tables.items(), strict=False):
            axis.plot([0, 1], [0, 1], color=BLACK, linewidth=0.8)
            for (name, bins), colour in zip(lines.items(), (VERMILION, BLUE, GREEN),
                                            strict=False):
                axis.plot(bins.predicted, bins.observed, "o-", markersize=4, color=colour,
                          label=name)
            axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=title)
        figure.supxlabel("predicted probability of being real")
        figure.supylabel("share of real samples")
        figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside lower center",
                      ncols=3)
        plt.close(figure)
        return figure


def _line(axis: plt.Axes, points: Sequence[Point], x: str, y: str, label: str, colour: str,
          mark: str) -> None:
    centre, half = _centres(points, x, y)
    axis.errorbar(*centre, xerr=half[0], yerr=half[1], color=colour, marker=mark, markersize=5,
                  linewidth=1, elinewidth=0.8, label=label)


def _centres(points: Sequence[Point], x: str, y: str) -> tuple[np.ndarray, np.ndarray]:
    """Means and half intervals of both quantities: (2, points) each."""
    found = np.array([[_place(point, name) for point in points] for name in (x, y)])
    return found[..., 0], found[..., 1]


def _place(point: Point, name: str) -> tuple[float, float]:
    """Mean and half of the 95 % interval over sets."""
    if name == EVALUATIONS:
        return point.evaluations(), 0.0
    values = np.asarray(point.scores[name])
    if len(values) == 1:
        return float(values[0]), 0.0
    return float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1)
                                       * values.std(ddof=1) / np.sqrt(len(values)))


def _floor(axis: plt.Axes, x: str, y: str, floor: Mapping[str, float]) -> None:
    if x in floor and y in floor:
        axis.plot(floor[x], floor[y], "*", markersize=12, color=BLACK, label="real")
    elif y in floor:
        axis.axhline(floor[y], color=BLACK, linestyle="--", linewidth=1, label="real")


def _name(quantity: str) -> str:
    return "evaluations a sample" if quantity == EVALUATIONS else QUANTITIES[quantity][0]
