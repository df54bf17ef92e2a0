"""The style of figures. Kinds of test: identities."""

import io

import matplotlib as mpl
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


def test_an_animation_has_every_frame_and_rests_on_the_last():
    frames = [Image.new("RGB", (4, 2), colour) for colour in ("red", "green", "blue")]
    with Image.open(io.BytesIO(style.animation(frames, 50))) as gif:
        durations = []
        for index, frame in enumerate(frames):
            gif.seek(index)
            durations.append(gif.info["duration"])
            assert gif.convert("RGB").getpixel((0, 0)) == frame.getpixel((0, 0))
    assert durations == [50, 50, 1000] and gif.n_frames == 3 and gif.info["loop"] == 0
