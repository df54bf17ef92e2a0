"""Figures and tables: that what is passed in is what is drawn."""

import io

import numpy as np
import pytest
from PIL import Image

from dotlib.plots import points as toy_plots
from dotlib.results import tables

POINTS = np.random.default_rng(0).normal(size=(40, 2))


def test_panels_draw_each_set_once_on_equal_axes():
    figure = toy_plots.panels({"real": POINTS, "g": POINTS + 1, "dot": POINTS, "naive": POINTS}, limits=(-3, 3))
    assert [axis.get_title() for axis in figure.axes] == ["training samples", "G", "DOT", "naive"]
    drawn = figure.axes[1].collections[0].get_offsets()
    assert np.allclose(drawn, POINTS + 1, atol=1e-12) is True
    assert {axis.get_xlim() for axis in figure.axes} == {(-3.0, 3.0)}
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)  # legible in dark mode


def test_particles_make_an_animation_with_all_frames_and_a_pause():
    paths = {
        "dot": np.stack([POINTS * s for s in (1.0, 0.9, 0.8)]),
        "naive": np.stack([POINTS * s for s in (1.0, 0.5, 0.1)]),
    }
    gif = toy_plots.particles(paths, (0, 5, 10), POINTS, limits=(-3, 3), frame_ms=100)
    with Image.open(io.BytesIO(gif)) as image:
        assert image.format == "GIF"
        total, frames = 0, image.n_frames
        for frame in range(frames):
            image.seek(frame)
            total += image.info["duration"]
    assert frames >= 3
    assert total == pytest.approx(3 * 100 + 1000, abs=110)


def test_intervals_and_curves_show_their_names():
    figure = toy_plots.intervals({"one": (-1, 0, 1), "two": (1, 2, 3)}, unit="EMD", reference=0)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["one", "two"]
    figure = toy_plots.curves(
        [1, 10],
        {"a": np.array([1, 2])},
        bands={"a": np.array([0.1, 0.1])},
        xlabel="pairs",
        ylabel="K",
        log_x=True,
        marks={"paper": 1.5},
    )
    assert figure.axes[0].get_xscale() == "log"
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["a"]


def test_markdown_tables():
    text = tables.markdown(["a", "b"], [["x", 1], ["y", 2]])
    assert text.splitlines() == ["| a | b |", "| :-- | --: |", "| x | 1 |", "| y | 2 |"]
    with pytest.raises(ValueError, match="has 1 cells, the header 2"):
        tables.markdown(["a", "b"], [["x"]])
    assert tables.plus_minus(0.0523, 0.0081) == "0.052\u00a0±\u00a00.008"
    assert tables.plus_minus(1.5, None, 1) == "1.5"
