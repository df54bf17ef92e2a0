"""`lipschitz.pooled_constant`: identities, closed forms, invariances, second methods, failures.

No golden numbers. float64 unless a test is about dtype.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from dotlib import lipschitz
from dotlib.errors import InputError
from dotlib.lipschitz import pooled_constant, slopes, target_constant

ROUNDING = 1e-12  # float64: 1e-16 an operation, few operations, values of order 1


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plane(n: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(n, 2, generator=generator, dtype=torch.float64)


def curved(x: torch.Tensor) -> torch.Tensor:
    return (2 * x[:, 0]).sin() + x[:, 0] * x[:, 1] ** 2


def all_slopes(f, points: torch.Tensor) -> torch.Tensor:
    """The slope of every pair of different places in the pool."""
    i, j = np.array(list(itertools.combinations(range(len(points)), 2))).T
    return slopes(f, points[i], points[j])


class Counted:
    """f that counts the points it sees."""

    def __init__(self, f):
        self.f, self.rows = f, 0

    def __call__(self, x):
        self.rows += len(x)
        return self.f(x)


# Identities


def test_a_constant_function_has_constant_zero():
    estimate = pooled_constant(lambda x: 0 * x[:, 0] + 5, plane(50, rng()), n_pairs=10, repeats=4, rng=rng())
    assert torch.equal(estimate.maxima, torch.zeros(4, dtype=torch.float64))


def test_the_estimate_says_what_it_is():
    estimate = pooled_constant(curved, plane(50, rng()), n_pairs=10, repeats=4, rng=rng())
    assert estimate.n_pairs == 10 and estimate.maxima.shape == (4,)
    assert estimate.maxima.dtype == torch.float64 and not estimate.maxima.requires_grad


def test_the_published_numbers_are_the_default():
    estimate = pooled_constant(curved, plane(200, rng()), rng=rng())
    assert estimate.n_pairs == 500 and len(estimate.maxima) == 500


def test_each_point_is_seen_once_whatever_the_pairs():
    for n_pairs, repeats in ((1, 1), (100, 100)):
        f = Counted(curved)
        pooled_constant(f, plane(37, rng()), n_pairs=n_pairs, repeats=repeats, rng=rng())
        assert f.rows == 37


def test_the_pool_is_read_and_never_written():
    points = plane(20, rng())
    before = points.clone()
    pooled_constant(curved, points, n_pairs=30, repeats=3, rng=rng())
    assert torch.equal(points, before) and points.grad is None


# Closed forms


def test_points_on_a_line_have_the_slope_along_it():
    """f(x) = w . x and x = t u: every quotient is |w . u|, so there is no spread."""
    u, w = torch.tensor([[0.6, 0.8], [2.0, -1.0]], dtype=torch.float64)
    points = torch.randn(100, 1, generator=rng(), dtype=torch.float64) * u
    estimate = pooled_constant(lambda x: x @ w, points, n_pairs=7, repeats=9, rng=rng(1))
    expected = torch.full((9,), 0.4, dtype=torch.float64)  # |1.2 - 0.8|
    torch.testing.assert_close(estimate.maxima, expected, rtol=1e-9, atol=0)


def test_two_points_make_one_pair_and_no_point_meets_itself():
    """A point with itself has slope 0, so with one pair a repeat it would show."""
    points = plane(2, rng())
    found = pooled_constant(curved, points, n_pairs=1, repeats=2_000, rng=rng()).maxima
    only = slopes(curved, points[:1], points[1:])
    assert (only > 0).all()
    torch.testing.assert_close(found, only.expand(2_000), rtol=ROUNDING, atol=0)


@given(size=st.integers(2, 12), seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_no_pool_pairs_a_point_with_itself(size, seed):
    """Points k (k + 1) / 2 on a line under f = x: every slope is 1, that of a point to itself 0."""
    points = (torch.arange(size).double() * torch.arange(1, size + 1) / 2)[:, None]
    found = pooled_constant(lambda x: x[:, 0], points, n_pairs=1, repeats=200, rng=rng(seed))
    assert torch.equal(found.maxima, torch.ones(200, dtype=torch.float64))


def test_every_pair_comes_equally_often():
    points = plane(4, rng(3))
    drawn = 60_000
    found = pooled_constant(curved, points, n_pairs=1, repeats=drawn, rng=rng()).maxima
    possible = all_slopes(curved, points)
    assert len(possible.unique()) == 6
    near = (found[:, None] - possible).abs() < 1e-9
    assert (near.sum(1) == 1).all()
    share = near.double().mean(0)
    sigma = (1 / 6 * 5 / 6 / drawn) ** 0.5
    assert ((share - 1 / 6).abs() < 4.5 * sigma).all()  # six shares, two-sided: chance 4e-5


# Second methods


def test_many_pairs_of_a_small_pool_find_its_largest_slope():
    """66 pairs, 5,000 draws: missing the largest has chance (65/66)^5000 < 1e-32."""
    points = plane(12, rng())
    found = pooled_constant(curved, points, n_pairs=5_000, repeats=3, rng=rng()).maxima
    torch.testing.assert_close(found, all_slopes(curved, points).max().expand(3), rtol=ROUNDING, atol=0)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_never_above_the_largest_slope_of_the_pool(seed):
    points = plane(9, rng(seed))
    found = pooled_constant(curved, points, n_pairs=5, repeats=20, rng=rng(seed + 1)).maxima
    assert (found <= all_slopes(curved, points).max() * (1 + ROUNDING)).all()
    assert (found >= all_slopes(curved, points).min() * (1 - ROUNDING)).all()


def test_has_the_law_of_fresh_pairs_when_the_pool_is_large():
    """Two-sample Kolmogorov-Smirnov against `target_constant`, at a level of 0.1 %.

    20 pairs a repeat from 40,000 points: two repeats share a point with chance below 5 %.
    """
    fresh = target_constant(curved, plane, n_pairs=20, repeats=1_000, rng=rng(1)).maxima
    pooled = pooled_constant(curved, plane(40_000, rng(2)), n_pairs=20, repeats=1_000, rng=rng(3)).maxima
    assert stats.ks_2samp(fresh.numpy(), pooled.numpy()).pvalue > 1e-3
    assert stats.ks_2samp(fresh.numpy(), 1.3 * pooled.numpy()).pvalue < 1e-3  # the test has power


def test_a_small_pool_hides_spread_over_points():
    """The warning of the docstring: repeats of one small pool vary less than fresh pairs do."""
    fresh = target_constant(curved, plane, n_pairs=500, repeats=100, rng=rng(1))
    pooled = pooled_constant(curved, plane(20, rng(2)), n_pairs=500, repeats=100, rng=rng(3))
    assert pooled.std < 0.5 * fresh.std


# Invariances


def test_the_same_generator_gives_the_same_maxima():
    points = plane(50, rng())
    first, second, other = (
        pooled_constant(curved, points, n_pairs=10, repeats=20, rng=rng(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first.maxima, second.maxima)
    assert not torch.equal(first.maxima, other.maxima)


def test_chunks_change_nothing(monkeypatch):
    points = plane(50, rng())
    whole = pooled_constant(curved, points, n_pairs=10, repeats=20, rng=rng(5)).maxima
    monkeypatch.setattr(lipschitz, "CHUNK", 7)
    parts = pooled_constant(curved, points, n_pairs=10, repeats=20, rng=rng(5)).maxima
    torch.testing.assert_close(parts, whole, rtol=ROUNDING, atol=0)


def test_scales_with_f_and_inversely_with_the_points():
    points = plane(50, rng())
    how = {"n_pairs": 10, "repeats": 20}
    one = pooled_constant(curved, points, rng=rng(5), **how).maxima
    steep = pooled_constant(lambda x: -3 * curved(x) + 4, points, rng=rng(5), **how).maxima
    torch.testing.assert_close(steep, 3 * one, rtol=1e-9, atol=0)
    wide = pooled_constant(lambda x: curved(x / 8), 8 * points, rng=rng(5), **how).maxima
    torch.testing.assert_close(wide, one / 8, rtol=1e-9, atol=0)


def test_images_are_pooled_as_their_flat_vectors():
    flat = torch.randn(30, 12, generator=rng(), dtype=torch.float64)
    how = {"n_pairs": 10, "repeats": 5}
    ours = pooled_constant(
        lambda x: x.square().flatten(1).sum(1, keepdim=True), flat.reshape(30, 3, 2, 2), rng=rng(5), **how
    )
    theirs = pooled_constant(lambda x: x.square().sum(1), flat, rng=rng(5), **how)
    torch.testing.assert_close(ours.maxima, theirs.maxima, rtol=ROUNDING, atol=0)


def test_equal_points_in_the_pool_have_slope_zero():
    points = torch.cat([plane(1, rng())] * 3)
    found = pooled_constant(curved, points, n_pairs=4, repeats=5, rng=rng()).maxima
    assert torch.equal(found, torch.zeros(5, dtype=torch.float64))


def test_a_difference_of_large_logits_is_taken_in_double():
    """float32 networks: the quotient of nearby values must not lose more than they have lost."""
    points = torch.tensor([[0.0], [1.0]])
    found = pooled_constant(lambda x: x[:, 0] + 2.0**20, points, n_pairs=1, repeats=3, rng=rng())
    assert torch.equal(found.maxima, torch.ones(3, dtype=torch.float64))


# Failures


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": torch.zeros(1, 2)}, r"points: expected an integer >= 2, found 1"),
        ({"points": torch.zeros(0, 2)}, r"points: found an empty batch"),
        ({"points": torch.zeros(4)}, r"points: expected two or more axes"),
        ({"points": torch.tensor([[0.0], [float("nan")]])}, r"points: found NaN or infinity in 1 of 2"),
        ({"points": torch.zeros(4, 2, dtype=torch.int64)}, r"points: expected floating point"),
        ({"n_pairs": 0}, r"n_pairs: expected an integer >= 1, found 0"),
        ({"repeats": 0}, r"repeats: expected an integer >= 1, found 0"),
        ({"repeats": 2.5}, r"repeats: expected an integer >= 1, found 2.5"),
        ({"f": lambda x: x[:, 0] / 0}, r"discriminator: NaN or infinity for \d+ of 6 points"),
        ({"f": lambda x: x}, r"discriminator: returned shape \(6, 2\)"),
        ({"f": nn.Linear(2, 1)}, r"discriminator: Linear is in training mode"),
        ({"rng": None}, r"rng: found NoneType; pass seeding.generator"),
    ],
)
def test_refusals(change, message):
    arguments = {
        "f": lambda x: x[:, 0],
        "points": plane(6, rng()).float(),
        "n_pairs": 3,
        "repeats": 2,
        "rng": rng(),
    } | change
    f, points = arguments.pop("f"), arguments.pop("points")
    with pytest.raises(InputError, match=message):
        pooled_constant(f, points, **arguments)
