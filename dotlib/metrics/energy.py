"""Energy distances, of two samples and of minibatches, estimated without bias."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial.distance import cdist, pdist
from torch import Tensor

from dotlib.errors import InputError, check_count, check_points
from dotlib.metrics.sinkhorn import cosine_costs, transport_costs

Costs = Callable[[Tensor, Tensor], Tensor]  # (K, B, d), (K, B, d) -> (K, B, B)


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of the laws of two samples, in data units: 0 exactly where they agree.

    The second and third mean leave out the distance of a point to itself, which makes this a U-statistic: its mean over
    samples is the distance of the laws whatever the sizes, so it is below 0 for about half of all samples of one law.
    An earth mover's distance is at least 0, and above it on average even for two samples of one law.

    Args:
        x: (N, d) points, N >= 2.
        y: (M, d) points, M >= 2.

    Returns:
        The estimate. Raises InputError naming the argument.
    """
    check_points("x", x)
    check_points("y", y)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"y: found width {y.shape[1]} beside {x.shape[1]} of x; compare points of one space")
    for name, points in (("x", x), ("y", y)):
        check_count(f"points of {name}", len(points), least=2)
    first, second = (np.asarray(points.detach().cpu().double()) for points in (x, y))
    return float(2 * cdist(first, second).mean() - pdist(first).mean() - pdist(second).mean())


def minibatch_energy(
    real: tuple[Tensor, Tensor],
    fake: tuple[Tensor, Tensor],
    *,
    epsilon: float,
    iterations: int = 50,
    costs: Costs = cosine_costs,
    rule: str = "all",
    gradient: str = "fixed",
) -> Tensor:
    """L of Algorithm 1 in the report "Optimal Transport GAN", from independent batches X, X' of p and Y, Y' of p_G.

    ::

        L = W(X, Y) + W(X, Y') + W(X', Y) + W(X', Y') - 2 W(X, X') - 2 W(Y, Y')
        E L = 2 (2 E W(X, Y) - E W(X, X') - E W(Y, Y')),    twice the square of its eq. (6)

    The mean is 0 where p_G is p, whatever W and the size of the batches are. That of W(X, Y) alone is above 0 there,
    and lower for a p_G that is too narrow. One L can be negative. At B = 1 it estimates twice `energy_distance`.

    Args:
        real: X and X', each (B, d), or (K, B, d) for K independent losses.
        fake: Y and Y', of the same shape.
        epsilon: as for `sinkhorn.transport_costs`.
        iterations: as for `sinkhorn.transport_costs`.
        costs: of rows of two batches.
        rule: as for `sinkhorn.transport_costs`.
        gradient: as for `sinkhorn.transport_costs`.

    Returns:
        L, a scalar, or (K,). Raises InputError naming the argument.
    """
    batches = (*real, *fake)
    for name, batch in zip(("X", "X'", "Y", "Y'"), batches, strict=True):
        check_points(name, batch, rank=None)
        if batch.shape != batches[0].shape or batch.ndim > 3:
            shapes = f"shape {tuple(batch.shape)} beside X {tuple(batches[0].shape)}"
            raise InputError(f"{name}: found {shapes}; pass four batches of one shape, (B, d) or (K, B, d)")
    first, second, third, fourth = (batch.reshape(-1, *batch.shape[-2:]) for batch in batches)
    sides = (first, third), (first, fourth), (second, third), (second, fourth), (first, second), (third, fourth)
    C = costs(*(torch.cat(side) for side in zip(*sides, strict=True)))  # (6 K, B, B): all problems at once
    W = transport_costs(C, epsilon=epsilon, iterations=iterations, rule=rule, gradient=gradient).reshape(6, -1)
    loss = W[:4].sum(0) - 2 * W[4] - 2 * W[5]
    return loss if batches[0].ndim == 3 else loss[0]
