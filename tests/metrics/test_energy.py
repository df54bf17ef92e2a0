"""Energy distances of samples and of minibatches: closed forms, plain loops, no bias, invariances, failures."""

import math

import numpy as np
import pytest
import torch

from dotlib.errors import InputError
from dotlib.metrics.energy import energy_distance, minibatch_energy
from dotlib.metrics.sinkhorn import cosine_costs, transport_costs
from dotlib.seeding import generator


def normal(n, seed, shift=0.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(shift, 1, (n, 2)))


def test_by_hand():
    """Across: (1 + 3 + 2 + 2) / 4; within: 2 once, and 4 once."""
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[-1.0], [3.0]])
    across = (1 + 3 + 3 + 1) / 4
    assert energy_distance(x, y) == pytest.approx(2 * across - 2 - 4, abs=1e-12)


def test_against_loops():
    x, y = normal(7, 0), normal(5, 1, 0.5)

    def mean(pairs):
        return np.mean([float((a - b).norm()) for a, b in pairs])

    def within(points):
        return mean((points[i], points[j]) for i in range(len(points)) for j in range(len(points)) if i != j)

    expected = 2 * mean((a, b) for a in x for b in y) - within(x) - within(y)
    assert energy_distance(x, y) == pytest.approx(expected, abs=1e-12)
    assert energy_distance(y, x) == pytest.approx(expected, abs=1e-12)


def test_two_samples_of_one_law_are_at_distance_0_on_average_however_few():
    """With three points each, means over all pairs of a sample, the point with itself included, would add some 1.2."""
    values = [energy_distance(normal(3, 2 * seed), normal(3, 2 * seed + 1)) for seed in range(2_000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(len(values))
    assert min(values) < 0 and np.std(values) / math.sqrt(len(values)) < 0.02


def test_two_normal_laws_far_apart():
    """||x - y|| has mean r + 1 / r + O(1 / r^3) for means r apart (variance 2 across), ||x - x'|| sqrt(pi) in 2-D."""
    r = 20.0
    x, y = normal(1_500, 0), normal(1_500, 1) + torch.tensor([r, 0.0])
    assert energy_distance(x, y) == pytest.approx(2 * (r + 1 / r) - 2 * math.sqrt(math.pi), abs=0.25)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(1, 2), torch.zeros(3, 2), "^points of x: .*2"),
        (torch.zeros(3, 2), torch.zeros(3, 1), "^y: found width 1"),
        (torch.zeros(3, 2), torch.full((3, 2), torch.nan), "^y: found NaN"),
    ],
)
def test_failures(x, y, message):
    with pytest.raises(InputError, match=message):
        energy_distance(x, y)


# Minibatches

NAMES = ("X", "X'", "Y", "Y'")


def batches(losses, size, dim, *, scale=1.0, shift=0.0):
    """(X, X'), (Y, Y'), each (losses, size, dim): N(0, 1) and N(shift, scale^2)."""
    shape = (losses, size, dim)
    x, x2, y, y2 = (torch.randn(shape, generator=generator(0, name), dtype=torch.float64) for name in NAMES)
    return (x, x2), (scale * y + shift, scale * y2 + shift)


def mean_and_error(values):
    return float(values.mean()), float(values.std()) / math.sqrt(len(values))


@pytest.mark.parametrize("epsilon", [0.01, 1.0, math.inf])
def test_six_problems_at_once_are_six_problems_in_a_loop(epsilon):
    (x, x2), (y, y2) = batches(3, 6, 4, shift=0.5)

    def W(a, b):
        return float(transport_costs(cosine_costs(a[None], b[None]), epsilon=epsilon, iterations=30))

    found = minibatch_energy((x, x2), (y, y2), epsilon=epsilon, iterations=30)
    for k in range(3):
        a, b, c, d = x[k], x2[k], y[k], y2[k]
        expected = W(a, c) + W(a, d) + W(b, c) + W(b, d) - 2 * W(a, b) - 2 * W(c, d)
        assert float(found[k]) == pytest.approx(expected, abs=1e-12)
        assert float(minibatch_energy((a, b), (c, d), epsilon=epsilon, iterations=30)) == pytest.approx(
            expected, abs=1e-12
        )


@pytest.mark.parametrize("rule", ["all", "released"])
@pytest.mark.parametrize("epsilon", [0.01, 1.0])
def test_four_equal_batches_are_at_distance_0(rule, epsilon):
    (x, _), _ = batches(1, 8, 4)
    assert abs(float(minibatch_energy((x, x), (x, x), epsilon=epsilon, rule=rule))) < 1e-14


def test_a_generator_that_repeats_the_data_has_a_negative_loss():
    """X = Y and X' = Y': L = W(X, X) + W(X', X') - 2 W(X, X'), and W(X, X) tends to 0 with epsilon."""
    (x, x2), _ = batches(50, 8, 3)
    loss = minibatch_energy((x, x2), (x, x2), epsilon=0.02, iterations=200)
    sides = (x, x), (x2, x2), (x, x2)
    own, other, across = (transport_costs(cosine_costs(*side), epsilon=0.02, iterations=200) for side in sides)
    torch.testing.assert_close(loss, own + other - 2 * across, rtol=0, atol=0.01)  # W(X', X) is not quite W(X, X')
    assert loss.max() < -0.1 and own.mean() < 0.03


def test_with_the_uniform_plan_only_mean_directions_count():
    """W = 1 - x . y of mean unit features there, and the ones cancel."""
    (x, x2), (y, y2) = batches(5, 7, 4, shift=0.3)
    mx, mx2, my, my2 = ((b / b.norm(dim=-1, keepdim=True)).mean(1) for b in (x, x2, y, y2))
    expected = -((mx + mx2) * (my + my2)).sum(1) + 2 * (mx * mx2).sum(1) + 2 * (my * my2).sum(1)
    for epsilon in (1e7, math.inf):
        found = minibatch_energy((x, x2), (y, y2), epsilon=epsilon)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_batches_of_one_estimate_the_energy_distance_of_two_normal_laws(scale):
    """E|x - y| = sqrt(2 (1 + s^2) / pi) at equal means, so half of L averages to the square of eq. (5)."""
    real, fake = batches(40_000, 1, 1, scale=scale)
    mean, error = mean_and_error(minibatch_energy(real, fake, epsilon=1.0, iterations=1, costs=torch.cdist) / 2)
    closed = 2 * math.sqrt(2 * (1 + scale**2) / math.pi) - 2 / math.sqrt(math.pi) - 2 * scale / math.sqrt(math.pi)
    assert abs(mean - closed) < 4 * error and error < closed / 5


@pytest.mark.parametrize("epsilon", [0.02, 1.0])
@pytest.mark.parametrize("size", [2, 8])
def test_two_laws_that_agree_are_at_distance_0_on_average_and_not_by_2w_alone(size, epsilon):
    real, fake = batches(2_000, size, 2)
    options = {"epsilon": epsilon, "iterations": 30}
    mean, error = mean_and_error(minibatch_energy(real, fake, **options))
    alone, of_alone = mean_and_error(2 * transport_costs(cosine_costs(real[0], fake[0]), **options))
    assert abs(mean) < 3 * error and error < 0.04
    assert alone > 20 * of_alone and alone > 0.2


def slopes(scale, gradient, *, self_terms):
    """d/ds of the loss, or of 2 W(X, Y), for target N(0, 1), model N(0, s^2), batches of 4 and |x - y|; one a draw."""
    real, fake = batches(3_000, 4, 1)
    s = torch.full((3_000, 1, 1), scale, dtype=torch.float64, requires_grad=True)
    moved = (s * fake[0], s * fake[1])
    options = {"epsilon": 0.05, "iterations": 40, "gradient": gradient}
    if self_terms:
        loss = minibatch_energy(real, moved, costs=torch.cdist, **options)
    else:
        loss = 2 * transport_costs(torch.cdist(real[0], moved[0]), **options)
    return torch.autograd.grad(loss.sum(), s)[0].flatten()


@pytest.mark.parametrize("gradient", ["fixed", "unrolled"])
def test_the_gradient_at_the_target_is_unbiased_with_the_self_terms_alone(gradient):
    """2 W of batches pulls the model narrower than its target; with the self terms the mean slope at s = 1 is 0."""
    mean, error = mean_and_error(slopes(1.0, gradient, self_terms=True))
    assert abs(mean) < 3 * error and error < 0.05
    alone, of_alone = mean_and_error(slopes(1.0, gradient, self_terms=False))
    assert alone > 10 * of_alone > 0


def test_the_best_model_is_the_target_and_for_2w_alone_a_narrower_one():
    """The zero of the mean slope, by a line through the slopes beside it: s = 1 within 0.02, and s < 0.9."""

    def best(scales, *, self_terms):
        low, high = (float(slopes(s, "fixed", self_terms=self_terms).mean()) for s in scales)
        return scales[0] - low * (scales[1] - scales[0]) / (high - low)

    assert best((0.95, 1.05), self_terms=True) == pytest.approx(1, abs=0.02)
    assert 0.5 < best((0.7, 0.9), self_terms=False) < 0.9


def test_features_of_another_length_have_the_same_loss():
    (x, x2), (y, y2) = batches(2, 5, 3, shift=0.4)
    loss = minibatch_energy((x, x2), (y, y2), epsilon=0.1)
    torch.testing.assert_close(minibatch_energy((9 * x, x2), (y, 0.1 * y2), epsilon=0.1), loss, rtol=0, atol=1e-13)


def test_the_loss_has_the_gradient_of_its_value():
    (x, x2), (y, y2) = batches(1, 3, 2, shift=0.4)

    def loss(a, b, c, d):
        return minibatch_energy((a, b), (c, d), epsilon=0.5, iterations=6, gradient="unrolled")

    assert torch.autograd.gradcheck(loss, tuple(part[0].requires_grad_(True) for part in (x, x2, y, y2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y2": torch.ones(3, 2)}, r"^Y': found shape \(3, 2\) beside X \(4, 2\)"),
        ({"x2": torch.full((4, 2), math.nan)}, "^X': found NaN"),
        ({"y": torch.zeros(4, 2)}, "row of zeros"),
        ({"epsilon": 0.0}, "^epsilon: "),
        ({"rule": "none"}, "^rule: unknown"),
    ],
)
def test_wrong_batches_are_named(change, message):
    given = {name: torch.ones(4, 2) for name in ("x", "x2", "y", "y2")} | {"epsilon": 1.0} | change
    x, x2, y, y2 = (given.pop(name) for name in ("x", "x2", "y", "y2"))
    with pytest.raises(InputError, match=message):
        minibatch_energy((x, x2), (y, y2), **given)


def test_batches_with_too_many_axes_are_refused():
    four = torch.ones(1, 1, 4, 2)
    with pytest.raises(InputError, match=r"^X: found shape \(1, 1, 4, 2\).*\(B, d\) or \(K, B, d\)"):
        minibatch_energy((four, four), (four, four), epsilon=1.0)
