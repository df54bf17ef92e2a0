"""Exact EMD, the Monge gap, and discrete optimal transport with both of its sides, through POT.

Identities, closed forms, invariances, second methods (all permutations, scipy's assignment, linear programs),
failures. No golden numbers. float64.
"""

import itertools
import math
import subprocess
import sys
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
from dotlib.metrics.optimal_transport import COSTS, Optimum, distances, emd, lipschitz_norm, monge_gap, solve
from dotlib.seeding import generator

cost_names = pytest.mark.parametrize("cost", COSTS)
seeds = settings(max_examples=200, deadline=None, derandomize=True)
seed = st.integers(0, 2**32 - 1)
EXACT = 1e-12  # float64 sums of a few dozen terms of size 1


def cloud(rng: np.random.Generator, n: int, d: int = 2) -> np.ndarray:
    return rng.normal(size=(n, d)) * rng.uniform(0.1, 3) + rng.normal(size=d)


def optimum_of(n: int, m: int, seed: int, *, width: int = 2, weighted: bool = False) -> Optimum:
    """The optimum between two random measures."""
    rng = generator(seed, "duality-tests")
    x, y = torch.randn(n, width, generator=rng), 1 + torch.randn(m, width, generator=rng)
    if not weighted:
        return solve(x, y)
    a, b = (0.1 + torch.rand(size, generator=rng, dtype=torch.float64) for size in (n, m))
    return solve(x, y, a=a / a.sum(), b=b / b.sum())


def halves(optimum: Optimum) -> dict:
    """Both functions that an optimum offers."""
    return {"lower": optimum.lower, "upper": optimum.upper}


# Identities


@cost_names
def test_distance_to_itself_is_zero(cost):
    """Also in another order, and with every point given twice."""
    x = cloud(np.random.default_rng(0), 40)
    assert emd(x, x, cost=cost) == 0
    assert emd(x, x[::-1].copy(), cost=cost) == 0
    assert emd(x, np.repeat(x, 2, axis=0), cost=cost) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("sizes", [(30, 30), (30, 20), (1, 7), (1, 1)])
def test_both_ways_to_the_distance_agree(sizes):
    """W1 of equal weights as one number, and as the optimum; rounding of sums of 900 terms."""
    x, y = (torch.from_numpy(cloud(np.random.default_rng(1), size)) for size in sizes)
    assert emd(x, y, cost="euclidean") == pytest.approx(solve(x, y).distance, abs=1e-12)


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


def test_two_points():
    """One point each: W is their distance; `upper` is a cone around y, `lower` one around x."""
    optimum = solve(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
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
    assert solve(x, y).distance == pytest.approx(float(gaps.mean()), abs=EXACT)


def test_translation_costs_its_length_and_has_a_linear_optimum():
    """x = y + t: no plan is cheaper than |t|, as the linear function along t shows."""
    rng = generator(1, "translation")
    y, t = torch.randn(30, 3, generator=rng).double(), torch.tensor([1.0, -2.0, 2.0]).double()
    optimum = solve(y + t, y)
    assert optimum.distance == pytest.approx(3, abs=EXACT)

    def linear(points):
        return points @ t / 3

    assert optimum.dual_value(linear) == pytest.approx(3, abs=EXACT)
    assert optimum.slackness(linear)[optimum.support].abs().max() < EXACT
    assert optimum.slackness(linear).min() > -EXACT


def test_lipschitz_norm_of_a_linear_function_is_reached_along_its_gradient():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]).double()
    values = points @ torch.tensor([3.0, 4.0]).double()
    assert lipschitz_norm(values, points) == pytest.approx(5, abs=EXACT)


def test_lipschitz_norm_leaves_out_equal_points():
    points = torch.tensor([[0.0], [0.0], [2.0]]).double()
    assert lipschitz_norm(torch.tensor([1.0, 1.0, 2.0]).double(), points) == 0.5


def test_distances_of_close_points_keep_their_digits():
    near = torch.tensor([[1.0, 1.0], [1.0 + 2**-30, 1.0]], dtype=torch.float64)
    assert distances(near, near)[0, 1] == 2**-30


# Strong duality and complementary slackness, which no closed form is needed for


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 5), (7, 7), (20, 33)])
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_both_functions_are_optimal(n, m, weighted, side):
    optimum = optimum_of(n, m, seed=n, weighted=weighted)
    D, everywhere = halves(optimum)[side], torch.cat([optimum.x, optimum.y])
    assert lipschitz_norm(D(everywhere), everywhere) <= 1 + EXACT
    assert optimum.dual_value(D) == pytest.approx(optimum.distance, abs=EXACT)
    slackness = optimum.slackness(D)
    assert slackness.min() > -EXACT
    assert slackness[optimum.support].abs().max() < 1e-10  # one term, divided by its small mass
    zeros = optimum.certificate(D)
    assert max(map(abs, zeros.values())) < 1e-10


def test_certificate_measures_each_way_to_miss():
    """x = 5 and y = 0 on the line, W = 5. D = x / 2 is too flat; D = 2 x is too steep."""
    optimum = solve(torch.tensor([[5.0]]), torch.zeros(1, 1))
    flat = optimum.certificate(lambda t: t[:, 0] / 2)
    assert flat == {"gap": 2.5, "excess": -0.5, "negative": 0, "on_plan": 2.5}
    steep = optimum.certificate(lambda t: 2 * t[:, 0])
    assert steep == {"gap": 5, "excess": 1, "negative": 5, "on_plan": 5}


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_every_segment_minimises(side):
    optimum = optimum_of(12, 12, seed=9)
    candidates = 4 * torch.randn(500, 2, generator=generator(9, "grid"), dtype=torch.float64)
    found = optimum.argmin(halves(optimum)[side], candidates)
    assert found["lower"] < EXACT and found["spread"] < 1e-10
    assert 1 <= found["tight"] <= 23 / 12  # a tree on 24 points has 23 edges


def test_argmin_sees_a_lower_candidate_and_a_tilted_segment():
    """Two points at distance 5, D = 2 x: the objective at x = t is t - 2 t = -t."""
    optimum = solve(torch.tensor([[5.0]]), torch.zeros(1, 1))
    found = optimum.argmin(lambda t: 2 * t[:, 0], torch.tensor([[7.0], [-1.0]]).double())
    assert (found["lower"], found["spread"]) == (7, 5)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_functions_are_lipschitz_off_the_points(side):
    optimum = optimum_of(12, 9, seed=2)
    t = 3 * torch.randn(300, 2, generator=generator(2, "off"), dtype=torch.float64)
    norm = lipschitz_norm(halves(optimum)[side](t), t)
    assert 0.5 < norm <= 1 + EXACT


def test_lower_lies_below_upper():
    optimum = optimum_of(12, 9, seed=3)
    t = 3 * torch.randn(300, 2, generator=generator(3, "order"), dtype=torch.float64)
    assert (optimum.upper(t) - optimum.lower(t)).min() > -EXACT


def test_gradient_of_lower_points_to_the_image():
    """Where T(y) is the only tight point, `lower` climbs from y straight to it with slope 1."""
    optimum = optimum_of(15, 15, seed=4)
    alone = (optimum.slackness(optimum.lower) < 1e-9).sum(0) == 1
    assert alone.sum() >= 3
    y = optimum.y.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(optimum.lower(y).sum(), y)
    way = optimum.images() - optimum.y
    torch.testing.assert_close(gradient[alone], (way / way.norm(dim=1, keepdim=True))[alone], rtol=0, atol=1e-9)


def test_plan_has_the_marginals():
    optimum = optimum_of(20, 33, seed=5, weighted=True)
    torch.testing.assert_close(optimum.plan.sum(1), optimum.a, rtol=0, atol=EXACT)
    torch.testing.assert_close(optimum.plan.sum(0), optimum.b, rtol=0, atol=EXACT)


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


def test_order_of_points_and_swap_of_sides():
    rng = generator(6, "swap")
    x, y = torch.randn(11, 2, generator=rng), torch.randn(14, 2, generator=rng)
    forward = solve(x, y)
    back, W = solve(y, x), pytest.approx(forward.distance, abs=EXACT)
    assert solve(x.flip(0), y.flip(0)).distance == W
    assert back.distance == W
    assert forward.dual_value(lambda t: -back.upper(t)) == W


def test_inputs_are_not_written():
    x, y = torch.randn(5, 2, generator=generator(7, "x")), torch.ones(4, 2)
    before = x.clone(), y.clone()
    solve(x, y)
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])


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


@pytest.mark.parametrize("seed", range(4))
def test_dual_value_agrees_with_a_linear_program(seed):
    """The dual as a linear program over values of D at all points, by scipy's interior point."""
    optimum = optimum_of(5, 6, seed=seed, weighted=True)
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


POINTS = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))


def spoiled(value: float) -> torch.Tensor:
    x = POINTS.clone()
    x[2, 1] = value
    return x


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
def test_wrong_points_are_named(x, y, message):
    with pytest.raises(InputError, match=message) as error:
        emd(x, y)
    assert "\n" not in str(error.value)


def test_wrong_options_are_named():
    with pytest.raises(InputError, match=r"^cost: unknown 'euclid'.*euclidean, sqeuclidean"):
        emd(POINTS, POINTS, cost="euclid")
    with pytest.raises(TypeError, match="metric"):
        emd(POINTS, POINTS, metric="euclidean")
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
    with pytest.raises(InputError, match=r"^x, y: POT found no optimum for \(20, 20\)"):
        optimum_of(20, 20, seed=8)


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: solve(torch.zeros(3), torch.zeros(3, 2)), "x: expected 2 axes"),
        (lambda: solve(torch.zeros(3, 2), torch.zeros(3, 1)), "y: expected width 2"),
        (lambda: solve(torch.full((3, 2), torch.nan), torch.zeros(3, 2)), "x: found NaN"),
        (
            lambda: solve(torch.zeros(3, 2), torch.zeros(3, 2), a=torch.ones(2) / 2),
            r"a: found shape \(2,\) for 3 points",
        ),
        (
            lambda: solve(torch.zeros(2, 2), torch.zeros(2, 2), b=torch.tensor([1.5, -0.5])),
            "b: expected positive weights with sum 1, found minimum -0.5",
        ),
        (
            lambda: solve(torch.zeros(2, 2), torch.zeros(2, 2), b=torch.tensor([0.5, 0.6])),
            "b: expected positive weights with sum 1, .* sum 1.1",
        ),
        (
            lambda: lipschitz_norm(torch.zeros(3), torch.zeros(2, 2)),
            r"values: found shape \(3,\) for 2 points",
        ),
        (lambda: lipschitz_norm(torch.zeros(2), torch.ones(2, 2)), "points: the 2 points coincide"),
    ],
)
def test_wrong_measures_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


COMPILED_ANEW = """
from importlib.machinery import SourceFileLoader as Loader
kept = Loader.get_code
anew = lambda self, name: self.source_to_code(self.get_data(self.path), self.path)
Loader.get_code = lambda self, name: (anew if name.split(".")[0] == "ot" else kept)(self, name)
"""


def test_the_first_compilation_of_pot_says_nothing():
    """A page would publish it: Python warns of an escape in POT's source, where that has not been compiled yet."""
    for module, told in (("ot.datasets", True), ("dotlib.metrics.optimal_transport", False)):
        command = [sys.executable, "-W", "default:invalid escape", "-c", f"{COMPILED_ANEW}import {module}"]
        run = subprocess.run(command, check=False, text=True, capture_output=True)
        assert run.returncode == 0 and ("invalid escape" in run.stderr) == told and (run.stderr == "") != told
