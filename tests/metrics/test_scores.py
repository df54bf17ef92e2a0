"""Inception score, KID, and all scores at once: closed forms first, then a library and plain loops.

Kinds of test: identities, closed forms, invariances, second method, failures.
"""

import dataclasses
import inspect
import json
import math

import numpy as np
import pytest
import torch
from draws import normal, seeded

from dotlib.errors import InputError
from dotlib.metrics import backends, scores
from dotlib.metrics.frechet import Moments, fid, fid_infinity
from dotlib.metrics.neighbours import density_coverage, precision_recall
from dotlib.metrics.scores import Collector, InceptionScore, Reference


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_are_computed_in_float64(dtype):
    x, y = (normal(s, 300, 12).to(dtype) for s in (0, 1))
    narrow, wide = ({"real": Moments.of(a), "fake": Moments.of(b)} for a, b in ((x, y), (x.double(), y.double())))
    assert fid(**narrow) == fid(**wide)
    assert narrow["real"].mean.dtype == torch.float64
    both, exact = {"real": x, "fake": y}, {"real": x.double(), "fake": y.double()}
    assert scores.kid(rng=seeded(0), **both) == scores.kid(rng=seeded(0), **exact)
    assert precision_recall(**both) == precision_recall(**exact)
    assert density_coverage(**both) == density_coverage(**exact)
    one, two = (InceptionScore(total=300, classes=12) for _ in range(2))
    one.add(x)
    two.add(x.double())
    assert one.value() == two.value()


# --- inception score ------------------------------------------------------------------------------


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
    metric = backends.module("torch_fidelity.metric_isc")
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


# --- KID ------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("rows", "subsets", "size"),
    [((300, 200), 20, 100), ((50, 80), 7, 50), ((300, 200), 3, 40), ((40, 40), 5, 40)],
)
@pytest.mark.parametrize("block", [37, 1_000])
def test_kid_agrees_with_torch_fidelity_subset_by_subset(rows, subsets, size, block, monkeypatch):
    """The same seed draws the same subsets there: a spread over other subsets would differ.

    One kernel serves all subsets, but for three of 40 out of 300 rows; blocks do not divide the rows.
    """
    monkeypatch.setattr(scores, "BLOCK", block)
    x, y = normal(0, rows[0], 16), 1.1 * normal(1, rows[1], 16) + 0.1
    seed = int(torch.randint(2**32, (1,), generator=seeded(3)))
    metric = backends.module("torch_fidelity.metric_kid")
    options = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": seed, "verbose": False}
    theirs = metric.kid_features_to_metric(x.double(), y.double(), **options)
    found = scores.kid(real=x, fake=y, rng=seeded(3), subsets=subsets, subset_size=size)
    assert found.mean == pytest.approx(theirs[metric.KEY_METRIC_KID_MEAN], rel=1e-10)
    assert found.sd == pytest.approx(theirs[metric.KEY_METRIC_KID_STD], rel=1e-10)


def test_kid_by_exchange_is_kid_and_its_law_is_that_of_equal_populations():
    """Second method: a plain KID of every exchanged pair of sides; over draws, mean 0 and the error that KID has."""
    x, y = normal(0, 12, 3), normal(1, 12, 3) + 0.5
    found, law = scores.kid_by_exchange(real=x, fake=y, rng=seeded(0), repeats=20)
    assert found == pytest.approx(scores.kid(real=x, fake=y, rng=seeded(0), subsets=1, subset_size=12).mean)
    pooled, rng = torch.cat([x, y]), seeded(0)
    for value in law:
        order = torch.randperm(24, generator=rng)
        sides = {"real": pooled[order[12:].sort().values], "fake": pooled[order[:12]]}
        assert value == pytest.approx(scores.kid(**sides, rng=seeded(0), subsets=1, subset_size=12).mean)
    draws = [
        scores.kid_by_exchange(
            real=normal(2 * s + 10, 60, 4), fake=normal(2 * s + 11, 60, 4), rng=seeded(s), repeats=200
        )
        for s in range(200)
    ]
    values = np.array([value for value, _ in draws])
    assert abs(values.mean()) < 4 * values.std() / 200**0.5
    assert np.mean([law.std() for _, law in draws]) == pytest.approx(values.std(), rel=0.15)
    p = [(1 + (law >= value).sum()) / 201 for value, law in draws]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09  # five percent, up to 2.6 standard errors


def test_kid_by_exchange_wants_equal_sides():
    with pytest.raises(InputError, match="fake: found 8 rows beside 9 of real; take equally many"):
        scores.kid_by_exchange(real=normal(0, 9, 2), fake=normal(1, 8, 2), rng=seeded(0))


def test_kid_sees_a_difference_and_says_its_subsets():
    x, y = normal(0, 300, 8), normal(1, 200, 8) + 0.5
    found = scores.kid(real=x, fake=y, rng=seeded(0))
    assert found.subset_size == 100 and found.subsets == 100
    assert found.mean > 3 * found.sd > 0
    assert found == scores.kid(real=x, fake=y, rng=seeded(0))
    assert found != scores.kid(real=x, fake=y, rng=seeded(1))
    assert scores.kid(real=normal(2, 3_000, 2), fake=normal(3, 3_000, 2), rng=seeded(0), subsets=2).subset_size == 1_000


# --- MIND -----------------------------------------------------------------------------------------


def test_mind_of_a_shift_is_three_times_its_squared_length():
    """A projection shifts by u.c, whose square has the mean |c|^2 / d over directions: 3 d |c|^2 / d."""
    x, c = normal(0, 200, 6), normal(1, 6)
    found = scores.mind(real=x, fake=x + c, rng=seeded(0), directions=20_000)
    assert found == pytest.approx(3 * float(c @ c), rel=0.03)  # sd of (u.c)^2 is about |c|^2 sqrt(2) / d


def test_mind_of_a_scale_has_a_closed_form():
    """(s - 1) times the sorted projections: 3 d (s - 1)^2 mean (u.x)^2, whose mean over u is |x|^2 / d."""
    x = normal(0, 300, 4)
    found = scores.mind(real=x, fake=1.5 * x, rng=seeded(1), directions=20_000)
    assert found == pytest.approx(3 * 0.25 * float(x.square().sum(1).mean()), rel=0.03)


def test_mind_is_that_of_a_plain_loop_and_zero_for_permuted_rows():
    x, y = normal(0, 40, 3), normal(1, 40, 3) + 1
    assert scores.mind(real=x, fake=x[torch.randperm(40, generator=seeded(2))], rng=seeded(0)) < 1e-25
    found, rng = scores.mind(real=x, fake=y, rng=seeded(5), directions=7), seeded(5)
    unit = torch.randn(3, 7, generator=rng, dtype=torch.float64)
    parts = [
        (a - b) ** 2
        for u in (unit / unit.norm(dim=0)).T
        for a, b in zip(sorted(map(float, x @ u)), sorted(map(float, y @ u)), strict=True)
    ]
    assert found == pytest.approx(3 * 3 * sum(parts) / len(parts), rel=1e-12)


def test_mind_takes_as_many_rows_of_both_sides():
    """Real against real: a few rows of a larger side are a sample of it, and the distance falls as 1 / n."""
    means = [
        np.mean([scores.mind(real=normal(s, 4 * n, 5), fake=normal(s + 50, n, 5), rng=seeded(s)) for s in range(20)])
        for n in (50, 200)
    ]
    assert means[0] / means[1] == pytest.approx(4, rel=0.25)


# --- all at once ----------------------------------------------------------------------------------


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
    near, dense = precision_recall(**few), density_coverage(**few)
    kernel = scores.kid(rng=seeded(4), **few)
    assert torch.equal(reference.rows(), reference_of(real, batch=7, kept=200).rows())
    assert len(reference.rows()) == 200
    assert (found.is_mean, found.is_sd) == pytest.approx(inception_score(logits), rel=1e-10)
    assert found.fid == pytest.approx(fid(real=Moments.of(real), fake=Moments.of(fake)), rel=1e-10)
    rng = seeded(4)
    scores.kid(rng=rng, **few)  # draws its subsets first
    assert found.mind == scores.mind(rng=rng, **few)
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


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [fid, scores.kid, scores.mind, precision_recall, density_coverage, fid_infinity])
def test_sides_cannot_be_swapped(function):
    """Everything is keyword-only, so no order of arguments exists."""
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert {"real", "fake"} <= set(inspect.signature(function).parameters)
    with pytest.raises(TypeError, match="positional"):
        function(normal(0, 20, 2), normal(1, 20, 2))


@pytest.mark.parametrize(
    "function",
    [
        lambda real, fake: scores.kid(real=real, fake=fake, rng=seeded(0)),
        lambda real, fake: scores.mind(real=real, fake=fake, rng=seeded(0)),
        lambda real, fake: precision_recall(real=real, fake=fake),
        lambda real, fake: density_coverage(real=real, fake=fake),
        lambda real, fake: fid_infinity(real=Moments.of(real), fake=fake, counts=(5, 9), rng=seeded(0)),
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


def test_too_large_subsets_are_refused():
    small, large = normal(0, 5, 2), normal(1, 50, 2)
    with pytest.raises(InputError, match="subset_size: 6 exceeds the 5 rows of the smaller side"):
        scores.kid(real=small, fake=large, rng=seeded(0), subset_size=6)
    with pytest.raises(InputError, match="subset_size: expected an integer >= 2, found 1"):
        scores.kid(real=small[:3], fake=large, rng=seeded(0))


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
    assert density_coverage(real=whole[:500], fake=fake).density < 0.7


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
