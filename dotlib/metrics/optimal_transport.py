"""Exact optimal transport between two samples, through POT ([DOT19] eqs. 52, 53 and B.1).

::

    EMD(x, y) = min over plans P of  sum_ij P_ij c(x_i, y_j)
    with        P >= 0,  sum_j P_ij = 1/N,  sum_i P_ij = 1/M

The paper reports this with the squared Euclidean cost, although its theory (eq. 12) is that of the
Euclidean cost; both are here. Every answer carries a certificate: the plan's marginals, the
feasibility of the dual potentials, and a duality gap of zero up to rounding. Without it, an error.

Optimal transport between two discrete measures: the plan, and dual optima on all of space.

The suite's other scores need one number; the theorems need both sides of the duality at once. For
p = sum_i a_i at x_i and q = p_G = sum_j b_j at y_j, with the cost ||x - y||_2::

    primal (12)   W = min over plans P of  sum_ij P_ij ||x_i - y_j||
    dual (14)     W = max over ||D||_Lip <= 1 of  sum_i a_i D(x_i) - sum_j b_j D(y_j)

A solver of the primal returns two potentials with u_i + v_j <= ||x_i - y_j||, not one function.
Either half makes a function that is 1-Lipschitz on the whole space and optimal in (14)::

    upper(t) = min_j ||t - y_j|| - v_j        lower(t) = max_i u_i - ||t - x_i||

Each is a minimum (maximum) of 1-Lipschitz functions, so it is 1-Lipschitz. By the constraint,
upper(x_i) >= u_i and upper(y_j) <= -v_j, so its dual value is at least sum a u + sum b v = W, and
no 1-Lipschitz function has more. The same holds for `lower`, with (x, u) for (y, v).

The potentials are not unique. POT's are a vertex of the set of optima, where N + M - 1 or more of
the constraints u_i + v_j <= ||x_i - y_j|| are equalities; a plan that is a map uses only M of them.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import ot
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from dotlib.errors import InputError, check_option, check_points

COSTS = ("sqeuclidean", "euclidean")
MAX_ITERATIONS = 10_000_000  # of POT's network simplex; 1,000 against 1,000 points needs some 10^5
TOLERANCE = 1e-9  # of marginals (absolute), and of duals and gap relative to the largest cost


@dataclass(frozen=True)
class _Solution:
    plan: NDArray[np.float64]  # (N, M)
    u: NDArray[np.float64]  # (N,)
    v: NDArray[np.float64]  # (M,)
    value: float


def emd(x: Tensor | ArrayLike, y: Tensor | ArrayLike, *, cost: str = "sqeuclidean") -> float:
    """Earth mover's distance of two samples with uniform weights, [DOT19] eq. (52).

    x, y:  (N, d) and (M, d) points, tensors or arrays; N and M may differ.
    cost:  "sqeuclidean", as published (squared data units), or "euclidean", W1 (data units).

    Returns the exact minimum in float64. Raises InputError naming the argument.
    """
    return _solve(x, y, cost).value


def plan(x: Tensor | ArrayLike, y: Tensor | ArrayLike, *, cost: str = "sqeuclidean") -> NDArray[np.float64]:
    """An optimal plan of eq. (52): (N, M), rows sum to 1/N, columns to 1/M, arguments as in `emd`.

    Where several plans are optimal, this is one of them.
    """
    return _solve(x, y, cost).plan


def duals(
    x: Tensor | ArrayLike, y: Tensor | ArrayLike, *, cost: str = "sqeuclidean"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kantorovich potentials u (N,) and v (M,), arguments as in `emd`.

    ::

        u_i + v_j <= c(x_i, y_j),  with equality where the plan moves mass (eq. 33)
        mean(u) + mean(v) = EMD

    Shifting u by a constant and v by its opposite changes nothing; here their means are equal.
    """
    solution = _solve(x, y, cost)
    return solution.u, solution.v


def monge_gap(y: Tensor | ArrayLike, moved: Tensor | ArrayLike) -> float:
    """How far a map is from being an optimal one for the Euclidean cost: >= 0 up to rounding.

    ::

        mean_i ||moved_i - y_i||_2 - W1(y, moved)

    y, moved:  (N, d) points before and after, row i with row i; data units.

    Returns data units. Zero says that no other assignment of the same endpoints is shorter. Raises
    InputError.
    """
    source, target = _points("y", y), _points("moved", moved)
    if source.shape != target.shape:
        raise InputError(f"moved: found shape {target.shape} beside y {source.shape}; pass the image of each row of y")
    walked = float(np.linalg.norm(target - source, axis=1).mean())
    return walked - emd(source, target, cost="euclidean")


def _solve(x: Tensor | ArrayLike, y: Tensor | ArrayLike, cost: str) -> _Solution:
    check_option("cost", cost, COSTS)
    source, target = _points("x", x), _points("y", y)
    if source.shape[1] != target.shape[1]:
        raise InputError(f"y: found width {target.shape[1]} beside {source.shape[1]} of x; compare points of one space")
    import ot  # here: a second that image pairs need not wait for

    costs = cdist(source, target, cost)  # (N, M), each entry on its own: no cancellation
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # POT's warnings come back in the log and raise below
        best, log = ot.emd([], [], costs, numItermax=MAX_ITERATIONS, log=True)
    if log["warning"] is not None:
        raise InputError(
            f"x, y: POT found no optimum for {costs.shape} costs up to "
            f"{costs.max():.3g} ({log['warning']}); use fewer points or rescale them"
        )
    solution = _Solution(best, log["u"], log["v"], float((best * costs).sum()))
    _certify(solution, costs)
    return solution


def _certify(solution: _Solution, costs: NDArray[np.float64]) -> None:
    """Primal and dual feasibility and equal values: together they prove the optimum."""
    n, m = costs.shape
    scale = TOLERANCE * max(float(costs.max()), np.finfo(np.float64).tiny)
    excess = {
        "rows": np.abs(solution.plan.sum(1) - 1 / n).max() / TOLERANCE,
        "columns": np.abs(solution.plan.sum(0) - 1 / m).max() / TOLERANCE,
        "mass": abs(solution.plan.sum() - 1) / TOLERANCE,
        "duals": (solution.u[:, None] + solution.v - costs).max() / scale,
        "gap": abs(solution.u.mean() + solution.v.mean() - solution.value) / scale,
    }
    wrong = [name for name, share in excess.items() if not share <= 1]
    if wrong:
        raise InputError(
            f"x, y: the solution for {costs.shape} costs up to {costs.max():.3g} is not "
            f"optimal ({', '.join(wrong)}); rescale the points"
        )


def _points(name: str, x: Tensor | ArrayLike) -> NDArray[np.float64]:
    """(N, d) float64, checked."""
    if not isinstance(x, Tensor):
        try:
            x = torch.as_tensor(np.asarray(x))
        except (TypeError, ValueError) as fault:
            raise InputError(
                f"{name}: found {type(x).__name__} that is no array of numbers ({fault}); pass (N, d) floats"
            ) from fault
    check_points(name, x)
    return x.detach().cpu().double().numpy()


SUPPORT = 1e-12  # a plan's entry above this carries mass; masses are near 1/N >= 1e-5 here
TIGHT = 1e-9  # a slack below this counts as zero; float64 distances of size 1 err by about 1e-15
ITERATIONS = 10**6  # of POT's network simplex; its own default stops too early at 1,000 points

Potential = Callable[[Tensor], Tensor]  # (B, d) -> (B,)


@dataclass(frozen=True)
class Certificate:
    """By how much a function misses being an optimal D*; four zeros prove that it is one.

    gap:       |dual value - W|, eq. (14), data units.
    excess:    largest slope over all pairs of points, minus 1; negative where none reaches 1.
    negative:  the most that eq. (32) falls below 0 at any pair, data units.
    on_plan:   the largest |slack| where the plan has mass, eq. (33), data units.
    """

    gap: float
    excess: float
    negative: float
    on_plan: float


@dataclass(frozen=True)
class Argmin:
    """What the objective of eq. (16) does around its start x = y, over all y. Data units.

    lower:   the most by which a candidate point lies below the value at y; 0 when none does.
    spread:  the largest |difference| to the value at y along the segments from y to T(y).
    tight:   mean number of points x_i that attain the value at y; T(y) is one of them.
    """

    lower: float
    spread: float
    tight: float


@dataclass(frozen=True)
class Optimum:
    """Optimal solutions of (12) and (14) between two discrete measures. All float64.

    x, a:   (N, d) points of p in data units, (N,) their weights.
    y, b:   (M, d) points of q = p_G, (M,) their weights.
    plan:   (N, M), an optimal pi*.
    u, v:   (N,), (M,) the solver's potentials, in data units.
    """

    x: Tensor
    a: Tensor
    y: Tensor
    b: Tensor
    plan: Tensor
    u: Tensor
    v: Tensor

    @property
    def distance(self) -> float:
        """W(p, q) of eq. (12): the cost of the plan, in data units."""
        return float((self.plan * distances(self.x, self.y)).sum())

    @property
    def support(self) -> Tensor:
        """(N, M) bool: where the plan carries mass."""
        return self.plan > SUPPORT

    def upper(self, t: Tensor) -> Tensor:
        """The largest optimal D* with these potentials at the y_j: (B, d) -> (B,)."""
        return (distances(t, self.y.to(t.dtype)) - self.v.to(t.dtype)).amin(1)

    def lower(self, t: Tensor) -> Tensor:
        """The smallest optimal D* with these potentials at the x_i: (B, d) -> (B,)."""
        return (self.u.to(t.dtype) - distances(t, self.x.to(t.dtype))).amax(1)

    def dual_value(self, D: Potential) -> float:
        """E_p D(x) - E_q D(y), the objective of eq. (14), in the units of D."""
        return float(self.a @ D(self.x) - self.b @ D(self.y))

    def slackness(self, D: Potential) -> Tensor:
        """(N, M): ||x_i - y_j|| - (D(x_i) - D(y_j)), eq. (32); zero on the support by eq. (33)."""
        return distances(self.x, self.y) - (D(self.x)[:, None] - D(self.y)[None, :])

    def certificate(self, D: Potential) -> Certificate:
        """Check that D is an optimum of (14) on these points, and eq. (33)."""
        everywhere, slack = torch.cat([self.x, self.y]), self.slackness(D)
        return Certificate(
            gap=abs(self.dual_value(D) - self.distance),
            excess=lipschitz_norm(D(everywhere), everywhere) - 1,
            negative=max(0.0, -float(slack.min())),
            on_plan=float(slack[self.support].abs().max()),
        )

    def argmin(self, D: Potential, candidates: Tensor, *, steps: int = 11) -> Argmin:
        """Compare the objective of eq. (16) at x = y with candidates and with segments.

        D:           an optimal D*.
        candidates:  (C, d) float64 points that could be lower, for example a grid.
        steps:       points t y + (1 - t) T(y) on each segment, both ends included.
        """
        start = -D(self.y)  # (M,): the distance is 0
        grid = distances(candidates, self.y) - D(candidates)[:, None]  # (C, M)
        t = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None, None]
        segment = t * self.y + (1 - t) * self.images()  # (steps, M, d)
        along = torch.stack([(x - self.y).norm(dim=1) - D(x) for x in segment])
        return Argmin(
            lower=max(0.0, float((start - grid.amin(0)).max())),
            spread=float((along - start).abs().max()),
            tight=float((self.slackness(D) < TIGHT).double().sum(0).mean()),
        )

    def images(self) -> Tensor:
        """(M, d): T(y_j), the x_i that sends y_j most of its mass. A map where the plan is one."""
        return self.x[self.plan.argmax(0)]


def solve(x: Tensor, y: Tensor, *, a: Tensor | None = None, b: Tensor | None = None) -> Optimum:
    """Solve eqs. (12) and (14) between discrete measures with POT's network simplex, exactly.

    x, y:  (N, d), (M, d) points of p and of q = p_G, floating point, data units.
    a, b:  (N,), (M,) positive weights with sum 1; uniform where None.
    Returns an Optimum in float64. Raises InputError naming the argument, and RuntimeError when the
    solver stops before the optimum.
    """
    check_points("x", x)
    check_points("y", y, width=x.shape[1])
    x, y = x.detach().double(), y.detach().double()
    a, b = _weights("a", a, len(x)), _weights("b", b, len(y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # POT returns a plan of zeros with a mere warning
        try:
            plan, log = ot.emd(a, b, distances(x, y), numItermax=ITERATIONS, log=True)
        except UserWarning as warning:
            raise RuntimeError(
                f"POT found no optimal plan for {len(x)} against {len(y)} points: {warning}"
            ) from warning
    return Optimum(x, a, y, b, plan, log["u"], log["v"])


def distances(s: Tensor, t: Tensor) -> Tensor:
    """(A, d), (B, d) -> (A, B): Euclidean distances, exact also between points close together.

    The usual expansion of the square loses half the digits there. The gradient at distance zero
    is zero.
    """
    return torch.cdist(s, t, compute_mode="donot_use_mm_for_euclid_dist")


def lipschitz_norm(values: Tensor, points: Tensor) -> float:
    """The largest slope over all pairs of points, eq. (8) on a finite set.

    values:  (B,), at points (B, d); pairs of equal points are left out.
    Returns value units per data unit. Raises InputError without two different points.
    """
    check_points("points", points)
    if values.shape != points.shape[:1]:
        raise InputError(f"values: found shape {tuple(values.shape)} for {len(points)} points; pass one value a point")
    rise = (values[:, None] - values[None, :]).abs()
    run = distances(points, points)
    if not (run > 0).any():
        raise InputError(f"points: the {len(points)} points coincide; a slope needs two")
    return float((rise[run > 0] / run[run > 0]).max())


def _weights(name: str, weights: Tensor | None, size: int) -> Tensor:
    if weights is None:
        return torch.full((size,), 1 / size, dtype=torch.float64)
    if weights.shape != (size,):
        raise InputError(f"{name}: found shape {tuple(weights.shape)} for {size} points; pass one weight a point")
    weights = weights.detach().double()
    if not (weights > 0).all() or abs(float(weights.sum()) - 1) > 1e-9:
        raise InputError(
            f"{name}: expected positive weights with sum 1, found minimum "
            f"{float(weights.min()):g}, sum {float(weights.sum()):g}; drop empty points "
            "and divide by the sum"
        )
    return weights
