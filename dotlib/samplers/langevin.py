"""Langevin samplers on latents: DDLS [DDLS20] and DGflow [DGFLOW21].

Both start at draws of the prior and move them by the gradient of a logit d(G(z)) and by noise. The
logit is read as log p_data(x) / p_G(x); a discriminator whose logit is something else is
calibrated first (`calibration.Calibrated`). Weights are read: gradients are those of the latents
alone. All noise of a step is drawn on the CPU at once, so neither device nor block changes a
sample (up to rounding).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from tqdm import tqdm

from dotlib.descent import check_connected, explain_mismatch
from dotlib.errors import InputError, UnusableError, check_count, check_not_negative, check_option, check_positive
from dotlib.pairs import Pair
from dotlib.priors import Normal, Uniform
from dotlib.samplers.base import BLOCK, Keep, Kept, Sampler, latents

UNSTABLE = 4.0  # the step at which the chain on -log p of a standard normal stops being stable

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

        E(z) = -log p_Z(z) - d(G(z))
        z   <- z - (step / 2) grad E(z) + sqrt(step) noise,   noise ~ N(0, I)

    steps:  number of updates; 0 returns the starting latents.
    step:   0 < step < 4. 0.01, that is noise of standard deviation 0.1, is the setting in common
            use. The bias of the chain is of its order: where E is |z|^2 / 2, variances are
            1 / (1 - step / 4) instead of 1.
    block:  rows in one gradient; changes memory, not results (up to rounding).

    The default number of steps is ours: the chain forgets its start as (1 - step / 2)^steps where
    the prior rules, e^-5 at the defaults. Between modes of the target it takes longer.

    The prior must be Normal or Uniform. Under the uniform prior the chain runs in coordinates v
    with z = 2 Phi(v) - 1 = erf(v / sqrt 2): v ~ N(0, I) makes z uniform on the cube, so with
    E(v) = |v|^2 / 2 - d(G(z(v))) the law of z is proportional to p_Z(z) exp d(G(z)), the wanted
    one, and no boundary is needed. This is our reading.

    Cost of a sample: steps + 1 rows of G, steps of D and steps backward.
    Raises InputError naming the argument, or the step at which D diverged.
    """

    steps: int = 1000
    step: float = 0.01
    block: int = BLOCK

    def __post_init__(self) -> None:
        check_count("steps", self.steps, least=0)
        check_positive("step", self.step, "0.01 is in common use")
        check_count("block", self.block)
        if self.step >= UNSTABLE:
            raise InputError(
                f"step: {self.step} is unstable under the prior alone; stay below 4, 0.01 is in common use"
            )

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Nothing to estimate: chains of n rows from n draws of the prior."""
        if not isinstance(pair.prior, Normal | Uniform):
            raise InputError(
                f"prior: the density of {type(pair.prior).__name__} is not known here; "
                "use priors.Normal or priors.Uniform"
            )
        uniform = isinstance(pair.prior, Uniform)
        return partial(
            _keep,
            pair,
            _Chain(
                steps=self.steps,
                block=self.block,
                noise=math.sqrt(self.step),
                name="step",
                advance=lambda v, d, grad: v + (self.step / 2) * (grad - v),  # (B, d)
                enter=_from_cube if uniform else (lambda z: z),
                leave=_to_cube if uniform else (lambda v: v),
                constrain=lambda v: v,
            ),
        )


@dataclass(frozen=True)
class DGflow(Sampler):
    """Discriminator gradient flow [DGFLOW21]: Euler-Maruyama for the flow of an f-divergence.

    ::

        z <- z + eta s(d) grad d(G(z)) + sqrt(2 eta gamma) noise,   noise ~ N(0, I)

    f:      "KL" with s = 1, "JS" with s = sigmoid(d), "logD" with s = sigmoid(-d); s is the
            derivative of -f'(e^-d) with respect to d, and no gradient goes through it.
    eta:    step size; > 0.
    gamma:  weight of the entropy, hence of the noise; >= 0.
    steps:  number of updates; 0 returns the starting latents.
    block:  rows in one gradient; changes memory, not results (up to rounding).

    The defaults are those of the released configurations. As released, nothing pulls the latents
    back to the prior: with a constant D the variance grows by 2 eta gamma a step, under the
    defaults by 5 % of a standard normal's in all. Under the uniform prior the latents are put
    back into the cube after each step (`prior.constrain`), which is ours.

    Cost of a sample: steps + 1 rows of G, steps of D and steps backward.
    Raises InputError naming the argument, or the step at which D diverged.
    """

    f: str = "KL"
    eta: float = 0.1
    gamma: float = 0.01
    steps: int = 25
    block: int = BLOCK

    def __post_init__(self) -> None:
        check_option("f", self.f, SCALES)
        check_positive("eta", self.eta, "the released one is 0.1")
        check_not_negative("gamma", self.gamma, "the released one is 0.01")
        check_count("steps", self.steps, least=0)
        check_count("block", self.block)

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Nothing to estimate: flows of n rows from n draws of the prior."""
        scale = SCALES[self.f]
        return partial(
            _keep,
            pair,
            _Chain(
                steps=self.steps,
                block=self.block,
                name="eta",
                noise=math.sqrt(2 * self.eta * self.gamma),
                advance=lambda z, d, grad: z + self.eta * scale(d)[:, None] * grad,  # (B, d)
                enter=lambda z: z,
                leave=lambda z: z,
                constrain=pair.prior.constrain,
            ),
        )


@dataclass(frozen=True)
class _Chain:
    """What the loop of both samplers is given; u is the coordinate it moves, z(u) the latent."""

    steps: int
    block: int
    noise: float  # standard deviation
    name: str  # the argument to lower when D diverges
    advance: Callable[[Tensor, Tensor, Tensor], Tensor]  # u, d, grad_u d -> mean of the next u
    enter: Callable[[Tensor], Tensor]  # z -> u
    leave: Callable[[Tensor], Tensor]  # u -> z
    constrain: Callable[[Tensor], Tensor]  # u -> u in the support


def _keep(pair: Pair, chain: _Chain, n: int, rng: torch.Generator) -> Kept:
    """Draw n latents of the prior and move them."""
    with torch.inference_mode(False):
        z = latents(pair, n, rng)
        if chain.steps == 0:
            return Kept(z)
        with torch.enable_grad(), explain_mismatch("prior", z):
            return Kept(chain.leave(_move(pair, chain, chain.enter(z), rng)))


def _move(pair: Pair, chain: _Chain, u: Tensor, rng: torch.Generator) -> Tensor:
    """All steps of all rows, (n, d) -> (n, d)."""
    for step in tqdm(range(1, chain.steps + 1), "langevin", delay=2, disable=None):
        noise = torch.randn(u.shape, generator=rng, dtype=u.dtype).to(u.device)
        mean = torch.cat([_advance(pair, chain, rows, step) for rows in u.split(chain.block)])
        u = chain.constrain(mean + chain.noise * noise)
    return u


def _advance(pair: Pair, chain: _Chain, rows: Tensor, step: int) -> Tensor:
    """Mean of the next step of some rows, (B, d) -> (B, d). Raises InputError if D diverged."""
    rows = rows.detach().requires_grad_(True)
    logit = pair.latent_logit(chain.leave(rows))  # (B,)
    if step == 1:
        check_connected(logit, rows)
    (grad,) = torch.autograd.grad(logit.sum(), rows)  # (B, d): of each row's own logit
    mean = chain.advance(rows.detach(), logit.detach(), grad)
    fine = torch.isfinite(logit) & torch.isfinite(mean).all(1)
    if not fine.all():
        raise UnusableError(
            f"discriminator: NaN or infinity in a logit or its gradient at step {step} "
            f"in {int((~fine).sum())} of {len(rows)} rows; D diverged, "
            f"lower {chain.name}"
        )
    return mean


def _from_cube(z: Tensor) -> Tensor:
    """v with erf(v / sqrt 2) = z; the faces, on which v is infinite, count as one rounding inside.

    The prior draws -1 itself about once in 10^7 coordinates.
    """
    inside = 1 - torch.finfo(z.dtype).eps / 2  # the largest number below 1
    return math.sqrt(2) * torch.erfinv(z.clamp(-inside, inside))


def _to_cube(v: Tensor) -> Tensor:
    """erf(v / sqrt 2) = 2 Phi(v) - 1, uniform on the cube for a standard normal v."""
    return torch.erf(v / math.sqrt(2))
