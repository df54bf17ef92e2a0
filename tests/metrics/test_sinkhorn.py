"""Sinkhorn's iterations: second methods (POT, plain iterations), closed forms, invariances, gradients, failures."""

import math
import warnings

import numpy as np
import pytest
import torch

from dotlib.errors import InputError
from dotlib.metrics import sinkhorn
from dotlib.metrics.optimal_transport import emd
from dotlib.metrics.sinkhorn import cosine_costs, plans, regularised, transport_costs
from dotlib.seeding import generator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Python 3.12 warns while it compiles POT
    import ot


def costs_of(problems, n, m, seed=0, dtype=torch.float64):
    """Cosine costs of random features, in (0, 2)."""
    x, y = (
        torch.randn(problems, k, 5, generator=generator(seed, name), dtype=dtype) for k, name in ((n, "x"), (m, "y"))
    )
    return cosine_costs(x, y)


def pot_plan(C, epsilon, iterations):
    n, m = C.shape
    a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    options = {"method": "sinkhorn_log", "numItermax": iterations, "stopThr": 0, "warn": False}
    return ot.sinkhorn(a, b, C.numpy(), epsilon, **options)


@pytest.mark.parametrize("epsilon", [0.001, 0.01, 0.05, 1.0, 5.0])
@pytest.mark.parametrize(("n", "m"), [(8, 8), (32, 32), (9, 4), (3, 17)])
@pytest.mark.parametrize("iterations", [1, 2, 50])
def test_plans_are_those_of_pot(n, m, epsilon, iterations):
    C = costs_of(4, n, m)
    found = plans(C, epsilon=epsilon, iterations=iterations).plan
    expected = np.stack([pot_plan(c, epsilon, iterations) for c in C])
    assert np.abs(found.numpy() - expected).max() < 1e-12  # the bar is 1e-9; masses are near 1 / (n m)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-12), (torch.float32, 2e-4)])
@pytest.mark.parametrize("scale", [1, 1_000])
def test_factors_and_logarithms_are_one_iteration(dtype, error, scale):
    """Costs of 1,000 over an epsilon of 0.05 span e^20000: a kernel alone would be zero nearly everywhere.

    Rounding of a logarithm of size 2e4 in float32 is 1e-3, and in float64 4e-12, relative to a plan's entry.
    """
    C = scale * costs_of(3, 12, 12, dtype=dtype)
    logs = -C / 0.05 - 2 * math.log(12)
    u, v = sinkhorn._in_logs(logs, 40)
    plan = (logs + u[:, :, None] + v[:, None]).exp()
    found = plans(C, epsilon=0.05, iterations=40)
    assert (found.plan - plan).abs().max() < error * max(1, scale / 100)
    assert found.plan.isfinite().all() and found.row_error.max() < error * max(1, scale / 100)


def test_factors_go_back_into_the_potentials_where_they_grow(monkeypatch):
    """With a reach of 1.01 nearly every iteration does; the plan is the same, and so is the count of iterations."""
    C = costs_of(3, 12, 9)
    wide = plans(C, epsilon=0.02, iterations=17)
    calls, own = [], sinkhorn._log_iteration
    monkeypatch.setattr(sinkhorn, "_log_iteration", lambda *a: calls.append(1) or own(*a))
    plans(C, epsilon=0.02, iterations=17)
    few = len(calls)
    monkeypatch.setattr(sinkhorn, "REACH", 1.01)
    narrow = plans(C, epsilon=0.02, iterations=17)
    assert few < 5 < len(calls) - few
    torch.testing.assert_close(narrow.plan, wide.plan, rtol=0, atol=1e-14)
    torch.testing.assert_close(narrow.f, wide.f, rtol=0, atol=1e-13)


def test_one_by_one_is_the_cost():
    C = costs_of(5, 1, 1)
    assert torch.equal(transport_costs(C, epsilon=0.3), C[:, 0, 0])
    assert torch.equal(plans(C, epsilon=0.3).plan, torch.ones_like(C))


@pytest.mark.parametrize("epsilon", [0.2, 0.5, 3.0])
def test_two_by_two(epsilon):
    """P_11 = P_22 = p and P_12 = P_21 = 1/2 - p, so (p / (1/2 - p))^2 = exp((c12 + c21 - c11 - c22) / epsilon)."""
    C = costs_of(6, 2, 2, seed=1)
    odds = (C[:, 0, 1] + C[:, 1, 0] - C[:, 0, 0] - C[:, 1, 1]) / (2 * epsilon)
    found = plans(C, epsilon=epsilon, iterations=3_000).plan
    torch.testing.assert_close(found[:, 0, 0], 0.5 / (1 + (-odds).exp()), rtol=0, atol=1e-9)
    torch.testing.assert_close(found[:, 0, 1], 0.5 / (1 + odds.exp()), rtol=0, atol=1e-9)


def test_equal_costs_give_the_plan_of_independent_draws():
    C = torch.full((2, 4, 6), 0.7, dtype=torch.float64)
    found = plans(C, epsilon=0.01)
    torch.testing.assert_close(found.plan, torch.full_like(C, 1 / 24), rtol=1e-13, atol=0)
    torch.testing.assert_close(
        transport_costs(C, epsilon=0.01), torch.full((2,), 0.7, dtype=torch.float64), rtol=1e-13, atol=0
    )
    assert found.entropy.tolist() == pytest.approx([1, 1], abs=1e-13)


def test_a_large_epsilon_tends_to_the_control_with_the_uniform_plan():
    """P - a b is of order C / epsilon there, and the control's value is the mean cost exactly."""
    C = costs_of(3, 7, 5)
    control = plans(C, epsilon=math.inf)
    assert torch.equal(control.plan, torch.full_like(C, 1 / 35)) and control.iterations.tolist() == [0, 0, 0]
    torch.testing.assert_close(transport_costs(C, epsilon=math.inf), C.mean((1, 2)), rtol=1e-14, atol=0)
    far = [float((plans(C, epsilon=epsilon).plan * 35 - 1).abs().max()) for epsilon in (1e2, 1e4, 1e6)]
    assert far[0] < 2e-2 and far[1] == pytest.approx(far[0] / 100, rel=0.05) and far[2] < 2e-6


def test_the_next_term_for_a_large_epsilon():
    """<P, C> = mean C - V / epsilon + O(1 / epsilon^2), with V the mean square of C less its row and column means."""
    C = costs_of(4, 6, 6)
    rest = C - C.mean(1, keepdim=True) - C.mean(2, keepdim=True) + C.mean((1, 2), keepdim=True)
    V, epsilon = rest.square().mean((1, 2)), 1e3
    slope = epsilon * (C.mean((1, 2)) - transport_costs(C, epsilon=epsilon))
    torch.testing.assert_close(slope, V, rtol=5e-3, atol=0)


def test_a_small_epsilon_tends_to_the_exact_optimum():
    """<P, C> - W lies between 0 and epsilon log B: the optimum has KL(P | a b) = log B, the least is 0."""
    x, y = (torch.randn(12, 2, generator=generator(0, name), dtype=torch.float64) for name in "xy")
    W = emd(x, y, cost="euclidean")
    C = torch.cdist(x, y)[None]
    for epsilon in (0.3, 0.03):
        excess = float(transport_costs(C, epsilon=epsilon, iterations=5_000)) - W
        assert 0 < excess < epsilon * math.log(12)


def test_marginals_and_potentials_after_convergence():
    C, epsilon = costs_of(3, 8, 6), 0.2
    found = plans(C, epsilon=epsilon, iterations=2_000)
    assert max(found.row_error.max(), found.column_error.max()) < 1e-12
    torch.testing.assert_close(
        found.plan, ((found.f[:, :, None] + found.g[:, None] - C) / epsilon).exp() / 48, rtol=1e-12, atol=0
    )
    dual = found.f.mean(1) + found.g.mean(1)
    torch.testing.assert_close(dual, regularised(found, C, epsilon=epsilon), rtol=0, atol=1e-12)


def test_rows_have_their_sums_after_any_iteration():
    found = plans(costs_of(2, 8, 8), epsilon=0.01, iterations=3)
    assert found.row_error.max() < 1e-12 and found.column_error.min() > 1e-3


def test_permutations_move_the_plan_and_a_shift_of_the_cost_moves_the_potentials():
    C = costs_of(1, 7, 9)
    rows, columns = (torch.randperm(k, generator=generator(0, str(k))) for k in (7, 9))
    base, moved = plans(C, epsilon=0.1), plans(C[:, rows][:, :, columns], epsilon=0.1)
    torch.testing.assert_close(moved.plan, base.plan[:, rows][:, :, columns], rtol=0, atol=1e-14)
    raised = plans(C + 3, epsilon=0.1)
    torch.testing.assert_close(raised.plan, base.plan, rtol=0, atol=1e-14)
    torch.testing.assert_close(raised.f.mean() + raised.g.mean(), base.f.mean() + base.g.mean() + 3, rtol=0, atol=1e-12)


def test_a_batch_is_its_problems_one_after_another():
    """Costs of several scales, so that factors are put back for some problems alone. Rounding: 1e-14."""
    C = costs_of(5, 6, 8) * torch.tensor([0.1, 1, 5, 20, 100], dtype=torch.float64)[:, None, None]
    for rule in sinkhorn.RULES:
        together = plans(C, epsilon=0.1, rule=rule)
        for k in range(5):
            alone = plans(C[k : k + 1], epsilon=0.1, rule=rule)
            torch.testing.assert_close(together.plan[k], alone.plan[0], rtol=0, atol=1e-13)
            assert together.iterations[k] == alone.iterations[0]


# Gradients


def test_the_unrolled_gradient_is_that_of_the_value():
    C = costs_of(2, 4, 5).requires_grad_(True)
    for rule in sinkhorn.RULES:
        assert torch.autograd.gradcheck(
            lambda c, rule=rule: transport_costs(c, epsilon=0.5, iterations=7, rule=rule, gradient="unrolled"), C
        )


def test_the_fixed_gradient_is_that_of_the_regularised_value():
    """Central differences of <P, C> + epsilon KL, steps of 1e-5: an error of 1e-10, and P itself."""
    C, epsilon, step = costs_of(1, 4, 3), 0.5, 1e-5
    leaf = C.clone().requires_grad_(True)
    (fixed,) = torch.autograd.grad(transport_costs(leaf, epsilon=epsilon, iterations=500).sum(), leaf)
    assert torch.equal(fixed, plans(C, epsilon=epsilon, iterations=500).plan)

    def value(c):
        return float(regularised(plans(c, epsilon=epsilon, iterations=500), c, epsilon=epsilon))

    for i, j in np.ndindex(4, 3):
        aside = torch.zeros_like(C)
        aside[0, i, j] = step
        assert (value(C + aside) - value(C - aside)) / (2 * step) == pytest.approx(float(fixed[0, i, j]), abs=1e-9)


def test_the_two_gradients_differ_by_what_the_entropy_is_worth():
    """Two points, c = c12 + c21 - c11 - c22: <P, C> is c12/2 + c21/2 - c p, with dp/dc = p (1 - 2 p) / (2 epsilon).

    Its slope in c11 is p + c dp/dc, and with the plan fixed p.
    """
    C, epsilon = torch.tensor([[[0.0, 1.0], [2.0, 0.5]]], dtype=torch.float64), 1.0
    c = float(C[0, 0, 1] + C[0, 1, 0] - C[0, 0, 0] - C[0, 1, 1])
    p = 0.5 / (1 + math.exp(-c / (2 * epsilon)))
    slopes = {}
    for gradient in sinkhorn.GRADIENTS:
        leaf = C.clone().requires_grad_(True)
        value = transport_costs(leaf, epsilon=epsilon, iterations=500, gradient=gradient)
        slopes[gradient] = float(torch.autograd.grad(value.sum(), leaf)[0][0, 0, 0])
    assert slopes["fixed"] == pytest.approx(p, abs=1e-9)
    assert slopes["unrolled"] == pytest.approx(p + c * p * (1 - 2 * p) / (2 * epsilon), abs=1e-9)
    assert abs(slopes["unrolled"] - slopes["fixed"]) > 0.1


def test_both_gradients_have_the_value_and_the_control_has_one():
    C = costs_of(2, 5, 5)
    one, two = (transport_costs(C, epsilon=0.1, gradient=gradient) for gradient in sinkhorn.GRADIENTS)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-14)
    leaf = C.clone().requires_grad_(True)
    value = transport_costs(leaf, epsilon=math.inf, gradient="unrolled")
    assert torch.equal(torch.autograd.grad(value.sum(), leaf)[0], torch.full_like(C, 1 / 25))


# The released rule


def test_the_released_rule_against_a_plain_loop():
    """One problem, one number at a time."""
    C, epsilon, n = costs_of(1, 8, 8)[0], 0.01, 8
    f, g = [0.0] * n, [0.0] * n
    for done in range(1, 51):  # noqa: B007
        old = list(f)
        mass = [sum(math.exp((f[i] + g[j] - C[i, j]) / epsilon) for j in range(n)) for i in range(n)]
        f = [f[i] + epsilon * (math.log(1 / n) - math.log(mass[i] + 1e-6)) for i in range(n)]
        mass = [sum(math.exp((f[i] + g[j] - C[i, j]) / epsilon) for i in range(n)) for j in range(n)]
        g = [g[j] + epsilon * (math.log(1 / n) - math.log(mass[j] + 1e-6)) for j in range(n)]
        if sum(abs(a - b) for a, b in zip(f, old, strict=True)) < 0.1:
            break
    expected = [[math.exp((f[i] + g[j] - C[i, j]) / epsilon) for j in range(n)] for i in range(n)]
    found = plans(C[None], epsilon=epsilon, rule="released")
    torch.testing.assert_close(found.plan[0], torch.tensor(expected).double(), rtol=1e-6, atol=1e-12)
    assert int(found.iterations) == done < 50


@pytest.mark.parametrize("size", [8, 32])
def test_the_released_rule_ends_early_which_is_right_at_epsilon_1_and_wrong_at_a_hundredth(size):
    """Features of one side share a direction, as those of real images do. "All" are 50 iterations.

    At epsilon 0.01 the rows lack their sums in both sizes, and columns of the small batch lost mass to the 1e-6.
    """
    x, y = (torch.randn(40, size, 16, generator=generator(0, name), dtype=torch.float64) for name in "xy")
    C = cosine_costs(x + 1, y)
    large, small = (plans(C, epsilon=epsilon, rule="released") for epsilon in (1.0, 0.01))
    assert large.iterations.max() <= 4 and large.row_error.max() < 0.01
    assert (large.plan.sum((1, 2)) - 1).abs().max() < 1e-4
    value = [transport_costs(C, epsilon=1.0, rule=rule) for rule in sinkhorn.RULES]
    torch.testing.assert_close(*value, rtol=1e-3, atol=0)
    assert small.iterations.double().mean() < 15 and small.row_error.mean() > 0.2
    mass = float(small.plan.sum((1, 2)).mean())
    assert mass < 0.95 if size == 8 else mass > 0.99
    ours, theirs = (transport_costs(C, epsilon=0.01, rule=rule).mean() for rule in sinkhorn.RULES)
    assert theirs / ours < {8: 0.92, 32: 0.99}[size]


# Costs, and failures


def test_cosine_costs_do_not_see_lengths():
    x, y = (torch.randn(4, 3, generator=generator(0, name), dtype=torch.float64) for name in "xy")
    C = cosine_costs(x, y)
    torch.testing.assert_close(cosine_costs(1e3 * x, 1e-3 * y), C, rtol=0, atol=1e-14)
    assert torch.allclose(cosine_costs(x, x).diagonal(), torch.zeros(4).double(), atol=1e-15)
    assert float(cosine_costs(x[:1], -x[:1])) == pytest.approx(2, abs=1e-15)
    assert float(cosine_costs(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]))) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda C: plans(C[0], epsilon=1.0), r"^costs: expected 3 axes, found shape \(2, 2\)"),
        (lambda C: plans(C * math.nan, epsilon=1.0), "^costs: found NaN"),
        (lambda C: plans(C.half(), epsilon=1.0), "^costs: found torch.float16"),
        (lambda C: plans(C[:, :0], epsilon=1.0), r"^costs: found torch.float64 of shape \(3, 0, 2\)"),
        (lambda C: plans(C, epsilon=0.0), "^epsilon: .*found 0.0"),
        (lambda C: plans(C, epsilon=-math.inf), "^epsilon: .*found -inf"),
        (lambda C: plans(C, epsilon=1.0, iterations=0), "^iterations: .*found 0"),
        (lambda C: plans(C, epsilon=1.0, rule="al"), "^rule: unknown 'al'; known: all, released; nearest: all"),
        (lambda C: transport_costs(C, epsilon=1.0, gradient="fix"), "^gradient: unknown 'fix'.*nearest: fixed"),
        (lambda C: transport_costs(C, epsilon=-1.0, gradient="unrolled"), "^epsilon: .*found -1.0"),
        (lambda C: cosine_costs(C[0], 0 * C[0]), "^y: found a row of zeros"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message) as error:
        call(costs_of(3, 2, 2))
    assert "\n" not in str(error.value)


def test_costs_are_not_written():
    C = costs_of(2, 3, 3)
    before = C.clone()
    for rule in sinkhorn.RULES:
        plans(C, epsilon=0.1, rule=rule)
    assert torch.equal(C, before)
