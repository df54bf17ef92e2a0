"""Lipschitz estimates: identities, closed forms, invariances, second methods, failures.

No golden numbers. float64 throughout unless a test is about dtype.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from dotlib.errors import InputError
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.transport import lipschitz
from dotlib.transport.lipschitz import (
    CHUNK,
    curve,
    gradient_norms,
    latent_constant,
    pooled_constant,
    slopes,
    target_constant,
)

ROUNDING = 1e-12  # float64: 1e-16 an operation, few operations, values of order 1


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plane(n: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(n, 2, generator=generator, dtype=torch.float64)


def line(n: int, generator: torch.Generator) -> torch.Tensor:
    """Points on a line along (0.6, 0.8): every pair is aligned with it."""
    t = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return t * torch.tensor([0.6, 0.8], dtype=torch.float64)


def linear(*slope: float):
    w = torch.tensor(slope, dtype=torch.float64)
    return lambda x: x @ w


def curved(x: torch.Tensor) -> torch.Tensor:
    return (2 * x[:, 0]).sin() + x[:, 0] * x[:, 1] ** 2


class Recorded:
    """A sampler that keeps what it drew, in order."""

    def __init__(self, sample):
        self.sample, self.drawn = sample, []

    def __call__(self, n, generator):
        self.drawn.append(self.sample(n, generator))
        return self.drawn[-1]

    def pairs(self):
        """The points as pairs: of each draw, first half against second half."""
        halves = [x.chunk(2) for x in self.drawn]
        return torch.cat([x for x, _ in halves]), torch.cat([y for _, y in halves])


# Identities


def test_constant_discriminator_has_constant_zero():
    estimate = target_constant(lambda x: 0 * x[:, 0] + 5, plane, rng=rng())
    assert estimate.value == 0 and estimate.std == 0
    assert gradient_norms(lambda x: 0 * x[:, 0] + 5, plane(10, rng())).abs().max() == 0


def test_coincident_points_have_slope_zero():
    x = plane(3, rng())
    y = x.clone()
    y[1] += 1
    s = slopes(linear(3.0, 4.0), x, y)
    assert s[0] == 0 and s[2] == 0
    assert s[1] == pytest.approx(7 / math.sqrt(2), abs=ROUNDING)


def test_the_recipe_of_the_paper_is_the_default():
    """B.1: the maximum over 100 pairs, the mean of 10 of them; every pair of new points."""
    sample = Recorded(plane)
    estimate = target_constant(curved, sample, rng=rng())
    assert sum(map(len, sample.drawn)) == 2 * 100 * 10
    assert estimate.n_pairs == 100 and estimate.maxima.shape == (10,)
    maxima = slopes(curved, *sample.pairs()).reshape(10, 100).max(1).values.numpy()
    np.testing.assert_array_equal(estimate.maxima.numpy(), maxima)
    assert estimate.value == pytest.approx(maxima.mean(), rel=ROUNDING)
    assert estimate.std == pytest.approx(np.std(maxima, ddof=1), rel=ROUNDING)
    assert estimate.std > 0


def test_randomness_comes_from_the_generator_only():
    first, again, other = (target_constant(curved, plane, rng=rng(s)).maxima for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_points_are_not_written_and_carry_no_graph():
    x = plane(5, rng()).requires_grad_(True)
    before = x.detach().clone()
    norms, quotients = gradient_norms(curved, x), slopes(curved, x, x + 1)
    assert torch.equal(x.detach(), before) and x.grad is None
    assert not norms.requires_grad and not quotients.requires_grad


def test_spread_of_one_repeat_is_not_a_number():
    assert math.isnan(target_constant(curved, plane, repeats=1, rng=rng()).std)


# Closed forms


def test_linear_discriminator_aligned_pairs_are_exact():
    """On a line along u, |w.(x - y)| / |x - y| = |w.u| for every pair; here w = 5u."""
    estimate = target_constant(linear(3.0, 4.0), line, rng=rng())
    torch.testing.assert_close(
        estimate.maxima, torch.full_like(estimate.maxima, 5.0), rtol=0, atol=1e-9
    )  # pairs as close as 1e-4 lose four digits
    assert estimate.std < 1e-9


def test_linear_discriminator_is_never_overestimated():
    """In the plane a slope is 5 |cos| of a random angle: below 5, and near it among 10^4 pairs,
    where the largest |cos| is short of 1 by some (pi / (2 * 10^4))^2 / 2 = 1e-8."""
    for seed in range(20):
        assert 4 < target_constant(linear(3.0, 4.0), plane, rng=rng(seed)).value <= 5 + 1e-9
    many = target_constant(linear(3.0, 4.0), plane, n_pairs=10_000, repeats=1, rng=rng())
    assert 5 - 1e-5 < many.value <= 5 + 1e-9


def test_gradient_norms_of_known_functions():
    x = plane(50, rng())
    torch.testing.assert_close(
        gradient_norms(linear(3.0, 4.0), x), torch.full((50,), 5.0, dtype=torch.float64), rtol=0, atol=ROUNDING
    )
    torch.testing.assert_close(gradient_norms(lambda x: x.square().sum(1), x), 2 * x.norm(dim=1), rtol=0, atol=ROUNDING)


def test_latent_constant_of_linear_networks():
    """G(z) = z A', D(x) = w.x: the slope of D(G(.)) is A'w. In one dimension every pair has it."""
    A, w = torch.tensor([[2.0], [-1.0]]), torch.tensor([1.0, 3.0])
    pair = Pair(lambda z: z @ A.T, lambda x: x @ w, Uniform(1))
    estimate = latent_constant(pair, rng=rng())
    assert estimate.value == pytest.approx(1.0, abs=2e-3)  # float32: 1e-7 over pairs 1e-3 apart
    wide = Pair(lambda z: z, lambda x: x @ torch.tensor([3.0, 4.0]), Normal(2))
    assert 4 < latent_constant(wide, rng=rng()).value < 5 + 2e-3


def test_curve_of_uniform_directions():
    """For D linear with slope 1 and isotropic pairs, a slope is |cos| of a uniform angle, so the
    largest of n has distribution function (1 - (2/pi) arccos t)^n, and mean the integral of one
    minus this. The tolerance is five standard errors of a mean of `repeats` maxima."""
    ns, repeats = (1, 10, 100), 200
    c = curve(linear(1.0, 0.0), plane, n_pairs=ns, repeats=repeats, rng=rng())
    assert c.n_pairs == ns and c.total == 100 * repeats
    t = (np.arange(100_000) + 0.5) / 100_000
    for n, mean, std in zip(ns, c.mean.tolist(), c.std.tolist(), strict=True):
        F = (1 - 2 / np.pi * np.arccos(t)) ** n
        first, second = (1 - F).mean(), (2 * t * (1 - F)).mean()
        deviation = math.sqrt(second - first**2)
        draws = c.total / n
        assert mean == pytest.approx(first, abs=5 * deviation / math.sqrt(draws))
        assert std == pytest.approx(deviation, rel=0.25)  # of 200 maxima, and skewed


# Invariances


def test_scaling_and_moving():
    """c D has c times the constant; data twice as far apart half of it; a shift changes nothing."""
    base = target_constant(linear(3.0, 4.0), plane, rng=rng()).value
    assert target_constant(linear(6.0, 8.0), plane, rng=rng()).value == pytest.approx(2 * base)
    wide = target_constant(lambda x: curved(x / 2), lambda n, g: 2 * plane(n, g), rng=rng()).value
    assert wide == pytest.approx(target_constant(curved, plane, rng=rng()).value / 2)
    moved = target_constant(lambda x: curved(x - 1) + 7, lambda n, g: plane(n, g) + 1, rng=rng())
    assert moved.value == pytest.approx(target_constant(curved, plane, rng=rng()).value)


def test_more_points_than_one_chunk():
    x = plane(2 * CHUNK + 3, rng())
    rows = torch.cat([gradient_norms(curved, row) for row in x.split(100)])
    torch.testing.assert_close(gradient_norms(curved, x), rows, rtol=0, atol=ROUNDING)
    sample = Recorded(plane)
    estimate = target_constant(curved, sample, n_pairs=CHUNK + 5, repeats=2, rng=rng())
    assert max(map(len, sample.drawn)) <= CHUNK
    both = slopes(curved, *sample.pairs()).reshape(2, CHUNK + 5)
    torch.testing.assert_close(estimate.maxima, both.max(1).values, rtol=0, atol=0)


def test_images_and_column_logits_are_accepted():
    def images(n, generator):
        return plane(n, generator).reshape(n, 1, 1, 2)

    D = nn.Sequential(nn.Flatten(), nn.Linear(2, 1)).double().eval()
    K = target_constant(D, images, rng=rng())
    assert K.value <= D[1].weight.norm().item() + 1e-9
    assert K.value == pytest.approx(target_constant(lambda x: D(x)[:, 0], images, rng=rng()).value, abs=0)


def test_works_inside_no_grad_and_inference_mode():
    expected = gradient_norms(curved, plane(5, rng()))
    with torch.no_grad():
        assert torch.equal(gradient_norms(curved, plane(5, rng())), expected)
    with torch.inference_mode():
        assert torch.equal(gradient_norms(curved, plane(5, rng())), expected)


# Second method


def test_gradient_norms_equal_central_differences():
    """h = 1e-6: truncation and rounding are each some 1e-10; values reach 10."""
    x, h = plane(20, rng()), 1e-6
    partial = [(curved(x + e) - curved(x - e)) / (2 * h) for e in h * torch.eye(2).double()]
    torch.testing.assert_close(gradient_norms(curved, x), torch.stack(partial).norm(dim=0), rtol=0, atol=1e-7)


def test_slope_along_the_gradient_is_the_gradient_norm():
    """To first order in the distance, 1e-6; the second derivative is at most some 20."""
    x = plane(20, rng()).requires_grad_(True)
    (g,) = torch.autograd.grad(curved(x).sum(), x)
    step = 1e-6 * g / g.norm(dim=1, keepdim=True)
    torch.testing.assert_close(slopes(curved, x + step, x), gradient_norms(curved, x), rtol=0, atol=2e-5)


def test_no_slope_exceeds_the_largest_gradient():
    """Mean value theorem, on a function with gradient norm at most sqrt(4 + 1)."""

    def D(x):
        return (2 * x[:, 0]).sin() + x[:, 1].cos()

    estimate = target_constant(D, plane, n_pairs=1000, rng=rng())
    assert 1.5 < estimate.value <= math.sqrt(5)


def test_curve_equals_the_average_over_all_subsets():
    """N = 8 slopes: the mean and the deviation of the maximum over every subset of n of them."""
    sample = Recorded(plane)
    c = curve(curved, sample, n_pairs=(4, 1, 2, 3), repeats=2, rng=rng(3))
    values = slopes(curved, *sample.pairs()).tolist()
    assert len(values) == c.total == 8 and c.n_pairs == (1, 2, 3, 4)
    for n, mean, std in zip(c.n_pairs, c.mean.tolist(), c.std.tolist(), strict=True):
        maxima = [max(subset) for subset in itertools.combinations(values, n)]
        assert mean == pytest.approx(np.mean(maxima), rel=ROUNDING)
        assert std == pytest.approx(np.std(maxima), rel=1e-9)


def test_curve_agrees_with_independent_maxima():
    """Same quantity as `target_constant`; tolerance four standard errors of its 200 maxima."""
    c = curve(curved, plane, n_pairs=(100, 1000), repeats=20, rng=rng(1))
    direct = target_constant(curved, plane, n_pairs=100, repeats=200, rng=rng(2))
    assert c.mean[0].item() == pytest.approx(direct.value, abs=4 * direct.std / math.sqrt(200))
    assert c.mean[1] > c.mean[0]


# Failures


def batch_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).double()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_pairs": 0}, "^n_pairs: .*0"),
        ({"n_pairs": 1.5}, "^n_pairs: .*1.5"),
        ({"repeats": 0}, "^repeats: .*0"),
        ({"rng": 0}, r"^rng: found int.*seeding.generator"),
        ({"rng": None}, "^rng: found NoneType"),
        ({"D": lambda x: x[:, 0] / 0}, "^discriminator: NaN or infinity"),
        ({"D": lambda x: x[:, 0] * math.nan}, "^discriminator: NaN or infinity for 1000 of 1000"),
        ({"D": lambda x: (x[:, 0], x)}, "^discriminator: .*tuple"),
        ({"D": lambda x: x}, r"^discriminator: .*\(1000, 2\)"),
        ({"D": lambda x: x.mean()}, r"^discriminator: .*\(\)"),
        ({"D": batch_norm()}, "^discriminator: .*training mode"),
        ({"D": nn.Linear(3, 1).double().eval()}, "^x: .*width"),
        ({"D": nn.Linear(2, 1).eval()}, "^x: .*float64.*dtype"),
        ({"sample": lambda n, g: torch.ones(n, 2)}, "^sample: all 1000 pairs coincide"),
        ({"sample": lambda n, g: torch.ones(n, 2) / 0}, "^sample: .*infinity"),
        ({"sample": lambda n, g: torch.ones(n)}, r"^sample: .*\(2000,\)"),
        ({"sample": lambda n, g: torch.ones(n, 2).long()}, "^sample: .*int64"),
        ({"sample": lambda n, g: plane(n + 1, g)}, "^sample: gave 2001 points for n = 2000"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_arguments_are_named(change, message):
    good = {"D": curved, "sample": plane, "rng": rng()}
    with pytest.raises(InputError, match=message) as error:
        target_constant(**good | change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: slopes(curved, x, x[:2]), r"^y: found shape \(2, 2\) beside x \(5, 2\)"),
        (lambda x: slopes(curved, x * math.nan, x), "^x: .*NaN"),
        (lambda x: slopes(curved, x, x.long()), "^y: .*int64"),
        (lambda x: slopes(curved, x[:0], x[:0]), "^x: .*empty"),
        (lambda x: gradient_norms(curved, x[0]), r"^x: .*\(2,\)"),
        (lambda x: gradient_norms(lambda x: x[:, 0].detach(), x), "^discriminator: autograd"),
        (lambda x: gradient_norms(batch_norm(), x), "^discriminator: .*training mode"),
        (lambda x: curve(curved, plane, n_pairs=(), rng=rng()), "^n_pairs: .*0"),
        (lambda x: curve(curved, plane, n_pairs=(10, -1), rng=rng()), "^n_pairs: .*-1"),
        (lambda x: curve(curved, plane, repeats=1, rng=rng()), "^repeats: .*1"),
    ],
)
def test_wrong_points_are_named(call, message):
    with pytest.raises(InputError, match=message) as error:
        call(plane(5, rng()))
    assert "\n" not in str(error.value)


def test_training_mode_is_seen_after_the_pair_was_made():
    pair = Pair(nn.Linear(2, 2).eval(), nn.Linear(2, 1).eval(), Uniform(2))
    pair.discriminator.train()
    with pytest.raises(InputError, match=r"^discriminator: .*training mode"):
        latent_constant(pair, rng=rng())


def test_an_option_with_a_typo_is_a_type_error():
    with pytest.raises(TypeError, match="pairs"):
        target_constant(curved, plane, pairs=100, rng=rng())
    with pytest.raises(TypeError, match="rng"):
        target_constant(curved, plane)


# Pairs from a pool


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


# Pooled pairs: identities


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


# Pooled pairs: closed forms


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


# Pooled pairs: second methods


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


# Pooled pairs: invariances


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


# Pooled pairs: failures


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
def test_wrong_pools_are_named(change, message):
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
