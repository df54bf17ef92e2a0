"""Discrete optimal transport with both of its sides.

Kinds of test here: closed forms, invariances, second method, failures.
"""

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linprog

from dotlib.errors import InputError
from dotlib.metrics import optimal_transport
from dotlib.seeding import generator

EXACT = 1e-12  # float64 sums of a few dozen terms of size 1


def cloud(n: int, m: int, seed: int, *, width: int = 2, weighted: bool = False) -> optimal_transport.Optimum:
    """The optimum between two random measures."""
    rng = generator(seed, "duality-tests")
    x, y = torch.randn(n, width, generator=rng), 1 + torch.randn(m, width, generator=rng)
    if not weighted:
        return optimal_transport.solve(x, y)
    a, b = (0.1 + torch.rand(size, generator=rng, dtype=torch.float64) for size in (n, m))
    return optimal_transport.solve(x, y, a=a / a.sum(), b=b / b.sum())


def halves(optimum: optimal_transport.Optimum) -> dict:
    """Both functions that an optimum offers."""
    return {"lower": optimum.lower, "upper": optimum.upper}


# Closed forms


def test_two_points():
    """One point each: W is their distance; `upper` is a cone around y, `lower` one around x."""
    optimum = optimal_transport.solve(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
    assert optimum.distance == pytest.approx(5, abs=EXACT)
    assert float(optimum.plan) == pytest.approx(1, abs=EXACT)
    t = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], dtype=torch.float64)
    rises = {name: D(t) - D(t[:1]) for name, D in halves(optimum).items()}
    assert rises["upper"].tolist() == pytest.approx([0, 5, 10], abs=EXACT)
    assert rises["lower"].tolist() == pytest.approx([0, 5, 0], abs=EXACT)


def test_on_the_line_sorted_points_are_matched():
    """In one dimension an optimal plan keeps the order, so W is the mean gap of sorted points."""
    rng = generator(0, "line")
    x, y = torch.randn(40, 1, generator=rng).double(), torch.randn(40, 1, generator=rng).double()
    gaps = (x.sort(dim=0).values - y.sort(dim=0).values).abs()
    assert optimal_transport.solve(x, y).distance == pytest.approx(float(gaps.mean()), abs=EXACT)


def test_translation_costs_its_length_and_has_a_linear_optimum():
    """x = y + t: no plan is cheaper than |t|, as the linear function along t shows."""
    rng = generator(1, "translation")
    y, t = torch.randn(30, 3, generator=rng).double(), torch.tensor([1.0, -2.0, 2.0]).double()
    optimum = optimal_transport.solve(y + t, y)
    assert optimum.distance == pytest.approx(3, abs=EXACT)
    linear = lambda points: points @ t / 3  # noqa: E731
    assert optimum.dual_value(linear) == pytest.approx(3, abs=EXACT)
    assert optimum.slackness(linear)[optimum.support].abs().max() < EXACT
    assert optimum.slackness(linear).min() > -EXACT


def test_lipschitz_norm_of_a_linear_function_is_reached_along_its_gradient():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]).double()
    values = points @ torch.tensor([3.0, 4.0]).double()
    assert optimal_transport.lipschitz_norm(values, points) == pytest.approx(5, abs=EXACT)


def test_lipschitz_norm_leaves_out_equal_points():
    points = torch.tensor([[0.0], [0.0], [2.0]]).double()
    assert optimal_transport.lipschitz_norm(torch.tensor([1.0, 1.0, 2.0]).double(), points) == 0.5


def test_distances_of_close_points_keep_their_digits():
    near = torch.tensor([[1.0, 1.0], [1.0 + 2**-30, 1.0]], dtype=torch.float64)
    assert optimal_transport.distances(near, near)[0, 1] == 2**-30


# Strong duality and complementary slackness, which no closed form is needed for


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 5), (7, 7), (20, 33)])
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_both_functions_are_optimal(n, m, weighted, side):
    optimum = cloud(n, m, seed=n, weighted=weighted)
    D, everywhere = halves(optimum)[side], torch.cat([optimum.x, optimum.y])
    assert optimal_transport.lipschitz_norm(D(everywhere), everywhere) <= 1 + EXACT
    assert optimum.dual_value(D) == pytest.approx(optimum.distance, abs=EXACT)
    slackness = optimum.slackness(D)
    assert slackness.min() > -EXACT
    assert slackness[optimum.support].abs().max() < 1e-10  # one term, divided by its small mass
    zeros = optimum.certificate(D)
    assert max(zeros.gap, abs(zeros.excess), zeros.negative, zeros.on_plan) < 1e-10


def test_certificate_measures_each_way_to_miss():
    """x = 5 and y = 0 on the line, W = 5. D = x / 2 is too flat; D = 2 x is too steep."""
    optimum = optimal_transport.solve(torch.tensor([[5.0]]), torch.zeros(1, 1))
    flat = optimum.certificate(lambda t: t[:, 0] / 2)
    assert (flat.gap, flat.excess, flat.negative, flat.on_plan) == (2.5, -0.5, 0, 2.5)
    steep = optimum.certificate(lambda t: 2 * t[:, 0])
    assert (steep.gap, steep.excess, steep.negative, steep.on_plan) == (5, 1, 5, 5)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_every_segment_minimises(side):
    optimum = cloud(12, 12, seed=9)
    candidates = 4 * torch.randn(500, 2, generator=generator(9, "grid"), dtype=torch.float64)
    found = optimum.argmin(halves(optimum)[side], candidates)
    assert found.lower < EXACT and found.spread < 1e-10
    assert 1 <= found.tight <= 23 / 12  # a tree on 24 points has 23 edges


def test_argmin_sees_a_lower_candidate_and_a_tilted_segment():
    """Two points at distance 5, D = 2 x: the objective at x = t is t - 2 t = -t."""
    optimum = optimal_transport.solve(torch.tensor([[5.0]]), torch.zeros(1, 1))
    found = optimum.argmin(lambda t: 2 * t[:, 0], torch.tensor([[7.0], [-1.0]]).double())
    assert (found.lower, found.spread) == (7, 5)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_functions_are_lipschitz_off_the_points(side):
    optimum = cloud(12, 9, seed=2)
    t = 3 * torch.randn(300, 2, generator=generator(2, "off"), dtype=torch.float64)
    norm = optimal_transport.lipschitz_norm(halves(optimum)[side](t), t)
    assert 0.5 < norm <= 1 + EXACT


def test_lower_lies_below_upper():
    optimum = cloud(12, 9, seed=3)
    t = 3 * torch.randn(300, 2, generator=generator(3, "order"), dtype=torch.float64)
    assert (optimum.upper(t) - optimum.lower(t)).min() > -EXACT


def test_gradient_of_lower_points_to_the_image():
    """Where T(y) is the only tight point, `lower` climbs from y straight to it with slope 1."""
    optimum = cloud(15, 15, seed=4)
    alone = (optimum.slackness(optimum.lower) < 1e-9).sum(0) == 1
    assert alone.sum() >= 3
    y = optimum.y.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(optimum.lower(y).sum(), y)
    way = optimum.images() - optimum.y
    torch.testing.assert_close(gradient[alone], (way / way.norm(dim=1, keepdim=True))[alone], rtol=0, atol=1e-9)


def test_plan_has_the_marginals():
    optimum = cloud(20, 33, seed=5, weighted=True)
    torch.testing.assert_close(optimum.plan.sum(1), optimum.a, rtol=0, atol=EXACT)
    torch.testing.assert_close(optimum.plan.sum(0), optimum.b, rtol=0, atol=EXACT)


# Invariances


def test_order_of_points_and_swap_of_sides():
    rng = generator(6, "swap")
    x, y = torch.randn(11, 2, generator=rng), torch.randn(14, 2, generator=rng)
    forward = optimal_transport.solve(x, y)
    back, W = optimal_transport.solve(y, x), pytest.approx(forward.distance, abs=EXACT)
    assert optimal_transport.solve(x.flip(0), y.flip(0)).distance == W
    assert back.distance == W
    assert forward.dual_value(lambda t: -back.upper(t)) == W


def test_inputs_are_not_written():
    x, y = torch.randn(5, 2, generator=generator(7, "x")), torch.ones(4, 2)
    before = x.clone(), y.clone()
    optimal_transport.solve(x, y)
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])


# Second method


@pytest.mark.parametrize("seed", range(4))
def test_dual_value_agrees_with_a_linear_program(seed):
    """The dual as a linear program over values of D at all points, by scipy's interior point."""
    optimum = cloud(5, 6, seed=seed, weighted=True)
    points = torch.cat([optimum.x, optimum.y]).numpy()
    rows, bounds = [], []
    for i, j in np.ndindex(len(points), len(points)):
        if i != j:
            row = np.zeros(len(points))
            row[i], row[j] = 1, -1
            rows.append(row)
            bounds.append(np.linalg.norm(points[i] - points[j]))
    objective = np.concatenate([-optimum.a.numpy(), optimum.b.numpy()])
    program = linprog(objective, np.array(rows), bounds, bounds=(None, None))
    assert -program.fun == pytest.approx(optimum.dual_value(optimum.upper), abs=1e-8)


# Failures


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimal_transport.solve(torch.zeros(3), torch.zeros(3, 2)), "x: expected 2 axes"),
        (lambda: optimal_transport.solve(torch.zeros(3, 2), torch.zeros(3, 1)), "y: expected width 2"),
        (lambda: optimal_transport.solve(torch.full((3, 2), torch.nan), torch.zeros(3, 2)), "x: found NaN"),
        (
            lambda: optimal_transport.solve(torch.zeros(3, 2), torch.zeros(3, 2), a=torch.ones(2) / 2),
            r"a: found shape \(2,\) for 3 points",
        ),
        (
            lambda: optimal_transport.solve(torch.zeros(2, 2), torch.zeros(2, 2), b=torch.tensor([1.5, -0.5])),
            "b: expected positive weights with sum 1, found minimum -0.5",
        ),
        (
            lambda: optimal_transport.solve(torch.zeros(2, 2), torch.zeros(2, 2), b=torch.tensor([0.5, 0.6])),
            "b: expected positive weights with sum 1, .* sum 1.1",
        ),
        (
            lambda: optimal_transport.lipschitz_norm(torch.zeros(3), torch.zeros(2, 2)),
            r"values: found shape \(3,\) for 2 points",
        ),
        (lambda: optimal_transport.lipschitz_norm(torch.zeros(2), torch.ones(2, 2)), "points: the 2 points coincide"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_solver_that_stops_early_is_an_error(monkeypatch):
    def stops(a, b, cost, **options):
        return emd(a, b, cost, **options | {"numItermax": 1})

    emd = ot.emd
    monkeypatch.setattr(ot, "emd", stops)
    with pytest.raises(RuntimeError, match="POT found no optimal plan for 20 against 20 points"):
        cloud(20, 20, seed=8)
