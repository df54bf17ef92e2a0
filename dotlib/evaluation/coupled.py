"""An audit: latent DOT whose rows are tied together, by one norm of a whole batch and the mean of D.

The program of the report "DOT Applied to WGAN" descends

::

    sqrt(sum over rows and coordinates of (z - z_y + delta)^2) - mean over rows of D(G(z)) / k

so what becomes of a sample depends on how many others are moved with it. For one row this is `transport.latent_dot`
with the cost "l2". Nothing else in this package has coupled rows.
"""

import torch
from torch import Tensor

from dotlib import transport
from dotlib.errors import check_count, check_points, check_positive
from dotlib.pairs import Pair
from dotlib.transport.dot import DELTA, Adam


def coupled_dot(
    pair: Pair,
    z_y: Tensor,
    k: float,
    *,
    steps: int,
    optimizer: transport.Optimizer | None = None,
    batch_size: int | None = None,
    delta: float = DELTA,
) -> Tensor:
    """Latents (B, d) after `steps` updates of `batch_size` rows at a time, None for all; Adam(0.05) unless given.

    The gradient is not projected, as in the program; the prior keeps z in its support. Raises InputError.
    """
    pair.refuse_training_mode()
    check_points("z_y", z_y, width=pair.prior.dim)
    check_positive("k", k, "estimate it with lipschitz.latent_constant")
    check_positive("delta", delta, "the program has 0.001")
    check_count("steps", steps, 0)
    check_count("batch_size", len(z_y) if batch_size is None else batch_size)
    moved = []
    for anchor in z_y.detach().split(len(z_y) if batch_size is None else batch_size):
        z = anchor.clone().requires_grad_(True)
        update = (optimizer or Adam(0.05)).on(z)
        for _ in range(steps):
            objective = (z - anchor + delta).square().sum().sqrt() - pair.latent_logit(z).mean() / k
            (z.grad,) = torch.autograd.grad(objective, z)
            update.step()
            z.data = pair.prior.constrain(z.detach())
        moved.append(z.detach())
    return torch.cat(moved)
