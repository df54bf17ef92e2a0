"""Exact optimal transport between two samples, through POT ([DOT19] eqs. 52, 53 and B.1).

::

    EMD(x, y) = min over plans P of  sum_ij P_ij c(x_i, y_j)
    with        P >= 0,  sum_j P_ij = 1/N,  sum_i P_ij = 1/M

The paper reports this with the squared Euclidean cost, although its theory (eq. 12) is that of the
Euclidean cost; both are here. Every answer carries a certificate: the plan's marginals, the
feasibility of the dual potentials, and a duality gap of zero up to rounding. Without it, an error.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from dotlib.errors import BadInput, check_option, check_points

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

    Returns the exact minimum in float64. Raises BadInput naming the argument.
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
    BadInput.
    """
    source, target = _points("y", y), _points("moved", moved)
    if source.shape != target.shape:
        raise BadInput(f"moved: found shape {target.shape} beside y {source.shape}; pass the image of each row of y")
    walked = float(np.linalg.norm(target - source, axis=1).mean())
    return walked - emd(source, target, cost="euclidean")


def _solve(x: Tensor | ArrayLike, y: Tensor | ArrayLike, cost: str) -> _Solution:
    check_option("cost", cost, COSTS)
    source, target = _points("x", x), _points("y", y)
    if source.shape[1] != target.shape[1]:
        raise BadInput(f"y: found width {target.shape[1]} beside {source.shape[1]} of x; compare points of one space")
    import ot  # here: a second that image pairs need not wait for

    costs = cdist(source, target, cost)  # (N, M), each entry on its own: no cancellation
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # POT's warnings come back in the log and raise below
        best, log = ot.emd([], [], costs, numItermax=MAX_ITERATIONS, log=True)
    if log["warning"] is not None:
        raise BadInput(
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
        raise BadInput(
            f"x, y: the solution for {costs.shape} costs up to {costs.max():.3g} is not "
            f"optimal ({', '.join(wrong)}); rescale the points"
        )


def _points(name: str, x: Tensor | ArrayLike) -> NDArray[np.float64]:
    """(N, d) float64, checked."""
    if not isinstance(x, Tensor):
        try:
            x = torch.as_tensor(np.asarray(x))
        except (TypeError, ValueError) as fault:
            raise BadInput(
                f"{name}: found {type(x).__name__} that is no array of numbers ({fault}); pass (N, d) floats"
            ) from fault
    check_points(name, x)
    return x.detach().cpu().double().numpy()
