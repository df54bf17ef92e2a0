"""Images: arrays in, sheets, figures and films out."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dotlib.errors import FileError, InputError
from dotlib.plots import style
from dotlib.plots.interactive import Control, Interactive, Number, Pictures, Table

FRAME_MS = 120  # milliseconds of a frame
GREYS = 16  # of a figure kept with a record: a fifth of the bytes, and no eye sees the difference
BEFORE, AFTER = style.BLUE, style.VERMILION  # frames of samples before and after a move


def sheet(images: np.ndarray, columns: int, scale: int = 1) -> np.ndarray:
    """Images (N, C, H, W) uint8, C = 1 or 3, scaled, row by row, a white pixel between: (height, width, 3) uint8."""
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


@style.photographs
def before_after(
    sets: Mapping[str, np.ndarray], captions: Mapping[str, Sequence[str]], *, framed: bool = False
) -> Figure:
    """One row of images (n, C, H, W) uint8 for each set, each over its caption where a row has captions.

    Framed as [DOT19] Figure 1 has it: the first row blue, those after it red.
    """
    n = len(next(iter(sets.values())))
    figure, axes = plt.subplots(len(sets), n, squeeze=False, figsize=(0.92 * n + 0.9, 1.22 * len(sets)))
    for row, (line, (name, images)) in enumerate(zip(axes, sets.items(), strict=True)):
        for index, (axis, image) in enumerate(zip(line, images, strict=True)):
            _show(axis, image, (AFTER if row else BEFORE) if framed else None)
            if name in captions:
                axis.set_xlabel(captions[name][index], fontsize=8, labelpad=2)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


@style.photographs
def grids(rows: Mapping[str, Mapping[str, np.ndarray]], *, columns: int = 6) -> Figure:
    """A sheet of images (n, C, H, W) uint8 for every row and column, row -> column -> images; each row has a name."""
    names = list(next(iter(rows.values())))
    figure, axes = plt.subplots(
        len(rows), len(names), squeeze=False, figsize=(1.6 * len(names) + 1.5, 0.62 * len(rows) + 0.4)
    )
    for line, (row, cells) in zip(axes, rows.items(), strict=True):
        for axis, images in zip(line, cells.values(), strict=True):
            _show(axis, sheet(images, columns).transpose(2, 0, 1))
        line[0].set_ylabel(row, rotation=0, ha="right", va="center", fontsize=9)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize=10)
    return figure


@style.photographs
def pictures(files: Mapping[str, Path]) -> Figure:
    """Picture files below each other, equally wide. Raises InputError for none, FileError for an unreadable one."""
    if not files:
        raise InputError("files: there are none; name at least one picture")
    images = {name: _read(path) for name, path in files.items()}
    heights = [image.shape[1] / image.shape[2] for image in images.values()]
    size = (6.4, 6.2 * sum(heights) + 0.4 * len(images))
    figure, axes = plt.subplots(len(images), 1, squeeze=False, figsize=size, height_ratios=heights)
    for axis, (name, image) in zip(axes.flat, images.items(), strict=True):
        _show(axis, image)
        axis.set_title(name, fontsize=10, loc="left")
    return figure


@style.photographs
def strip(images: np.ndarray, steps: Sequence[int]) -> Figure:
    """Evolution of samples, (steps, samples, C, H, W) uint8: one row a sample, one column a kept step, the last red."""
    columns, rows = images.shape[:2]
    figure, axes = plt.subplots(rows, columns, squeeze=False, figsize=(0.85 * columns, 0.88 * rows + 0.3))
    for (row, column), axis in np.ndenumerate(axes):
        _show(axis, images[column, row], AFTER if column == columns - 1 else None)
    for axis, step in zip(axes[0], steps, strict=True):
        axis.set_title(str(step), fontsize=10)
    figure.supxlabel("updates: number above each column", fontsize=10)
    return figure


def gallery(
    of: Mapping[str, tuple[np.ndarray, np.ndarray]], rows: Sequence[str], positions: Sequence[str], start: str
) -> Interactive:
    """Sheets of samples under a slider over the updates, with a list of pairs.

    Args:
        of: pair -> images (positions, rows * columns, C, H, W) uint8, row after row, and the mean rise of D of each
            row, (positions, rows) in logits.
        rows: what each row of a sheet holds.
        positions: of the slider.
        start: position at which it stands first.

    Returns:
        The figure.
    """
    rises = np.stack([rise for _, rise in of.values()])  # (pairs, positions, rows)
    columns = next(iter(of.values()))[0].shape[1] // len(rows)
    sheets = tuple(sheet(images, columns) for along, _ in of.values() for images in along)
    both = ("pair", "updates")
    numbers = {f"rise of D, {row}": (Number(rises[:, :, at], both),) for at, row in enumerate(rows)}
    return Interactive(
        "gallery",
        f"Samples of a pair under DOT in {len(rows)} rows of {columns}: {', '.join(rows)}. The slider moves along the "
        "updates, a list chooses the pair, and a table has the mean rise of D of each row.",
        (
            Control("updates", "updates", tuple(positions), list(positions).index(start), slider=True),
            Control("pair", "pair", tuple(of), 0),
        ),
        (Pictures(f"rows: {', '.join(rows)}", sheets, both, size=(700, 190)),),
        Table(("", "logits"), numbers),
    )


def film(images: np.ndarray, columns: int, scale: int) -> bytes:
    """An animated GIF of a sheet of samples on their way, (frames, samples, C, H, W) uint8."""
    return style.animation([Image.fromarray(sheet(frame, columns, scale)) for frame in np.asarray(images)], FRAME_MS)


def grey(figure: Figure) -> bytes:
    """A figure as a PNG of 100 dots an inch in 16 greys, small enough to be kept beside a record."""
    drawn, content = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, facecolor="white")
    step = 255 // (GREYS - 1)
    rounded = Image.open(drawn).convert("L").point([round(value / step) * step for value in range(256)])
    rounded.quantize(GREYS).save(content, format="PNG", optimize=True)
    return content.getvalue()


def _read(path: Path) -> np.ndarray:
    """(3, H, W) uint8."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    except (OSError, SyntaxError) as error:  # Pillow's words for a damaged PNG
        raise FileError(f"{path}: no readable picture ({error}); restore it") from error


def _show(axis: Axes, image: np.ndarray, frame: str | None = None) -> None:
    """One (C, H, W) uint8 image without ticks, in a frame of that colour."""
    pixels = np.asarray(image).transpose(1, 2, 0)
    axis.imshow(pixels[..., 0] if pixels.shape[2] == 1 else pixels, cmap="gray", vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[])
    for side in axis.spines.values():
        side.set(visible=frame is not None, edgecolor=frame, linewidth=1.5)
    axis.grid(False)
