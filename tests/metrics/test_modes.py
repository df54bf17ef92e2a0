"""How points lie about modes: by hand, closed forms, failures."""

import math

import numpy as np
import pytest
import torch

from dotlib.errors import InputError
from dotlib.metrics.modes import mode_quality

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])


def test_by_hand():
    """Near are two points of the first mode, at 0.3 and 0.4, and one on the edge of the second; the last is far."""
    points = torch.tensor([[0.3, 0.0], [0.0, 0.4], [10.0, -0.4], [5.0, 5.0]], dtype=torch.float64)
    quality = mode_quality(points, CENTRES.double(), 0.1 + 1e-12)
    assert (quality.near, quality.covered) == (0.75, 2)
    assert quality.spread == pytest.approx(math.sqrt((0.09 + 0.16 + 0.16) / 3 / 2) / 0.1)
    assert mode_quality(points, CENTRES.double(), 0.1 - 1e-12).covered == 1
    far = mode_quality(points + 3, CENTRES.double(), 0.1)
    assert (far.near, far.covered, far.spread) == (0, 0, None)


@pytest.mark.parametrize("within", [1.0, 4.0])
def test_the_true_law(within):
    """Squares of radii over 2 sigma^2 are exponential: P(near) = 1 - q, mean of a near one 1 - q t / (1 - q)."""
    t = within**2 / 2
    q = math.exp(-t)
    points = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (60_000, 2)))
    quality = mode_quality(points + CENTRES[1], CENTRES, 0.1, within=within)
    assert quality.near == pytest.approx(1 - q, abs=4 * math.sqrt(q * (1 - q) / 60_000) + 1e-9)
    assert quality.spread == pytest.approx(math.sqrt(1 - q * t / (1 - q)), abs=0.01)
    assert quality.covered == 1


def test_units_cancel():
    points = torch.from_numpy(np.random.default_rng(0).normal(0, 0.2, (50, 2)))
    one, two = mode_quality(points, CENTRES, 0.1), mode_quality(2 * points, 2 * CENTRES, 0.2)
    assert one.spread == pytest.approx(two.spread) and 0 < one.near == two.near < 1


def test_failures():
    with pytest.raises(InputError, match=r"^centres: expected width 1"):
        mode_quality(torch.zeros(3, 1), CENTRES, 0.1)
    with pytest.raises(InputError, match=r"^std: .*0"):
        mode_quality(torch.zeros(3, 2), CENTRES, 0.0)
