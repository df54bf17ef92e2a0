"""A generator, a discriminator and a prior: what every algorithm of this package takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from dotlib.errors import InputError


class Prior(Protocol):
    """What a prior must offer; `dotlib.priors` has the two of the paper."""

    dim: int
    spherical: bool

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, dim) latents."""

    def constrain(self, z: Tensor) -> Tensor:
        """z moved into the support."""


@dataclass(frozen=True)
class Pair:
    """G and D of one GAN, ready to be used after training.

    generator:      latents (B, d) -> data (B, ...), in the units of the training data.
    discriminator:  data (B, ...) -> logits (B,) or (B, 1): the value before any sigmoid.
    prior:          p_Z, for example ``priors.Uniform(2)``.
    Modules must be in evaluation mode: batch statistics would couple the rows of a batch, and the
    batch size would change the answer. Raises InputError otherwise.
    """

    generator: Callable[[Tensor], Tensor]
    discriminator: Callable[[Tensor], Tensor]
    prior: Prior

    def __post_init__(self) -> None:
        for role in ("generator", "discriminator"):
            refuse_training_mode(role, getattr(self, role))

    def generate(self, z: Tensor) -> Tensor:
        """G(z): (B, d) -> (B, ...)."""
        return self.generator(z)

    def logit(self, x: Tensor) -> Tensor:
        """D(x): (B, ...) -> (B,)."""
        return rowwise(self.discriminator(x), x.shape[0])

    def latent_logit(self, z: Tensor) -> Tensor:
        """D(G(z)), the dual variable of latent-space DOT ([DOT19] eq. 23): (B, d) -> (B,)."""
        return self.logit(self.generate(z))


def rowwise(logits: Tensor, rows: int) -> Tensor:
    """Bring a discriminator's output, (B,) or (B, 1), to (B,). Raises InputError for other shapes."""
    if not isinstance(logits, Tensor):
        raise InputError(f"discriminator: returned a {type(logits).__name__}; return only the logits")
    if logits.shape == (rows, 1):
        return logits[:, 0]
    if logits.shape == (rows,):
        return logits
    raise InputError(
        f"discriminator: returned shape {tuple(logits.shape)} for {rows} rows; "
        f"return one logit a row, ({rows},) or ({rows}, 1)"
    )


def refuse_training_mode(role: str, network: object) -> None:
    """Raise InputError when a module, or a part of it, is in training mode."""
    if isinstance(network, nn.Module) and any(part.training for part in network.modules()):
        raise InputError(f"{role}: {type(network).__name__} is in training mode; call .eval() first")
