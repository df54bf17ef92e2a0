"""Whether logits are log density ratios. Kinds: closed forms (error, slope and ratio of two
Gaussians; chance of a coin), a second method (ranks by all pairs), invariances, coverage, failures.

Data N(m, 1) and samples N(-m, 1) have the log density ratio 2 m x, so a D that is c times that,
plus d, has an error which quadrature knows.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from dotlib.errors import InputError
from dotlib.evaluation import logit_checks
from dotlib.evaluation.logit_checks import REALS, Logits, Refused
from dotlib.pairs import Normal, Pair
from dotlib.samplers import calibration
from dotlib.samplers.base import Metered
from dotlib.samplers.calibration import CALIBRATIONS

N, M = 6_000, 0.5
NOISE = 0.4 * math.sqrt(10 / (2 * N))  # expected error at most, calibrated, 10 bins


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussians(c=1.0, d=0.0):
    """G shifts a normal latent to N(-M, 1); D is c times the log ratio with N(M, 1), plus d."""
    return Pair(lambda z: z - M, lambda x: c * 2 * M * x[:, 0] + d, Normal(1))


def data(n, seed, mean=M):
    return torch.randn(n, 1, generator=seeded(seed)) + mean


def logits_of(c=1.0, d=0.0, n=N, seen_mean=M):
    return logit_checks.read_logits(gaussians(c, d), data(n, 1, seen_mean), data(n, 2), n, n, seeded(3))


def exact_error(c, d):
    """ECE in ten bins: per bin, |half the data in it - integral of p over the mixture|."""
    edges = (stats.logistic.ppf(np.linspace(0, 1, 11)) - d) / (c * 2 * M)
    total = 0.0
    for low, high in zip(np.clip(edges[:-1], -9, 9), np.clip(edges[1:], -9, 9), strict=True):
        data_share = stats.norm.cdf(high, M) - stats.norm.cdf(low, M)
        promised, _ = integrate.quad(
            lambda x: stats.logistic.cdf(c * 2 * M * x + d) * (stats.norm.pdf(x, M) + stats.norm.pdf(x, -M)),
            low,
            high,
            limit=200,
        )
        total += abs(data_share - promised) / 2
    return total


@pytest.mark.parametrize(("c", "d"), [(3.0, -2.0), (0.2, 0.0), (1.0, 1.5), (1.0, 0.0)])
def test_the_error_of_a_distorted_logit_is_that_of_quadrature_and_maps_remove_it(c, d):
    logits = logits_of(c, d)
    examined = logit_checks.examine(logits, seeded())
    for kind in REALS:
        assert examined.checks["none"].ece[kind] == pytest.approx(exact_error(c, d), abs=3 * NOISE)
    assert (exact_error(c, d) > 9 * NOISE) == ((c, d) != (1, 0))
    for name in ("logistic", "isotonic"):
        assert examined.checks[name].ece["held out"] < 3 * NOISE
    assert examined.checks["logistic"].log_ratio == pytest.approx(0, abs=0.1)
    assert examined.maps["logistic"].slope == pytest.approx(1 / c, rel=0.1)
    assert examined.maps["logistic"].intercept == pytest.approx(-d / c, abs=0.1)
    # E_G[exp(c l + d)] for l ~ N(-2 M^2, 4 M^2)
    expected = d - 2 * c * M**2 + 2 * c**2 * M**2
    tolerance = 0.1 * math.exp(2 * c**2 * M**2)  # heavy tails
    assert examined.checks["none"].log_ratio == pytest.approx(expected, abs=tolerance)


def test_a_discriminator_that_knows_its_data_by_heart_fools_the_fit_and_not_the_checks():
    """Seen data lie 4 M from the samples, others 2 M: the fit doubles the slope."""
    examined = logit_checks.examine(logits_of(seen_mean=3 * M), seeded())
    assert examined.maps["logistic"].slope == pytest.approx(2, rel=0.1)
    assert examined.on_held_out.slope == pytest.approx(1, rel=0.1)
    error = examined.checks["logistic"].ece
    assert error["seen"] < 3 * NOISE and error["held out"] > 9 * NOISE
    assert abs(examined.checks["logistic"].z) > 10 > abs(examined.checks["none"].z)
    gap = stats.norm.cdf(4 * M / math.sqrt(2)) - stats.norm.cdf(2 * M / math.sqrt(2))
    low, high = examined.ranking.interval
    assert low < gap < high and high - low < 0.03
    assert examined.ranking.gap == pytest.approx(gap, abs=0.02)


def test_the_checks_tell_a_calibrated_discriminator_from_one_that_is_not():
    """Fresh draws of 500 rows of each kind. Classes of fixed sizes scatter less than the random
    labels behind the bound, so that fewer than 5 % exceed it."""
    exceeded = {1.0: 0, 2.0: 0}
    for c in exceeded:
        for trial in range(100):
            real, fake = (c * 2 * M * x[:, 0].double() for x in (data(500, 2 * trial), data(500, 2 * trial + 1, -M)))
            error = calibration.expected_calibration_error(calibration.reliability(real, fake))
            exceeded[c] += error > logit_checks.chance_error(torch.cat([real, fake]), seeded(trial))
    assert exceeded[1.0] <= 5 + 3 * math.sqrt(5) and exceeded[2.0] >= 95


@pytest.mark.parametrize("n", [400, 2_500])
def test_chance_of_a_coin(n):
    """One bin with p = 1/2: the error is |mean of n signs| / 2, normal with deviation 1/(2 sqrt n);
    1,000 draws give its 95 % point to some 3 %."""
    examined = logit_checks.chance_error(torch.zeros(n).double(), seeded(), draws=1_000)
    assert examined == pytest.approx(1.96 / (2 * math.sqrt(n)), rel=0.12)
    assert logit_checks.chance_error(torch.full((n,), 800.0).double(), seeded()) == 0


VALUES = st.lists(st.integers(-4, 4).map(float), min_size=2, max_size=12)


@settings(deadline=None, max_examples=60)
@given(VALUES, VALUES, VALUES)
def test_ranks_are_those_of_all_pairs_and_no_increasing_map_changes_them(seen, held_out, fake):
    real = dict(zip(REALS, map(torch.tensor, (seen, held_out)), strict=True))
    logits = Logits(real["seen"], torch.tensor(fake), real, torch.tensor(fake))
    examined = logit_checks.ranking(logits)
    for values, share in ((seen, examined.seen), (held_out, examined.held_out)):
        above = [(x > y) + (x == y) / 2 for x in values for y in fake]
        assert share == pytest.approx(sum(above) / len(above))
    cubed = Logits(logits.fit_real, logits.fit_fake, {k: x**3 for k, x in real.items()}, logits.fake**3)
    assert logit_checks.ranking(cubed) == examined


def test_the_interval_of_ranks_covers_equality_19_times_in_20():
    covered = 0
    for trial in range(200):
        real = {kind: data(200, 10 * trial + i)[:, 0] for i, kind in enumerate(REALS)}
        examined = logit_checks.ranking(Logits(real["seen"], real["seen"], real, data(200, 10 * trial + 5, -M)[:, 0]))
        covered += examined.interval[0] <= 0 <= examined.interval[1]
    assert abs(covered - 190) <= 4 * math.sqrt(200 * 0.95 * 0.05)


def test_nothing_that_is_fit_on_is_judged_but_the_data_called_seen():
    """Logits are 2 M times the points, which are all different."""
    pair = Metered.of(gaussians())
    seen, held_out = data(300, 1), data(120, 2)
    logits = logit_checks.read_logits(pair, seen, held_out, 250, 200, seeded(3))
    assert [len(x) for x in (logits.fit_real, logits.fit_fake, logits.fake, *logits.real.values())] == [
        300,
        250,
        120,
        120,
        120,
    ]
    fit, judged = (
        {x for group in groups for x in group.tolist()}
        for groups in ((logits.fit_real, logits.fit_fake), (logits.real["held out"], logits.fake))
    )
    assert len(fit) == 550 and len(judged) == 240 and not fit & judged
    assert torch.equal(logits.real["seen"], logits.fit_real[:120])
    torch.testing.assert_close(logits.real["held out"], held_out[:, 0].double() * 2 * M)
    cost = pair.read()
    assert (cost.generator, cost.discriminator) == (250 + 120, 300 + 120 + 250 + 120)


def test_what_cannot_be_fit_is_said_and_the_rest_goes_on():
    logits = logits_of(n=50)
    apart = Logits(logits.fit_real + 99, logits.fit_fake, logits.real, logits.fake)
    examined = logit_checks.examine(apart, seeded())
    for part in (examined.maps["logistic"], examined.checks["logistic"]):
        assert part.message.startswith("real_logits, fake_logits: separable")
    for name in set(CALIBRATIONS) - {"logistic"}:
        assert 0 <= examined.checks[name].ece["held out"] <= 1


def test_a_check_that_cannot_be_made_is_refused_with_its_map_kept():
    """Probabilities that round to 0 and 1 leave Z without a variance."""
    logits = logits_of(c=1e6, n=50)
    examined = logit_checks.examine(logits, seeded())
    assert "all round to 0 or 1" in examined.checks["none"].message
    assert not isinstance(examined.maps["none"], Refused)
    assert not isinstance(examined.checks["isotonic"], Refused)


def test_only_typed_errors_are_taken_for_refusals():
    def fails():
        raise InputError("x: 1")

    assert logit_checks.attempt(fails) == Refused("x: 1")
    assert logit_checks.attempt(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        logit_checks.attempt(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((data(1, 0), data(9, 1), 5, 5), "^n: rows of each kind: expected an integer >= 2, found 1"),
        ((data(9, 0), data(9, 1), 0, 5), "^fakes: expected an integer >= 1"),
        ((data(9, 0), data(9, 1)[:0], 5, 5), "^held_out: found an empty batch"),
        ((data(9, 0) * math.nan, data(9, 1), 5, 5), "^seen: found NaN"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        logit_checks.read_logits(gaussians(), *arguments, seeded())


def test_on_the_data_of_its_own_fit_isotonic_regression_is_right():
    """Whatever D is: at most 1/(2n), what keeps its probabilities away from 0 and 1."""
    for c in (0.1, 3.0):
        assert logit_checks.error_on_the_fit(logits_of(c, n=300)) <= 1 / 600 + 1e-9
