"""Figures of points: that what is passed in is what is drawn."""

import io

import numpy as np
import pytest
from PIL import Image

from dotlib.plots import points as toy_plots

POINTS = np.random.default_rng(0).normal(size=(40, 2))


def test_panels_draw_each_set_once_on_equal_axes():
    figure = toy_plots.panels({"real": POINTS, "g": POINTS + 1, "dot": POINTS, "naive": POINTS}, limits=(-3, 3))
    assert [axis.get_title() for axis in figure.axes] == ["training samples", "G", "DOT", "naive"]
    drawn = figure.axes[1].collections[0].get_offsets()
    assert np.allclose(drawn, POINTS + 1, atol=1e-12) is True
    assert {axis.get_xlim() for axis in figure.axes} == {(-3.0, 3.0)}
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)  # legible in dark mode


def test_labelled_points_have_the_colour_of_their_label_in_every_panel():
    labels = np.arange(40) % 3
    figure = toy_plots.labelled({"pixels": POINTS, "E": POINTS + 1}, labels)
    assert [axis.get_title() for axis in figure.axes] == ["pixels", "E"]
    for axis, shift in zip(figure.axes, (0, 1), strict=True):
        for label, drawn in enumerate(axis.collections):
            assert np.allclose(drawn.get_offsets(), POINTS[labels == label] + shift, atol=1e-12)
    colours = [[tuple(drawn.get_facecolor()[0]) for drawn in axis.collections] for axis in figure.axes]
    assert colours[0] == colours[1] and len(set(colours[0])) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1", "2"]


def test_particles_make_an_animation_with_all_frames_and_a_pause():
    paths = {
        "dot": np.stack([POINTS * s for s in (1.0, 0.9, 0.8)]),
        "naive": np.stack([POINTS * s for s in (1.0, 0.5, 0.1)]),
    }
    gif = toy_plots.particles(paths, (0, 5, 10), POINTS, limits=(-3, 3))
    with Image.open(io.BytesIO(gif)) as image:
        assert image.format == "GIF"
        total, frames = 0, image.n_frames
        for frame in range(frames):
            image.seek(frame)
            total += image.info["duration"]
    assert frames >= 3
    assert total == pytest.approx(2 * 80 + 1000, abs=10)


def test_minimisers_show_the_segment_and_the_training_points_in_each_panel():
    axis = np.linspace(-1, 1, 5)
    excess = {side: ((axis, axis), np.abs(axis)[:, None] * np.ones(5)) for side in ("lower", "upper")}
    figure = toy_plots.minimisers(excess, np.array([0.5, 0.0]), np.array([-0.5, 0.25]), POINTS)
    assert [panel.get_title() for panel in figure.axes[:2]] == ["lower", "upper"]
    for panel in figure.axes[:2]:
        segment, circle, star = (line.get_xydata().tolist() for line in panel.lines)
        assert (segment, circle, star) == ([[0.5, 0.0], [-0.5, 0.25]], [[0.5, 0.0]], [[-0.5, 0.25]])
        assert np.allclose(panel.collections[-1].get_offsets(), POINTS)
