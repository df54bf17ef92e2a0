"""Figures with sliders and selects: arrays in, an object out that JupyterLab and the book show.

A figure is its controls, panels and a table. Every array has one leading axis for each control that it depends on,
named in its `by`, so that moving a control only picks another part of what was computed before. Data are packed as
base64 numbers, controls are native elements that work by keyboard, and a reader without scripts sees a still image.
d3, out of the installed package mpld3, and interactive.js draw it. A notebook carries both in its output; the book
loads them once, from its own folder, on pages that have such a figure.
"""

import base64
import html
import importlib.util
import io
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image

from dotlib.errors import InputError, check_option
from dotlib.plots import style

PLAY_MS = 80  # between two positions of a slider that plays
SCRIPT = re.compile(
    r'<script class="dot-figure-library">.*?</script>', re.DOTALL
)  # of `html`: the book has it in a file
STILL_DPI = 80


@dataclass(frozen=True)
class Control:
    """Something that a reader sets: a slider where `slider` says so, else a list to choose from."""

    name: str  # as in the `by` of arrays
    label: str
    options: tuple[str, ...]  # what each position is called
    start: int = 0
    slider: bool = False
    plays: bool = False  # whether a button moves the slider


SHAPES = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "P",
    "star": "*",
}  # d3's, matplotlib's


@dataclass(frozen=True)
class Mark:
    """Points or a line in a panel."""

    kind: str  # "points" or "line"
    values: ArrayLike  # (*controls, n, 2) in units of the axes; a line is cut at NaN
    by: tuple[str, ...] = ()
    label: str = ""  # in the legend; without one, none
    colour: str = style.BLUE
    size: float = 3.0  # diameter or width in pixels
    opacity: float = 1.0
    dashes: str = "none"  # as SVG has them: "4 3"
    names: tuple[str, ...] = ()  # of each point, shown under the pointer and on focus; such points have a shape
    shape: str = "circle"  # one of SHAPES


@dataclass(frozen=True)
class Scales:
    """One axis of a panel for each option of a control."""

    by: str  # name of the control
    labels: tuple[str, ...]
    limits: tuple[tuple[float, float], ...]
    scales: tuple[str, ...]  # "linear" or "log"


@dataclass(frozen=True)
class Panel:
    """Two axes with marks."""

    title: str
    marks: tuple[Mark, ...]
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    xlabel: str = ""
    ylabel: str = ""
    xscale: str = "linear"  # or "log"
    yscale: str = "linear"
    size: tuple[int, int] = (340, 340)  # pixels
    xaxes: Scales | None = None  # in the place of xlim, xlabel and xscale
    yaxes: Scales | None = None


@dataclass(frozen=True)
class Pictures:
    """An image in the place of a panel, another one for each position of its controls."""

    title: str
    values: tuple[np.ndarray, ...]  # (height, width, 3) uint8, the last control first; pixels are shown as squares
    by: tuple[str, ...]
    size: tuple[int, int] = (420, 420)  # pixels


@dataclass(frozen=True)
class Number:
    """A number of the table: NaN is shown as a dash."""

    values: ArrayLike  # (*controls)
    by: tuple[str, ...] = ()
    decimals: int = 3


@dataclass(frozen=True)
class Table:
    """Numbers below the panels: the first head stands over the labels of the rows."""

    heads: tuple[str, ...]
    rows: dict[str, tuple[Number, ...]]


@dataclass(frozen=True)
class Interactive:
    """A figure that a reader can set; the last value of a cell shows it.

    The name is unique in its page. The description says what is seen, for readers who do not see it: a screen reader
    says it before the controls, and it is the alternative text of the still image.
    """

    name: str
    description: str
    controls: tuple[Control, ...]
    panels: tuple[Panel | Pictures, ...]
    table: Table | None = None
    switches: bool = False  # whether the legend switches the marks of a label off and on

    def __post_init__(self) -> None:
        panels = [panel for panel in self.panels if isinstance(panel, Panel)]
        for array in (*(mark for panel in panels for mark in panel.marks), *self._numbers()):
            self._check(array)
        for panel in self.panels:
            if isinstance(panel, Pictures):
                self._check_pictures(panel)
        for axes in (axes for panel in panels for axes in (panel.xaxes, panel.yaxes) if axes):
            self._check_axes(axes)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html(), "image/png": base64.b64encode(self.png()).decode()}

    def html(self) -> str:
        """The figure as HTML that asks for nothing from elsewhere."""
        data = json.dumps(self.specification(), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        said = html.escape(self.description, quote=True)
        still = f"data:image/png;base64,{base64.b64encode(self.png()).decode()}"
        return (
            f'<div class="dot-figure" id="{self.name}" role="group" aria-label="{said}">'
            f'<noscript><img src="{still}" alt="{said}"></noscript>'
            f'<script type="application/json">{data}</script></div>'
            f'<script class="dot-figure-library">{library()}</script>'
        )

    def specification(self) -> dict[str, Any]:
        """What interactive.js reads, ready for JSON."""
        table = self.table and {
            "heads": self.table.heads,
            "rows": [
                {
                    "label": label,
                    "numbers": [packed(each.values, each.by) | {"decimals": each.decimals} for each in row],
                }
                for label, row in self.table.rows.items()
            ],
        }
        panels = [vars(panel) | {"name": f"{self.name}-{at}"} | _packed(panel) for at, panel in enumerate(self.panels)]
        controls = [vars(control) | {"play": PLAY_MS if control.plays else 0} for control in self.controls]
        return {"controls": controls, "panels": panels, "table": table, "switches": self.switches}

    def png(self) -> bytes:
        """The still image: all controls where they start."""
        content = io.BytesIO()
        self.still().savefig(content, dpi=STILL_DPI)
        return content.getvalue()

    @style.figure
    def still(self) -> Figure:
        """The panels drawn by matplotlib, all controls where they start."""
        width, height = (np.array([panel.size for panel in self.panels]) / 100).T
        figure, axes = plt.subplots(1, len(self.panels), figsize=(width.sum(), height.max()), squeeze=False)
        for axis, panel in zip(axes.flat, self.panels, strict=True):
            self._draw(axis, panel)
        handles = {
            label: each for axis in axes.flat for each, label in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        if handles:
            figure.legend(
                handles.values(), handles.keys(), loc="outside lower center", ncols=2 * len(self.panels), markerscale=2
            )
        return figure

    def _draw(self, axis: Axes, panel: Panel | Pictures) -> None:
        start = {control.name: control.start for control in self.controls}
        axis.set_title(panel.title)
        if isinstance(panel, Pictures):
            lengths = [len(control.options) for name in panel.by for control in self.controls if control.name == name]
            at = np.ravel_multi_index([start[name] for name in panel.by], lengths)
            axis.imshow(panel.values[at], interpolation="nearest")
            axis.set_axis_off()
            return
        for mark in panel.marks:
            x, y = np.asarray(mark.values)[tuple(start[name] for name in mark.by)].T
            look = {"color": style.BLACK if mark.colour == "currentColor" else mark.colour, "alpha": mark.opacity}
            if mark.kind == "line":
                axis.plot(
                    x, y, lw=mark.size, ls="-" if mark.dashes == "none" else "--", label=mark.label or None, **look
                )
            else:
                look["marker"] = SHAPES[mark.shape]
                axis.scatter(x, y, s=mark.size**2 / 2, linewidths=0, label=mark.label or None, **look)
        xlim, xlabel, xscale = panel.xlim, panel.xlabel, panel.xscale
        ylim, ylabel, yscale = panel.ylim, panel.ylabel, panel.yscale
        if of := panel.xaxes:
            xlim, xlabel, xscale = (each[start[of.by]] for each in (of.limits, of.labels, of.scales))
        if of := panel.yaxes:
            ylim, ylabel, yscale = (each[start[of.by]] for each in (of.limits, of.labels, of.scales))
        axis.set(xscale=xscale, yscale=yscale)
        axis.set(xlim=xlim, ylim=ylim, xlabel=xlabel, ylabel=ylabel)

    def _numbers(self) -> Iterable[Number]:
        return [number for row in self.table.rows.values() for number in row] if self.table else []

    def _check_pictures(self, panel: Pictures) -> None:
        lengths = {control.name: len(control.options) for control in self.controls}
        for name in panel.by:
            check_option("by", name, lengths)
        wanted = math.prod(lengths[name] for name in panel.by)
        if len(panel.values) != wanted:
            found = f"found {len(panel.values)} pictures, expected {wanted}"
            raise InputError(f"values: {found}; one for each of by={panel.by}")

    def _check(self, array: Mark | Number) -> None:
        lengths = {control.name: len(control.options) for control in self.controls}
        for name in array.by:
            check_option("by", name, lengths)
        tail = 0
        if isinstance(array, Mark):
            check_option("kind", array.kind, ("points", "line"))
            check_option("shape", array.shape, SHAPES)
            tail = 2
            if array.names and len(array.names) != np.shape(array.values)[-2]:
                raise InputError(f"names: found {len(array.names)} for {np.shape(array.values)[-2]} points; name each")
        shape, wanted = np.shape(array.values), tuple(lengths[name] for name in array.by)
        if shape[: len(wanted)] != wanted or len(shape) != len(wanted) + tail or (tail and shape[-1] != 2):
            expected = (*wanted, "n", "2") if tail else wanted
            raise InputError(f"values: found shape {shape}, expected {expected}; one axis for each of by={array.by}")

    def _check_axes(self, axes: Scales) -> None:
        lengths = {control.name: len(control.options) for control in self.controls}
        check_option("by", axes.by, lengths)
        found = {len(axes.labels), len(axes.limits), len(axes.scales)}
        if found != {lengths[axes.by]}:
            raise InputError(f"axes: found {sorted(found)} of them, expected {lengths[axes.by]}; one for each option")


def packed(values: ArrayLike, by: tuple[str, ...], dtype: str = "float32", scale: float = 1.0) -> dict[str, Any]:
    """An array for interactive.js: the numbers are those of the base64 text, little-endian, times `scale`."""
    numbers = np.asarray(values, dtype=float)
    stored = (np.rint(numbers / scale) if dtype == "int16" else numbers).astype(np.dtype(dtype).newbyteorder("<"))
    text = base64.b64encode(stored.tobytes()).decode()
    return {"by": by, "shape": numbers.shape, "dtype": dtype, "scale": scale, "base64": text}


def library() -> str:
    """The scripts of a figure: d3 and interactive.js. Raises InputError where mpld3 is not installed."""
    found = importlib.util.find_spec("mpld3")
    if found is None or found.origin is None:
        raise InputError("mpld3: not installed, and it carries d3, which draws the figure; pip install 'dotlib[book]'")
    d3 = (Path(found.origin).with_name("js") / "d3.v5.min.js").read_text(encoding="utf-8")
    d3 = d3.replace("https://d3js.org", "d3js.org", 1)  # in its notice: no page names an address outside
    ours = Path(__file__).with_name("interactive.js").read_text(encoding="utf-8")
    # A page that has a module loader must not offer it to d3, whose file would then define no global name.
    return f"(function(define,exports,module){{{d3}\n}}).call(this);\n{ours}"


def _packed(panel: Panel | Pictures) -> dict[str, Any]:
    """What a panel draws, ready for JSON."""
    if isinstance(panel, Panel):
        axes = {name: vars(of) if of else None for name, of in (("xaxes", panel.xaxes), ("yaxes", panel.yaxes))}
        return {"marks": [vars(mark) | {"values": _packed_mark(mark)} for mark in panel.marks]} | axes
    return {"marks": [], "values": [_picture(values) for values in panel.values]}


def _picture(values: np.ndarray) -> str:
    """The address of an image that holds the image itself."""
    content = io.BytesIO()
    Image.fromarray(values).save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _packed_mark(mark: Mark) -> dict[str, Any]:
    """Points to the nearest of 65,535 steps, which is less than a pixel; lines with gaps and named points in full."""
    values = np.asarray(mark.values, dtype=float)
    if mark.kind == "line" or mark.names:
        return packed(values, mark.by)
    return packed(values, mark.by, "int16", float(np.abs(values).max(initial=1e-9)) / 32767)
