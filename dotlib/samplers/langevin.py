"""Langevin samplers on latents: DDLS [DDLS20] and DGflow [DGFLOW21].

Both start at draws of the prior and move them by the gradient of a logit d(G(z)) and by noise. The logit is read as log
p_data(x) / p_G(x); a discriminator whose logit is something else is calibrated first (`calibration.Calibrated`). All
noise of a step is drawn on the CPU at once, so neither device nor block changes a sample (up to rounding).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from tqdm import tqdm

from dotlib.errors import InputError, UnusableError, check_count, check_not_negative, check_option, check_positive
from dotlib.pairs import Normal, Pair, Uniform, explain_mismatch, rowwise_gradient
from dotlib.samplers.base import Keep, Kept, Sampler, block_for, latents

# s(d) of [DGFLOW21]: the derivative of -f'(r) with respect to d, where r = p_G / p_data = e^-d.
SCALES: dict[str, Callable[[Tensor], Tensor]] = {
    "KL": torch.ones_like,  # f(r) = r log r
    "JS": torch.sigmoid,  # f(r) = r log r - (r + 1) log((r + 1) / 2)
    "logD": lambda d: torch.sigmoid(-d),  # f(r) = (r + 1) log(r + 1) - 2 log 2
}


@dataclass(frozen=True)
class DDLS(Sampler):
    """Discriminator driven latent sampling [DDLS20]: unadjusted Langevin on E(z).

    ::

        z <- z - (step / 2) grad E(z) + sqrt(step) noise,   E(z) = -log p_Z(z) - d(G(z)),   noise ~ N(0, I)

    The default number of steps is ours: the chain forgets its start as (1 - step / 2)^steps where the prior rules, e^-5
    at the defaults. Between modes of the target it takes longer. The prior must be Normal or Uniform. Under the uniform
    one the chain runs in coordinates v with z = 2 Phi(v) - 1 = erf(v / sqrt 2): v ~ N(0, I) makes z uniform on the
    cube, so with E(v) = ``|v|^2`` / 2 - d(G(z(v))) the law of z is proportional to p_Z(z) exp d(G(z)), the wanted one,
    and no boundary is needed. This is our reading.

    A sample costs steps + 1 rows of G, steps of D and steps backward. D that diverges raises InputError.

    Attributes:
        steps: Number of updates; 0 returns the starting latents.
        step: 0 < step < 4. 0.01, that is noise of standard deviation 0.1, is the setting in common use. The bias of the
            chain is of its order: where E is ``|z|^2`` / 2, variances are 1 / (1 - step / 4) instead of 1.
        block: Rows in one gradient, None for `base.block_for`; changes memory, not results (up to rounding).
    """

    steps: int = 1000
    step: float = 0.01
    block: int | None = None

    def __post_init__(self) -> None:
        check_count("steps", self.steps, least=0)
        check_positive("step", self.step, "0.01 is in common use")
        if self.block is not None:
            check_count("block", self.block)
        if self.step >= 4:  # where the chain on -log p of a standard normal stops being stable
            raise InputError(
                f"step: {self.step} is unstable under the prior alone; stay below 4, 0.01 is in common use"
            )

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Estimate nothing: chains of n rows start from n draws of the prior."""
        if not isinstance(pair.prior, Normal | Uniform):
            raise InputError(
                f"prior: the density of {type(pair.prior).__name__} is not known here; use Normal or Uniform"
            )
        return partial(_keep, pair, self._move)

    def _move(self, pair: Pair, z: Tensor, rng: torch.Generator) -> Tensor:
        cube = isinstance(pair.prior, Uniform)
        if self.steps == 0:
            return z
        v, block = _from_cube(z) if cube else z, self.block or block_for(pair, z)
        for step, noise in _steps(self.steps, v, rng):
            d, grad = _logit_and_gradient(lambda v: pair.latent_logit(_to_cube(v) if cube else v), v, block)
            v = v + (self.step / 2) * (grad - v)
            _refuse_divergence(d, v, step, "step")
            v = v + math.sqrt(self.step) * noise
        return _to_cube(v) if cube else v


@dataclass(frozen=True)
class DGflow(Sampler):
    """Discriminator gradient flow [DGFLOW21]: Euler-Maruyama for the flow of an f-divergence.

    ::

        z <- z + eta s(d) grad d(G(z)) + sqrt(2 eta gamma) noise,   noise ~ N(0, I)

    The defaults are those of the released configurations. As released, nothing pulls the latents back to the prior:
    with a constant D the variance grows by 2 eta gamma a step, under the defaults by 5 % of a standard normal's in all.
    Under the uniform prior the latents are put back into the cube after each step (`prior.constrain`), which is ours.

    A sample costs steps + 1 rows of G, steps of D and steps backward. D that diverges raises InputError.

    Attributes:
        f: "KL" with s = 1, "JS" with s = sigmoid(d), "logD" with s = sigmoid(-d); s is the derivative of -f'(e^-d) with
            respect to d, and no gradient goes through it.
        eta: Step size; > 0.
        gamma: Weight of the entropy, hence of the noise; >= 0.
        steps: Number of updates; 0 returns the starting latents.
        block: Rows in one gradient, None for `base.block_for`; changes memory, not results (up to rounding).
    """

    f: str = "KL"
    eta: float = 0.1
    gamma: float = 0.01
    steps: int = 25
    block: int | None = None

    def __post_init__(self) -> None:
        check_option("f", self.f, SCALES)
        check_positive("eta", self.eta, "the released one is 0.1")
        check_not_negative("gamma", self.gamma, "the released one is 0.01")
        check_count("steps", self.steps, least=0)
        if self.block is not None:
            check_count("block", self.block)

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Estimate nothing: flows of n rows start from n draws of the prior."""
        return partial(_keep, pair, self._move)

    def _move(self, pair: Pair, z: Tensor, rng: torch.Generator) -> Tensor:
        block = self.block or block_for(pair, z)
        for step, noise in _steps(self.steps, z, rng):
            d, grad = _logit_and_gradient(pair.latent_logit, z, block)
            z = z + self.eta * SCALES[self.f](d)[:, None] * grad
            _refuse_divergence(d, z, step, "eta")
            z = pair.prior.constrain(z + math.sqrt(2 * self.eta * self.gamma) * noise)
        return z


def _keep(pair: Pair, move: Callable[[Pair, Tensor, torch.Generator], Tensor], n: int, rng: torch.Generator) -> Kept:
    with torch.inference_mode(False):
        z = latents(pair, n, rng)
        with explain_mismatch("prior", z):
            return Kept(move(pair, z, rng))


def _steps(steps: int, z: Tensor, rng: torch.Generator) -> Iterator[tuple[int, Tensor]]:
    """Numbers of the steps, from 1, each with its noise, (n, d) like z."""
    for step in tqdm(range(1, steps + 1), "langevin", delay=2, disable=None):
        yield step, torch.randn(z.shape, generator=rng, dtype=z.dtype).to(z.device)


def _logit_and_gradient(logit: Callable[[Tensor], Tensor], z: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """d of each row, (n,), and its gradient, (n, d), some rows at a time."""
    d, gradient = zip(*[rowwise_gradient(logit, rows) for rows in z.split(block)], strict=True)
    return torch.cat(d), torch.cat(gradient)


def _refuse_divergence(d: Tensor, mean: Tensor, step: int, name: str) -> None:
    """Raise UnusableError where the logit, or the mean of the next z, is not finite. name: the argument to lower."""
    fine = torch.isfinite(d) & torch.isfinite(mean).all(1)
    if not fine.all():
        raise UnusableError(
            f"discriminator: NaN or infinity in a logit or its gradient at step {step} "
            f"in {int((~fine).sum())} of {len(d)} rows; D diverged, lower {name}"
        )


def _from_cube(z: Tensor) -> Tensor:
    """v with erf(v / sqrt 2) = z; the faces, on which v is infinite, count as one rounding inside.

    The prior draws -1 itself about once in 10^7 coordinates.
    """
    inside = 1 - torch.finfo(z.dtype).eps / 2  # the largest number below 1
    return math.sqrt(2) * torch.erfinv(z.clamp(-inside, inside))


def _to_cube(v: Tensor) -> Tensor:
    """erf(v / sqrt 2) = 2 Phi(v) - 1, uniform on the cube for a standard normal v."""
    return torch.erf(v / math.sqrt(2))
