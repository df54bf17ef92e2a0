"""The 2-D training sets.

Kinds of test: identities (counts, subsets), closed forms (moments), second method (scikit-learn,
the spiral's own equation), statistics with stated bounds, failures.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import make_swiss_roll

from dotlib.data import toy as toy_data
from dotlib.errors import InputError
from dotlib.seeding import generator, numpy_rng

ALMOST = 1e-6  # probability that a statistical test fails by chance; the seeds are fixed anyway


def gaussians(size: int = 5_000, noise: str = "code", seed: int = 0) -> toy_data.ToyData:
    return toy_data.toy("25gaussians", numpy_rng(seed, "test"), size=size, noise=noise)


def swissroll(size: int = 5_000, seed: int = 0) -> toy_data.ToyData:
    return toy_data.toy("swissroll", numpy_rng(seed, "test"), size=size)


# --- 25 Gaussians ------------------------------------------------------------------------------


@pytest.mark.parametrize(("noise", "std"), [("code", 0.05), ("paper", 0.1)])
def test_both_readings_of_the_noise(noise, std):
    """Squared distances to the centres, over the variance, are chi-square with 2 N degrees."""
    toy = gaussians(20_000, noise)
    centred = (toy.points - toy_data.mode_centres()[toy.modes]).double() * toy_data.GAUSSIANS_SCALE / std
    low, high = stats.chi2.ppf([ALMOST, 1 - ALMOST], 2 * 20_000)
    assert low < float(centred.square().sum()) < high
    assert abs(float(centred.sum())) < 5 * math.sqrt(2 * 20_000)
    product = float((centred[:, 0] * centred[:, 1]).sum())  # coordinates independent: sd sqrt(N)
    assert abs(product) < 5 * math.sqrt(20_000)
    # normal in shape, not only in variance
    assert stats.kstest(centred.flatten().numpy(), "norm").pvalue > 1e-4


def test_modes_are_the_grid_each_with_its_share():
    toy = gaussians()
    assert torch.bincount(toy.modes).tolist() == [200] * 25
    grid = {(a, b) for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)}
    centres = toy_data.mode_centres().double() * 2.828
    assert {(round(float(a), 5), round(float(b), 5)) for a, b in centres} == grid
    # each point is nearest to its own centre: half a spacing is 20 standard deviations
    nearest = torch.cdist(toy.points, toy_data.mode_centres()).argmin(1)
    assert torch.equal(nearest, toy.modes)


def test_scaling_makes_the_variance_1():
    """Variance of {-4, -2, 0, 2, 4} is 8; (8 + 0.05^2) / 2.828^2 = 1.00060 an axis.

    The modes are balanced, so only the noise varies: its part of the error is below 1e-3.
    """
    points = gaussians(20_000).points.double()
    assert points.var(0).tolist() == pytest.approx([8.0025 / 2.828**2] * 2, abs=1e-3)
    assert points.mean(0).tolist() == pytest.approx([0, 0], abs=5 * 0.0177 / math.sqrt(20_000))


def test_types_and_published_size():
    toy = toy_data.toy("25gaussians", numpy_rng(0, "test"))
    assert toy.points.shape == (100_000, 2) and toy.points.dtype == torch.float32
    assert toy.modes.shape == (100_000,) and toy.modes.dtype == torch.int64
    assert swissroll().modes is None and swissroll().points.dtype == torch.float32


# --- swissroll ---------------------------------------------------------------------------------


def test_swissroll_has_the_distribution_of_scikit_learns():
    """Kolmogorov-Smirnov on x, y, radius and angle, against an independent draw."""
    points = swissroll(20_000).points.double().numpy() * 7.5
    other, _ = make_swiss_roll(20_000, noise=0.25, random_state=8)
    other = other[:, [0, 2]]  # the third axis is the roll's width
    for of in (lambda p: p[:, 0], lambda p: p[:, 1], lambda p: np.hypot(*p.T), lambda p: np.arctan2(p[:, 1], p[:, 0])):
        assert stats.ks_2samp(of(points), of(other)).pvalue > 1e-4


def test_swissroll_lies_on_its_spiral_with_the_published_noise():
    """Points (t cos t, t sin t), t in [1.5 pi, 4.5 pi], plus N(0, 0.25^2), all over 7.5.

    The distance to the nearest point of the curve is the noise along its normal: |N(0, 0.25)| with
    mean square 0.25^2, but for the ends and the bend (radius >= 4.7, so some percent).
    """
    points = swissroll(1_500).points.double().numpy() * 7.5
    t = np.linspace(1.5 * np.pi, 4.5 * np.pi, 2_000)
    curve = np.stack([t * np.cos(t), t * np.sin(t)], axis=1)
    squared = ((points[:, None] - curve) ** 2).sum(-1).min(1)
    assert np.sqrt(squared.mean()) == pytest.approx(0.25, rel=0.08)  # sd of the estimate: 1.8 %
    assert squared.max() < (5 * 0.25) ** 2


# --- drawing -----------------------------------------------------------------------------------


def indices(toy: toy_data.ToyData, drawn: torch.Tensor) -> torch.Tensor:
    """Which training point each drawn point is. Points of these sets are all different."""
    order = {tuple(point): index for index, point in enumerate(toy.points.tolist())}
    return torch.tensor([order[tuple(point)] for point in drawn.tolist()])


@pytest.mark.parametrize("sampling", ["random", "balanced"])
def test_drawn_points_are_different_training_points(sampling):
    toy = gaussians(2_500)
    assert len(toy.points.unique(dim=0)) == 2_500
    chosen = indices(toy, toy.draw(1_000, generator(0, "draw"), sampling=sampling))
    assert len(chosen.unique()) == 1_000


@pytest.mark.parametrize("n", [25, 1_000, 2_500])
def test_a_balanced_draw_has_the_same_count_in_each_mode(n):
    toy = gaussians(2_500)
    drawn = toy.draw(n, generator(1, "draw"), sampling="balanced")
    assert torch.bincount(toy.modes[indices(toy, drawn)], minlength=25).tolist() == [n // 25] * 25


def test_a_random_draw_is_not_balanced_but_fair():
    """Counts of 40 draws of 1,000 of 5,000: hypergeometric, chi-square sum close to 24 a draw."""
    toy = gaussians()
    total = 0.0
    for draw in range(40):
        drawn = toy.draw(1_000, generator(draw, "draw"))
        counts = torch.bincount(torch.cdist(drawn, toy_data.mode_centres()).argmin(1), minlength=25)
        assert counts.sum() == 1_000
        total += float(((counts - 40.0) ** 2).sum() / 40)
    # without replacement the variance shrinks by (5000 - 1000) / 4999
    low, high = stats.chi2.ppf([ALMOST, 1 - ALMOST], 24 * 40) * 4_000 / 4_999
    assert low < total < high


@pytest.mark.parametrize("sampling", ["random", "balanced"])
def test_every_point_can_be_drawn_equally_often(sampling):
    toy = gaussians(100)
    hits = torch.zeros(100)
    for draw in range(800):
        hits[indices(toy, toy.draw(25, generator(draw, "fair"), sampling=sampling))] += 1
    # binomial(800, 1/4) a point: sd 12.2; five of them over 100 points
    assert float((hits - 200).abs().max()) < 62


def test_everything_can_be_drawn_and_nothing_is_changed():
    toy = gaussians(100)
    before = toy.points.clone()
    drawn = toy.draw(100, generator(0, "all"))
    drawn += 1
    assert torch.equal(toy.points, before)
    assert torch.equal((drawn - 1).sum(0).round(decimals=3), before.sum(0).round(decimals=3))


@pytest.mark.parametrize("make", [gaussians, swissroll])
def test_the_seed_decides_everything(make):
    assert torch.equal(make(seed=3).points, make(seed=3).points)
    assert not torch.equal(make(seed=3).points, make(seed=4).points)
    toy = make()
    assert torch.equal(toy.draw(10, generator(0, "d")), toy.draw(10, generator(0, "d")))
    assert not torch.equal(toy.draw(10, generator(0, "d")), toy.draw(10, generator(1, "d")))


def test_the_global_generators_have_no_say():
    with torch.random.fork_rng(devices=[]):
        np.random.seed(1)  # noqa: NPY002 - the legacy global state is what must not matter
        torch.manual_seed(1)
        first = swissroll(500).points
        np.random.seed(2)  # noqa: NPY002
        torch.manual_seed(2)
        assert torch.equal(first, swissroll(500).points)


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: toy_data.toy("swisroll", numpy_rng(0)), "name: unknown 'swisroll'.*nearest: swissroll"),
        (lambda: toy_data.toy("25gaussians", numpy_rng(0), noise="print"), "noise: .*known: code, paper"),
        (lambda: gaussians(30), "size: 30 is not a multiple of 25; use 25"),
        (lambda: gaussians(24), "size: 24 .*use 25"),
        (lambda: gaussians(0), "size: expected an integer >= 1, found 0"),
        (lambda: gaussians(25.0), "size: .*found 25.0"),
        (lambda: gaussians(25).draw(26, generator(0)), "n: 26 exceeds the 25 training points"),
        (lambda: gaussians(25).draw(0, generator(0)), "n: expected an integer >= 1"),
        (lambda: gaussians(50).draw(30, generator(0), sampling="balanced"), "n: 30 .*use 25"),
        (lambda: gaussians(50).draw(5, generator(0), sampling="balanced"), "n: 5 .*use 25"),
        (lambda: gaussians(50).draw(5, generator(0), sampling="even"), "sampling: unknown 'even'"),
        (lambda: swissroll(50).draw(25, generator(0), sampling="balanced"), "needs modes"),
        (
            lambda: toy_data.ToyData(torch.zeros(4, 2), torch.tensor([0, 0, 0, 1])).draw(
                4, generator(0), sampling="balanced"
            ),
            "n: 4 takes 2 points of each mode, and one has 1",
        ),
    ],
)
def test_failures_say_what_to_do(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
