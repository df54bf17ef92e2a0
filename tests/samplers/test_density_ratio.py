"""Exact log densities of the 2-D sets, and the ratio in D's place.

Kinds of test: identities (total mass), a second method (SciPy, scikit-learn, counts of samples,
central differences), closed forms, invariances, failures. float64 unless a test is about dtype.
"""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from scipy.special import logsumexp
from sklearn.neighbors import KernelDensity

from dotlib.data.toy import toy
from dotlib.errors import InputError
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.samplers import density_ratio
from dotlib.samplers.density_ratio import gaussians_log_density, kernel_log_density, ratio_pair, swissroll_log_density
from dotlib.seeding import generator, numpy_rng

SETS = {  # density, half width that holds all mass but 1e-9, boxes a side
    "25gaussians": (gaussians_log_density, 1.55, 155),
    "swissroll": (swissroll_log_density, 2.2, 60),
}


def normal_points(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 2, generator=generator(seed, "points"), dtype=torch.float64)


def box_masses(log_density, half: float, boxes: int) -> np.ndarray:
    """Integral of the density over each box of a grid, (boxes, boxes), 4 x 4 Gauss nodes a box."""
    node, weight = np.polynomial.legendre.leggauss(4)
    side = 2 * half / boxes
    axis = -half + side * (np.arange(boxes)[:, None] + (node + 1) / 2)  # (boxes, 4)
    at = torch.from_numpy(axis.ravel())
    density = log_density(torch.cartesian_prod(at, at)).exp().numpy()
    density = density.reshape(boxes, 4, boxes, 4)
    return np.einsum("iajb,a,b->ij", density, weight, weight) * side**2 / 4


# Samples and total mass


@pytest.mark.parametrize("name", SETS)
def test_boxes_hold_as_many_samples_as_the_density_says(name):
    """Pearson's test of 100,000 training points in boxes of one or two standard deviations, those
    that expect fewer than 10 counted together. It tells points apart that are 1 % too far out."""
    log_density, half, boxes = SETS[name]
    masses = box_masses(log_density, half, boxes)
    assert masses.sum() == pytest.approx(1, abs=1e-6)
    points = toy(name, numpy_rng(0, "oracle")).points.double().numpy()
    edges = np.linspace(-half, half, boxes + 1)
    large = masses * len(points) >= 10

    def pvalue(points):
        counts = np.histogram2d(*points.T, bins=(edges, edges))[0]
        counts, expected = (
            np.append(share[large], 1 - share[large].sum()) * len(points) for share in (counts / len(points), masses)
        )
        return stats.chisquare(counts, expected).pvalue

    assert large.sum() > 400
    assert pvalue(points) > 0.01 and pvalue(1.01 * points) < 1e-6


def test_wider_modes_have_the_published_noise():
    """The mean log density of a sample is largest under the density that it comes from."""
    points = toy("25gaussians", numpy_rng(0, "oracle"), noise="paper", size=10_000).points
    fits = {std: float(gaussians_log_density(points, std / 2.828).mean()) for std in (0.05, 0.09, 0.1, 0.11, 0.2)}
    assert max(fits, key=fits.get) == 0.1


# A second method


def test_mixture_is_the_mean_of_25_normals():
    x = normal_points(50).clamp(-1.6, 1.6)
    axis = np.arange(-4, 5, 2) / 2.828
    logs = [stats.multivariate_normal((a, b), (0.05 / 2.828) ** 2).logpdf(x.numpy()) for a in axis for b in axis]
    expected = torch.from_numpy(logsumexp(logs, axis=0) - math.log(25))
    # the centres are kept in float32, off by 4e-8, and slopes reach 1,000
    torch.testing.assert_close(gaussians_log_density(x), expected, rtol=0, atol=1e-4)


def near_the_spiral(n: int, far: float) -> torch.Tensor:
    """Points at most `far` from the middle line, and its two ends."""
    rng = np.random.default_rng(0)
    t = 1.5 * math.pi * (1 + 2 * np.append(rng.uniform(size=n - 2), (0, 1)))
    away = far * rng.uniform(size=n) * np.exp(2j * np.pi * rng.uniform(size=n))
    spiral = t * np.exp(1j * t) / 7.5 + away
    return torch.from_numpy(np.stack((spiral.real, spiral.imag), axis=1))


def test_swissroll_is_the_integral_along_the_spiral():
    """SciPy's adaptive quadrature, told where the integrand peaks."""
    std = 0.25 / 7.5

    def density(t, x):
        away = x - t * np.array((math.cos(t), math.sin(t))) / 7.5
        return math.exp(-away @ away / 2 / std**2) / (2 * math.pi * std**2)

    for x in near_the_spiral(12, far=3 * std):
        grid = np.linspace(1.5 * math.pi, 4.5 * math.pi, 2001)
        peak = grid[np.argmax([density(t, x.numpy()) for t in grid])]
        total = integrate.quad(density, grid[0], grid[-1], args=(x.numpy(),), points=[peak], epsrel=1e-10, limit=400)[0]
        assert float(swissroll_log_density(x[None])) == pytest.approx(math.log(total / (3 * math.pi)), abs=1e-8)


@pytest.mark.parametrize(("far", "error"), [(5, 1e-9), (10, 1e-6), (30, 0.1)])
def test_twice_the_quadrature_changes_no_more_than_stated(far, error):
    x = near_the_spiral(400, far=far * 0.25 / 7.5)
    twice = swissroll_log_density(x, panels=2 * density_ratio.PANELS)
    torch.testing.assert_close(swissroll_log_density(x), twice, rtol=0, atol=error)


@pytest.mark.parametrize("bandwidth", [0.1, 0.3, 3.0])
def test_kernel_density_equals_scikit_learn(bandwidth):
    points, x = normal_points(500), normal_points(70, seed=1)
    known = KernelDensity(bandwidth=bandwidth, kernel="gaussian").fit(points.numpy())
    torch.testing.assert_close(
        kernel_log_density(x, points, bandwidth),
        torch.from_numpy(known.score_samples(x.numpy())),
        rtol=1e-12,
        atol=1e-9,
    )


def test_kernel_density_far_from_every_point():
    """At 300 bandwidths and more every term underflows by itself."""
    points, x = normal_points(500), 3 + normal_points(20, seed=1).abs()
    squares = ((x[:, None] - points) / 0.003).square().sum(2).numpy()
    expected = logsumexp(-squares / 2, axis=1) - math.log(500 * 2 * math.pi * 0.003**2)
    assert expected.max() < -1000
    torch.testing.assert_close(kernel_log_density(x, points, 0.003), torch.from_numpy(expected), rtol=1e-12, atol=0)


DENSITIES = pytest.mark.parametrize(
    "log_density",
    [
        lambda x: gaussians_log_density(x, 0.3),
        swissroll_log_density,
        lambda x: kernel_log_density(x, normal_points(40), 0.3),
        lambda x: gaussians_log_density(x) - kernel_log_density(x, normal_points(40), 0.1),
    ],
    ids=["gaussians", "swissroll", "kernel", "ratio"],
)


@DENSITIES
def test_gradient_equals_central_differences(log_density):
    x = normal_points(8, seed=2).requires_grad_(True)
    assert torch.autograd.gradcheck(log_density, x, eps=1e-6, atol=1e-4, rtol=1e-6)


# Invariances


@DENSITIES
def test_blocks_change_nothing_and_dtypes_are_kept(log_density, monkeypatch):
    x = normal_points(60, seed=3)
    whole = log_density(x)
    monkeypatch.setattr(density_ratio, "ELEMENTS", 100)
    torch.testing.assert_close(log_density(x), whole, rtol=0, atol=1e-12)
    single = log_density(x.float())
    assert single.dtype == torch.float32 and single.shape == (60,)
    torch.testing.assert_close(single.double(), whole, rtol=1e-4, atol=1e-4)


# The blur and the ratio


@pytest.mark.parametrize("prior", [Uniform(3), Normal(3)])
def test_blur_adds_normal_noise_of_its_width(prior):
    pair = density_ratio.blurred(Pair(lambda z: z[:, :2], lambda x: x.sum(1), prior), 0.5)
    z = pair.prior.sample(20_000, generator(0, "z"))
    assert z.shape == (20_000, 5)
    noise = (pair.generate(z) - z[:, :2]) / 0.5
    for column in noise.T:
        assert stats.kstest(column.numpy(), "norm").pvalue > 0.01
    correlations = torch.corrcoef(torch.cat([noise, z[:, :3]], 1).T)[:2]
    assert (correlations - torch.eye(2, 5)).abs().max() < 0.04


def test_blur_is_finite_at_the_edge_and_smooth_inside():
    pair = density_ratio.blurred(Pair(lambda z: z, lambda x: x.sum(1), Uniform(2)), 1.0)
    corner = pair.generate(torch.tensor([[0.0, 0.0, 1.0, -1.0]]))
    assert corner.abs().max() < 5 and corner[0, 0] == -corner[0, 1]
    z = 1.8 * torch.rand(5, 4, dtype=torch.float64, generator=generator(1, "z")) - 0.9
    assert torch.autograd.gradcheck(pair.generator, z.requires_grad_())


def test_ratio_of_known_normals():
    """G = identity with the blur 0.3, so p_G = N(0, 1.09 I); data N(m, s^2 I): the ratio is known.
    Where p_G is at least 0.05 some n p_G 4 pi 0.3^2 = 1,000 points stand behind each value."""
    mean, std, width = torch.tensor([0.4, -0.2]), 0.7, 0.3

    def real(x):
        away = ((x - mean) / std).square().sum(1)
        return -away / 2 - math.log(2 * math.pi * std**2)

    pair = ratio_pair(Pair(lambda z: z, lambda x: x.sum(1), Normal(2)), real, generator(0, "G"), width=width)
    x = pair.generate(pair.prior.sample(2000, generator(1, "G")))
    law = stats.multivariate_normal((0, 0), 1 + width**2)
    p_G = torch.from_numpy(law.pdf(x.numpy()))
    error = pair.logit(x) - real(x) + p_G.log()
    assert error[p_G >= 0.05].abs().max() < 0.1
    assert abs(float(error[p_G >= 0.05].mean())) < 0.02
    assert float(pair.logit(x).exp().mean()) == pytest.approx(1, abs=0.05)


def test_ratio_pair_belongs_to_the_blurred_generator_and_repeats_with_its_seed():
    start = Pair(lambda z: 2 * z, lambda x: x.sum(1), Uniform(2))
    first, again = (ratio_pair(start, swissroll_log_density, generator(3, "G"), points=200) for _ in range(2))
    x = normal_points(10).float()
    assert torch.equal(first.logit(x), again.logit(x))
    p_G = kernel_log_density(x, 2 * start.prior.sample(200, generator(3, "G")), density_ratio.BLUR)
    assert torch.equal(first.logit(x), swissroll_log_density(x) - p_G)
    wide = density_ratio.blurred(start)
    z = wide.prior.sample(10, generator(4, "z"))
    assert first.prior == wide.prior and torch.equal(first.generate(z), wide.generate(z))


# Failures


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: gaussians_log_density(x[:, :1]), "x: expected width 2, found shape .60, 1."),
        (lambda x: gaussians_log_density(x, 0.0), "std: expected a finite number > 0, found 0.0"),
        (lambda x: swissroll_log_density(x / 0), "x: found NaN or infinity in 60 of 60 rows"),
        (lambda x: swissroll_log_density(x, panels=0), "panels: expected an integer >= 1, found 0"),
        (lambda x: kernel_log_density(x, x[:0], 0.1), "points: found an empty batch"),
        (lambda x: kernel_log_density(x, x, -1.0), "bandwidth: expected a finite number > 0"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call(normal_points(60))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 0}, "points: expected an integer >= 1, found 0"),
        ({"width": math.inf}, "width: expected a finite number > 0, found inf"),
        ({"prior": None}, "prior: cannot add latents to NoneType"),
        ({"G": lambda z: z[:, :1]}, "generator: expected width 2, found shape .200, 1."),
        ({"G": lambda z: z.expand(len(z), 2) * math.nan}, "generator: found NaN or infinity in 200"),
    ],
)
def test_a_pair_without_an_oracle_is_named(options, message):
    settings = {"points": 200} | options
    pair = Pair(settings.pop("G", lambda z: z), lambda x: x.sum(1), settings.pop("prior", Normal(2)))
    with pytest.raises(InputError, match=message):
        ratio_pair(pair, swissroll_log_density, generator(0, "G"), **settings)
