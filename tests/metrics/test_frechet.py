"""Fréchet distance and its moments.

Kinds of test: closed forms, identities, invariances, second method (two libraries), failures.
"""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from draws import normal, rotation, seeded
from hypothesis import given, settings
from hypothesis import strategies as st

from dotlib.errors import InputError
from dotlib.metrics import backends, frechet
from dotlib.metrics.frechet import Moments, fid, fid_infinity


def known(mean: torch.Tensor, covariance: torch.Tensor, n: int = 10_000) -> Moments:
    """Moments that n rows with this mean (d,) and covariance (d, d) would have."""
    moments = Moments(len(mean))
    moments.n, moments.mean, moments.scatter = n, mean.double(), covariance.double() * (n - 1)
    return moments


def gaussian(mean: torch.Tensor, basis: torch.Tensor, variances: torch.Tensor) -> Moments:
    covariance = basis @ torch.diag(variances) @ basis.T
    return known(mean, (covariance + covariance.T) / 2)


# --- closed forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", range(50))
def test_gaussians_with_common_axes_have_a_closed_form(case):
    """Commuting covariances: (S_r S_f)^(1/2) has variances a_i b_i under the root, so that
    FID = |m - m'|^2 + sum_i (sqrt a_i - sqrt b_i)^2. Exact moments, so 1e-8 is rounding alone."""
    d = (1, 2, 3, 10, 64)[case % 5]
    rng = seeded(case)
    a, b = torch.rand(2, d, generator=rng, dtype=torch.float64) * 9 + 0.1
    mean, other = normal(case + 100, 2, d)
    basis = rotation(case + 200, d)
    found = fid(real=gaussian(mean, basis, a), fake=gaussian(other, basis, b))
    wanted = (mean - other).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert found == pytest.approx(float(wanted), rel=1e-8)


def test_covariances_that_do_not_commute():
    """In two dimensions tr (S T)^(1/2) = sqrt(tr ST + 2 sqrt(det S det T)): the eigenvalues x, y
    of ST have x + y = tr ST and xy = det ST."""
    for case in range(50):
        roots = normal(case, 2, 2, 2)
        S, T = (root @ root.T + 0.1 * torch.eye(2) for root in roots)
        zero = torch.zeros(2, dtype=torch.float64)
        found = fid(real=known(zero, S, 9), fake=known(zero, T, 9))
        cross = torch.sqrt((S @ T).trace() + 2 * torch.sqrt(torch.det(S) * torch.det(T)))
        assert found == pytest.approx(float(S.trace() + T.trace() - 2 * cross), rel=1e-8)


@pytest.mark.parametrize("least", [0.0, 1e-16, 1e-12, 1e-8, 1e-7, 1e-5])
@pytest.mark.parametrize("d", [2, 16, 64])
def test_nearly_singular_covariances_keep_their_digits(d, least):
    basis = rotation(d, d)
    a = torch.logspace(0, -16, d, dtype=torch.float64).clamp_min(least)
    b = a * (1 + torch.rand(d, generator=seeded(1), dtype=torch.float64))
    zero = torch.zeros(d, dtype=torch.float64)
    found = fid(real=gaussian(zero, basis, a), fake=gaussian(zero, basis, b))
    assert found == pytest.approx(float((a.sqrt() - b.sqrt()).square().sum()), rel=1e-8)


def test_idle_features_add_nothing():
    x, y = normal(0, 500, 8), normal(1, 500, 8) * 1.3
    busy = fid(real=Moments.of(x), fake=Moments.of(y))
    idle = torch.zeros(500, 5)
    found = fid(real=Moments.of(torch.cat([x, idle], 1)), fake=Moments.of(torch.cat([y, idle], 1)))
    assert found == pytest.approx(busy, rel=1e-10)
    turn = rotation(3, 13)
    found = fid(real=Moments.of(torch.cat([x, idle], 1) @ turn), fake=Moments.of(torch.cat([y, idle], 1) @ turn))
    assert found == pytest.approx(busy, rel=1e-6)  # rounding fills the idle directions: sqrt(1e-16)


@pytest.mark.parametrize("d", [1, 5, 64])
def test_a_set_is_at_distance_zero_from_itself(d):
    x = normal(d, 300, d)
    assert abs(fid(real=Moments.of(x), fake=Moments.of(x))) < 1e-10 * d
    assert abs(fid(real=Moments.of(x), fake=Moments.of(x.flip(0)))) < 1e-10 * d


def test_fid_is_symmetric_and_does_not_see_rotations_or_a_common_shift():
    x, y = normal(0, 400, 16), normal(1, 300, 16) @ rotation(2, 16) * 1.5 + 0.3
    base = fid(real=Moments.of(x), fake=Moments.of(y))
    turn, shift = rotation(3, 16), 7 * normal(4, 16)
    assert fid(real=Moments.of(y), fake=Moments.of(x)) == pytest.approx(base, rel=1e-10)
    assert fid(real=Moments.of(x @ turn + shift), fake=Moments.of(y @ turn + shift)) == pytest.approx(base, rel=1e-9)
    assert fid(real=Moments.of(3 * x), fake=Moments.of(3 * y)) == pytest.approx(
        9 * base, rel=1e-10
    )  # squared feature units


def test_the_near_singular_path_and_the_other_agree_at_the_border(monkeypatch):
    basis, zero = rotation(0, 32), torch.zeros(32, dtype=torch.float64)
    a = torch.logspace(0, -5, 32, dtype=torch.float64)
    sides = {"real": gaussian(zero, basis, a), "fake": gaussian(zero, rotation(1, 32), a)}
    usual = fid(**sides)
    monkeypatch.setattr(frechet, "NEAR_SINGULAR", 1.0)
    assert fid(**sides) == pytest.approx(usual, rel=1e-9)


@pytest.mark.parametrize("d", [3, 16, 64])
def test_the_kept_factor_gives_what_the_generalised_problem_gives(d):
    """S_f S_r v = lambda v, solved at once by LAPACK without a kept factor: the same roots to the last digits."""
    x, y = normal(d, 5 * d, d), normal(d + 1, 6 * d, d) * 1.3 + 0.1
    real, fake = Moments.of(x), Moments.of(y)
    S, T = (side.covariance().numpy() for side in (real, fake))
    values = scipy.linalg.eigh(T, S, type=2, eigvals_only=True, driver="gv")
    wanted = float((real.mean - fake.mean).square().sum() + S.trace() + T.trace() - 2 * np.sqrt(values).sum())
    assert [fid(real=real, fake=fake) for _ in range(2)] == pytest.approx([wanted] * 2, rel=1e-12)


def test_a_factor_is_made_once_and_anew_when_rows_come():
    x, fake = normal(0, 300, 8), Moments.of(normal(1, 200, 8))
    real = Moments.of(x[:100])
    before, root = fid(real=real, fake=fake), real.root()
    assert real.root() is root and np.allclose(root @ root.T, real.covariance(), rtol=0, atol=1e-14)
    assert (np.triu(root, 1) == 0).all()
    real.add(x[100:])
    after = fid(real=real, fake=fake)
    assert after == pytest.approx(fid(real=Moments.of(x), fake=fake), rel=1e-10) and after != before


def test_a_comparison_leaves_both_sides_as_they_were():
    """LAPACK writes over its arguments; those are copies."""
    real, fake = Moments.of(normal(0, 60, 8)), Moments.of(normal(1, 60, 8))
    kept = [side.scatter.clone() for side in (real, fake)]
    fid(real=real, fake=fake)
    root = real.root().copy()
    fid(real=real, fake=fake)
    assert all(torch.equal(side.scatter, scatter) for side, scatter in zip((real, fake), kept, strict=True))
    assert (real.root() == root).all()


# --- two libraries --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")  # pytorch-fid's
@pytest.mark.parametrize("case", range(6))
def test_fid_agrees_with_torch_fidelity_and_pytorch_fid(case):
    d = (4, 16, 64)[case % 3]
    mix = normal(case, d, d) / d**0.5
    x, y = normal(case + 10, 5 * d, d) @ mix, (normal(case + 20, 7 * d, d) + 0.2).relu() @ mix
    found = fid(real=Moments.of(x), fake=Moments.of(y))
    metric = backends.module("torch_fidelity.metric_fid")
    theirs = metric.fid_statistics_to_metric(*map(metric.fid_features_to_statistics, (x, y)), False)
    assert found == pytest.approx(theirs[metric.KEY_METRIC_FID], rel=1e-6)
    statistics = [part for z in (x, y) for part in (z.mean(0).numpy(), z.T.cov().numpy())]
    other = backends.module("pytorch_fid.fid_score").calculate_frechet_distance(*statistics)
    assert found == pytest.approx(other, rel=1e-6)


# --- moments --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 90), min_size=1, max_size=6, unique=True),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
)
def test_moments_do_not_depend_on_the_batches(cuts, offset):
    x = normal(5, 91, 7) + offset
    whole = Moments.of(x)
    running = Moments(7)
    for batch in torch.tensor_split(x, sorted(cuts)):
        running.add(batch)
    assert running.n == whole.n == 91
    assert (running.mean - x.mean(0)).abs().max() <= 1e-10 * x.mean(0).abs().max()
    assert (running.covariance() - x.T.cov()).abs().max() <= 1e-10 * max(1, offset) ** 0.5
    assert (running.scatter - whole.scatter).norm() <= 1e-10 * whole.scatter.norm()


def test_single_rows_give_the_same_fid_as_one_batch():
    x, y = normal(0, 200, 8), normal(1, 150, 8) + 0.1
    rows, whole = Moments(8), Moments.of(x)
    for row in x:
        rows.add(row[None])
    other = Moments.of(y)
    assert fid(real=rows, fake=other) == pytest.approx(fid(real=whole, fake=other), rel=1e-10)


def test_memory_of_moments_does_not_grow():
    moments = Moments(6)
    for seed in range(30):
        moments.add(normal(seed, 50, 6))
    assert moments.n == 1_500 and moments.mean.shape == (6,) and moments.scatter.shape == (6, 6)
    assert moments.scatter.untyped_storage().nbytes() == 6 * 6 * 8


def test_a_refused_batch_leaves_the_moments_as_they_were():
    moments = Moments.of(normal(0, 9, 3))
    before = moments.scatter.clone()
    with pytest.raises(InputError):
        moments.add(torch.full((2, 3), math.nan))
    assert moments.n == 9 and torch.equal(moments.scatter, before)


# --- FID in 1/N -----------------------------------------------------------------------------------


def test_fid_infinity_removes_the_bias_of_few_fakes():
    """Same distribution, so the truth is 0, and FID at N is about d (d + 5) / (4 N): d / N from the
    mean and d (d + 1) / (4 N) from the covariance. What the line leaves is of order 1/N^2."""
    d, n = 16, 4_000
    exact = known(torch.zeros(d), torch.eye(d), 10**6)
    fitted = [
        fid_infinity(real=exact, fake=normal(seed, n, d), rng=seeded(seed), counts=range(500, n + 1, 500))
        for seed in range(8)
    ]
    assert all(one.counts == tuple(range(500, n + 1, 500)) for one in fitted)
    assert all(one.fids[0] > 4 * one.fids[-1] > 0 for one in fitted)
    values = np.array([one.value for one in fitted])
    last = np.array([one.fids[-1] for one in fitted])
    assert last.mean() == pytest.approx(d * (d + 5) / (4 * n), rel=0.1)
    assert abs(values.mean()) < 0.25 * last.mean()
    for one in fitted:
        residual = np.array(one.fids) - one.value - one.slope / np.array(one.counts)
        assert abs(residual.sum()) < 1e-10  # normal equation of the intercept
        assert one.fids[-1] != one.value


def test_fid_infinity_ends_with_all_rows_and_repeats_with_its_generator():
    real, fake = Moments.of(normal(0, 300, 4)), normal(1, 200, 4)
    first, second = (fid_infinity(real=real, fake=fake, counts=(50, 100, 200), rng=seeded(3)) for _ in range(2))
    assert first == second
    assert first.fids[2] == pytest.approx(fid(real=real, fake=Moments.of(fake)), rel=1e-10)


# --- failures -------------------------------------------------------------------------------------


def test_fid_refuses_too_few_rows_and_other_widths():
    few, many = Moments.of(normal(0, 16, 16)), Moments.of(normal(0, 17, 16))
    assert fid(real=many, fake=many) < 1e-9
    with pytest.raises(InputError, match="^real: found 16 rows for 16 features; FID needs more"):
        fid(real=few, fake=many)
    with pytest.raises(InputError, match="^fake: found 16 rows for 16 features"):
        fid(real=many, fake=few)
    with pytest.raises(InputError, match="^fake: found width 3 beside 16 of real"):
        fid(real=many, fake=Moments.of(normal(0, 9, 3)))
    with pytest.raises(InputError, match="found 1 rows; a covariance"):
        Moments.of(normal(0, 1, 3)).covariance()


def test_fid_infinity_refuses_counts_that_make_no_line():
    real, fake = Moments.of(normal(0, 30, 4)), normal(1, 20, 4)
    for counts, match in (
        ((10, 21), "counts: 21 exceeds the 20 rows"),
        ((10,), "two different"),
        ((10, 10), "two different"),
        ((4, 10), "counts: expected an integer >= 5"),
    ):
        with pytest.raises(InputError, match=match):
            fid_infinity(real=real, fake=fake, counts=counts, rng=seeded(0))
