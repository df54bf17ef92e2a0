"""The style of figures. Kinds of test: identities."""

import base64
import io
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot as plt
from PIL import Image

from dotlib.plots import style


def test_a_figure_has_the_house_style_is_closed_and_leaves_the_settings_as_they_were():
    @style.figure
    def tall(height, *, width):
        """A figure."""
        return plt.figure(figsize=(width, height))

    with mpl.rc_context({"figure.facecolor": "black"}):
        made = tall(3, width=2)
        assert mpl.rcParams["figure.facecolor"] == "black"
    assert made.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert made.get_size_inches().tolist() == [2, 3] and plt.get_fignums() == []
    assert (tall.__name__, tall.__doc__) == ("tall", "A figure.")


@style.figure
def dots(n, pixels=0):
    """n points beside a line, and noise that no drawing makes smaller."""
    figure, (left, right) = plt.subplots(1, 2)
    left.scatter(np.linspace(0, 1, n), np.linspace(0, 1, n))
    left.plot([0, 1], [0, 1])
    if pixels:
        right.imshow(np.random.default_rng(0).random((pixels, pixels)))
    return figure


def test_a_figure_is_shown_as_a_drawing_and_equal_figures_are_equal_files():
    drawing = style.shown(dots(5))["image/svg+xml"]
    assert ET.fromstring(drawing).tag.endswith("svg") and "<image" not in drawing
    assert drawing == style.shown(dots(5))["image/svg+xml"]


def test_what_a_notebook_shows_and_glues_of_a_figure_is_what_the_module_says():
    data, _ = DisplayFormatter().format(dots(5))  # what both read
    assert style.shown(dots(5)).items() <= data.items()


def test_many_points_are_a_picture_in_the_drawing_and_a_heavy_figure_is_one_as_a_whole():
    drawing = style.shown(dots(20_000))["image/svg+xml"]
    assert len(drawing) < 60_000 and drawing.count("<image") == 1 and "line2d" in drawing
    (kind, content), *others = style.shown(dots(5, pixels=400)).items()
    assert (kind, others) == ("image/png", [])
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.format == "PNG" and picture.width > 300


def test_an_animation_has_every_frame_and_rests_on_the_last():
    frames = [Image.new("RGB", (4, 2), colour) for colour in ("red", "green", "blue")]
    with Image.open(io.BytesIO(style.animation(frames, 50))) as gif:
        durations = []
        for index, frame in enumerate(frames):
            gif.seek(index)
            durations.append(gif.info["duration"])
            assert gif.convert("RGB").getpixel((0, 0)) == frame.getpixel((0, 0))
    assert durations == [50, 50, 1000] and gif.n_frames == 3 and gif.info["loop"] == 0
