"""Images, matrices and histories of the image pairs: arrays in, figures out."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from dotlib.errors import FileError, InputError
from dotlib.plots.points import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, style

LUMA = np.array([0.299, 0.587, 0.114])  # perceived brightness of red, green, blue (BT.601)
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)


def sheet(images: np.ndarray, columns: int, scale: int = 1) -> np.ndarray:
    """Images side by side, one white pixel between them.

    `images`: (N, C, H, W) uint8, C = 1 or 3; row by row. `scale`: each pixel becomes scale x scale. Returns (height,
    width, 3) uint8.
    """
    images = np.asarray(images).repeat(scale, 2).repeat(scale, 3)
    if images.shape[1] == 1:
        images = images.repeat(3, 1)
    n, _, height, width = images.shape
    rows = -(-n // columns)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        canvas[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return canvas


def stacked(sheets: Sequence[np.ndarray]) -> np.ndarray:
    """Sheets of one width below each other, three white rows between: (height, width, 3)."""
    gap = np.full((3, sheets[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for sheet in sheets for part in (sheet, gap)][:-1])


def before_after(sets: Mapping[str, np.ndarray], captions: Mapping[str, Sequence[str]]) -> Figure:
    """One row of images for each set, the same latents in a column, a caption under each image.

    Args:
        sets: Name of a row -> (n, C, H, W) uint8.
        captions: Name of a row -> n short texts; a row without captions has none.

    Returns:
        The figure.
    """
    n = len(next(iter(sets.values())))
    with style():
        figure, axes = plt.subplots(len(sets), n, squeeze=False, figsize=(0.92 * n + 0.9, 1.22 * len(sets)))
        for line, (name, images) in zip(axes, sets.items(), strict=True):
            for index, (axis, image) in enumerate(zip(line, images, strict=True)):
                _show(axis, image)
                if name in captions:
                    axis.set_xlabel(captions[name][index], fontsize=8, labelpad=2)
            line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        plt.close(figure)  # a notebook shows what a cell returns, once
        return figure


def pictures(files: Mapping[str, Path]) -> Figure:
    """Picture files below each other, equally wide, each under its name.

    Args:
        files: Name -> PNG file of any size.

    Returns:
        PNG bytes.

    Raises:
        InputError: For no files.
        FileError: For one that cannot be read.
    """
    if not files:
        raise InputError("files: there are none; name at least one picture")
    sizes = {}
    for name, path in files.items():
        try:
            with Image.open(path) as image:
                sizes[name] = np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError) as error:  # Pillow's words for a damaged PNG
            raise FileError(f"{path}: no readable picture ({error}); restore it") from error
    heights = [image.shape[0] / image.shape[1] for image in sizes.values()]
    with style():
        figure, axes = plt.subplots(
            len(sizes),
            1,
            squeeze=False,
            figsize=(6.4, 6.2 * sum(heights) + 0.4 * len(sizes)),
            gridspec_kw={"height_ratios": heights},
        )
        for axis, (name, image) in zip(axes.flat, sizes.items(), strict=True):
            _show(axis, image.transpose(2, 0, 1))
            axis.set_title(name, fontsize=10, loc="left")
        plt.close(figure)
        return figure


def strip(images: np.ndarray, steps: Sequence[int]) -> Figure:
    """Evolution of samples: one row a sample, one column a kept step. `images`: (steps, samples, C, H, W) uint8."""
    images = np.asarray(images)
    with style():
        figure, axes = plt.subplots(
            images.shape[1],
            images.shape[0],
            squeeze=False,
            figsize=(0.85 * images.shape[0], 0.88 * images.shape[1] + 0.3),
        )
        for column, step in enumerate(steps):
            for row in range(images.shape[1]):
                _show(axes[row, column], images[column, row])
            axes[0, column].set_title(str(step), fontsize=10)
        figure.supxlabel("updates: number above each column", fontsize=10)
        plt.close(figure)
        return figure


def film(images: np.ndarray, columns: int, scale: int, frame_ms: int = 120) -> bytes:
    """An animated GIF of a sheet of samples on their way; the last frame stays for a second.

    `images`: (frames, samples, C, H, W) uint8.
    """
    frames = [Image.fromarray(sheet(frame, columns, scale)) for frame in np.asarray(images)]
    content = io.BytesIO()
    frames[0].save(
        content,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        loop=0,
        duration=[frame_ms] * (len(frames) - 1) + [1000],
    )
    return content.getvalue()


def histories(
    panels: Mapping[str, tuple[str, Mapping[str, tuple[Sequence[float], np.ndarray, np.ndarray]]]], *, xlabel: str
) -> Figure:
    """Curves over updates, one panel for each quantity.

    `panels`: title -> (unit of the y axis, curve -> (x, mean, half height of the band)).
    """
    with style():
        figure, axes = plt.subplots(1, len(panels), figsize=(3.7 * len(panels) + 0.6, 3.6), squeeze=False)
        for axis, (title, (unit, lines)) in zip(axes.flat, panels.items(), strict=True):
            for colour, (name, (x, mean, band)) in zip(CYCLE, lines.items(), strict=False):
                y, half = np.asarray(mean), np.asarray(band)
                axis.plot(x, y, "o-", ms=3, color=colour, label=name)
                axis.fill_between(x, y - half, y + half, color=colour, alpha=0.2, linewidth=0)
            axis.set(title=title, xlabel=xlabel, ylabel=unit)
        axes.flat[0].legend(fontsize=9)
        plt.close(figure)
        return figure


def matrix(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    unit: str,
    centre: float | None = None,
    marked: np.ndarray | None = None,
) -> Figure:
    """A heat map with the number in each cell.

    `values`: (rows, columns); NaN cells stay white. `centre`: a diverging scale about this value, otherwise a
    sequential one. `marked`: (rows, columns) booleans; a cell that is True has its number in bold.
    """
    values = np.asarray(values, dtype=float)
    with style():
        figure, axis = plt.subplots(figsize=(1.05 * len(columns) + 2.6, 0.55 * len(rows) + 1.7))
        if centre is None:
            shown = axis.imshow(values, cmap="Blues", aspect="auto")
        else:
            reach = np.nanmax(np.abs(values - centre)) or 1.0
            shown = axis.imshow(values, cmap="RdBu_r", aspect="auto", vmin=centre - reach, vmax=centre + reach)
        middle = shown.norm(values)
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                bold = marked is not None and marked[i, j]
                dark = shown.cmap(float(middle[i, j]))[:3] @ LUMA < 0.5
                axis.text(
                    j,
                    i,
                    f"{value:.2f}",
                    ha="center",
                    va="center",
                    fontsize=9,
                    weight="bold" if bold else "normal",
                    color="white" if dark else BLACK,
                )
        axis.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
        axis.set_yticks(range(len(rows)), rows)
        axis.grid(False)
        figure.colorbar(shown, label=unit)
        plt.close(figure)
        return figure


def _show(axis: plt.Axes, image: np.ndarray) -> None:
    """One (C, H, W) uint8 image without ticks."""
    pixels = np.asarray(image).transpose(1, 2, 0)
    axis.imshow(pixels[..., 0] if pixels.shape[2] == 1 else pixels, cmap="gray", vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[])
    for side in axis.spines.values():
        side.set_visible(False)
    axis.grid(False)
