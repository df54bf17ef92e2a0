"""One style for every figure, readable on a phone and in dark mode."""

import base64
import functools
import io
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

# Okabe and Ito's palette: distinguishable without red-green vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY = "#999999"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # colours of curves in turn
REST = 1_000  # milliseconds that an animation stays at its last frame
FEW = 500  # points of one artist that are drawn one by one; more are a picture inside of the drawing
LIGHT = 120_000  # bytes of a drawing; a figure that takes more is shown as a picture
PATH, DIGITS = re.compile(r'\bd="[^"]*"'), re.compile(r"(\.\d\d)\d+")  # paths need no thousandths of a point
# Photographs cannot be turned dark with a page, as diagrams can: what is written beside them reads on both.
BESIDE_PHOTOGRAPHS = "#7a7a7a"  # 4.3 to 1 on white, 4.2 to 1 on the dark page
PHOTOGRAPHS: dict[str, Any] = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), BESIDE_PHOTOGRAPHS),
}

Arguments = ParamSpec("Arguments")


def house() -> AbstractContextManager[None]:
    """The house style, for ``with style.house():``."""
    return plt.style.context(Path(__file__).with_name("house.mplstyle"))


def figure(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Draw in the house style, and close the figure: a notebook shows what a cell returns, once, as `shown` has it."""
    return _drawn(draw, {})


def photographs(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """The same for a figure of images: it has no ground of its own, and its letters read on white and on dark."""
    return _drawn(draw, PHOTOGRAPHS)


def _drawn(draw: Callable[Arguments, Figure], changes: dict[str, Any]) -> Callable[Arguments, Figure]:
    @functools.wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with house(), plt.style.context(changes):
            made = draw(*args, **kwargs)
        plt.close(made)
        vars(made)["_repr_mimebundle_"] = lambda include=None, exclude=None: shown(made)  # for cells and for `glue`
        return made

    return drawn


def shown(made: Figure) -> dict[str, str]:
    """MIME type -> content: a drawing in SVG, sharp at every size; where that is heavy, a picture in PNG."""
    for artist in made.findobj(_many_points):
        artist.set_rasterized(True)
    content = io.BytesIO()
    # Equal figures are equal files: names of parts are not drawn by chance, and no date is kept.
    with mpl.rc_context({"svg.hashsalt": "dotlib", "savefig.bbox": "tight"}):
        made.savefig(content, format="svg", metadata={"Date": None})
        drawing = PATH.sub(lambda path: DIGITS.sub(r"\1", path[0]), content.getvalue().decode())
        if len(drawing) <= LIGHT:
            return {"image/svg+xml": drawing}
        content = io.BytesIO()
        made.savefig(content, format="png", dpi=made.dpi)
    return {"image/png": base64.b64encode(content.getvalue()).decode()}


def _many_points(artist: Artist) -> bool:
    if isinstance(artist, Line2D):
        return artist.get_marker() not in (None, "", " ", "None") and np.size(artist.get_xdata()) > FEW
    return isinstance(artist, PathCollection) and len(np.asarray(artist.get_offsets())) > FEW


def animation(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    """An animated GIF that repeats; the last frame stays for a second."""
    content = io.BytesIO()
    durations = [frame_ms] * (len(frames) - 1) + [REST]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], loop=0, duration=durations)
    return content.getvalue()
