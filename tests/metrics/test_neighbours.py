"""Precision, recall, density and coverage.

Kinds of test: second method (plain loops), identities, invariances, failures.
"""

import math

import pytest
import torch
from draws import normal, rotation

from dotlib.errors import InputError
from dotlib.metrics import backends, neighbours
from dotlib.metrics.neighbours import DensityCoverage, PrecisionRecall, density_coverage, precision_recall


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
    near = precision_recall(real=real, fake=fake, k=k_near)
    dense = density_coverage(real=real, fake=fake, k=k_dense)
    found = (near.precision, near.recall, dense.density, dense.coverage)
    assert found == pytest.approx(naive(real, fake, k_near, k_dense), abs=1e-12)
    together = neighbours.neighbourhoods(real=real, fake=fake)
    assert together == (precision_recall(real=real, fake=fake), density_coverage(real=real, fake=fake))


@pytest.mark.parametrize("case", range(6))
def test_precision_and_recall_agree_with_torch_fidelity(case):
    metric = backends.module("torch_fidelity.metric_prc")
    real, fake = normal(case, 300 + 40 * case, 16), 1.2 * normal(case + 50, 400, 16) + 0.1 * case
    centred = (side.double() - real.double().mean(0) for side in (fake, real))
    theirs = metric.prc_features_to_metric(*centred, prc_neighborhood=3, prc_batch_size=128, verbose=False)
    found = precision_recall(real=real, fake=fake)
    assert (found.precision, found.recall) == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-6)
    assert 0.01 < found.precision < 0.99


@pytest.mark.parametrize("case", range(20))
def test_ties_are_inside_closed_balls_and_outside_open_ones(case):
    """Whole numbers with mean 0, so that nothing is rounded: many points lie exactly on a ball."""
    half, fake = normal(case, 15, 2).mul(2).round(), normal(case + 300, 30, 2).mul(2).round()
    real = torch.cat([half, -half])
    near, dense = precision_recall(real=real, fake=fake), density_coverage(real=real, fake=fake)
    found = (near.precision, near.recall, dense.density, dense.coverage)
    assert found == pytest.approx(naive(real, fake, 3, 5), abs=1e-12)


def test_a_collapsed_set_is_precise_and_recalls_little():
    real = normal(0, 1_000, 8)
    collapsed = 0.01 * normal(1, 1_000, 8) + 0.1
    near = precision_recall(real=real, fake=collapsed)
    assert near.precision > 0.8 and near.recall < 0.3
    dense = density_coverage(real=real, fake=collapsed)
    assert dense.density > 0.8 and dense.coverage < 0.3


def test_the_other_way_round_a_collapsed_reference_is_covered_and_fakes_are_imprecise():
    wide, narrow = normal(0, 1_000, 8), 0.01 * normal(1, 1_000, 8) + 0.1
    near = precision_recall(real=narrow, fake=wide)
    assert near.precision < 0.3 and near.recall > 0.8


def test_a_copy_of_the_reference_is_perfect():
    x = normal(0, 400, 6)
    assert precision_recall(real=x, fake=x) == PrecisionRecall(1.0, 1.0)
    dense = density_coverage(real=x, fake=x)
    assert dense.coverage == 1 and dense.density == pytest.approx(1, abs=1e-12)


def test_far_sets_score_zero_and_neighbourhoods_do_not_see_rotations_or_shifts():
    x, y = normal(0, 300, 6), normal(1, 250, 6) * 0.9
    far = {"real": x, "fake": y + 100}
    assert precision_recall(**far) == PrecisionRecall(0.0, 0.0)
    assert density_coverage(**far) == DensityCoverage(0.0, 0.0)
    turn = rotation(2, 6)
    turned = {"real": 2 * x @ turn + 1e3, "fake": 2 * y @ turn + 1e3}
    assert precision_recall(**turned) == precision_recall(real=x, fake=y)
    assert density_coverage(**turned) == density_coverage(real=x, fake=y)


def test_too_many_neighbours_are_refused():
    small, large = normal(0, 5, 2), normal(1, 50, 2)
    for sides, name in (({"real": small, "fake": large}, "real"), ({"real": large, "fake": small}, "fake")):
        with pytest.raises(InputError, match=f"^k: 5 neighbours are more than {name} has beside"):
            precision_recall(k=5, **sides)
    with pytest.raises(InputError, match="^k: 5 neighbours are more than real has"):
        density_coverage(real=small, fake=large, k=5)
    assert density_coverage(real=large, fake=small, k=5).density > 0
    with pytest.raises(InputError, match="k: expected an integer >= 1, found 0"):
        precision_recall(real=large, fake=large, k=0)
