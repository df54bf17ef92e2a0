"""Points of the 2-D sets: arrays in, figures out."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from PIL import Image

from dotlib.plots import style
from dotlib.plots.style import BLACK, BLUE, GREEN, VERMILION

COLOURS = {"real": BLACK, "g": BLUE, "dot": VERMILION, "naive": GREEN}
LEVELS = (-1e-9, 0.002, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8)  # data units above a minimum
FRAME_MS = 80  # milliseconds of a frame
NAMES = {"real": "training samples", "g": "G", "dot": "DOT", "naive": "naive"}


@style.figure
def panels(sets: Mapping[str, np.ndarray], *, limits: tuple[float, float]) -> Figure:
    """One scatter plot for each set of points, name -> (n, 2) in data units, on equal axes, as in Figure 3."""
    columns = 2 if len(sets) == 4 else len(sets)
    rows = -(-len(sets) // columns)
    size = (3.2 * columns, 3.3 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for axis, (name, points) in zip(axes.flat, sets.items(), strict=False):
        _scatter(axis, name, points, limits, size=3)
        axis.set(title=NAMES.get(name, name))
    return figure


@style.figure
def labelled(sets: Mapping[str, np.ndarray], labels: np.ndarray) -> Figure:
    """One scatter plot for each set of points, name -> (n, 2), coloured by their labels, (n,), without axes.

    The labels are 0 to at most 9, and the same rows have the same colour in every panel.
    """
    figure, axes = plt.subplots(1, len(sets), figsize=(3.2 * len(sets), 3.6), squeeze=False)
    for axis, (name, points) in zip(axes.flat, sets.items(), strict=True):
        for label in np.unique(labels):
            here = np.asarray(points)[labels == label]
            axis.scatter(*here.T, s=7, linewidths=0, color=plt.get_cmap("tab10")(int(label)), label=str(label))
        axis.set(title=name, xticks=[], yticks=[])
        axis.grid(False)
    handles = axes.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=10, markerscale=1.2)
    return figure


@style.figure
def rows(figures: Mapping[str, Mapping[str, np.ndarray]], limits: Mapping[str, tuple[float, float]]) -> Figure:
    """The whole of Figure 3: row, a data set -> column -> points (n, 2), the same columns in every row."""
    columns = list(next(iter(figures.values())))
    size = (2.3 * len(columns), 2.4 * len(figures))
    figure, axes = plt.subplots(len(figures), len(columns), figsize=size, squeeze=False)
    for line, (dataset, sets) in zip(axes, figures.items(), strict=True):
        for axis, name in zip(line, columns, strict=True):
            _scatter(axis, name, sets[name], limits[dataset], size=2)
            axis.set(xticks=[], yticks=[])
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(NAMES.get(name, name))
    return figure


@style.figure
def minimisers(
    excess: Mapping[str, tuple[Sequence[np.ndarray], np.ndarray]], y: np.ndarray, image: np.ndarray, x: np.ndarray
) -> Figure:
    """How far an objective lies above its minimum, a panel for each title -> ((first axis, second axis), values).

    The segment from y, a circle, to its image, a star, both (2,), is drawn, and training points x, (n, 2); data units.
    """
    figure, axes = plt.subplots(1, len(excess), figsize=(4.2 * len(excess), 4.9), sharey=True, squeeze=False)
    for axis, (title, ((first, second), value)) in zip(axes.flat, excess.items(), strict=True):
        colours = {"cmap": "cividis", "norm": BoundaryNorm(LEVELS, 256), "extend": "max"}
        axis.contourf(first, second, value, levels=LEVELS, **colours)
        axis.scatter(*np.asarray(x).T, s=8, color="white", edgecolors="black", linewidths=0.4)
        axis.plot(*np.stack([y, image]).T, color=VERMILION, lw=2)
        axis.plot(*y, "o", ms=10, mfc="white", mec=VERMILION, mew=2)
        axis.plot(*image, "*", ms=16, mfc="white", mec=VERMILION, mew=1.5)
        axis.set(xlim=(first[0], first[-1]), ylim=(second[0], second[-1]), aspect="equal", title=title)
    figure.colorbar(axes[0, 0].collections[0], ax=axes, location="bottom", shrink=0.9, label="above the minimum")
    return figure


def particles(
    paths: Mapping[str, np.ndarray], steps: Sequence[int], background: np.ndarray, *, limits: tuple[float, float]
) -> bytes:
    """An animated GIF of points on their way, name -> (frames, n, 2), one panel for each method.

    Steps are the update numbers of the frames; the background, (m, 2) training points, is grey; limits are those of
    both axes in data units. The last frame stays for a second.
    """
    frames = []
    with style.house(), mpl.rc_context({"figure.constrained_layout.use": False}):
        figure, axes = plt.subplots(1, len(paths), figsize=(3.4 * len(paths), 3.7), squeeze=False)
        figure.subplots_adjust(0.07, 0.08, 0.98, 0.9, 0.2)
        for axis in axes.flat:
            axis.scatter(*np.asarray(background).T, s=3, linewidths=0, color="#c8c8c8")
        panels = zip(axes.flat, paths.items(), strict=True)
        dots = {name: _scatter(axis, name, path[0], limits, size=3) for axis, (name, path) in panels}
        for frame, step in enumerate(steps):
            for axis, (name, artist) in zip(axes.flat, dots.items(), strict=True):
                artist.set_offsets(paths[name][frame])
                axis.set_title(f"{NAMES.get(name, name)}, update {step}")
            content = io.BytesIO()
            figure.savefig(content, dpi=72)
            frames.append(Image.open(content))
        plt.close(figure)
    return style.animation(frames, FRAME_MS)


def _scatter(axis: Axes, name: str, points: np.ndarray, limits: tuple[float, float], size: float) -> PathCollection:
    axis.set(xlim=limits, ylim=limits, aspect="equal")
    return axis.scatter(*np.asarray(points).T, s=size, linewidths=0, color=COLOURS.get(name, BLACK))
