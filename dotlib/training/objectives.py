"""GAN objectives as pure functions of logits ([DOT19] eqs. 1, 2 with 5, 6, 7).

V_D is what the discriminator maximises and V_G what the generator minimises:

::

    V_D = E_real f(-D(x)) + E_fake f(D(y))        eq. (1)
    V_G = E_fake g(D(y))                          eq. (2)
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from dotlib.errors import InputError


def logistic_f(u: Tensor) -> Tensor:
    """f of eq. (5): -log(1 + e^u)."""
    return -softplus(u)


def hinge_f(u: Tensor) -> Tensor:
    """f of eq. (6): min(0, -1 - u). The paper prints max; its own proof, eq. (49), uses min."""
    return (-1 - u).clamp(max=0)


def identity_f(u: Tensor) -> Tensor:
    """f of eq. (7): -u."""
    return -u


@dataclass(frozen=True)
class Objective:
    """One choice of f and g."""

    f: Callable[[Tensor], Tensor]  # concave and decreasing, for both terms of V_D
    g: Callable[[Tensor], Tensor]  # decreasing, so that the generator lowers V_G by raising D(y)

    def critic_value(self, real: Tensor, fake: Tensor) -> Tensor:
        """V_D of eq. (1) without penalty, a scalar to maximise. real, fake: logits, (B,)."""
        return self.f(-real).mean() + self.f(fake).mean()

    def generator_value(self, fake: Tensor) -> Tensor:
        """V_G of eq. (2), a scalar to minimise. fake: logits, (B,)."""
        return self.g(fake).mean()


OBJECTIVES = {
    "ns": Objective(logistic_f, lambda u: softplus(-u)),  # eq. (5): g(u) = -f(-u)
    "minimax": Objective(logistic_f, logistic_f),  # g = f, [GAN14]
    "hinge": Objective(hinge_f, identity_f),  # eq. (6): g(u) = -u
    "wgan": Objective(identity_f, identity_f),  # eq. (7), but g(u) = -u: book/differences
}


def gradient_penalty(
    D: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, target: float = 1.0, rng: torch.Generator
) -> Tensor:
    """Mean of (``||grad D(u)||_2`` - target)^2 at points u between rows of real and fake, (B, ...), a scalar.

    u = a x + (1 - a) y with one a ~ U[0, 1] a row. The paper's eq. (51) prints ``||grad D - 1||^2``; the cited method
    and every implementation use the form above. Raises InputError when the shapes differ.
    """
    if real.shape != fake.shape:
        raise InputError(
            f"fake: shape {tuple(fake.shape)} differs from real {tuple(real.shape)}; draw as many fakes as reals"
        )
    a = torch.rand(real.shape[0], generator=rng).to(real).reshape(-1, *[1] * (real.ndim - 1))
    u = (a * real + (1 - a) * fake).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(D(u).sum(), u, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - target).square().mean()
