"""One style for every figure, readable on a phone and in dark mode."""

import functools
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's palette: distinguishable without red-green vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY = "#999999"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # colours of curves in turn
REST = 1_000  # milliseconds that an animation stays at its last frame

STYLE: dict[Any, object] = {
    "figure.facecolor": "white",  # so dark mode keeps it legible
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

Arguments = ParamSpec("Arguments")


def house() -> AbstractContextManager[None]:
    """The house style, for ``with style.house():``."""
    return mpl.rc_context(STYLE)


def figure(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Draw in the house style, and close the figure: a notebook shows what a cell returns, once."""

    @functools.wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with house():
            made = draw(*args, **kwargs)
        plt.close(made)
        return made

    return drawn


def animation(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    """An animated GIF that repeats; the last frame stays for a second."""
    content = io.BytesIO()
    durations = [frame_ms] * (len(frames) - 1) + [REST]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], loop=0, duration=durations)
    return content.getvalue()
