"""Six sentences of theory in the report "DOT Applied to WGAN", each decided by a computation of a few lines.

Nothing is trained and nothing drawn: an example refutes, and an identity is met to rounding.
"""

import math

import torch
from torch import Tensor

from dotlib.errors import InputError, check_points
from dotlib.metrics import optimal_transport
from dotlib.results import paper
from dotlib.training.objectives import OBJECTIVES

ROUNDING = 1e-9


def nearest_cost(x: Tensor, y: Tensor) -> float:
    """Mean distance from each point of x, (N, d), to the nearest of y, (M, d): no transport, since y is used freely.

    At most W1, for equal weights, and 0 wherever y covers x. Raises InputError.
    """
    check_points("x", x)
    check_points("y", y, width=x.shape[1])
    return float(optimal_transport.distances(x.double(), y.double()).amin(1).mean())


def jensen_shannon(p: Tensor, q: Tensor) -> float:
    """JS of two laws on the same K outcomes, (K,) each, in nats: 0 to log 2. Raises InputError."""
    for name, law in (("p", p), ("q", q)):
        if law.ndim != 1 or (law < 0).any() or abs(float(law.sum()) - 1) > ROUNDING:
            raise InputError(
                f"{name}: expected shares (K,) that add up to 1, found sum {float(law.sum()):g}; divide by it"
            )
    m = (p + q) / 2
    return float(sum(torch.xlogy(law, law).sum() - torch.xlogy(law, m).sum() for law in (p, q)) / 2)


def saturating_slope(logit: Tensor) -> Tensor:
    """Derivative of log(1 - D) by the logit of D, any shape: -D, so that it is lost where D is near 0."""
    logit = logit.detach().double().requires_grad_(True)
    (slope,) = torch.autograd.grad(-torch.nn.functional.softplus(logit).sum(), logit)
    return slope


def optimum_of_linear(slope: float, cost: str) -> float:
    """argmin over x >= 0 of c(x, 0) - slope x, on a grid of [0, 4]; the cost is "l2" or "squared".

    "squared" gives slope / 2; "l2" stays at 0 below slope 1 and goes to the end of the grid above.
    """
    x = torch.linspace(0, 4, 4001, dtype=torch.float64)
    return float(x[((x.square() if cost == "squared" else x) - slope * x).argmin()])


def examples() -> dict[str, tuple[str, bool]]:
    """Statement -> (what is computed, in words, and whether it holds)."""
    x, y = torch.tensor([[0.0]]), torch.tensor([[0.0], [1.0]])
    near, W = nearest_cost(x, y), optimal_transport.emd(x, y, cost="euclidean")
    apart = jensen_shannon(*torch.eye(2, dtype=torch.float64))
    at_0, at_1 = saturating_slope(torch.tensor([-20.0, 20.0])).tolist()
    grid = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    gap = min(float((-grid - OBJECTIVES[name].f(grid)).min()) for name in ("ns", "hinge", "wgan"))
    steepest = _steepest_dual()
    ends = [optimum_of_linear(1.0, "squared"), optimum_of_linear(1.0, "l2")]
    return {
        "s4.w.nearest": (f"P at 0, Q half at 0 and half at 1: nearest {near:g}, W {W:g}", near >= W),
        "s4.js.diverges": (f"two points apart: JS {apart:.4f}, that is log 2", not math.isfinite(apart)),
        "s4.vanishing": (f"slope {at_0:.0e} where D is near 0, {at_1:.0f} where D is near 1", abs(at_1) < abs(at_0)),
        "s4.dual.slope": (f"largest slope of an exact dual function {steepest:.9f}", abs(steepest - 1) < ROUNDING),
        "s4.theorem2": (f"smallest gap of three objectives {gap:.2g}, without a penalty", gap >= 0),
        "s4.squared": (
            f"P at 1, Q at 0, D(x) = x: the squared cost ends at {ends[0]:g}, and cannot reach 1", ends[0] >= 1,
        ),
    }  # fmt: skip


def _steepest_dual() -> float:
    """Largest slope of an optimal D* over all pairs of six points in the plane, half of each law."""
    x = torch.tensor([[0.0, 0.0], [1.0, 0.5], [2.0, -1.0]], dtype=torch.float64)
    y = torch.tensor([[3.0, 0.0], [2.0, 2.0], [-1.0, 1.0]], dtype=torch.float64)
    optimum = optimal_transport.solve(x, y)
    return 1 + optimum.certificate(optimum.upper)["excess"]


def claims() -> dict[str, tuple[str, paper.Claim]]:
    """Statement -> what is computed and its verdict: reproduced where it holds, else contradicted, without a test."""
    words = {True: paper.REPRODUCED, False: paper.CONTRADICTED}
    return {id: (text, paper.without_test(words[holds])) for id, (text, holds) in examples().items()}
