"""Curves, intervals and matrices of numbers: arrays in, figures out."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from dotlib.plots import style
from dotlib.plots.style import BLACK, BLUE, CYCLE, GREEN, GREY, ORANGE, VERMILION

NEAR = 1e-3  # where a logarithmic axis with a 0 becomes linear
LUMA = np.array([0.299, 0.587, 0.114])  # perceived brightness of red, green, blue (BT.601)


@style.figure
def lines(
    x: Sequence[float],
    curves: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, np.ndarray] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """Curves over x, name -> (len(x),); a band has half its height, (len(x),), a mark is a dashed line at a height."""
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    for colour, (name, y) in zip(CYCLE, curves.items(), strict=False):
        axis.plot(x, y, "o-" if len(x) < 30 else "-", ms=4, color=colour, label=name)
        if bands and name in bands:
            _band(axis, x, y, bands[name], colour)
    for name, height in (marks or {}).items():
        axis.axhline(height, color=BLACK, lw=1, ls="--")
        axis.annotate(name, (1, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9)
    axis.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    axis.legend()
    return figure


@style.figure
def rises(
    panels: Mapping[str, Mapping[str, pd.DataFrame]], *, whole: Collection[str], xlabel: str, ylabel: str
) -> Figure:
    """Gains over the rise of D: title of the panel -> name -> lines with the columns rise, gain, low and high.

    Every curve begins at the bare samples, (0, 0). Two panels a row. A panel has the curves named in `whole` with their
    bands, and cuts others that go far beyond them.
    """
    rows = -(-len(panels) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(9.6, 3.5 * rows), squeeze=False)
    for axis, (title, curves) in zip(axes.flat, panels.items(), strict=True):
        for colour, (name, lines) in zip((*CYCLE, BLACK, GREY), curves.items(), strict=False):
            x, y, low, high = (
                np.insert(lines[column].to_numpy(), 0, 0.0) for column in ("rise", "gain", "low", "high")
            )
            axis.plot(x, y, "o-", ms=3, color=colour, label=name)
            axis.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        axis.axhline(0, color=BLACK, lw=0.6)
        shown = pd.concat([lines[["rise", "gain", "low", "high"]] for name, lines in curves.items() if name in whole])
        (left, right), (low, high) = (
            (min(0.0, ends.min().min()), max(0.0, ends.max().max()))
            for ends in (shown[["rise"]], shown[["gain", "low", "high"]])
        )
        axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
        axis.set(xlim=(left - 0.3 * (right - left), right + 0.05 * (right - left)))
        axis.set(ylim=(low - 0.3 * (high - low), high + 0.1 * (high - low)))
    handles = axes.flat[0].get_legend_handles_labels()
    figure.legend(*handles, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(handles[1]) // 2)
    return figure


@style.figure
def histories(
    panels: Mapping[str, tuple[str, Mapping[str, tuple[Sequence[float], ArrayLike, ArrayLike]]]], *, xlabel: str
) -> Figure:
    """Curves over updates, title of the panel -> (unit of the y axis, curve -> (x, mean, half height of the band)).

    A legend stands in the first panel, and in each whose curves are others. More than three panels stand in two rows.
    """
    rows = 1 if len(panels) <= 3 else 2
    columns = math.ceil(len(panels) / rows)
    figure, axes = plt.subplots(rows, columns, figsize=(3.7 * columns + 0.6, 3.6 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, (title, (unit, curves)) in zip(axes.flat, panels.items(), strict=False):
        for colour, (name, (x, mean, half)) in zip(CYCLE, curves.items(), strict=False):
            axis.plot(x, mean, "o-", ms=3, color=colour, label=name)
            _band(axis, x, mean, half, colour)
        axis.set(title=title, xlabel=xlabel, ylabel=unit)
        if axis is axes.flat[0] or list(curves) != list(next(iter(panels.values()))[1]):
            axis.legend(fontsize=9)
    return figure


@style.figure
def clouds(
    panels: Mapping[str, Mapping[str, tuple[ArrayLike, ArrayLike]]],
    *,
    xlabel: str,
    ylabel: str,
    joined: Collection[str] = (),
) -> Figure:
    """Points, title of the panel -> name -> (x, y), beside each other; in the joined panels a line goes through them.

    The y axis is logarithmic and common to all panels, the x axis logarithmic where it is not near 0.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.2), squeeze=False, sharey=True)
    for axis, (title, names) in zip(axes.flat, panels.items(), strict=True):
        looks = zip((*CYCLE, BLACK, GREY, BLUE, VERMILION), "oooooossss", strict=True)
        for (colour, mark), (name, (x, y)) in zip(looks, names.items(), strict=False):
            line = {"linestyle": "-" if title in joined else "", "linewidth": 0.8}
            axis.plot(x, y, marker=mark, markersize=4, color=colour, label=name, **line)
        axis.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale="log")
        axis.set_xscale("symlog", linthresh=NEAR)
        axis.legend(fontsize=8)
    return figure


@style.figure
def paths(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, xlabel: str, ylabel: str) -> Figure:
    """Ways through a plane, name -> (x, y), in order from a small mark to a large one; a single point is a star."""
    figure, axis = plt.subplots(figsize=(5.4, 4.6))
    for colour, (name, (x, y)) in zip((*CYCLE, BLACK, GREY), curves.items(), strict=False):
        if len(x) == 1:
            axis.plot(x, y, "*", ms=13, color=colour, label=name)
            continue
        axis.plot(x, y, "-", lw=1, color=colour, label=name)
        axis.scatter(x[1:], y[1:], s=np.linspace(15, 90, len(x) - 1), color=colour)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend()
    return figure


@style.figure
def descents(panels: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """A column for each descent: title -> objective (updates + 1, B), distance (B,), rise of D over k (B,).

    Above, the objective less its start: median, and band from 10 to 90 % of the rows. Below, gain against cost.
    """
    figure, axes = plt.subplots(2, len(panels), figsize=(3.3 * len(panels), 5.4), squeeze=False)
    for (top, below), (title, (objective, distance, gain)) in zip(axes.T, panels.items(), strict=True):
        low, middle, high = np.quantile(objective - objective[0], (0.1, 0.5, 0.9), axis=1)
        top.fill_between(range(len(middle)), low, high, color=BLUE, alpha=0.2, lw=0)
        top.plot(middle, color=BLUE)
        top.axhline(0, color=BLACK, lw=0.8, ls="--")
        top.set(title=title, xlabel="updates")
        ends = (0, 1.1 * max(distance.max(), 1e-3))
        below.plot(ends, ends, color=BLACK, lw=0.8, ls="--", label="gain = distance")
        below.plot(distance, gain, "o", ms=3, color=VERMILION)
        below.set(xlim=ends, xlabel="distance moved")
    axes[0, 0].set_ylabel("objective less its start")
    axes[1, 0].set_ylabel("rise of D, over k")
    axes[1, 0].legend(fontsize=8)
    return figure


@style.figure
def intervals(
    rows: Mapping[str, tuple[float, float, float]], *, unit: str, reference: float | None = None, log_x: bool = False
) -> Figure:
    """Horizontal intervals, name -> (low, middle, high); the reference is a vertical line, 0 for differences."""
    figure, axis = plt.subplots(figsize=(6.4, 0.8 + 0.34 * len(rows)))
    for height, (low, middle, high) in enumerate(rows.values()):
        axis.plot([low, high], [height, height], color=BLUE, lw=2, solid_capstyle="butt")
        axis.plot(middle, height, "o", color=BLUE, ms=5)
    if reference is not None:
        axis.axvline(reference, color=BLACK, lw=1)
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set_xlabel(unit)
    if log_x:
        axis.set_xscale("log")
    else:
        axis.locator_params(axis="x", nbins=5)
    axis.invert_yaxis()
    return figure


@style.figure
def forest(
    panels: Mapping[str, Mapping[str, tuple[float, float, float]]],
    points: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    shaded: Mapping[str, int],
) -> Figure:
    """Changes against 0: title of a panel -> row -> (low, mean, high), the same rows in each; small points beside them.

    The half of a panel is shaded on which a change counts: +1 above 0, -1 below.
    """
    rows = list(next(iter(panels.values())))
    figure, axes = plt.subplots(1, len(panels), figsize=(2.1 * len(panels) + 1.2, 0.36 * len(rows) + 1.0), sharey=True)
    for axis, (title, effects) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        for height, row in enumerate(reversed(rows)):
            beside = points[title][row]
            axis.plot(beside, [height - 0.25] * len(beside), "|", ms=5, color=GREY)
            _interval(axis, height, effects[row], BLUE, row)
        edge = max(map(abs, axis.get_xlim()))
        axis.set(xlim=(-edge, edge), ylim=(-0.7, len(rows) - 0.4), title=title)
        axis.axvline(0, color=BLACK, lw=0.8)
        if title in shaded:
            axis.axvspan(0, shaded[title] * edge, color=GREEN, alpha=0.12, lw=0)
    np.atleast_1d(axes)[0].set_yticks(range(len(rows)), rows[::-1])
    return figure


@style.figure
def bars(groups: Mapping[str, Sequence[float]], labels: Sequence[str], *, xlabel: str, ylabel: str) -> Figure:
    """Bars beside each other at every label, name of a group -> its heights, (labels,)."""
    figure, axis = plt.subplots(figsize=(6.4, 3.4))
    width = 0.8 / len(groups)
    for index, (colour, (name, heights)) in enumerate(zip(CYCLE, groups.items(), strict=False)):
        x = np.arange(len(labels)) + (index - (len(groups) - 1) / 2) * width
        axis.bar(x, heights, width, color=colour, label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.set_xticks(range(len(labels)), labels)
    axis.legend()
    return figure


@style.figure
def strips(
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    dashed: Sequence[float] = (),
    linear: bool = False,
) -> Figure:
    """Single values beside a line at 0, group on the x axis -> name -> its values, up to four names beside each other.

    The y axis is logarithmic away from 0, unless it is linear, and has dashed lines at these heights.
    """
    figure, axis = plt.subplots(figsize=(5.6, 4.8))
    for at, names in enumerate(groups.values()):
        for place, (colour, (name, values)) in enumerate(
            zip((BLUE, ORANGE, GREEN, BLACK), names.items(), strict=False)
        ):
            across = np.linspace(-0.08, 0.08, len(values)) + at + 0.22 * (place - (len(names) - 1) / 2)
            axis.plot(across, values, ".", ms=4, color=colour, label=None if at else name)
    axis.axhline(0, color=VERMILION, lw=1.5)
    for height in dashed:
        axis.axhline(height, color=BLACK, lw=1, ls="--")
    axis.set(yscale="linear" if linear else "symlog", xlabel=xlabel, ylabel=ylabel)
    axis.set_xticks(range(len(groups)), list(groups))
    figure.legend(loc="outside lower center", ncols=2, markerscale=2)
    return figure


@style.figure
def spreads(panels: Mapping[str, Mapping[str, tuple]], *, xlabel: str, columns: int = 3) -> Figure:
    """Values about 0: title of a panel -> its rows, name -> (values, ends of their mean, ends of a single one or None).

    Ends are (low, middle, high). The panels of one row of the figure have the same rows, named at the left.
    """
    rows = max(1, -(-len(panels) // columns))
    longest = max((len(panel) for panel in panels.values()), default=1)
    size = 3.3 * columns, rows * (1.1 + 0.34 * longest)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey="row", sharex=True)
    for axis, (title, panel) in zip(axes.flat, panels.items(), strict=False):
        for height, (values, ends, single) in enumerate(panel.values()):
            axis.plot(values, [height] * len(values), "o", color=GREY, ms=3, alpha=0.7, label="one training")
            _interval(axis, height - 0.15, ends, BLUE, "over trainings")
            if single is not None:
                _interval(axis, height + 0.2, single, VERMILION, "one pair, over trials")
        axis.axvline(0, color=BLACK, lw=1)
        axis.set(title=title, yticks=range(len(panel)), yticklabels=list(panel))
        axis.set_ylim(len(panel) - 0.5, -0.5)
    for axis in axes[-1]:
        axis.set_xlabel(xlabel)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    figure.legend(known.values(), known, loc="outside lower center", ncols=3)
    return figure


@style.figure
def matrix(
    values: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    unit: str,
    centre: float | None = None,
    marked: np.ndarray | None = None,
) -> Figure:
    """A heat map with its numbers, NaN white: colours diverge from a centre, marked cells (bool) are in bold."""
    values = np.asarray(values, dtype=float)
    figure, axis = plt.subplots(figsize=(1.05 * len(columns) + 2.6, 0.55 * len(rows) + 1.7))
    if centre is None:
        shown = axis.imshow(values, cmap="Blues", aspect="auto")
    else:
        reach = np.nanmax(np.abs(values - centre)) or 1.0
        shown = axis.imshow(values, cmap="RdBu_r", aspect="auto", vmin=centre - reach, vmax=centre + reach)
    dark = np.asarray(shown.cmap(shown.norm(values)))[..., :3] @ LUMA < 0.5
    for row, column in np.argwhere(np.isfinite(values)):
        weight = "bold" if marked is not None and marked[row, column] else "normal"
        look = {"fontsize": 9, "weight": weight, "color": "white" if dark[row, column] else BLACK}
        axis.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center", **look)
    axis.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    axis.set_yticks(range(len(rows)), rows)
    axis.grid(False)
    figure.colorbar(shown, label=unit)
    return figure


def _interval(axis: Axes, height: float, ends: Sequence[float], colour: str, label: str) -> None:
    low, middle, high = ends
    axis.plot([low, high], [height, height], color=colour, lw=2, solid_capstyle="butt")
    axis.plot(middle, height, "o", color=colour, ms=4, label=label)


def _band(axis: Axes, x: Sequence[float], mean: ArrayLike, half: ArrayLike, colour: str) -> None:
    mean, half = np.asarray(mean), np.asarray(half)
    axis.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)


@style.figure
def slacks(rises: ArrayLike, distances: ArrayLike, plan: ArrayLike) -> Figure:
    """Eq. (33): distances of pairs over the rise of the dual function, all (n, m); the plan's pairs are a mask."""
    rises, distances, plan = np.asarray(rises), np.asarray(distances), np.asarray(plan)
    figure, axis = plt.subplots(figsize=(5.6, 4.2))
    top = 1.6 * float(distances[plan].max())
    near = distances < top
    axis.scatter(rises[near], distances[near], s=1.5, linewidths=0, color="#777777", alpha=0.3)
    axis.plot([0, top], [0, top], color=BLUE, lw=1.5, label="slack zero")
    axis.plot(rises[plan], distances[plan], "o", ms=5, mec="white", mew=0.5, color=VERMILION, label="on the plan")
    axis.set(xlabel="D*(x) - D*(y)", ylabel="distance of x and y", ylim=(0, top), aspect="equal")
    axis.legend(loc="lower right")
    return figure


@style.figure
def slopes(norms: Mapping[str, ArrayLike]) -> Figure:
    """Histograms of the gradient norms of D over its constant, name -> (n,); right of the line a sample can move."""
    figure, axis = plt.subplots(figsize=(5.2, 3.4))
    for (name, values), colour in zip(norms.items(), CYCLE, strict=False):
        axis.hist(np.asarray(values), bins=30, histtype="step", lw=2, color=colour, label=name, density=True)
    axis.axvline(1, color=BLACK, lw=1)
    axis.set(xlabel="gradient norm / K_eff", ylabel="density")
    axis.legend()
    return figure
