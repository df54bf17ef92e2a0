"""Discriminator optimal transport and the naive ascent as samplers: estimate K, draw, move."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from dotlib import transport
from dotlib.pairs import Pair
from dotlib.samplers import base as sampling
from dotlib.samplers.base import Keep, Kept, Sampler
from dotlib.transport import Optimizer, lipschitz


@dataclass(frozen=True)
class Bare(Sampler):
    """G as it is: a sample costs one evaluation of G."""

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Estimate nothing."""
        return lambda n, rng: Kept(sampling.latents(pair, n, rng))


@dataclass(frozen=True)
class LatentDOT(Sampler):
    """Latent-space DOT, [DOT19] Algorithm 2; with cost="none" the naive ascent, eq. (56).

    A sample costs steps + 2 evaluations of G, steps + 1 of D and `steps` backward passes: the objective after the last
    step is part of a descent, and G then makes the sample.

    Attributes:
        steps: Number of updates; optimizer, cost and variant likewise as in `transport.latent_dot`.
        k_eff: None: estimated first, eq. (21).
        pairs: Pairs behind the estimate; repeats: maxima that it averages.
    """

    steps: int = 20
    optimizer: Optimizer = transport.LATENT_SGD
    cost: str = "l2"
    variant: str | transport.Variant = "paper"
    k_eff: float | None = None
    pairs: int = 100
    repeats: int = 10

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Estimate k_eff, unless it is given."""
        k_eff = self.k_eff
        if k_eff is None:
            k_eff = lipschitz.latent_constant(pair, n_pairs=self.pairs, repeats=self.repeats, rng=rng).value

        def keep(n: int, rng: torch.Generator) -> Kept:
            z = sampling.latents(pair, n, rng)
            return Kept(transport.latent_dot(pair, z, k_eff, **_options(self, sampling.block_for(pair, z))).final)

        return keep


@dataclass(frozen=True)
class TargetDOT(Sampler):
    """Target-space DOT, [DOT19] Algorithm 1; with cost="none" the naive ascent, eq. (56).

    A sample costs one evaluation of G, steps + 1 of D and `steps` backward passes. Its latents are those of the sample
    before it was moved.

    Attributes:
        steps: Number of updates; optimizer, cost, variant and clip likewise as in `transport.target_dot`.
        K_eff: None: estimated first, eq. (20).
        pairs: Pairs behind the estimate; repeats: maxima that it averages.
    """

    steps: int = 100
    optimizer: Optimizer = transport.TARGET_ADAM
    cost: str = "l2"
    variant: str | transport.Variant = "paper"
    clip: float | None = None
    K_eff: float | None = None
    pairs: int = 100
    repeats: int = 10

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Estimate K_eff, unless it is given."""
        K_eff = self.K_eff
        if K_eff is None:
            draw = partial(sampling.generated, pair)
            K_eff = lipschitz.target_constant(pair.logit, draw, n_pairs=self.pairs, repeats=self.repeats, rng=rng).value

        def keep(n: int, rng: torch.Generator) -> Kept:
            z = sampling.latents(pair, n, rng)
            y = sampling.generate(pair, z)
            options = _options(self, sampling.block_of(y))
            return Kept(z, transport.target_dot(pair.logit, y, K_eff, clip=self.clip, **options).final)

        return keep


def _options(sampler: LatentDOT | TargetDOT, block: int) -> dict[str, Any]:
    """What both transports take, with so many rows moved together."""
    options = {name: getattr(sampler, name) for name in ("steps", "cost", "optimizer", "variant")}
    return options | {"batch_size": block}
