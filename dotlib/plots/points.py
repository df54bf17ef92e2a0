"""Arrays in, figures out: one style for every page, readable on a phone and in dark mode."""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure

# Okabe and Ito's palette: distinguishable without red-green vision.
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
COLOURS = {"real": BLACK, "g": BLUE, "dot": VERMILION, "naive": GREEN}
NAMES = {"real": "training samples", "g": "G", "dot": "DOT", "naive": "naive"}

STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "legend.fontsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def style() -> AbstractContextManager:
    """The house style, for ``with plots.style():``. White ground, so dark mode keeps it legible."""
    return mpl.rc_context(STYLE)


def panels(
    sets: Mapping[str, np.ndarray], *, limits: tuple[float, float], titles: Mapping[str, str] | None = None
) -> Figure:
    """One scatter plot for each set of points, on equal axes, as in Figure 3.

    Args:
        sets: Name -> (n, 2), in data units.
        limits: Of both axes.
        titles: Name -> title; NAMES otherwise.

    Returns:
        The figure.
    """
    titles = {**NAMES, **(titles or {})}
    with style():
        columns = 2 if len(sets) == 4 else len(sets)
        rows = -(-len(sets) // columns)
        figure, axes = plt.subplots(
            rows, columns, figsize=(3.2 * columns, 3.3 * rows), sharex=True, sharey=True, squeeze=False
        )
        for axis, (name, points) in zip(axes.flat, sets.items(), strict=False):
            axis.scatter(*np.asarray(points).T, s=3, linewidths=0, color=COLOURS.get(name, BLACK))
            axis.set(xlim=limits, ylim=limits, aspect="equal", title=titles.get(name, name))
        plt.close(figure)  # a notebook shows what a cell returns, once
        return figure


def rows(figures: Mapping[str, Mapping[str, np.ndarray]], limits: Mapping[str, tuple[float, float]]) -> Figure:
    """The whole of Figure 3: one row a data set, one column a set of points.

    Args:
        figures: Row -> (column -> (n, 2)), the same columns in every row.
        limits: Row -> limits of both axes.

    Returns:
        The figure.
    """
    with style():
        columns = list(next(iter(figures.values())))
        size = (2.3 * len(columns), 2.4 * len(figures))
        figure, axes = plt.subplots(len(figures), len(columns), figsize=size, squeeze=False)
        for line, (name, sets) in zip(axes, figures.items(), strict=True):
            for axis, column in zip(line, columns, strict=True):
                axis.scatter(*np.asarray(sets[column]).T, s=2, linewidths=0, color=COLOURS.get(column, BLACK))
                axis.set(xlim=limits[name], ylim=limits[name], aspect="equal", xticks=[], yticks=[])
        for axis, column in zip(axes[0], columns, strict=True):
            axis.set_title(NAMES.get(column, column))
        plt.close(figure)
        return figure


def particles(
    paths: Mapping[str, np.ndarray],
    steps: Sequence[int],
    background: np.ndarray,
    *,
    limits: tuple[float, float],
    frame_ms: int = 80,
) -> bytes:
    """An animated GIF of points on their way, one panel for each method.

    `paths`: name -> (frames, n, 2). `steps`: update number of each frame. `background`: (m, 2) training points, drawn
    in grey. The last frame stays for a second. Returns the GIF's bytes.
    """
    with style(), mpl.rc_context({"figure.constrained_layout.use": False}):
        figure, axes = plt.subplots(1, len(paths), figsize=(3.4 * len(paths), 3.7), squeeze=False)
        figure.subplots_adjust(0.07, 0.08, 0.99, 0.9, 0.14)
        dots = []
        for axis, name in zip(axes.flat, paths, strict=True):
            axis.scatter(*np.asarray(background).T, s=3, linewidths=0, color="#c8c8c8")
            dots.append(axis.scatter(*paths[name][0].T, s=3, linewidths=0, color=COLOURS.get(name, BLACK)))
            axis.set(xlim=limits, ylim=limits, aspect="equal")

        def draw(frame: int) -> list:
            for axis, artist, name in zip(axes.flat, dots, paths, strict=True):
                artist.set_offsets(paths[name][frame])
                axis.set_title(f"{NAMES.get(name, name)}, update {steps[frame]}")
            return dots

        hold = list(range(len(steps))) + [len(steps) - 1] * (1000 // frame_ms)
        animation = FuncAnimation(figure, draw, frames=hold)
        content = _gif(animation, frame_ms)
        plt.close(figure)
        return content


def intervals(rows: Mapping[str, tuple[float, float, float]], *, unit: str, reference: float | None = None) -> Figure:
    """Horizontal intervals, one row each: name -> (low, middle, high).

    `reference`: a vertical line, for example 0 for a difference.
    """
    with style():
        figure, axis = plt.subplots(figsize=(6.4, 0.8 + 0.34 * len(rows)))
        for height, (low, middle, high) in enumerate(rows.values()):
            axis.plot([low, high], [height, height], color=BLUE, lw=2, solid_capstyle="butt")
            axis.plot(middle, height, "o", color=BLUE, ms=5)
        if reference is not None:
            axis.axvline(reference, color=BLACK, lw=1)
        axis.set_yticks(range(len(rows)), list(rows))
        axis.set_xlabel(unit)
        axis.locator_params(axis="x", nbins=5)
        axis.invert_yaxis()
        plt.close(figure)  # a notebook shows what a cell returns, once
        return figure


def curves(
    x: Sequence[float],
    lines: Mapping[str, np.ndarray],
    *,
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, np.ndarray] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """Lines over x with optional bands of one standard deviation.

    `lines`: name -> (len(x),). `bands`: name -> (len(x),), half the band's height. `marks`: name -> height of a dashed
    horizontal line.
    """
    cycle = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY]
    with style():
        figure, axis = plt.subplots(figsize=(6.4, 3.8))
        for colour, (name, y) in zip(cycle, lines.items(), strict=False):
            axis.plot(x, y, "o-" if len(x) < 30 else "-", ms=4, color=colour, label=name)
            if bands and name in bands:
                axis.fill_between(x, y - bands[name], y + bands[name], color=colour, alpha=0.2, linewidth=0)
        for name, height in (marks or {}).items():
            axis.axhline(height, color=BLACK, lw=1, ls="--")
            axis.annotate(name, (1, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9)
        axis.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
        axis.legend()
        plt.close(figure)  # a notebook shows what a cell returns, once
        return figure


def _gif(animation: FuncAnimation, frame_ms: int) -> bytes:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "particles.gif"
        animation.save(path, writer=PillowWriter(fps=1000 / frame_ms), dpi=72)
        return io.BytesIO(path.read_bytes()).getvalue()
