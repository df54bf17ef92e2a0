"""Exact EMD, plans, potentials and the Monge gap through POT.

Identities, closed forms, invariances, second methods (all permutations, scipy's assignment, a
linear program), failures. No golden numbers. float64.
"""

import itertools
import math
import time
import warnings

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from dotlib.errors import InputError
from dotlib.metrics import optimal_transport
from dotlib.metrics.optimal_transport import COSTS, duals, emd, monge_gap, plan

cost_names = pytest.mark.parametrize("cost", COSTS)
seeds = settings(max_examples=200, deadline=None, derandomize=True)
seed = st.integers(0, 2**32 - 1)


def cloud(rng: np.random.Generator, n: int, d: int = 2) -> np.ndarray:
    return rng.normal(size=(n, d)) * rng.uniform(0.1, 3) + rng.normal(size=d)


# Identities


@cost_names
def test_distance_to_itself_is_zero(cost):
    """Also in another order, and with every point given twice."""
    x = cloud(np.random.default_rng(0), 40)
    assert emd(x, x, cost=cost) == 0
    assert emd(x, x[::-1].copy(), cost=cost) == 0
    assert emd(x, np.repeat(x, 2, axis=0), cost=cost) == pytest.approx(0, abs=1e-15)
    np.testing.assert_array_equal(plan(x, x, cost=cost), np.eye(40) / 40)


@cost_names
@pytest.mark.parametrize("sizes", [(30, 30), (30, 20), (1, 7), (1, 1)])
def test_plan_and_potentials_are_optimal(cost, sizes):
    """Marginals, dual feasibility, complementary slackness (eq. 33) and strong duality; 1e-12 is
    rounding of sums of 30 terms of order 1 to 50."""
    rng = np.random.default_rng(1)
    x, y = cloud(rng, sizes[0]), cloud(rng, sizes[1])
    P, (u, v), C = plan(x, y, cost=cost), duals(x, y, cost=cost), cdist(x, y, cost)
    np.testing.assert_allclose(P.sum(1), 1 / sizes[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(P.sum(0), 1 / sizes[1], rtol=0, atol=1e-14)
    assert P.min() >= 0
    slack = C - u[:, None] - v[None, :]
    assert slack.min() > -1e-12
    assert np.abs(slack[P > 0]).max() < 1e-12
    value = emd(x, y, cost=cost)
    assert value == pytest.approx((P * C).sum(), abs=1e-12)
    assert value == pytest.approx(u.mean() + v.mean(), abs=1e-12)
    assert u.mean() == pytest.approx(v.mean(), abs=1e-12)


def test_monge_gap_of_optimal_maps_is_zero():
    """Staying, moving all by one vector, spreading out on a line: no assignment is shorter."""
    y = cloud(np.random.default_rng(2), 50)
    assert monge_gap(y, y) == 0
    assert monge_gap(y, y + np.array([3.0, -4.0])) == pytest.approx(0, abs=1e-12)
    t = np.sort(np.random.default_rng(2).normal(size=(50, 1)), axis=0)
    assert monge_gap(t, 2 * t + 1) == pytest.approx(0, abs=1e-12)


def test_input_is_not_written_and_may_be_array_or_tensor():
    x, y = (cloud(np.random.default_rng(s), 20) for s in (3, 4))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, y)]
    before = [a.copy() for a in (x, y)]
    assert emd(*tensors) == emd(x, y) == emd(x.tolist(), y.tolist())
    assert isinstance(emd(*tensors), float)
    for a, b in zip((x, y), before, strict=True):
        np.testing.assert_array_equal(a, b)


# Closed forms


@seeds
@given(seed)
def test_translation_costs_its_square(number):
    """All points moved by t: |t|^2 for the squared cost, |t| for W1. Rounding of |x|^2 <= 200."""
    rng = np.random.default_rng(number)
    x, t = cloud(rng, rng.integers(1, 12)), rng.normal(size=2)
    assert emd(x, x + t) == pytest.approx(t @ t, abs=1e-12)
    assert emd(x, x + t, cost="euclidean") == pytest.approx(math.hypot(*t), abs=1e-12)


def test_one_point_against_many_is_the_mean_cost():
    x, y = np.zeros((1, 2)), np.array([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0], [6.0, 8.0]])
    assert emd(x, y) == pytest.approx((25 + 1 + 0 + 100) / 4, abs=1e-13)
    assert emd(x, y, cost="euclidean") == pytest.approx((5 + 1 + 0 + 10) / 4, abs=1e-13)


def test_two_against_three_points_by_hand():
    """0 and 1 with weight 1/2, against 0, 1, 2 with 1/3: each source fills its own third, then
    1/6 of 0 goes to 1... the sorted coupling is (0->0: 1/3), (0->1: 1/6), (1->1: 1/6), (1->2: 1/3),
    so both costs give 1/6 + 1/3 = 1/2."""
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [0.0], [1.0]])
    for cost in COSTS:
        assert emd(x, y, cost=cost) == pytest.approx(0.5, abs=1e-14)


def test_monge_gap_of_a_swap():
    """0 and 1 change places: each walks 1, nobody had to. With a third point that stays, 2/3."""
    assert monge_gap([[0.0], [1.0]], [[1.0], [0.0]]) == pytest.approx(1, abs=1e-14)
    y = [[0.0], [1.0], [5.0]]
    assert monge_gap(y, [[1.0], [0.0], [5.0]]) == pytest.approx(2 / 3, abs=1e-14)


# Invariances


@seeds
@given(seed)
def test_symmetry_triangle_and_scale(number):
    """W1 is a metric; its triangle may miss by rounding. Both costs are symmetric and scale."""
    rng = np.random.default_rng(number)
    x, y, z = (cloud(rng, rng.integers(1, 12)) for _ in range(3))
    for cost, power in (("sqeuclidean", 2), ("euclidean", 1)):
        forth = emd(x, y, cost=cost)
        assert forth == pytest.approx(emd(y, x, cost=cost), rel=1e-12, abs=1e-14)
        assert emd(3 * x, 3 * y, cost=cost) == pytest.approx(3**power * forth, rel=1e-12, abs=1e-13)
    legs = emd(x, y, cost="euclidean") + emd(y, z, cost="euclidean")
    assert emd(x, z, cost="euclidean") <= legs + 1e-12
    assert forth**2 <= emd(x, y) + 1e-12  # Jensen: W1^2 <= W2^2


@seeds
@given(seed)
def test_order_of_points_and_rotation_change_nothing(number):
    rng = np.random.default_rng(number)
    x, y = cloud(rng, 10), cloud(rng, 8)
    c, s = math.cos(angle := rng.uniform(0, 7)), math.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    for cost in COSTS:
        value = emd(x, y, cost=cost)
        assert emd(rng.permutation(x), rng.permutation(y), cost=cost) == pytest.approx(value)
        assert emd(x @ turn, y @ turn, cost=cost) == pytest.approx(value, rel=1e-12, abs=1e-13)


@seeds
@given(seed)
def test_monge_gap_is_not_negative_and_counts_detours(number):
    """A permuted image has the same W1, so the gap grows by exactly what is walked in addition."""
    rng = np.random.default_rng(number)
    y = cloud(rng, 9)
    moved = y + rng.normal(size=y.shape)
    gap = monge_gap(y, moved)
    assert gap >= -1e-13
    shuffled = rng.permutation(moved)
    extra = np.hypot(*(shuffled - y).T).mean() - np.hypot(*(moved - y).T).mean()
    assert monge_gap(y, shuffled) - gap == pytest.approx(extra, abs=1e-12)


# Second methods


@cost_names
def test_all_permutations(cost):
    """With equal sizes an optimal plan is a permutation over N: 200 cases, n <= 7."""
    rng = np.random.default_rng(5)
    tables = {n: np.array(list(itertools.permutations(range(n)))) for n in range(1, 8)}
    for case in range(200):
        n = 1 + case % 7
        x, y = cloud(rng, n, 3), cloud(rng, n, 3)
        C = cdist(x, y, cost)
        best = C[np.arange(n), tables[n]].mean(1).min()
        assert emd(x, y, cost=cost) == pytest.approx(best, rel=0, abs=1e-12 * max(1, C.max()))


@cost_names
def test_thousand_points_against_scipy_s_assignment_within_the_time(cost):
    """1e-9 is the bar; both are exact. The time budget is 0.5 s of one thread, best of three."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2))
    C = cdist(x, y, cost)
    seconds = []
    for _ in range(3):
        start = time.thread_time()
        value = emd(x, y, cost=cost)
        seconds.append(time.thread_time() - start)
        if seconds[-1] < 0.5:
            break
    assert value == pytest.approx(C[linear_sum_assignment(C)].mean(), rel=0, abs=1e-9)
    assert min(seconds) < 0.5


@cost_names
def test_unequal_sizes_against_a_linear_program(cost):
    """HiGHS works to 1e-7 by default; values are of order 1 to 20."""
    rng = np.random.default_rng(7)
    for n, m in [(2, 3), (5, 4), (7, 8)]:
        x, y = cloud(rng, n), cloud(rng, m)
        rows = np.kron(np.eye(n), np.ones(m))
        columns = np.kron(np.ones(n), np.eye(m))
        solution = linprog(
            cdist(x, y, cost).ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.r_[np.full(n, 1 / n), np.full(m, 1 / m)]
        )
        assert emd(x, y, cost=cost) == pytest.approx(solution.fun, rel=1e-7, abs=1e-9)


def test_one_dimension_against_sorted_points():
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(300, 1)), rng.normal(size=(200, 1)) + 1
    assert emd(x, y, cost="euclidean") == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]), abs=1e-12)
    both = np.sort(x[:200], axis=0) - np.sort(y, axis=0)
    assert emd(x[:200], y) == pytest.approx((both**2).mean(), abs=1e-12)


# Failures


POINTS = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))


def spoiled(value: float) -> torch.Tensor:
    x = POINTS.clone()
    x[2, 1] = value
    return x


@pytest.mark.parametrize("function", [emd, plan, duals])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (spoiled(math.nan), POINTS, "^x: .*NaN"),
        (POINTS, spoiled(math.inf), "^y: .*infinity"),
        (POINTS[:0], POINTS, "^x: .*empty"),
        (POINTS, POINTS[0], r"^y: .*\(2,\)"),
        (POINTS, POINTS[:, :1], "^y: found width 1 beside 2 of x"),
        (POINTS.long(), POINTS, "^x: .*int64"),
        (POINTS.to(torch.complex64), POINTS, "^x: .*complex64"),
        (None, POINTS, "^x: found NoneType"),
        ([["a", "b"]], POINTS, "^x: found list"),
        ([[1.0, 2.0], [3.0]], POINTS, "^x: found list"),
        (np.array([[1.0, None]]), POINTS, "^x: found ndarray"),
    ],
)
def test_wrong_points_are_named(function, x, y, message):
    with pytest.raises(InputError, match=message) as error:
        function(x, y)
    assert "\n" not in str(error.value)


def test_wrong_options_are_named():
    for function in (emd, plan, duals):
        with pytest.raises(InputError, match=r"^cost: unknown 'euclid'.*euclidean, sqeuclidean"):
            function(POINTS, POINTS, cost="euclid")
        with pytest.raises(TypeError, match="metric"):
            function(POINTS, POINTS, metric="euclidean")
    with pytest.raises(InputError, match=r"^moved: found shape \(4, 2\) beside y \(5, 2\)"):
        monge_gap(POINTS, POINTS[:4])
    with pytest.raises(InputError, match=r"^moved: .*NaN"):
        monge_gap(POINTS, spoiled(math.nan))


def test_a_search_cut_short_is_an_error_and_no_warning(monkeypatch):
    monkeypatch.setattr(optimal_transport, "MAX_ITERATIONS", 1)
    x, y = (cloud(np.random.default_rng(s), 50) for s in (9, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=r"^x, y: POT found no optimum.*numItermax") as error:
            emd(x, y)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("part", "spoil", "complaint"),
    [
        ("plan", lambda P, log: P * 0.5, "rows, columns, mass, gap"),
        ("plan", lambda P, log: np.roll(P, 1, axis=1), "gap"),
        ("plan", lambda P, log: P * np.nan, "rows, columns, mass, gap"),
        ("u", lambda P, log: log["u"] + 1e-3, "duals, gap"),
        ("v", lambda P, log: log["v"] - 1e-3, "gap"),
    ],
)
def test_a_wrong_solution_is_never_returned(monkeypatch, part, spoil, complaint):
    solve = ot.emd

    def wrong(*args, **options):
        P, log = solve(*args, **options)
        changed = spoil(P, log)
        return (changed, log) if part == "plan" else (P, log | {part: changed})

    monkeypatch.setattr(ot, "emd", wrong)
    x, y = (cloud(np.random.default_rng(s), 10) for s in (11, 12))
    with pytest.raises(InputError, match=f"not optimal .{complaint}.;"):
        emd(x, y)
