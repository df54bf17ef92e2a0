"""Exact log density ratios of the 2-D sets, in D's place: every sampler without an error of D.

The three densities are mixtures of Gaussians of one width: 25 modes, the points of a quadrature
along the spiral, or the samples of G. Only the last is an estimate, of p_G; it is exact for the
smoothed sample, whose width is chosen on held-out points.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dotlib.data import (
    GAUSSIANS_SCALE,
    GAUSSIANS_STD,
    SWISSROLL_NOISE,
    SWISSROLL_SCALE,
    mode_centres,
)
from dotlib.errors import BadInput, check_count, check_points, check_positive
from dotlib.pairs import Pair
from dotlib.sampling import generate, latents

ELEMENTS = 2**18  # entries of one block of points times centres: 1 or 2 MB
NEGLIGIBLE = -80.0  # a term e^-80 of the largest; smaller ones make exp several times slower
MODE_STD = GAUSSIANS_STD["code"] / GAUSSIANS_SCALE  # in data units
PANELS, NODES = 128, 12  # of the quadrature along the spiral
BANDWIDTHS = tuple(2 ** (-k / 2) for k in range(20))  # 1 to 0.0014, in standard deviations
LEAST_POINTS, HELD_OUT = 20, 1000

LogDensity = Callable[[Tensor], Tensor]


def gaussians_log_density(x: Tensor, std: float = MODE_STD) -> Tensor:
    """log p_data of the 25 Gaussians (`data.toy`): (B, 2) -> (B,) in nats, dtype of x.

    std:  of each mode, in data units, that is after the division by 2.828; > 0.
    Differentiable once. Raises BadInput naming the argument.
    """
    check_points("x", x, width=2)
    check_positive("std", std, "data.GAUSSIANS_STD, divided by data.GAUSSIANS_SCALE")
    centres = mode_centres()
    return _log_mixture(x, centres, torch.full((len(centres),), -math.log(len(centres))), std)


def swissroll_log_density(x: Tensor, *, panels: int = PANELS) -> Tensor:
    """log p_data of the swissroll (`data.toy`): (B, 2) -> (B,) in nats, dtype of x.

    ::

        p(x) = integral over u in [0, 1] of N(x; (t cos t, t sin t) / 7.5, (0.25 / 7.5)^2 I) du,
        t = 1.5 pi (1 + 2u)

    as scikit-learn draws it, by Gauss-Legendre quadrature with 12 nodes in each of `panels` equal
    intervals. At the default the relative error of p is below 1e-9 within 5 standard deviations
    (0.17) of the spiral and 1e-6 within 10; 1 away from it, some 5 %.

    Differentiable once. Raises BadInput naming the argument.
    """
    check_points("x", x, width=2)
    check_count("panels", panels)
    return _log_mixture(x, *_spiral(panels), SWISSROLL_NOISE / SWISSROLL_SCALE)


def kernel_log_density(x: Tensor, points: Tensor, bandwidth: float) -> Tensor:
    """log of the Gaussian kernel density of `points` at x: (B, 2), (N, 2) -> (B,), dtype of x.

    ::

        p(x) = (1 / N) sum_j N(x; points_j, bandwidth^2 I)

    bandwidth:  standard deviation of the kernel, in data units; see `choose_bandwidth`.
    Every term counts; memory does not grow with B N. Differentiable once, with respect to x.
    Raises BadInput naming the argument.
    """
    check_points("x", x, width=2)
    check_points("points", points, width=2)
    check_positive("bandwidth", bandwidth, "choose_bandwidth finds one")
    weights = torch.full((len(points),), -math.log(len(points)), dtype=torch.float64)
    return _log_mixture(x, points.detach(), weights, bandwidth)


@dataclass(frozen=True)
class Bandwidth:
    """A kernel's width, and what speaks for it.

    value:     standard deviation in data units.
    held_out:  mean log density, in nats, of points that the density was not made of.
    """

    value: float
    held_out: float


def choose_bandwidth(points: Tensor, rng: torch.Generator) -> Bandwidth:
    """The kernel width under which held-out points are likeliest; the rule is ours.

    points:  (N, 2) with N >= 20. A random fifth of them, at most 1,000, is held out; the density
             of the others is tried with each of `BANDWIDTHS` times the standard deviation of all
             points: 20 values from 1 to 0.0014 in factors of sqrt 2.
    Raises BadInput when there are too few points, or when an end of that range is best: points
    that repeat have no density.
    """
    check_points("points", points, width=2)
    if len(points) < LEAST_POINTS:
        raise BadInput(f"points: found {len(points)}; pass at least {LEAST_POINTS}")
    spread = float((points - points.mean(0)).double().square().mean().sqrt())
    check_positive("points", spread, "points that are all the same have no density")
    order = torch.randperm(len(points), generator=rng).to(points.device)
    held_out, rest = points[order].tensor_split([min(HELD_OUT, len(points) // 5)])
    tried = [Bandwidth(h, float(kernel_log_density(held_out, rest, h).double().mean()))
             for h in (spread * factor for factor in BANDWIDTHS)]
    best = max(tried, key=lambda bandwidth: bandwidth.held_out)
    if best in (tried[0], tried[-1]):
        raise BadInput(f"points: the likelihood of held-out points is best at {best.value:.3g}, an "
                       "end of the range; pass more points that do not repeat, or a bandwidth")
    return best


@dataclass(frozen=True)
class LogRatio:
    """log p_data(x) - log p_G(x), (B, 2) -> (B,): a discriminator without error but that of p_G.

    real:       log p_data, (B, 2) -> (B,).
    points:     (N, 2) samples of G, whose kernel density is p_G.
    bandwidth:  its width, in data units.
    held_out:   mean log p_G, in nats, of samples of G that it was not made of, as found when the
                width was chosen; None for a width that was given.
    """

    real: LogDensity
    points: Tensor
    bandwidth: float
    held_out: float | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """The logit of x, (B, 2) -> (B,)."""
        return self.real(x) - kernel_log_density(x, self.points, self.bandwidth)


def ratio_pair(pair: Pair, real_log_density: LogDensity, rng: torch.Generator, *,
               points: int = 20_000, bandwidth: float | None = None) -> Pair:
    """The pair with the oracle as its discriminator, a `LogRatio`.

    pair:              G of points (B, 2); its own D is not asked.
    real_log_density:  for example `gaussians_log_density` or `swissroll_log_density`.
    rng:               CPU generator of the samples of G and of those held out.
    points:            number of samples of G in the kernel density; a logit costs that many terms.
    bandwidth:         in data units, or None: `choose_bandwidth` of these samples.

    Where p_G is far from all samples its logarithm falls as that of the nearest one does, and the
    ratio means little. Raises BadInput naming the argument.
    """
    check_count("points", points)
    if bandwidth is not None:
        check_positive("bandwidth", bandwidth, "None chooses one")
    samples = generate(pair, latents(pair, points, rng))
    check_points("generator", samples, width=2)
    if bandwidth is not None:
        return replace(pair, discriminator=LogRatio(real_log_density, samples, bandwidth))
    chosen = choose_bandwidth(samples, rng)
    return replace(pair, discriminator=LogRatio(real_log_density, samples, chosen.value,
                                                chosen.held_out))


@lru_cache(maxsize=4)
def _spiral(panels: int) -> tuple[Tensor, Tensor]:
    """Quadrature points on the swissroll and the logarithms of their weights: (Q, 2), (Q,)."""
    node, weight = np.polynomial.legendre.leggauss(NODES)  # on [-1, 1], of sum 2
    u = (np.arange(panels)[:, None] + (node + 1) / 2) / panels  # (panels, NODES)
    t = 1.5 * math.pi * (1 + 2 * u).ravel()
    centres = np.stack((t * np.cos(t), t * np.sin(t)), axis=1) / SWISSROLL_SCALE
    return torch.from_numpy(centres), torch.from_numpy(np.log(np.tile(weight / 2 / panels, panels)))


def _log_mixture(x: Tensor, centres: Tensor, log_weights: Tensor, std: float) -> Tensor:
    """log sum_j exp(log_weights_j) N(x; centres_j, std^2 I): (B, 2), (N, 2), (N,) -> (B,)."""
    return _LogMixture.apply(x, centres.to(x), log_weights.to(x), std)


class _LogMixture(torch.autograd.Function):
    """The mixture with its gradient, sum_j share_j(x) (centres_j - x) / std^2, in blocks of rows.

    Autograd would keep all exponents, B N of them, until the gradient is asked for.
    """

    @staticmethod
    def forward(ctx, x: Tensor, centres: Tensor, log_weights: Tensor, std: float) -> Tensor:
        values, gradients = [], []
        for rows in x.split(max(1, ELEMENTS // len(centres))):
            across = rows[:, :1] - centres[:, 0]  # (b, N)
            along = rows[:, 1:] - centres[:, 1]
            squares = across.square_().addcmul_(along, along)
            exponents = torch.add(log_weights, squares, alpha=-0.5 / std**2)
            top = exponents.amax(1, keepdim=True)  # (b, 1)
            shares = exponents.sub_(top).clamp_(min=NEGLIGIBLE).exp_()
            total = shares.sum(1, keepdim=True)
            values.append((top + total.log())[:, 0])
            if ctx.needs_input_grad[0]:
                gradients.append((shares @ centres / total - rows) / std**2)  # (b, 2)
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(values) - math.log(2 * math.pi * std**2)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return upstream[:, None] * gradient, None, None, None
