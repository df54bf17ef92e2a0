"""Norms of a network's linear layers, and the product that bounds its slope ([DOT19] eqs. 10, 11).

A convolution has two: that of its kernel written as a matrix, which spectral norm sets to 1, and that of the linear map
on images, which the bound needs.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dotlib.errors import InputError, check_count
from dotlib.networks.mlp import LeakyReLU

ITERATIONS = 300
KINDS = (nn.Conv2d, nn.Linear)
NOT_STEEP = (nn.ReLU, nn.Tanh, nn.Flatten, nn.Identity)  # slopes of at most 1


@dataclass(frozen=True)
class Products:
    """Products over the layers of a network, logits per unit of data distance."""

    matrices: float  # of the norms of kernels as matrices: 1 with spectral norm, no bound where there is a convolution
    maps: float  # of the norms of the linear maps: a Lipschitz bound, up to the power iteration, which is below
    layers: int  # how many there are


def products(network: nn.Sequential, x: Tensor, *, rng: torch.Generator, iterations: int = ITERATIONS) -> Products:
    """Both products for a chain of convolutions, dense layers and activations of slope at most 1.

    The input x, (B, ...), gives the shapes. Raises InputError for other layers: attention, say, has no bounded slope.
    """
    check_count("iterations", iterations)
    strange = [part for part in network.children() if not _has_norm(part)]
    if strange or not isinstance(network, nn.Sequential):
        kind = type(strange[0] if strange else network).__name__
        raise InputError(
            f"network: {kind} has no known norm; take a chain of linear layers and "
            "activations, such as an SNGAN's discriminator"
        )
    layers = linear_layers(network, x)
    return Products(
        math.prod(float(torch.linalg.matrix_norm(layer.weight.detach().double().flatten(1), 2)) for layer, _ in layers),
        math.prod(map_norm(layer, shape, rng=rng, iterations=iterations) for layer, shape in layers),
        len(layers),
    )


def linear_layers(network: nn.Module, x: Tensor) -> list[tuple[Any, tuple[int, ...]]]:
    """Convolutions and dense layers in order, each with the shape of a row that reaches it."""
    seen: list[tuple[Any, tuple[int, ...]]] = []
    hooks = [
        part.register_forward_hook(lambda layer, rows, _: seen.append((layer, tuple(rows[0].shape[1:]))))
        for part in network.modules()
        if isinstance(part, KINDS)
    ]
    try:
        with torch.no_grad():
            network(x[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def map_norm(layer: nn.Module, shape: tuple[int, ...], *, rng: torch.Generator, iterations: int = ITERATIONS) -> float:
    """Largest singular value of a layer's linear map on rows of this shape; its bias is left out.

    By power iteration of the map and its transpose in float64, on the CPU.
    """
    linear: Any = copy.deepcopy(layer).cpu().double().requires_grad_(False)
    linear.bias = None
    v = torch.randn(1, *shape, generator=rng, dtype=torch.float64)
    norm = 0.0
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(iterations):
            v = (v / torch.linalg.vector_norm(v)).requires_grad_(True)
            out = linear(v)
            norm = float(torch.linalg.vector_norm(out.detach()))
            if not norm:  # the zero map
                break
            (v,) = torch.autograd.grad(out, v, out.detach())  # J^T J v
    return norm


def _has_norm(part: nn.Module) -> bool:
    """Whether it is linear up to its bias, or known to have slopes of at most 1."""
    if isinstance(part, LeakyReLU):
        return abs(part.slope) <= 1
    if isinstance(part, nn.LeakyReLU):
        return abs(part.negative_slope) <= 1
    return isinstance(part, (*KINDS, *NOT_STEEP))
