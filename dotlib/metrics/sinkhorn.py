"""Entropic optimal transport of many small problems at once: Sinkhorn's iterations in the log domain.

For a cost C of N rows and M columns, all of equal weight, and epsilon > 0::

    P = argmin <P, C> + epsilon KL(P | a b),   a_i = 1 / N,   b_j = 1 / M,   row sums a, column sums b
    P_ij = a_i b_j exp((f_i + g_j - C_ij) / epsilon)

One iteration gives the columns their sums, then the rows. An exponential of every entry in every iteration is where the
time goes. So the scaled plan is kept between iterations, and only its rows and columns are multiplied, which is the
same iteration; once a factor leaves [1 / REACH, REACH], it goes back into the potentials and the plan is made anew from
them in the log domain. An entry that underflows there would be below 1e-26 within that reach.

As epsilon grows, P tends to the plan of independent draws, a b, and ``math.inf`` stands for that limit.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dotlib.errors import InputError, check_count, check_option, check_points, check_positive

RULES = ("all", "released")
GRADIENTS = ("fixed", "unrolled")
REACH = 1e6  # of the factors of rows and columns before they go back into the potentials
RELEASED_CHANGE = 0.1  # sum over rows of |change of the potential|, in cost units: below it the released loop ends
RELEASED_OFFSET = 1e-6  # what the released program adds inside its logarithms


@dataclass(frozen=True)
class Plans:
    """Plans of K problems and what belongs to them, without gradients."""

    plan: Tensor  # (K, N, M), P
    f: Tensor  # (K, N) potentials of the rows, cost units
    g: Tensor  # (K, M) potentials of the columns, cost units
    iterations: Tensor  # (K,) int64, how many were done

    @property
    def entropy(self) -> Tensor:
        """-sum P log P over log(N M), (K,): 1 for independent draws, 1/2 for a permutation."""
        return torch.special.entr(self.plan).sum((1, 2)) / max(math.log(self.plan[0].numel()), 1e-300)

    @property
    def row_error(self) -> Tensor:
        """Sum over the rows of ``|sum_j P_ij - 1 / N|``, (K,)."""
        return (self.plan.sum(2) - 1 / self.plan.shape[1]).abs().sum(1)

    @property
    def column_error(self) -> Tensor:
        """Sum over the columns of ``|sum_i P_ij - 1 / M|``, (K,)."""
        return (self.plan.sum(1) - 1 / self.plan.shape[2]).abs().sum(1)


def plans(costs: Tensor, *, epsilon: float, iterations: int = 50, rule: str = "all") -> Plans:
    """The plans of K problems after some iterations.

    Args:
        costs: (K, N, M) finite, float32 or float64; read, never written.
        epsilon: weight of the entropy, cost units; ``math.inf`` gives the plan of independent draws.
        iterations: the most that are done.
        rule: "all" does all of them. "released" stops each problem as the program does that the report "Optimal
            Transport GAN" follows: rows first, 1e-6 added inside each logarithm, and an end once the potentials of the
            rows change by less than 0.1 in sum. Its plan may lack mass; it is here to be audited.

    Returns:
        Plans and potentials. Raises InputError naming the argument.
    """
    _check(costs, epsilon, iterations, rule)
    with torch.no_grad():
        if math.isinf(epsilon):
            return _independent(costs)
        if rule == "released":
            return _released(costs, epsilon, iterations)
        logs = -costs / epsilon - math.log(costs.shape[1]) - math.log(costs.shape[2])
        u, v = _scaled(logs, iterations)
        done = torch.full(costs.shape[:1], iterations, dtype=torch.int64)
        return Plans(_exponential(logs, u, v), epsilon * u, epsilon * v, done)


def transport_costs(
    costs: Tensor, *, epsilon: float, iterations: int = 50, rule: str = "all", gradient: str = "fixed"
) -> Tensor:
    """<P, C> of K problems, (K,), in cost units: what is transported, without the entropy.

    Args:
        costs: (K, N, M), as for `plans`.
        epsilon: as for `plans`.
        iterations: as for `plans`.
        rule: as for `plans`.
        gradient: "fixed" holds P: the gradient is P, which by the envelope theorem is that of the regularised value
            <P, C> + epsilon KL(P | a b) at convergence. "unrolled" goes through all iterations: that of <P, C> itself.

    Returns:
        The values, with their gradient. Raises InputError naming the argument.
    """
    check_option("gradient", gradient, GRADIENTS)
    if gradient == "fixed" or (isinstance(epsilon, float) and math.isinf(epsilon)):
        plan = plans(costs, epsilon=epsilon, iterations=iterations, rule=rule).plan
    else:
        _check(costs, epsilon, iterations, rule)
        if rule == "released":
            plan = _released(costs, epsilon, iterations).plan
        else:
            logs = -costs / epsilon - math.log(costs.shape[1]) - math.log(costs.shape[2])
            plan = _exponential(logs, *_in_logs(logs, iterations))
    return (plan * costs).sum((1, 2))


def regularised(solution: Plans, costs: Tensor, *, epsilon: float) -> Tensor:
    """<P, C> + epsilon KL(P | a b) of solved problems, (K,): <P, C> - epsilon H(P) + epsilon log(N M)."""
    size = math.log(costs.shape[1] * costs.shape[2])
    entropy = torch.special.entr(solution.plan).sum((1, 2))
    return (solution.plan * costs).sum((1, 2)) + epsilon * (size * solution.plan.sum((1, 2)) - entropy)


def cosine_costs(x: Tensor, y: Tensor) -> Tensor:
    """1 - cosine of the angle of rows, between 0 and 2: eq. (7) of the report "Optimal Transport GAN".

    Args:
        x: (..., N, d) features.
        y: (..., M, d) features.

    Returns:
        (..., N, M). Raises InputError for features that are zero, since they have no direction.
    """
    for name, features in (("x", x), ("y", y)):
        if not (features.detach() != 0).any(-1).all():
            raise InputError(f"{name}: found a row of zeros, which has no direction; train the critic less, or restart")
    x, y = (features / features.norm(dim=-1, keepdim=True) for features in (x, y))
    return 1 - x @ y.transpose(-1, -2)


def _check(costs: Tensor, epsilon: float, iterations: int, rule: str) -> None:
    check_points("costs", costs, rank=3)
    if costs.dtype not in (torch.float32, torch.float64) or 0 in costs.shape:
        raise InputError(
            f"costs: found {costs.dtype} of shape {tuple(costs.shape)}; pass float32 or float64, no axis 0"
        )
    if not (isinstance(epsilon, float) and epsilon == math.inf):
        check_positive("epsilon", epsilon, "pass the weight of the entropy in cost units, or math.inf")
    check_count("iterations", iterations)
    check_option("rule", rule, RULES)


def _independent(costs: Tensor) -> Plans:
    problems, rows, columns = costs.shape
    plan = torch.full_like(costs, 1 / (rows * columns))
    f, g = costs.new_zeros(problems, rows), costs.new_zeros(problems, columns)
    return Plans(plan, f, g, torch.zeros(problems, dtype=torch.int64))


def _exponential(logs: Tensor, u: Tensor, v: Tensor) -> Tensor:
    return (logs + u[:, :, None] + v[:, None, :]).exp()


def _log_iteration(logs: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """(u, v) after the columns, then the rows of exp(logs + u + v) have their sums; logs is (K, N, M)."""
    v = -torch.logsumexp(logs + u[:, :, None], 1) - math.log(logs.shape[2])
    return -torch.logsumexp(logs + v[:, None, :], 2) - math.log(logs.shape[1]), v


def _in_logs(logs: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """(u, v) by iterations that autograd follows."""
    u, v = torch.zeros_like(logs[:, :, 0]), torch.zeros_like(logs[:, 0])
    for _ in range(iterations):
        u, v = _log_iteration(logs, u)
    return u, v


def _scaled(logs: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """What `_in_logs` gives, up to rounding, without an exponential in most iterations."""
    u, left = torch.zeros_like(logs[:, :, 0]), iterations
    while True:
        u, v = _log_iteration(logs, u)
        left -= 1
        if not left:
            return u, v
        plan = _exponential(logs, u, v)
        p, q = torch.ones_like(u), torch.ones_like(v)  # factors of its rows and columns
        while left:
            columns = 1 / (v.shape[1] * torch.bmm(p[:, None], plan)[:, 0])
            rows = 1 / (u.shape[1] * torch.bmm(plan, columns[:, :, None])[:, :, 0])
            low, high = torch.cat([rows, columns], 1).aminmax()
            if not (low >= 1 / REACH and high <= REACH):  # also where one is NaN
                break
            p, q, left = rows, columns, left - 1
        u, v = u + p.log(), v + q.log()
        if not left:
            return u, v


def _released(costs: Tensor, epsilon: float, iterations: int) -> Plans:
    """The plan of the released loop, each problem stopped by itself; autograd follows."""
    f, g = torch.zeros_like(costs[:, :, 0]), torch.zeros_like(costs[:, 0])
    running = torch.ones(len(costs), dtype=torch.bool, device=costs.device)
    done = torch.zeros(len(costs), dtype=torch.int64, device=costs.device)

    def raised(f: Tensor, g: Tensor, axis: int) -> Tensor:
        """By how much the potentials of the other axis rise, so that the sums over `axis` become equal."""
        mass = ((f[:, :, None] + g[:, None, :] - costs) / epsilon).exp().sum(axis)
        return -epsilon * (math.log(mass.shape[1]) + torch.log(mass + RELEASED_OFFSET))

    for _ in range(iterations):
        before = f
        f = torch.where(running[:, None], f + raised(f, g, 2), f)
        g = torch.where(running[:, None], g + raised(f, g, 1), g)
        done += running
        running = running & ((f - before).abs().sum(1) >= RELEASED_CHANGE)
        if not running.any():
            break
    plan = ((f[:, :, None] + g[:, None, :] - costs) / epsilon).exp()
    shares = epsilon * math.log(costs.shape[1]), epsilon * math.log(costs.shape[2])
    return Plans(plan, f + shares[0], g + shares[1], done)
