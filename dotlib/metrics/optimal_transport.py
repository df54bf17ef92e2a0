"""Exact optimal transport between discrete measures, through POT ([DOT19] eqs. 12, 14, 52, 53 and B.1).

For p = sum_i a_i at x_i and q = p_G = sum_j b_j at y_j, and a cost c::

    primal (12, 52)   min over plans P >= 0 of  sum_ij P_ij c(x_i, y_j),  with row sums a and column sums b
    dual              max over u, v of  sum_i a_i u_i + sum_j b_j v_j,    with u_i + v_j <= c(x_i, y_j)

The paper reports the minimum with the squared Euclidean cost and equal weights (`emd`), although its theory (eq. 12) is
that of the Euclidean cost, W1; both are here. Every solution carries a certificate: the plan's marginals, the
feasibility of the potentials, and a duality gap of zero up to rounding. Without it, an error.

For the Euclidean cost the dual (14) asks for one function, not two lists of potentials. Either list makes one that is
1-Lipschitz on the whole space and optimal::

    upper(t) = min_j ||t - y_j|| - v_j        lower(t) = max_i u_i - ||t - x_i||

Each is a minimum (maximum) of 1-Lipschitz functions, so it is 1-Lipschitz. By the constraint, upper(x_i) >= u_i and
upper(y_j) <= -v_j, so its dual value is at least sum a u + sum b v = W, and no 1-Lipschitz function has more. The same
holds for `lower`, with (x, u) for (y, v).

The potentials are not unique. POT's are a vertex of the set of optima, where N + M - 1 or more of the constraints are
equalities; a plan that is a map uses only M of them.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from dotlib.errors import InputError, check_option, check_points

COSTS = ("sqeuclidean", "euclidean")
MAX_ITERATIONS = 10_000_000  # of POT's network simplex; 1,000 against 1,000 points needs some 10^5
TOLERANCE = 1e-9  # of marginals (absolute), and of potentials and gap relative to the largest cost
SUPPORT = 1e-12  # a plan's entry above this carries mass; masses are near 1/N >= 1e-5 here
TIGHT = 1e-9  # a slack below this counts as zero; float64 distances of size 1 err by about 1e-15

Points = Tensor | ArrayLike
Array = NDArray[np.floating]
Potential = Callable[[Tensor], Tensor]  # (B, d) -> (B,)


def emd(x: Points, y: Points, *, cost: str = "sqeuclidean") -> float:
    """Earth mover's distance of two samples with equal weights, [DOT19] eq. (52), exact in float64.

    Args:
        x: (N, d) points, a tensor or an array.
        y: (M, d) points; M and N may differ.
        cost: "sqeuclidean", as published (squared data units), or "euclidean", W1 (data units).

    Returns:
        The minimum. Raises InputError naming the argument.
    """
    check_option("cost", cost, COSTS)
    source, target = (_points(name, points).numpy() for name, points in (("x", x), ("y", y)))
    if source.shape[1] != target.shape[1]:
        raise InputError(f"y: found width {target.shape[1]} beside {source.shape[1]} of x; compare points of one space")
    metric = cast(Literal["euclidean", "sqeuclidean"], cost)
    costs = cdist(source, target, metric)  # (N, M), each entry on its own: no cancellation
    plan, _, _ = _solve(costs, *(np.full(n, 1 / n) for n in costs.shape))
    return float((plan * costs).sum())


def monge_gap(y: Points, moved: Points) -> float:
    """How far a map is from an optimal one, mean_i ||moved_i - y_i||_2 - W1(y, moved): >= 0 up to rounding, data units.

    Points y and moved, (N, d), are before and after, row by row. Zero says that no other assignment of the same
    endpoints is shorter. Raises InputError naming the argument.
    """
    source, target = _points("y", y), _points("moved", moved)
    if source.shape != target.shape:
        raise InputError(
            f"moved: found shape {tuple(target.shape)} beside y {tuple(source.shape)}; pass the image of each row of y"
        )
    walked = float(np.linalg.norm(target.numpy() - source.numpy(), axis=1).mean())
    return walked - emd(source, target, cost="euclidean")


@dataclass(frozen=True)
class Optimum:
    """Optimal solutions of (12) and (14) between two discrete measures, Euclidean cost. All float64, data units."""

    x: Tensor  # (N, d) points of p
    a: Tensor  # (N,) their weights
    y: Tensor  # (M, d) points of q = p_G
    b: Tensor  # (M,) their weights
    plan: Tensor  # (N, M), an optimal pi*
    u: Tensor  # (N,) potentials at x
    v: Tensor  # (M,) potentials at y

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

    def images(self) -> Tensor:
        """(M, d): T(y_j), the x_i that sends y_j most of its mass. A map where the plan is one."""
        return self.x[self.plan.argmax(0)]

    def certificate(self, D: Potential) -> dict[str, float]:
        """By how much a function misses being an optimal D*, in data units; four zeros prove that it is one."""
        everywhere, slack = torch.cat([self.x, self.y]), self.slackness(D)
        return {
            "gap": abs(self.dual_value(D) - self.distance),  # eq. (14)
            "excess": lipschitz_norm(D(everywhere), everywhere) - 1,  # of the largest slope, eq. (8); may be negative
            "negative": max(0.0, -float(slack.min())),  # the most that eq. (32) falls below 0 at any pair
            "on_plan": float(slack[self.support].abs().max()),  # the largest where the plan has mass, eq. (33)
        }

    def argmin(self, D: Potential, candidates: Tensor, *, steps: int = 11) -> dict[str, float]:
        """Compare the objective of eq. (16) at x = y with candidates and with the segments from y to T(y), over all y.

        D is an optimal D*; candidates, (C, d) float64, are points that could be lower, for example a grid; a segment
        has `steps` points t y + (1 - t) T(y), both ends included. Data units.
        """
        start = -D(self.y)  # (M,): the distance is 0
        grid = distances(candidates, self.y) - D(candidates)[:, None]  # (C, M)
        t = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None, None]
        segment = t * self.y + (1 - t) * self.images()  # (steps, M, d)
        along = torch.stack([(x - self.y).norm(dim=1) - D(x) for x in segment])
        return {
            "lower": max(0.0, float((start - grid.amin(0)).max())),  # the most by which a candidate lies below it
            "spread": float((along - start).abs().max()),
            "tight": float((self.slackness(D) < TIGHT).double().sum(0).mean()),  # mean number of x_i that attain it
        }


def solve(x: Tensor, y: Tensor, *, a: Tensor | None = None, b: Tensor | None = None) -> Optimum:
    """Solve eqs. (12) and (14) exactly, in float64: the Euclidean cost, points x (N, d) of p and y (M, d) of p_G.

    Weights a (N,) and b (M,) are positive with sum 1; equal ones where None. Raises InputError naming the argument.
    """
    check_points("x", x)
    check_points("y", y, width=x.shape[1])
    x, y = x.detach().double(), y.detach().double()
    a, b = _weights("a", a, len(x)), _weights("b", b, len(y))
    solution = _solve(distances(x, y).numpy(), a.numpy(), b.numpy())
    return Optimum(x, a, y, b, *(torch.from_numpy(part) for part in solution))


def distances(s: Tensor, t: Tensor) -> Tensor:
    """(A, d), (B, d) -> (A, B): Euclidean distances, exact also between points close together.

    The usual expansion of the square loses half the digits there. The gradient at distance zero is zero.
    """
    return torch.cdist(s, t, compute_mode="donot_use_mm_for_euclid_dist")


def lipschitz_norm(values: Tensor, points: Tensor) -> float:
    """The largest slope over all pairs of different points, eq. (8) on a finite set: values (B,) at points (B, d).

    In value units per data unit. Raises InputError for another number of values, or where no two points differ.
    """
    check_points("points", points)
    if values.shape != points.shape[:1]:
        raise InputError(f"values: found shape {tuple(values.shape)} for {len(points)} points; pass one value a point")
    rise = (values[:, None] - values[None, :]).abs()
    run = distances(points, points)
    if not (run > 0).any():
        raise InputError(f"points: the {len(points)} points coincide; a slope needs two")
    return float((rise[run > 0] / run[run > 0]).max())


def _solve(costs: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Plan (N, M) and potentials (N,), (M,) for costs (N, M): the one call of POT, and its certificate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # POT's warnings come back in the log and raise below
        import ot  # here: a second that image pairs need not wait for; Python 3.12 warns while it compiles POT

        plan, log = ot.emd(a, b, costs, numItermax=MAX_ITERATIONS, log=True)
    about = f"{costs.shape} costs up to {costs.max():.3g}"
    if log["warning"] is not None:
        raise InputError(f"x, y: POT found no optimum for {about} ({log['warning']}); use fewer points or rescale them")
    u, v = log["u"], log["v"]
    scale = TOLERANCE * max(float(costs.max()), np.finfo(np.float64).tiny)
    excess = {  # feasible on both sides and of equal value: together they prove the optimum
        "rows": np.abs(plan.sum(1) - a).max() / TOLERANCE,
        "columns": np.abs(plan.sum(0) - b).max() / TOLERANCE,
        "mass": abs(plan.sum() - 1) / TOLERANCE,
        "duals": (u[:, None] + v - costs).max() / scale,
        "gap": abs(a @ u + b @ v - (plan * costs).sum()) / scale,
    }
    wrong = [name for name, share in excess.items() if not share <= 1]
    if wrong:
        raise InputError(f"x, y: the solution for {about} is not optimal ({', '.join(wrong)}); rescale the points")
    return plan, u, v


def _points(name: str, x: Points) -> Tensor:
    """(N, d) float64 on the CPU, checked."""
    if not isinstance(x, Tensor):
        try:
            x = torch.as_tensor(np.asarray(x))
        except (TypeError, ValueError) as fault:
            raise InputError(
                f"{name}: found {type(x).__name__} that is no array of numbers ({fault}); pass (N, d) floats"
            ) from fault
    check_points(name, x)
    return x.detach().cpu().double()


def _weights(name: str, weights: Tensor | None, size: int) -> Tensor:
    """(size,) float64, checked; equal ones for None."""
    if weights is None:
        return torch.full((size,), 1 / size, dtype=torch.float64)
    if weights.shape != (size,):
        raise InputError(f"{name}: found shape {tuple(weights.shape)} for {size} points; pass one weight a point")
    weights = weights.detach().double()
    if not (weights > 0).all() or abs(float(weights.sum()) - 1) > 1e-9:
        raise InputError(
            f"{name}: expected positive weights with sum 1, found minimum {float(weights.min()):g}, "
            f"sum {float(weights.sum()):g}; drop empty points and divide by the sum"
        )
    return weights
