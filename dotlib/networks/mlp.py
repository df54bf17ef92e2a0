"""The multilayer perceptrons of the 2-D experiment ([DOT19] Table 4)."""

import math

import torch
from torch import Tensor, nn

LEAKY_SLOPE = 0.2  # Chainer's; torch has 0.01


class LeakyReLU(nn.Module):
    """max(x, slope x), written as a product with a constant mask.

    torch's own leaky ReLU has the same values and gradients, but when a gradient is differentiated again (the gradient
    penalty) it sends a tensor of zeros back through the whole network. Here the mask is a constant, so that pass does
    not exist: about a tenth of a critic update is saved (benchmarks/critic_update.py).
    """

    def __init__(self, slope: float = LEAKY_SLOPE) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, ...)."""
        with torch.no_grad():
            mask = (x > 0).to(x.dtype).mul_(1 - self.slope).add_(self.slope)
        return x * mask


class MLP(nn.Sequential):
    """`hidden` layers of `width` units with leaky ReLU, then one linear layer: (B, inputs) -> (B, outputs).

    Weights start as N(0, (0.8^2) 2 / fan_in) and biases at zero, as in the official code (book/differences).
    """

    def __init__(
        self, inputs: int, width: int, outputs: int, *, hidden: int = 3, rng: torch.Generator | None = None
    ) -> None:
        layers: list[nn.Module] = []
        for layer in range(hidden):
            layers += [nn.Linear(inputs if layer == 0 else width, width), LeakyReLU()]
        super().__init__(*layers, nn.Linear(width if hidden else inputs, outputs))
        if rng is not None:
            he_normal(self, rng)


def he_normal(network: nn.Module, rng: torch.Generator, scale: float = 0.8) -> None:
    """Fill every linear layer with N(0, scale^2 2 / fan_in), biases with 0, in order of layers."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            std = scale * math.sqrt(2 / layer.in_features)
            with torch.no_grad():
                layer.weight.normal_(0, std, generator=rng)
                layer.bias.zero_()


def toy_generator(rng: torch.Generator | None = None, *, width: int = 256) -> MLP:
    """G of [DOT19] Table 4 (i): latents (B, 2) -> points (B, 2). 256 units a layer there."""
    return MLP(2, width, 2, rng=rng)


def toy_discriminator(rng: torch.Generator | None = None, *, width: int = 512) -> MLP:
    """D of [DOT19] Table 4 (ii): points (B, 2) -> logits (B, 1). 512 units a layer there."""
    return MLP(2, width, 1, rng=rng)
