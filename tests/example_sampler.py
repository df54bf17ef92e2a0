"""A sampler in ten lines, as book/add-a-sampler shows one."""

from dataclasses import dataclass

import torch

from dotlib.samplers import base as sampling
from dotlib.samplers.base import Kept, Sampler


@dataclass(frozen=True)
class Best(Sampler):
    """Of `tries` candidates for each sample, the one that D likes best."""

    tries: int = 4

    def prepare(self, pair, rng):
        def keep(n, rng):
            z, x, logits = sampling.proposals(pair, self.tries * n, rng)
            best = self.tries * torch.arange(n) + logits.view(n, self.tries).argmax(dim=1)
            return Kept(z[best], x[best], self.tries * n)

        return keep
