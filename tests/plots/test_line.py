"""Theorem 1 on a line: the function that is drawn is an optimal dual, and the figure shows what follows from it."""

import numpy as np

from dotlib.metrics import optimal_transport
from dotlib.plots import line

X = np.linspace(-6, 6, 2001)


def test_the_function_is_1_lipschitz_and_its_dual_value_is_the_distance():
    assert np.abs(np.diff(line.dual(X)) / np.diff(X)).max() <= 1 + 1e-9
    value = line.dual(line.TRAINING).mean() - line.dual(line.SAMPLES).mean()
    assert np.isclose(value, optimal_transport.emd(line.TRAINING[:, None], line.SAMPLES[:, None], cost="euclidean"))
    assert np.allclose(line.dual(line.TRAINING), line.HEIGHTS)


def test_the_objective_is_flat_on_the_segment_at_k_1_falls_below_it_and_rises_above_it():
    _, _, _, (number,) = line.segment().table.rows.values()
    small, right, large = np.asarray(number.values)
    assert np.allclose(right, 0, atol=1e-12)
    assert np.allclose(small, -2 * line.POSITIONS, atol=1e-12)  # |x| - 2 |x| at x = 2 t
    assert np.allclose(large, line.POSITIONS, atol=1e-12)  # |x| - |x| / 2


def test_no_x_has_less_than_y_unless_k_is_too_small():
    curves = np.asarray(line.segment().panels[1].marks[0].values)
    assert curves[0, :, 1].min() == -2
    assert np.allclose(curves[1:, :, 1].min(1), 0, atol=1e-12)


def test_the_point_lies_on_its_curve():
    shown = line.segment()
    for panel, curve in zip(shown.panels, (1, 0), strict=True):
        point, values = np.asarray(panel.marks[-1].values), np.asarray(panel.marks[curve].values)
        for k in range(3):
            on_curve = np.interp(point[k, :, 0, 0], values[k, :, 0], values[k, :, 1])
            assert np.allclose(on_curve, point[k, :, 0, 1], atol=1e-12)
