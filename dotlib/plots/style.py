"""One style for every figure, readable on a phone and in dark mode."""

import functools
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ParamSpec

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's palette: distinguishable without red-green vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY = "#999999"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # colours of curves in turn
REST = 1_000  # milliseconds that an animation stays at its last frame
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
    """Draw in the house style, and close the figure: a notebook shows what a cell returns, once."""

    @functools.wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with house():
            made = draw(*args, **kwargs)
        plt.close(made)
        return made

    return drawn


def photographs(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """The same for a figure of images: it has no ground of its own, and its letters read on white and on dark."""

    @functools.wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with house(), plt.style.context(PHOTOGRAPHS):
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
