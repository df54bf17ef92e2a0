"""Calibration: logits to log density ratios. Kinds: closed forms, invariances, a second method
(the likelihood's own equations), identities, failures.

Two Gaussians of unit variance with means -m and m have the log density ratio 2 m x, so every
distortion of it has a known cure. Bounds are in standard errors of the quantity tested.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import nn

from dotlib.errors import InputError
from dotlib.pairs import Normal, Pair
from dotlib.samplers import calibration
from dotlib.samplers.base import Kept, Sampler, latents, proposals
from dotlib.samplers.calibration import CALIBRATIONS, Calibrated, Isotonic, Logistic, fit

N = 20_000
ECE_NOISE = 0.4 * math.sqrt(10 / (2 * N))  # its expectation at most, calibrated, 10 bins


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ratios(m: float, real: int = N, fake: int = N, seed: int = 0):
    """Exact log ratios at draws of N(m, 1) and N(-m, 1), (real,) and (fake,) float64."""
    rng = seeded(seed)
    return tuple(
        2 * m * (torch.randn(n, generator=rng, dtype=torch.float64) + mean) for n, mean in ((real, m), (fake, -m))
    )


def ece(*logits):
    return calibration.expected_calibration_error(calibration.reliability(*logits))


def close(a, b, atol=0.0):
    torch.testing.assert_close(torch.as_tensor(a), torch.as_tensor(b), rtol=0, atol=atol)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(("c", "d"), [(3.0, -2.0), (-2.0, 1.0)])  # logit -> c logit + d
@pytest.mark.parametrize("fakes", [N, N // 5])
def test_logistic_undoes_a_linear_distortion_whatever_the_class_sizes(c, d, fakes):
    """slope 1/c and intercept -d/c, within 4 standard errors from the Fisher information."""
    exact = ratios(0.25, fake=fakes)
    found = Logistic.fit(*(c * x + d for x in exact))
    x = torch.cat((exact[0], exact[1].repeat(N // fakes)))
    design = torch.stack([c * x + d, torch.ones_like(x)], 1)
    variance = (x.sigmoid() * (-x).sigmoid())[:, None]
    errors = torch.linalg.inv(design.T @ (variance * design)).diagonal().sqrt()
    errors *= math.sqrt((1 + N / fakes) / 2)  # the scarcer class has that much more variance
    assert (errors < 0.05).all()
    assert abs(found.slope - 1 / c) < 4 * errors[0]
    assert abs(found.intercept + d / c) < 4 * errors[1]


def mean_ratio(fake):
    """E_G[exp(logit)], 1 for a log density ratio, and its standard error."""
    ratios = fake.double().exp()
    return float(ratios.mean()), float(ratios.std() / math.sqrt(len(ratios)))


@pytest.mark.parametrize("fitted", [False, True], ids=["exact", "calibrated"])
def test_log_ratios_pass_every_check_that_a_distorted_discriminator_fails(fitted):
    """On fresh points; a fitted map has an error of its own, as large as that of the check."""
    real, fake = ratios(0.25, seed=1)
    distorted = 3 * real - 2, 3 * fake - 2
    if fitted:
        calibrate = Logistic.fit(*(3 * x - 2 for x in ratios(0.25, seed=2)))
        real, fake = (calibrate(x) for x in distorted)
    mean, error = mean_ratio(fake)
    assert ece(real, fake) < 2 * ECE_NOISE < 0.1 * ece(*distorted)
    assert abs(calibration.z_statistic(real, fake)) < 3 * math.sqrt(1 + fitted)
    assert abs(calibration.z_statistic(*distorted)) > 30
    assert abs(mean - 1) < 4 * error * math.sqrt(1 + fitted) < 0.06
    mean, error = mean_ratio(distorted[1])
    assert abs(mean - 1) > 30 * error


@pytest.mark.parametrize(("n", "m"), [(100, 100), (50, 450)])
def test_z_of_exact_log_ratios(n, m):
    """Each sum of p has its class's variance, here from a large sample; mean 0, 300 repetitions."""
    z = tensor(*(calibration.z_statistic(*ratios(1.0, n, m, seed)) for seed in range(300)))
    real, fake = ((x + math.log(n / m)).sigmoid() for x in ratios(1.0))
    spread = sum(k * (p * (1 - p)).mean() for k, p in ((n, real), (m, fake)))
    expected = math.sqrt((n * real.var() + m * fake.var()) / spread)
    assert abs(z.mean()) < 4 * expected / math.sqrt(300)
    assert float(z.std()) == pytest.approx(expected, rel=4 / math.sqrt(2 * 300))
    assert expected < 1


def test_isotonic_undoes_a_monotone_distortion():
    """Least squares sees ranks alone: the cube changes nothing at the points of the fit. At fresh
    points the error is that of the estimator, of order n^(-1/3)."""
    exact, fresh = ratios(1.0), ratios(1.0, seed=1)
    cubed = Isotonic.fit(*(x**3 for x in exact))
    plain = Isotonic.fit(*exact)
    for x in exact:
        close(cubed(x**3), plain(x), 1e-9)
    found = [cubed(x**3) for x in fresh]
    for x, y in zip(fresh, found, strict=True):
        assert (x.sigmoid() - y.sigmoid()).abs().mean() < 0.5 * N ** (-1 / 3)
    assert ece(*found) < 3 * ECE_NOISE
    assert ece(*(x**3 for x in fresh)) > 8 * ECE_NOISE


def test_tables_and_ratios_by_hand():
    """Probabilities 0.9 (2 of 4 reals), 0.2 (2 reals, 1 fake), 1.0 (1 fake); 2 fakes in all.
    Ratios 1 and 3: mean 2, deviation sqrt(2), standard error 1."""
    real = torch.tensor([0.9, 0.9, 0.2, 0.2]).logit()
    fake = torch.tensor([math.log(0.25), 40.0])
    table = calibration.reliability(real, fake, bins=4)
    assert table.count.tolist() == [3, 3] and table.predicted.dtype == np.float64
    close(table.share, tensor(0.5, 0.5), 1e-15)
    close(table.observed, tensor(0.5, 0.5), 1e-15)
    close(table.predicted, tensor(0.2, 0.95), 1e-7)  # the logits are float32
    assert calibration.expected_calibration_error(table) == pytest.approx(0.375, abs=1e-7)


@pytest.mark.parametrize("name", ["logistic", "isotonic"])
def test_repeating_the_fakes_changes_no_map_and_no_table(name):
    real, fake = ratios(0.5, 400, 400)
    many = fake.repeat(3)
    close(fit(name, real, many)(real), fit(name, real, fake)(real), 1e-9)
    once, thrice = calibration.reliability(real, fake), calibration.reliability(real, many)
    for part in ("predicted", "observed", "share"):
        close(getattr(once, part), getattr(thrice, part), 1e-12)


@pytest.mark.parametrize(("c", "d"), [(3.0, -2.0), (-1e3, 5.0), (1e-6, 0.0), (1.0, 50.0)])
def test_logistic_does_not_depend_on_the_units_of_the_logits(c, d):
    real, fake = ratios(0.5, 400, 500)
    moved = Logistic.fit(c * real + d, c * fake + d)
    close(moved(c * real + d), Logistic.fit(real, fake)(real), 1e-8)


LOGITS = st.lists(st.integers(-20, 20).map(lambda i: i / 4), min_size=1, max_size=30)


@pytest.mark.filterwarnings("ignore:Line search")  # equal means: the search starts at its end
@settings(deadline=None, max_examples=60)
@given(LOGITS, LOGITS)
def test_logistic_solves_the_score_equations(real, fake):
    """The means of y - p and (y - p) logit vanish. The likelihood is concave, so the slope has the
    sign of its derivative at slope 0: that of the difference of the class means."""
    assume(min(real) < max(fake) and min(fake) < max(real))
    real, fake = tensor(*real), tensor(*fake)
    found = Logistic.fit(real, fake)
    miss, false_alarm = (-found(real)).sigmoid(), found(fake).sigmoid()
    close(miss.mean(), false_alarm.mean(), 1e-8)
    close((miss * real).mean(), (false_alarm * fake).mean(), 1e-8)
    difference = float(real.mean() - fake.mean())
    assert found.slope * difference > 0 or max(abs(difference), abs(found.slope)) < 1e-8


@settings(deadline=None, max_examples=60)
@given(LOGITS, LOGITS)
@example([-2.0, -1.0], [1.0, 2.0, 3.0])
def test_isotonic_is_monotone_and_finite_even_where_classes_are_separable(real, fake):
    """Flat at 0 where samples rank above data; log odds of at most 1 - 1/(2n), n the fewer."""
    n = 1 if max(real) <= min(fake) else min(len(real), len(fake))
    found = Isotonic.fit(tensor(*real), tensor(*fake))(torch.linspace(-9, 9, 200).double())
    assert (found.diff() >= -1e-12).all()
    assert found.abs().max() <= math.log(2 * n - 1) + 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_maps_keep_shape_and_dtype_and_logistic_multiplies_gradients_by_its_slope(dtype):
    x = torch.linspace(-2, 2, 9, dtype=dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(Logistic(-0.75, 4.0)(x**3).sum(), x)
    close(gradient, -0.75 * 3 * x.detach() ** 2, 1e-6)
    for name in CALIBRATIONS:
        found = fit(name, *ratios(0.5, 50, 50))(x.detach())
        assert found.shape == x.shape and found.dtype == gradient.dtype == dtype


class First(Sampler):
    """Keeps its first n proposals."""

    def prepare(self, pair, rng):
        return lambda n, rng: Kept(*proposals(pair, n, rng)[:2], proposals=n)


class Resampling(Sampler):
    """Draws from 20,000 proposals with weights exp(logit)."""

    def prepare(self, pair, rng):
        def keep(n, rng):
            z, _, logit = proposals(pair, 20_000, rng)
            return Kept(z[logit.softmax(0).multinomial(n, generator=rng)])

        return keep


class Climbing(Sampler):
    """Adds the gradient of the logit to each latent, once."""

    def prepare(self, pair, rng):
        def keep(n, rng):
            z = latents(pair, n, rng).requires_grad_(True)
            return Kept(z.detach() + torch.autograd.grad(pair.latent_logit(z).sum(), z)[0])

        return keep


def gaussians(m: float, c: float = 1.0, d: float = 0.0) -> Pair:
    """G shifts a normal latent to N(-m, 1); D is c times the log ratio with N(m, 1), plus d."""
    return Pair(lambda z: z - m, lambda x: c * 2 * m * x[:, 0] + d, Normal(1))


def test_resampling_reaches_the_data_only_once_calibrated():
    """D = 3 r - 2 tilts N(-m, 1) to mean 5 m; the log ratio r to m."""
    m, pair = 0.25, gaussians(0.25, 3, -2)
    real = torch.randn(4000, 1, generator=seeded(1)) + m
    for name, mean in (("none", 5 * m), ("logistic", m)):
        drawn = Calibrated(Resampling(), real, name, 4000).draw(pair, 400, seeded())
        assert float(drawn.samples.mean()) == pytest.approx(mean, abs=4 / math.sqrt(400))


def test_calibration_is_counted_as_setup_and_writes_to_no_network():
    torch.manual_seed(0)
    G, D = (nn.Sequential(nn.Linear(i, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, o)) for i, o in ((3, 2), (2, 1)))
    with torch.no_grad():
        D(G(torch.randn(64, 3)))  # running statistics that are not 0 and 1
    pair = Pair(G.eval(), D.eval(), Normal(3))
    before = [[value.clone() for value in net.state_dict().values()] for net in (G, D)]
    real = torch.randn(1000, 2, generator=seeded(1))
    for name, rows, fakes, price in (
        ("logistic", 1000, 1000, (1000, 2000, 0)),
        ("isotonic", 700, 300, (300, 1000, 0)),
        ("none", 700, 300, (0, 0, 0)),
    ):
        drawn = Calibrated(First(), real[:rows], name, fakes).draw(pair, 50, seeded())
        assert dataclasses.astuple(drawn.setup)[:3] == price
        assert dataclasses.astuple(drawn.cost)[:3] == (1, 1, 0) and drawn.acceptance == 1
        close(drawn.samples, First().draw(pair, 50, seeded()).samples)
    for net, old in zip((G, D), before, strict=True):
        assert all(map(torch.equal, net.state_dict().values(), old))
        assert all(parameter.grad is None for parameter in net.parameters())


def test_gradients_reach_a_sampler_through_logistic_and_not_through_isotonic():
    """The calibrated D is about the log ratio 2 m x whatever c, so each latent moves by 2 m."""
    m, pair = 0.25, gaussians(0.25, -2, 1)
    real = torch.randn(4000, 1, generator=seeded(1)) + m
    drawn = Calibrated(Climbing(), real, fakes=4000).draw(pair, 50, seeded())
    moved = drawn.latents - First().draw(pair, 50, seeded()).latents
    close(moved, torch.full_like(moved, float(moved[0])), 1e-6)
    assert float(moved[0]) == pytest.approx(2 * m, abs=4 * math.sqrt(2 / 4000))
    assert (drawn.cost.backward, drawn.setup.backward) == (1, 0)
    with pytest.raises(InputError, match="^logits: isotonic calibration has no useful gradient"):
        Calibrated(Climbing(), real, "isotonic").draw(pair, 5, seeded())


GOOD, REAL = tensor(0, 1, 2), torch.zeros(4, 1)


@pytest.mark.parametrize(
    "use", [*(method.fit for method in CALIBRATIONS.values()), calibration.reliability, calibration.z_statistic]
)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (tensor(0, math.nan), "found NaN or infinity in 1 of 2 rows"),
        (tensor(), "found an empty batch"),
        (GOOD[:, None], r"found shape \(3, 1\)"),
        (torch.arange(3), "call .float"),
        ([0.0, 1.0], "found list"),
    ],
)
def test_unusable_logits_are_named(use, bad, message):
    for arguments, name in (((bad, GOOD), "real_logits"), ((GOOD, bad), "fake_logits")):
        with pytest.raises(InputError, match=f"^{name}: .*{message}"):
            use(*arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: fit("logistic", tensor(1, 2), tensor(-1, 0)),
            "^real_logits, fake_logits: separable, 1 to 2 and -1 to 0.*isotonic$",
        ),
        (lambda: fit("logistic", tensor(-1, 0), tensor(1, 2)), "separable"),
        (lambda: fit("logistic", tensor(1, 2), tensor(0, 1)), "separable"),  # touching
        (lambda: fit("logistic", tensor(0, 1), tensor(-1, 1e-9)), "separable"),  # by rounding
        (lambda: fit("logistic", tensor(3, 3), tensor(3)), "separable, 3 to 3 and 3 to 3"),
        (lambda: fit("logistc", GOOD, GOOD), "^calibration: unknown 'logistc'.*nearest: logistic"),
        (lambda: Calibrated(First(), REAL, "isotonc"), "^calibration: .*nearest: isotonic"),
        (lambda: Calibrated("first", REAL), "^inner: found a str; pass a Sampler"),
        (lambda: Calibrated(First(), REAL, fakes=0), "^fakes: expected an integer >= 1"),
        (
            lambda: Calibrated(First(), torch.zeros(4, 2)).draw(gaussians(1), 3, seeded()),
            r"^real: rows of shape \(2,\), torch.float32; .* \(1,\)",
        ),
        (lambda: Calibrated(First(), REAL.double()).draw(gaussians(1), 3, seeded()), "^real: .*float64; .*float32"),
        (lambda: calibration.reliability(GOOD, GOOD, bins=0), "^bins: expected an integer >= 1"),
        (lambda: calibration.z_statistic(tensor(800), tensor(-800)), "all round to 0 or 1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
