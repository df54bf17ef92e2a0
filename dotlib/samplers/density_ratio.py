"""Exact log density ratios of the 2-D sets, in D's place: every sampler without an error of D.

The three densities are mixtures of Gaussians of one width: 25 modes, the points of a quadrature
along the spiral, or the samples of G. The last one is the law of a G that adds normal noise to its
points, so pair and ratio belong together; only the mean over samples of G is an estimate.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dotlib.data.toy import GAUSSIANS_SCALE, GAUSSIANS_STD, SWISSROLL_NOISE, SWISSROLL_SCALE, mode_centres
from dotlib.errors import InputError, check_count, check_points, check_positive
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.samplers.base import generated

ELEMENTS = 2**18  # entries of one block of points times centres: 1 or 2 MB
NEGLIGIBLE = -80.0  # a term e^-80 of the largest; smaller ones make exp several times slower
MODE_STD = GAUSSIANS_STD["code"] / GAUSSIANS_SCALE  # in data units
PANELS, NODES = 128, 12  # of the quadrature along the spiral
BLUR = 0.05  # data units; with it E_G[r] of 20,000 points is within 2 % of 1 on both sets
EDGE = 1 - 1e-6  # of a uniform latent that is turned into noise

LogDensity = Callable[[Tensor], Tensor]


def gaussians_log_density(x: Tensor, std: float = MODE_STD) -> Tensor:
    """log p_data of the 25 Gaussians (`data.toy`): (B, 2) -> (B,) in nats, dtype of x. Differentiable once.

    The standard deviation of a mode is in data units, that is after the division by 2.828. Raises InputError.
    """
    check_points("x", x, width=2)
    check_positive("std", std, "data.GAUSSIANS_STD, divided by data.GAUSSIANS_SCALE")
    centres = mode_centres()
    return _log_mixture(x, centres, torch.full((len(centres),), -math.log(len(centres))), std)


def swissroll_log_density(x: Tensor, *, panels: int = PANELS) -> Tensor:
    """log p_data of the swissroll (`data.toy`): (B, 2) -> (B,) in nats, dtype of x.

    ::

        p(x) = integral over u in [0, 1] of N(x; (t cos t, t sin t) / 7.5, (0.25 / 7.5)^2 I) du,  t = 1.5 pi (1 + 2u)

    as scikit-learn draws it, by Gauss-Legendre quadrature with 12 nodes in each of `panels` equal intervals. At the
    default the relative error of p is below 1e-9 within 5 standard deviations (0.17) of the spiral and 1e-6 within 10;
    1 away from it, some 5 %. Differentiable once. Raises InputError.
    """
    check_points("x", x, width=2)
    check_count("panels", panels)
    return _log_mixture(x, *_spiral(panels), SWISSROLL_NOISE / SWISSROLL_SCALE)


def kernel_log_density(x: Tensor, points: Tensor, bandwidth: float) -> Tensor:
    """log of the kernel density (1 / N) sum_j N(x; points_j, bandwidth^2 I): (B, 2), (N, 2) -> (B,), dtype of x.

    Every term counts; memory does not grow with B N. Differentiable once, with respect to x. Raises InputError.
    """
    check_points("x", x, width=2)
    check_points("points", points, width=2)
    check_positive("bandwidth", bandwidth, "the width of the blur, in data units")
    weights = torch.full((len(points),), -math.log(len(points)), dtype=torch.float64)
    return _log_mixture(x, points.detach(), weights, bandwidth)


class Blurred(nn.Module):
    """G(z) + width * noise in data units, with normal noise that is part of the latents: (B, d + 2) -> (B, 2).

    Uniform latents become normal by the inverse of the distribution function, kept within 4.9 standard deviations.
    """

    def __init__(self, generator: Callable[[Tensor], Tensor], width: float, uniform: bool) -> None:
        super().__init__()
        self.generator, self.width, self.uniform = generator, width, uniform

    def forward(self, z: Tensor) -> Tensor:
        """Samples of the blurred generator."""
        noise = z[:, -2:]
        if self.uniform:
            noise = math.sqrt(2) * noise.clamp(-EDGE, EDGE).erfinv()
        return self.generator(z[:, :-2]) + self.width * noise


def blurred(pair: Pair, width: float = BLUR) -> Pair:
    """The pair whose G adds N(0, width^2 I) to its points; its prior has two more dimensions.

    Its p_G is the mean of N(G(z), width^2 I) over z. A G of two latents puts its samples on threads
    so thin that, without blur, p_data / p_G has no finite use: nearly all of its mean comes from
    a few samples. Raises InputError for a prior that is neither Uniform nor Normal.
    """
    check_positive("width", width, "in data units; BLUR is the width of the book")
    if not isinstance(pair.prior, Uniform | Normal):
        raise InputError(f"prior: cannot add latents to {type(pair.prior).__name__}; use Normal or Uniform")
    G = Blurred(pair.generator, width, isinstance(pair.prior, Uniform))
    G.train(getattr(pair.generator, "training", False))  # its mode, whatever it is
    return replace(pair, generator=G, prior=replace(pair.prior, dim=pair.prior.dim + 2))


def ratio_pair(
    pair: Pair, real_log_density: LogDensity, rng: torch.Generator, *, points: int = 20_000, width: float = BLUR
) -> Pair:
    """The blurred pair with log p_data(x) - log p_G(x) in the discriminator's place.

    The given pair, G of points (B, 2), is not blurred, and its D is not asked. p_G is the mean over that many samples
    of G before the blur, a term each in every logit; this is the only error of the ratio, so E_G[r] = 1 is a check of
    the number. The width of the blur is in data units. Raises InputError naming the argument.
    """
    check_count("points", points)
    wide = blurred(pair, width)
    samples = generated(pair, points, rng)
    check_points("generator", samples, width=2)
    return replace(wide, discriminator=lambda x: real_log_density(x) - kernel_log_density(x, samples, width))


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
    def backward(ctx, upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = ctx.saved_tensors
        return upstream[:, None] * gradient, None, None, None
