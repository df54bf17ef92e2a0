"""Samplers that choose among samples of G: DRS, OBRS, MH-GAN.

All three read a logit l(x) of D as log p_data(x) / p_G(x); wrap them in `calibration.Calibrated`
where it is not. With r = exp l, and a proposal x kept with probability a(x)::

    rejection   a = r / M,                            M the largest r
    DRS         a = sigmoid(F - gamma),               F = l - l_M - log(1 - exp(l - l_M - eps))
    OBRS        a = min(1, c r / M),                  c such that E_G[a] is the budget
    MH-GAN      a = min(1, r(x') / r(x))              a move from x to a fresh proposal x'

Chances are float64 on the CPU, so a device changes them only as far as it changes the logits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from dotlib.errors import InputError, NothingAcceptedError, check_count, check_option, check_positive
from dotlib.pairs import Pair
from dotlib.samplers import base as sampling
from dotlib.samplers.base import Keep, Kept, Sampler

BISECTIONS = 200  # halvings of a bracket in log space: far below the spacing of float64


@dataclass(frozen=True)
class DRS(Sampler):
    """Discriminator rejection sampling (Azadi et al., ICLR 2019).

    l_M is the largest logit so far, the proposal's own included, so it rises while samples are drawn, and the accepted
    share falls; gamma stays. With a budget, l_M stays that of the burn-in, and a proposal above it counts as one at it.

    Attributes:
        percentile: Of F among the burn-in, taken as gamma; 0..100. The method's reference program has 60 and, for
            mixtures of Gaussians, 95.
        budget: Where given, gamma is instead what accepts this share of the burn-in; (0, 1).
        burn_in: Proposals behind the first maximum and gamma; 10,000 in the article.
        eps: Keeps F finite at the maximum.
        limit: Proposals for each sample asked for, before NothingAcceptedError.
    """

    percentile: float = 60.0
    budget: float | None = None
    burn_in: int = 10_000
    eps: float = 1e-8
    limit: int = 1_000

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Estimate the first maximum and gamma from the burn-in."""
        check_positive("eps", self.eps, "the reference program has 1e-8")
        if not 0 <= self.percentile <= 100:
            raise InputError(f"percentile: found {self.percentile!r}; pass a number from 0 to 100")
        seen = _burn_in(pair, self.burn_in, rng)
        F = shifted_log_ratio(seen, seen.max(), self.eps)
        if self.budget is None:
            gamma = torch.quantile(F, self.percentile / 100)
        else:
            _check_budget(self.budget)
            gamma = _bisect(lambda g: (F - g).sigmoid().mean(), self.budget, F.min() - 50, F.max() + 50)
        largest = seen.max()

        def chance(logits: Tensor) -> Tensor:
            nonlocal largest
            if self.budget is not None:
                maxima, logits = largest, logits.clamp(max=largest)
            else:
                maxima = torch.cummax(torch.cat([largest[None], logits]), 0).values[1:]
                largest = maxima[-1]
            return (shifted_log_ratio(logits, maxima, self.eps) - gamma).sigmoid()

        return lambda n, rng: reject(pair, chance, n, rng, limit=self.limit)


@dataclass(frozen=True)
class OBRS(Sampler):
    """Optimal budgeted rejection sampling (Verine et al., AISTATS 2024).

    Among all acceptance rules of one budget, this one brings the kept law nearest to the data by every f-divergence. A
    proposal above the burn-in's maximum is accepted.

    Attributes:
        budget: Share of proposals to accept, in (0, 1]. 1 accepts all; the share 1 / max r, with E_G[r] = 1, is plain
            rejection, and below it nothing is gained: c stays at 1.
        burn_in: Proposals behind M and c; 10,000 in the method's reference program.
        limit: Proposals for each sample asked for, before NothingAcceptedError.
    """

    budget: float = 0.5
    burn_in: int = 10_000
    limit: int = 1_000

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Estimate M and c from the burn-in."""
        _check_budget(self.budget)
        threshold = budget_threshold(_burn_in(pair, self.burn_in, rng), self.budget)

        def chance(logits: Tensor) -> Tensor:
            return (logits - threshold).exp().clamp(max=1)

        return lambda n, rng: reject(pair, chance, n, rng, limit=self.limit)


@dataclass(frozen=True, eq=False)
class MHGAN(Sampler):
    """Metropolis-Hastings GAN (Turner et al., ICML 2019): a chain for each sample.

    Each sample costs `steps` evaluations of G and of D, and one of G at the end.

    Attributes:
        steps: Proposals to each chain; 500 in [DOT19] Table 7.
        start: Real data (R, ...), one for each chain at random, as published; None: G's samples.
        restart: What becomes of a chain that is still at its real datum. "generator", the method's article: it runs
            once more, from a sample of G. "data", the program of [DOT19]: it runs again from another datum.
        attempts: With "data": runs of a chain in all, before NothingAcceptedError.
    """

    steps: int = 500
    start: Tensor | None = None
    restart: str = "generator"
    attempts: int = 10

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Evaluate D on the real data that chains may start from."""
        check_count("steps", self.steps)
        check_count("attempts", self.attempts)
        check_option("restart", self.restart, ("generator", "data"))
        starts = None if self.start is None else sampling.logits(pair, self.start.to(pair.device))
        return lambda n, rng: self._keep(pair, starts, n, rng)

    def _keep(self, pair: Pair, starts: Tensor | None, n: int, rng: torch.Generator) -> Kept:
        z, waiting, spent = sampling.latents(pair, n, rng), torch.arange(n), 0
        if starts is not None:
            for _ in range(self.attempts if self.restart == "data" else 1):
                at = starts[torch.randint(len(starts), (len(waiting),), generator=rng)]
                z[waiting], _, moved = walk(pair, z[waiting], at, self.steps, rng)
                spent += len(waiting) * self.steps
                waiting = waiting[~moved]
                if not len(waiting):
                    return Kept(z, proposals=spent)
            if self.restart == "data":
                raise NothingAcceptedError(
                    f"steps: {len(waiting)} of {n} chains never left their real datum in "
                    f'{self.attempts} x {self.steps} proposals; calibrate D or restart at G (restart="generator")'
                )
        at = sampling.logits(pair, sampling.generate(pair, z[waiting]))
        z[waiting] = walk(pair, z[waiting], at, self.steps, rng)[0]
        return Kept(z, proposals=spent + len(waiting) * (1 + self.steps))


def shifted_log_ratio(logits: Tensor, largest: Tensor, eps: float) -> Tensor:
    """F of discriminator rejection sampling, before gamma: (B,) float64.

    sigmoid(F) with eps = 0 is exp(l - l_M), plain rejection.
    """
    below = (logits - largest).double()
    return below - torch.log(-torch.expm1(below - eps))


def budget_threshold(logits: Tensor, budget: float) -> Tensor:
    """log(M / c) for logits (N,) float64 of proposals.

    With it the mean of min(1, exp(l - log(M / c))) is the budget, or c = 1 if that is more.
    """
    if budget == 1:
        return logits.new_tensor(-torch.inf)
    largest = logits.max()
    if (logits - largest).exp().mean() >= budget:
        return largest
    return _bisect(lambda t: (logits - t).exp().clamp(max=1).mean(), budget, logits.min(), largest)


@torch.no_grad()
def reject(pair: Pair, chance: Callable[[Tensor], Tensor], n: int, rng: torch.Generator, *, limit: int) -> Kept:
    """Propose samples of G, a block at a time, until n of them have passed, or limit * n have been proposed.

    Chances are asked for the logits of successive blocks, (B,) -> (B,), in order. A block draws its latents, then a
    uniform number for each. Raises NothingAcceptedError.
    """
    check_count("limit", limit)
    kept_z, kept_x, kept, proposed = [], [], 0, 0
    with tqdm(total=n, desc="rejection", delay=2, disable=None) as bar:
        while kept < n:
            if proposed >= limit * n:
                raise NothingAcceptedError(
                    f"limit: {kept} of {n} samples after {proposed} proposals; "
                    "raise limit or the budget, or calibrate D"
                )
            z, x, logits = sampling.proposals(pair, sampling.BLOCK, rng)
            u = torch.rand(len(z), dtype=torch.float64, generator=rng)
            chosen = (u < chance(logits)).nonzero()[:, 0][: n - kept]
            kept_z.append(z[chosen])
            kept_x.append(x[chosen])
            kept += len(chosen)
            proposed += len(z) if kept < n else int(chosen[-1]) + 1
            bar.update(len(chosen))
    return Kept(torch.cat(kept_z), torch.cat(kept_x), proposed)


@torch.no_grad()
def walk(pair: Pair, z: Tensor, logit: Tensor, steps: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Independence Metropolis-Hastings, one chain a row: latents, logits and whether each chain has moved.

    Chains start at latents z (n, d) with float64 logits (n,); a logit may be that of a real datum, to which no latent
    belongs. A step draws latents for all chains, then one uniform number for each.
    """
    z, logit = z.clone(), logit.clone()
    moved = torch.zeros(len(z), dtype=torch.bool)
    for _ in tqdm(range(steps), "MH-GAN", delay=2, disable=None):
        candidate, _, proposed = sampling.proposals(pair, len(z), rng)
        accepted = torch.rand(len(z), dtype=torch.float64, generator=rng).log() < proposed - logit
        z[accepted] = candidate[accepted]
        logit[accepted] = proposed[accepted]
        moved |= accepted
    return z, logit, moved


def _burn_in(pair: Pair, n: int, rng: torch.Generator) -> Tensor:
    """Logits of n samples of G, (n,) float64."""
    check_count("burn_in", n)
    _, _, logits = sampling.proposals(pair, n, rng)
    return logits


def _bisect(decreasing: Callable[[Tensor], Tensor], value: float, low: Tensor, high: Tensor) -> Tensor:
    """Where a decreasing function takes the value, between low and high."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if decreasing(middle) > value else (low, middle)
    return (low + high) / 2


def _check_budget(budget: float) -> None:
    check_positive("budget", budget, "it is the share of proposals to accept")
    if budget > 1:
        raise InputError(f"budget: found {budget!r}; a share of proposals is at most 1")
