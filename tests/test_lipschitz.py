"""Lipschitz estimates: identities, closed forms, invariances, second methods, failures.

No golden numbers. float64 throughout unless a test is about dtype.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from dotlib.errors import InputError
from dotlib.lipschitz import CHUNK, curve, gradient_norms, latent_constant, slopes, target_constant
from dotlib.pairs import Pair
from dotlib.priors import Normal, Uniform

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
    D = lambda x: (2 * x[:, 0]).sin() + x[:, 1].cos()  # noqa: E731
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
