"""One call for every sampler that improves a trained GAN afterwards, and what its samples cost.

A sampler is a frozen dataclass of settings with one method of its own, `prepare`: it estimates once
what it needs from a pair, and returns the function that keeps n samples. `draw` calls both, counts
the evaluations of G and D on the way, and reads the clock, so no sampler accounts for itself.
"""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from dotlib.errors import InputError, check_count
from dotlib.pairs import Pair

BLOCK = 256  # rows in one evaluation of G and D
MANY, NUMBERS = 2_048, 2**16  # where a row is small: rows in one evaluation at most, and numbers in all of them


@dataclass(frozen=True)
class Cost:
    """Rows that the networks evaluated, and seconds of wall clock."""

    generator: float = 0
    discriminator: float = 0
    backward: float = 0  # rows of D through which a gradient went back
    seconds: float = 0

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    def evaluations(self) -> float:
        """Rows that networks evaluated, G and D alike, a backward pass as two."""
        return self.generator + self.discriminator + 2 * self.backward

    def per(self, n: int) -> "Cost":
        """The cost of one of n samples."""
        return Cost(*(getattr(self, f.name) / n for f in fields(self)))


@dataclass(frozen=True)
class Kept:
    """What a sampler decided on."""

    latents: Tensor  # (n, d) on the pair's device
    samples: Tensor | None = None  # (n, ...) where the sampler has them; without, they are G(latents)
    proposals: int | None = None  # among which these n were chosen; None for a sampler that moves samples


@dataclass(frozen=True)
class Drawn:
    """n samples and their price."""

    samples: Tensor  # (n, ...) in the units of G
    latents: Tensor  # (n, d) that they come from
    cost: Cost  # of each sample
    setup: Cost  # spent once, before the first sample: calibration, burn-in, Lipschitz estimate
    acceptance: float | None  # kept share of the proposals; None for a sampler that moves samples


Keep = Callable[[int, torch.Generator], Kept]


class Sampler(ABC):
    """A way of drawing better samples from a pair whose weights stay as they are."""

    @abstractmethod
    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Estimate what is needed once; return the function (n, rng) -> Kept.

        The pair is evaluated through `pair.generate`, `pair.logit` and `pair.latent_logit`, which count. The generator
        is for the estimates alone; the returned function gets one of its own.
        """

    def draw(self, pair: Pair, n: int, rng: torch.Generator) -> Drawn:
        """Draw n samples of a pair whose modules are in evaluation mode, and account for them.

        Two samplers that get equal CPU generators start from equal latents. Raises InputError naming the argument, and
        NothingAcceptedError where a rejection runs out of proposals.
        """
        check_count("n", n)
        metered = Metered.of(pair)
        setup_rng = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=rng)))
        keep = self.prepare(metered, setup_rng)
        setup = metered.read()
        kept = keep(n, rng)
        if len(kept.latents) != n:
            raise InputError(
                f"n: {type(self).__name__} kept {len(kept.latents)} of {n} samples; "
                "return n latents from what `prepare` gives"
            )
        samples = generate(metered, kept.latents) if kept.samples is None else kept.samples
        cost = (metered.read() - setup).per(n)
        return Drawn(samples, kept.latents, cost, setup, None if kept.proposals is None else n / kept.proposals)


@dataclass(frozen=True)
class Metered(Pair):
    """A pair that counts what is asked of it; a replaced discriminator is counted on."""

    counts: Counter[str] = field(default_factory=Counter)
    start: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, pair: Pair) -> "Metered":
        """The same networks with a meter at zero."""
        return cls(pair.generator, pair.discriminator, pair.prior)

    def generate(self, z: Tensor) -> Tensor:
        """G(z): (B, d) -> (B, ...)."""
        self.counts["generator"] += len(z)
        return super().generate(z)

    def logit(self, x: Tensor) -> Tensor:
        """D(x): (B, ...) -> (B,)."""
        self.counts["discriminator"] += len(x)
        logits = super().logit(x)
        if logits.requires_grad:
            logits.register_hook(lambda _: self.counts.update(backward=len(x)))
        return logits

    def read(self) -> Cost:
        """Counts so far, and seconds since the meter began; waits for a busy GPU."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return Cost(**self.counts, seconds=time.perf_counter() - self.start)


def with_logits(pair: Pair, change: Callable[[Tensor], Tensor]) -> Pair:
    """The pair whose D is `change` of its logits, (B,) -> (B,): a calibrated discriminator."""
    return replace(pair, discriminator=lambda x: change(Pair.logit(pair, x)))


def latents(pair: Pair, n: int, rng: torch.Generator) -> Tensor:
    """n draws of the prior, (n, d), where the generator is."""
    return pair.prior.sample(n, rng).to(pair.device)


def block_of(x: Tensor, large: int = BLOCK) -> int:
    """Rows of data (n, ...) to evaluate together: small ones by the thousand, where a call costs more than a row.

    It changes time and memory, not results (up to rounding). large: the answer for data of more numbers a row.
    """
    numbers = max(1, x[0].numel())
    return min(NUMBERS // numbers, MANY) if numbers * BLOCK <= NUMBERS else large


@torch.no_grad()
def block_for(pair: Pair, z: Tensor, large: int = BLOCK) -> int:
    """The same for latents (n, d), whose data are as large as G makes them. Its one sample is not counted."""
    return block_of(Pair.generate(pair, z[:1]), large) if len(z) > large else large


@torch.no_grad()
def generate(pair: Pair, z: Tensor, block: int | None = None) -> Tensor:
    """G(z) a block of rows at a time, None for `block_for`: (n, d) -> (n, ...)."""
    return torch.cat([pair.generate(rows) for rows in z.split(block or block_for(pair, z))])


def generated(pair: Pair, n: int, rng: torch.Generator, block: int | None = None) -> Tensor:
    """n samples of G, (n, ...)."""
    return generate(pair, latents(pair, n, rng), block)


@torch.no_grad()
def logits(pair: Pair, x: Tensor) -> Tensor:
    """D(x) a block at a time, (n, ...) -> (n,) float64 on the CPU. Raises InputError for NaN."""
    values = torch.cat([pair.logit(rows).double().cpu() for rows in x.split(block_of(x))])
    if not torch.isfinite(values).all():
        raise InputError(
            f"discriminator: NaN or infinity among {len(values)} logits; it diverged, or "
            "returns probabilities of 0 and 1 as logits"
        )
    return values


@torch.no_grad()
def proposals(pair: Pair, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """n latents, their samples and logits: (n, d), (n, ...), (n,) float64 on the CPU."""
    z = latents(pair, n, rng)
    x = generate(pair, z)
    return z, x, logits(pair, x)
