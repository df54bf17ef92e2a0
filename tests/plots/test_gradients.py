"""The figure of slopes and k: every latent is counted once, and the line and the table are those of the slider."""

import numpy as np

from dotlib.plots import gradients

NORMS = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 9.0])  # one is 0, and has a place on a logarithmic axis all the same
K = {"k_eff": 0.7, "median": 1.5, "largest": 9.0}
SHEETS = [np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 200)]


def figure():
    return gradients.against_k(NORMS, K, {"FID": ([3.0, 2.0, 1.0], 4.0, 0.5)}, SHEETS, start="median")


def test_every_latent_is_in_the_histogram_once():
    outline = np.asarray(figure().panels[0].marks[0].values)
    assert outline[1:-1:2, 1].sum() == len(NORMS)
    assert np.array_equal(outline[1:-1:2], np.stack([outline[1:-1:2, 0], outline[2::2, 1]], 1))  # flat tops
    assert outline[-1, 0] >= NORMS.max()


def test_the_line_stands_at_k_and_the_slider_where_it_is_told():
    shown = figure()
    line = np.asarray(shown.panels[0].marks[1].values)
    assert np.array_equal(line[:, :, 0], [[0.7, 0.7], [1.5, 1.5], [9.0, 9.0]])
    assert shown.controls[0].options == tuple(K)
    assert shown.controls[0].start == 1
    low, high = shown.panels[0].xlim
    assert 0 < low < 0.7
    assert high > 9


def test_the_table_counts_the_slopes_above_k_and_repeats_what_was_measured():
    rows = figure().table.rows
    assert np.allclose(rows["share of latents with a slope above k"][0].values, [4 / 6, 3 / 6, 0])
    assert [np.asarray(number.values).tolist() for number in rows["FID"]] == [[3.0, 2.0, 1.0], 4.0, 0.5]


def test_each_position_has_its_samples():
    drawn = figure().still().axes[1].images[0].get_array()
    assert np.array_equal(drawn, SHEETS[1])
    assert len(set(figure().specification()["panels"][1]["values"])) == 3
