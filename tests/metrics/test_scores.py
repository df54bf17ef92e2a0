"""Scores of features and logits: closed forms first, then two libraries and plain loops.

Kinds of test: identities, closed forms, invariances, second method, failures.
"""

import dataclasses
import inspect
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dotlib.errors import InputError
from dotlib.metrics import backends, frechet, neighbours, scores
from dotlib.metrics.scores import Collector, InceptionScore, Moments, Reference


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def rotation(seed: int, d: int) -> torch.Tensor:
    return torch.linalg.qr(normal(seed, d, d)).Q


def gaussian(mean: torch.Tensor, basis: torch.Tensor, variances: torch.Tensor) -> Moments:
    covariance = basis @ torch.diag(variances) @ basis.T
    return Moments.known(mean, (covariance + covariance.T) / 2, 10_000)


# --- Fréchet distance: closed forms ------------------------------------------------------------


@pytest.mark.parametrize("case", range(50))
def test_gaussians_with_common_axes_have_a_closed_form(case):
    """Commuting covariances: (S_r S_f)^(1/2) has variances a_i b_i under the root, so that
    FID = |m - m'|^2 + sum_i (sqrt a_i - sqrt b_i)^2. Exact moments, so 1e-8 is rounding alone."""
    d = (1, 2, 3, 10, 64)[case % 5]
    rng = seeded(case)
    a, b = torch.rand(2, d, generator=rng, dtype=torch.float64) * 9 + 0.1
    mean, other = normal(case + 100, 2, d)
    basis = rotation(case + 200, d)
    found = scores.fid(real=gaussian(mean, basis, a), fake=gaussian(other, basis, b))
    wanted = (mean - other).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert found == pytest.approx(float(wanted), rel=1e-8)


def test_covariances_that_do_not_commute():
    """In two dimensions tr (S T)^(1/2) = sqrt(tr ST + 2 sqrt(det S det T)): the eigenvalues x, y
    of ST have x + y = tr ST and xy = det ST."""
    for case in range(50):
        roots = normal(case, 2, 2, 2)
        S, T = (root @ root.T + 0.1 * torch.eye(2) for root in roots)
        zero = torch.zeros(2, dtype=torch.float64)
        found = scores.fid(real=Moments.known(zero, S, 9), fake=Moments.known(zero, T, 9))
        cross = torch.sqrt((S @ T).trace() + 2 * torch.sqrt(torch.det(S) * torch.det(T)))
        assert found == pytest.approx(float(S.trace() + T.trace() - 2 * cross), rel=1e-8)


@pytest.mark.parametrize("least", [0.0, 1e-16, 1e-12, 1e-8, 1e-7, 1e-5])
@pytest.mark.parametrize("d", [2, 16, 64])
def test_nearly_singular_covariances_keep_their_digits(d, least):
    basis = rotation(d, d)
    a = torch.logspace(0, -16, d, dtype=torch.float64).clamp_min(least)
    b = a * (1 + torch.rand(d, generator=seeded(1), dtype=torch.float64))
    zero = torch.zeros(d, dtype=torch.float64)
    found = scores.fid(real=gaussian(zero, basis, a), fake=gaussian(zero, basis, b))
    assert found == pytest.approx(float((a.sqrt() - b.sqrt()).square().sum()), rel=1e-8)


def test_idle_features_add_nothing():
    x, y = normal(0, 500, 8), normal(1, 500, 8) * 1.3
    busy = scores.fid(real=Moments.of(x), fake=Moments.of(y))
    idle = torch.zeros(500, 5)
    found = scores.fid(real=Moments.of(torch.cat([x, idle], 1)), fake=Moments.of(torch.cat([y, idle], 1)))
    assert found == pytest.approx(busy, rel=1e-10)
    turn = rotation(3, 13)
    found = scores.fid(real=Moments.of(torch.cat([x, idle], 1) @ turn), fake=Moments.of(torch.cat([y, idle], 1) @ turn))
    assert found == pytest.approx(busy, rel=1e-6)  # rounding fills the idle directions: sqrt(1e-16)


@pytest.mark.parametrize("d", [1, 5, 64])
def test_a_set_is_at_distance_zero_from_itself(d):
    x = normal(d, 300, d)
    assert abs(scores.fid(real=Moments.of(x), fake=Moments.of(x))) < 1e-10 * d
    assert abs(scores.fid(real=Moments.of(x), fake=Moments.of(x.flip(0)))) < 1e-10 * d


def test_fid_is_symmetric_and_does_not_see_rotations_or_a_common_shift():
    x, y = normal(0, 400, 16), normal(1, 300, 16) @ rotation(2, 16) * 1.5 + 0.3
    base = scores.fid(real=Moments.of(x), fake=Moments.of(y))
    turn, shift = rotation(3, 16), 7 * normal(4, 16)
    assert scores.fid(real=Moments.of(y), fake=Moments.of(x)) == pytest.approx(base, rel=1e-10)
    assert scores.fid(real=Moments.of(x @ turn + shift), fake=Moments.of(y @ turn + shift)) == pytest.approx(
        base, rel=1e-9
    )
    assert scores.fid(real=Moments.of(3 * x), fake=Moments.of(3 * y)) == pytest.approx(
        9 * base, rel=1e-10
    )  # squared feature units


# --- Fréchet distance: two libraries -----------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")  # pytorch-fid's
@pytest.mark.parametrize("case", range(6))
def test_fid_agrees_with_torch_fidelity_and_pytorch_fid(case):
    d = (4, 16, 64)[case % 3]
    mix = normal(case, d, d) / d**0.5
    x, y = normal(case + 10, 5 * d, d) @ mix, (normal(case + 20, 7 * d, d) + 0.2).relu() @ mix
    found = scores.fid(real=Moments.of(x), fake=Moments.of(y))
    metric = backends.fidelity("fid")
    theirs = metric.fid_statistics_to_metric(*map(metric.fid_features_to_statistics, (x, y)), False)
    assert found == pytest.approx(theirs[metric.KEY_METRIC_FID], rel=1e-6)
    statistics = [part for z in (x, y) for part in (z.mean(0).numpy(), z.T.cov().numpy())]
    other = backends.pytorch_fid("fid_score").calculate_frechet_distance(*statistics)
    assert found == pytest.approx(other, rel=1e-6)


# --- moments -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 90), min_size=1, max_size=6, unique=True),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
    parts=st.integers(1, 3),
)
def test_moments_do_not_depend_on_the_batches(cuts, offset, parts):
    x = normal(5, 91, 7) + offset
    whole = Moments.of(x)
    merged = Moments(7)
    batches = torch.tensor_split(x, sorted(cuts))
    for start in range(parts):
        one = Moments(7)
        for batch in batches[start::parts]:
            one.add(batch)
        merged.merge(one)
    assert merged.n == whole.n == 91
    assert (merged.mean - x.mean(0)).abs().max() <= 1e-10 * x.mean(0).abs().max()
    assert (merged.covariance() - x.T.cov()).abs().max() <= 1e-10 * max(1, offset) ** 0.5
    assert (merged.scatter - whole.scatter).norm() <= 1e-10 * whole.scatter.norm()


def test_single_rows_give_the_same_fid_as_one_batch():
    x, y = normal(0, 200, 8), normal(1, 150, 8) + 0.1
    rows, whole = Moments(8), Moments.of(x)
    for row in x:
        rows.add(row[None])
    other = Moments.of(y)
    assert scores.fid(real=rows, fake=other) == pytest.approx(scores.fid(real=whole, fake=other), rel=1e-10)


def test_memory_of_moments_does_not_grow():
    moments = Moments(6)
    for seed in range(30):
        moments.add(normal(seed, 50, 6))
    assert moments.n == 1_500 and moments.mean.shape == (6,) and moments.scatter.shape == (6, 6)
    assert moments.scatter.untyped_storage().nbytes() == 6 * 6 * 8


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_are_computed_in_float64(dtype):
    x, y = (normal(s, 300, 12).to(dtype) for s in (0, 1))
    narrow, wide = ({"real": Moments.of(a), "fake": Moments.of(b)} for a, b in ((x, y), (x.double(), y.double())))
    assert scores.fid(**narrow) == scores.fid(**wide)
    assert narrow["real"].mean.dtype == torch.float64
    both, exact = {"real": x, "fake": y}, {"real": x.double(), "fake": y.double()}
    assert scores.kid(rng=seeded(0), **both) == scores.kid(rng=seeded(0), **exact)
    assert scores.precision_recall(**both) == scores.precision_recall(**exact)
    assert scores.density_coverage(**both) == scores.density_coverage(**exact)
    one, two = (InceptionScore(total=300, classes=12) for _ in range(2))
    one.add(x)
    two.add(x.double())
    assert one.value() == two.value()


def test_a_refused_batch_leaves_the_moments_as_they_were():
    moments = Moments.of(normal(0, 9, 3))
    before = moments.scatter.clone()
    with pytest.raises(InputError):
        moments.add(torch.full((2, 3), math.nan))
    assert moments.n == 9 and torch.equal(moments.scatter, before)


# --- FID in 1/N --------------------------------------------------------------------------------


def test_fid_infinity_removes_the_bias_of_few_fakes():
    """Same distribution, so the truth is 0, and FID at N is about d (d + 5) / (4 N): d / N from the
    mean and d (d + 1) / (4 N) from the covariance. What the line leaves is of order 1/N^2."""
    d, n = 16, 4_000
    exact = Moments.known(torch.zeros(d), torch.eye(d), 10**6)
    fitted = [
        scores.fid_infinity(real=exact, fake=normal(seed, n, d), rng=seeded(seed), counts=range(500, n + 1, 500))
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
    first, second = (scores.fid_infinity(real=real, fake=fake, counts=(50, 100, 200), rng=seeded(3)) for _ in range(2))
    assert first == second
    assert first.fids[2] == pytest.approx(scores.fid(real=real, fake=Moments.of(fake)), rel=1e-10)


# --- inception score ---------------------------------------------------------------------------


def inception_score(logits: torch.Tensor, splits: int = 10, batch: int | None = None):
    running = InceptionScore(total=len(logits), classes=logits.shape[1], splits=splits)
    for rows in logits.split(batch or len(logits)):
        running.add(rows)
    return running.value()


@pytest.mark.parametrize("classes", [2, 10, 1008])
def test_uniform_predictions_have_score_1(classes):
    mean, sd = inception_score(torch.full((50, classes), 3.7))
    assert mean == pytest.approx(1, abs=1e-12) and sd == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sure", [60.0, 1e4])
def test_sure_and_balanced_predictions_score_the_number_of_classes(sure):
    logits = sure * torch.eye(10).repeat(30, 1)
    mean, sd = inception_score(logits)
    assert mean == pytest.approx(10, rel=1e-9) and sd == pytest.approx(0, abs=1e-9)


def test_one_sure_class_scores_1():
    assert inception_score(1e4 * torch.eye(5)[torch.zeros(40, dtype=torch.long)]) == (1.0, 0.0)


def test_two_groups_have_a_closed_form():
    """Half of each part predicts (a, 1 - a), the other half (1 - a, a): p(y) is uniform, so the
    score is 2 exp(-H(a))."""
    a = 0.8
    p = torch.tensor([[a, 1 - a], [1 - a, a]], dtype=torch.float64).repeat(50, 1)
    wanted = 2 * math.exp(a * math.log(a) + (1 - a) * math.log(1 - a))
    assert inception_score(p.log()) == pytest.approx((wanted, 0), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("n", "splits"), [(1_000, 10), (997, 10), (103, 7), (10, 10), (50, 1)])
def test_inception_score_agrees_with_torch_fidelity(n, splits):
    logits = 3 * normal(n, n, 20)
    metric = backends.fidelity("isc")
    theirs = metric.isc_features_to_metric(logits, splits=splits, shuffle=False)
    for batch in (1, 7, 64, None):
        mean, sd = inception_score(logits, splits, batch)
        assert mean == pytest.approx(theirs[metric.KEY_METRIC_ISC_MEAN], rel=1e-6)
        assert sd == pytest.approx(theirs[metric.KEY_METRIC_ISC_STD], rel=1e-6, abs=1e-12)


def test_inception_score_refuses_other_rows_than_announced():
    running = InceptionScore(total=20, classes=3)
    running.add(normal(0, 15, 3))
    with pytest.raises(InputError, match="logits: found 15 of 20 announced rows"):
        running.value()
    with pytest.raises(InputError, match="logits: found row 21 of 20 announced"):
        running.add(normal(0, 6, 3))
    with pytest.raises(InputError, match="logits: expected width 3"):
        running.add(normal(0, 2, 4))
    with pytest.raises(InputError, match="NaN or infinity in 1 of 2"):
        running.add(torch.tensor([[1.0, 2, 3], [1, math.inf, 3]]))
    with pytest.raises(InputError, match="total: expected an integer >= 10, found 9"):
        InceptionScore(total=9, classes=3)


# --- KID ---------------------------------------------------------------------------------------


def test_kid_is_unbiased():
    """Two samples of one distribution: the mean over 200 draws lies within 3 standard errors of 0,
    while the biased estimator would lie far above."""
    values = np.array(
        [
            scores.kid(real=normal(2 * s, 60, 8), fake=normal(2 * s + 1, 60, 8), rng=seeded(s), subsets=4).mean
            for s in range(200)
        ]
    )
    assert abs(values.mean()) < 3 * values.std(ddof=1) / math.sqrt(200)
    assert (values < 0).any()


def test_kid_of_one_whole_subset_equals_a_plain_loop():
    x, y = normal(0, 12, 5), normal(1, 12, 5) + 0.5
    kernel = [[[(float(a @ b) / 5 + 1) ** 3 for b in right] for a in left] for left, right in ((x, x), (y, y), (x, y))]
    within = sum(kernel[s][i][j] for s in (0, 1) for i in range(12) for j in range(12) if i != j)
    across = sum(map(sum, kernel[2]))
    found = scores.kid(real=x, fake=y, rng=seeded(0), subsets=1, subset_size=12)
    assert found.mean == pytest.approx(within / (12 * 11) - 2 * across / 144, rel=1e-10)
    assert found.sd == 0 and found.subsets == 1 and found.subset_size == 12


def test_kid_sees_a_difference_and_says_its_subsets():
    x, y = normal(0, 300, 8), normal(1, 200, 8) + 0.5
    found = scores.kid(real=x, fake=y, rng=seeded(0))
    assert found.subset_size == 100 and found.subsets == 100
    assert found.mean > 3 * found.sd > 0
    assert found == scores.kid(real=x, fake=y, rng=seeded(0))
    assert found != scores.kid(real=x, fake=y, rng=seeded(1))
    assert scores.kid(real=normal(2, 3_000, 2), fake=normal(3, 3_000, 2), rng=seeded(0), subsets=2).subset_size == 1_000


# --- neighbourhoods ----------------------------------------------------------------------------


def distances(a, b):
    return [[math.dist(p, q) for q in b] for p in a]


def naive(real, fake, k_near: int, k_dense: int):
    """P, R, density and coverage by loops over plain lists."""
    real, fake = real.tolist(), fake.tolist()
    between = distances(real, fake)
    own = {"real": distances(real, real), "fake": distances(fake, fake)}

    def radius(side, i, k):
        return sorted(own[side][i][:i] + own[side][i][i + 1 :])[k - 1]

    R, F = range(len(real)), range(len(fake))
    precision = sum(any(between[i][j] <= radius("real", i, k_near) for i in R) for j in F)
    recall = sum(any(between[i][j] <= radius("fake", j, k_near) for j in F) for i in R)
    held = [sum(between[i][j] < radius("real", i, k_dense) for j in F) for i in R]
    return (
        precision / len(fake),
        recall / len(real),
        sum(held) / (k_dense * len(fake)),
        sum(h > 0 for h in held) / len(real),
    )


@pytest.mark.parametrize("case", range(100))
def test_neighbourhoods_equal_a_plain_loop(case, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", (3, 7, 1_000)[case % 3])
    d, n, m = 1 + case % 6, 8 + case % 13, 8 + case % 11
    k_near, k_dense = 1 + case % 4, 1 + case % 5
    real, fake = normal(case, n, d), 0.8 * normal(case + 500, m, d) + 0.3
    near = scores.precision_recall(real=real, fake=fake, k=k_near)
    dense = scores.density_coverage(real=real, fake=fake, k=k_dense)
    found = (near.precision, near.recall, dense.density, dense.coverage)
    assert found == pytest.approx(naive(real, fake, k_near, k_dense), abs=1e-6)  # float32 means


def test_a_collapsed_set_is_precise_and_recalls_little():
    real = normal(0, 1_000, 8)
    collapsed = 0.01 * normal(1, 1_000, 8) + 0.1
    near = scores.precision_recall(real=real, fake=collapsed)
    assert near.precision > 0.8 and near.recall < 0.3
    dense = scores.density_coverage(real=real, fake=collapsed)
    assert dense.density > 0.8 and dense.coverage < 0.3


def test_the_other_way_round_a_collapsed_reference_is_covered_and_fakes_are_imprecise():
    wide, narrow = normal(0, 1_000, 8), 0.01 * normal(1, 1_000, 8) + 0.1
    near = scores.precision_recall(real=narrow, fake=wide)
    assert near.precision < 0.3 and near.recall > 0.8


def test_a_copy_of_the_reference_is_perfect():
    x = normal(0, 400, 6)
    assert scores.precision_recall(real=x, fake=x) == scores.PrecisionRecall(1.0, 1.0)
    dense = scores.density_coverage(real=x, fake=x)
    assert dense.coverage == 1 and dense.density == pytest.approx(1, abs=1e-12)


def test_far_sets_score_zero_and_neighbourhoods_do_not_see_rotations_or_shifts():
    x, y = normal(0, 300, 6), normal(1, 250, 6) * 0.9
    far = {"real": x, "fake": y + 100}
    assert scores.precision_recall(**far) == scores.PrecisionRecall(0.0, 0.0)
    assert scores.density_coverage(**far) == scores.DensityCoverage(0.0, 0.0)
    turn = rotation(2, 6)
    turned = {"real": 2 * x @ turn + 1e3, "fake": 2 * y @ turn + 1e3}
    assert scores.precision_recall(**turned) == scores.precision_recall(real=x, fake=y)
    assert scores.density_coverage(**turned) == scores.density_coverage(real=x, fake=y)


# --- all at once -------------------------------------------------------------------------------


def collected(features, logits, reference, *, batch: int, **options) -> scores.Scores:
    collector = Collector(dim=features.shape[1], classes=logits.shape[1], total=len(features), **options)
    for rows, answers in zip(features.split(batch), logits.split(batch), strict=True):
        collector.add(rows, answers)
    return collector.scores(real=reference, rng=seeded(4))


def reference_of(features, batch: int = 64, **options) -> Reference:
    reference = Reference(dim=features.shape[1], total=len(features), rng=seeded(5), **options)
    for rows in features.split(batch):
        reference.add(rows)
    return reference


def test_a_collector_gives_what_the_functions_give():
    real, fake, logits = normal(0, 300, 8), normal(1, 250, 8) * 1.2, 2 * normal(2, 250, 10)
    reference = reference_of(real, kept=200)
    found = collected(fake, logits, reference, batch=33, kept=100)
    few = {"real": reference.rows(), "fake": fake[:100]}
    near, dense = scores.precision_recall(**few), scores.density_coverage(**few)
    kernel = scores.kid(rng=seeded(4), **few)
    assert torch.equal(reference.rows(), reference_of(real, batch=7, kept=200).rows())
    assert len(reference.rows()) == 200
    assert (found.is_mean, found.is_sd) == pytest.approx(inception_score(logits), rel=1e-10)
    assert found.fid == pytest.approx(scores.fid(real=Moments.of(real), fake=Moments.of(fake)), rel=1e-10)
    assert found.kid == kernel.mean and found.kid_subset == kernel.subset_size == 50
    assert (found.precision, found.recall) == (near.precision, near.recall)
    assert (found.density, found.coverage) == (dense.density, dense.coverage)
    assert (found.n, found.n_real, found.kept, found.real_kept) == (250, 300, 100, 200)


def test_a_collector_does_not_depend_on_the_batches():
    real, fake, logits = normal(0, 300, 8), normal(1, 250, 8) * 1.2, 2 * normal(2, 250, 10)
    whole = dataclasses.asdict(collected(fake, logits, reference_of(real, 300), batch=250))
    for batch in (1, 17, 249):
        cut = collected(fake, logits, reference_of(real, batch), batch=batch)
        assert dataclasses.asdict(cut) == pytest.approx(whole, rel=1e-10)


def test_scores_survive_json():
    x, logits = normal(0, 100, 4), normal(1, 100, 10)
    found = collected(x, logits, reference_of(normal(2, 100, 4)), batch=10)
    assert scores.Scores(**json.loads(json.dumps(dataclasses.asdict(found)))) == found


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function", [scores.fid, scores.kid, scores.precision_recall, scores.density_coverage, scores.fid_infinity]
)
def test_sides_cannot_be_swapped(function):
    """Everything is keyword-only, so no order of arguments exists."""
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert {"real", "fake"} <= set(inspect.signature(function).parameters)
    with pytest.raises(TypeError, match="positional"):
        function(normal(0, 20, 2), normal(1, 20, 2))


def test_fid_refuses_too_few_rows_and_other_widths():
    few, many = Moments.of(normal(0, 16, 16)), Moments.of(normal(0, 17, 16))
    assert scores.fid(real=many, fake=many) < 1e-9
    with pytest.raises(InputError, match="^real: found 16 rows for 16 features; FID needs more"):
        scores.fid(real=few, fake=many)
    with pytest.raises(InputError, match="^fake: found 16 rows for 16 features"):
        scores.fid(real=many, fake=few)
    with pytest.raises(InputError, match="^fake: found width 3 beside 16 of real"):
        scores.fid(real=many, fake=Moments.of(normal(0, 9, 3)))
    with pytest.raises(InputError, match="found 1 rows; a covariance"):
        Moments.of(normal(0, 1, 3)).covariance()
    with pytest.raises(InputError, match="other: found width 3 beside 16"):
        many.merge(Moments(3))
    with pytest.raises(InputError, match="covariance: found a matrix that is not symmetric"):
        Moments.known(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]]), 9)


@pytest.mark.parametrize(
    "function",
    [
        lambda real, fake: scores.kid(real=real, fake=fake, rng=seeded(0)),
        lambda real, fake: scores.precision_recall(real=real, fake=fake),
        lambda real, fake: scores.density_coverage(real=real, fake=fake),
        lambda real, fake: scores.fid_infinity(real=Moments.of(real), fake=fake, counts=(5, 9), rng=seeded(0)),
    ],
)
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda x: x[0], "expected 2 axes"),
        (lambda x: x[:, :1, None], "expected 2 axes"),
        (lambda x: x[:0], "empty batch"),
        (lambda x: x.long(), "expected floating point"),
        (lambda x: x.tolist(), "expected a torch tensor"),
        (lambda x: x.where(x < x.max(), math.nan), "NaN or infinity in 1 of"),
        (lambda x: x.where(x < x.max(), math.inf), "NaN or infinity in 1 of"),
    ],
)
def test_bad_features_are_refused_on_either_side(function, change, match):
    x, y = normal(0, 30, 3), normal(1, 30, 3)
    with pytest.raises(InputError, match=match):
        function(change(x), y)
    with pytest.raises(InputError, match=f"^fake: .*{match}"):
        function(x, change(y))
    with pytest.raises(InputError, match="^fake: expected width 3"):
        function(x, y[:, :2])


def test_too_many_neighbours_and_too_large_subsets_are_refused():
    small, large = normal(0, 5, 2), normal(1, 50, 2)
    for sides, name in (({"real": small, "fake": large}, "real"), ({"real": large, "fake": small}, "fake")):
        with pytest.raises(InputError, match=f"^k: 5 neighbours are more than {name} has beside"):
            scores.precision_recall(k=5, **sides)
    with pytest.raises(InputError, match="^k: 5 neighbours are more than real has"):
        scores.density_coverage(real=small, fake=large, k=5)
    assert scores.density_coverage(real=large, fake=small, k=5).density > 0
    with pytest.raises(InputError, match="k: expected an integer >= 1, found 0"):
        scores.precision_recall(real=large, fake=large, k=0)
    with pytest.raises(InputError, match="subset_size: 6 exceeds the 5 rows of the smaller side"):
        scores.kid(real=small, fake=large, rng=seeded(0), subset_size=6)
    with pytest.raises(InputError, match="subset_size: expected an integer >= 2, found 1"):
        scores.kid(real=small[:3], fake=large, rng=seeded(0))


def test_fid_infinity_refuses_counts_that_make_no_line():
    real, fake = Moments.of(normal(0, 30, 4)), normal(1, 20, 4)
    for counts, match in (
        ((10, 21), "counts: 21 exceeds the 20 rows"),
        ((10,), "two different"),
        ((10, 10), "two different"),
        ((4, 10), "counts: expected an integer >= 5"),
    ):
        with pytest.raises(InputError, match=match):
            scores.fid_infinity(real=real, fake=fake, counts=counts, rng=seeded(0))


def test_a_sorted_file_of_reals_gives_what_a_shuffled_one_gives():
    """The first rows of a sorted file are another population: far from a random draw of it."""
    easy, hard = normal(0, 1_000, 8), normal(1, 1_000, 8) + 1.5
    whole, fake = torch.cat([easy, hard]), torch.cat([normal(2, 250, 8), normal(3, 250, 8) + 1.5])
    fake = fake[torch.randperm(500, generator=seeded(6))]
    orders = {"sorted": whole, "shuffled": whole[torch.randperm(2_000, generator=seeded(7))]}
    found = {name: collected(fake, fake, reference_of(rows, kept=500), batch=50) for name, rows in orders.items()}
    first = scores.kid(real=whole[:500], fake=fake, rng=seeded(4))
    for s in found.values():
        assert abs(s.kid) < 0.1 < first.mean  # one population; ten subsets of 250 spread by 0.02
        assert s.recall > 0.8 and s.coverage > 0.8
    assert abs(found["sorted"].recall - found["shuffled"].recall) < 0.1
    assert scores.density_coverage(real=whole[:500], fake=fake).density < 0.7


def test_a_collector_refuses_what_its_parts_refuse():
    reference = reference_of(normal(0, 50, 4))
    collector = Collector(dim=4, classes=10, total=20)
    with pytest.raises(InputError, match="logits: found 3 rows beside 4 features"):
        collector.add(normal(0, 4, 4), normal(0, 3, 10))
    with pytest.raises(InputError, match="features: expected width 4"):
        collector.add(normal(0, 4, 5), normal(0, 4, 10))
    with pytest.raises(InputError, match="found 0 of 20 announced"):
        collector.scores(real=reference, rng=seeded(0))
    short = Reference(dim=4, total=60, rng=seeded(0))
    short.add(normal(0, 50, 4))
    with pytest.raises(InputError, match="features: found 50 of 60 announced rows"):
        short.rows()
    with pytest.raises(InputError, match="features: found row 61 of 60 announced"):
        short.add(normal(0, 11, 4))
    assert collector.moments.n == collector.inception.seen == 0
    with pytest.raises(InputError, match="fake: found 4 rows for 4 features"):
        collected(normal(0, 4, 4), normal(0, 4, 10), reference, batch=4, splits=2)


def test_the_near_singular_path_and_the_other_agree_at_the_border(monkeypatch):
    basis, zero = rotation(0, 32), torch.zeros(32, dtype=torch.float64)
    a = torch.logspace(0, -5, 32, dtype=torch.float64)
    sides = {"real": gaussian(zero, basis, a), "fake": gaussian(zero, rotation(1, 32), a)}
    usual = scores.fid(**sides)
    monkeypatch.setattr(frechet, "NEAR_SINGULAR", 1.0)
    assert scores.fid(**sides) == pytest.approx(usual, rel=1e-9)
