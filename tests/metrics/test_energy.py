"""The energy distance: closed forms, a plain loop, no bias, failures."""

import math

import numpy as np
import pytest
import torch

from dotlib.errors import InputError
from dotlib.metrics.energy import energy_distance


def normal(n, seed, shift=0.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(shift, 1, (n, 2)))


def test_by_hand():
    """Across: (1 + 3 + 2 + 2) / 4; within: 2 once, and 4 once."""
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[-1.0], [3.0]])
    across = (1 + 3 + 3 + 1) / 4
    assert energy_distance(x, y) == pytest.approx(2 * across - 2 - 4, abs=1e-12)


def test_against_loops():
    x, y = normal(7, 0), normal(5, 1, 0.5)

    def mean(pairs):
        return np.mean([float((a - b).norm()) for a, b in pairs])

    def within(points):
        return mean((points[i], points[j]) for i in range(len(points)) for j in range(len(points)) if i != j)

    expected = 2 * mean((a, b) for a in x for b in y) - within(x) - within(y)
    assert energy_distance(x, y) == pytest.approx(expected, abs=1e-12)
    assert energy_distance(y, x) == pytest.approx(expected, abs=1e-12)


def test_two_samples_of_one_law_are_at_distance_0_on_average_however_few():
    """With three points each, means over all pairs of a sample, the point with itself included, would add some 1.2."""
    values = [energy_distance(normal(3, 2 * seed), normal(3, 2 * seed + 1)) for seed in range(2_000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(len(values))
    assert min(values) < 0 and np.std(values) / math.sqrt(len(values)) < 0.02


def test_two_normal_laws_far_apart():
    """||x - y|| has mean r + 1 / r + O(1 / r^3) for means r apart (variance 2 across), ||x - x'|| sqrt(pi) in 2-D."""
    r = 20.0
    x, y = normal(1_500, 0), normal(1_500, 1) + torch.tensor([r, 0.0])
    assert energy_distance(x, y) == pytest.approx(2 * (r + 1 / r) - 2 * math.sqrt(math.pi), abs=0.25)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(1, 2), torch.zeros(3, 2), "^points of x: .*2"),
        (torch.zeros(3, 2), torch.zeros(3, 1), "^y: found width 1"),
        (torch.zeros(3, 2), torch.full((3, 2), torch.nan), "^y: found NaN"),
    ],
)
def test_failures(x, y, message):
    with pytest.raises(InputError, match=message):
        energy_distance(x, y)
