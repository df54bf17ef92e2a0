"""A sampler in ten lines, as book/add-a-sampler shows one."""

from dataclasses import dataclass

from dotlib.samplers import base as sampling
from dotlib.samplers.base import Kept, Sampler


@dataclass(frozen=True)
class Best(Sampler):
    """Of `tries` candidates for each sample, those that D likes best."""

    tries: int = 4

    def prepare(self, pair, rng):
        def keep(n, rng):
            z, x, logits = sampling.proposals(pair, self.tries * n, rng)
            first = logits.topk(n).indices
            return Kept(z[first], x[first], self.tries * n)

        return keep
