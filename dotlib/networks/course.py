"""Fully connected networks on grey images: two designs of the report "DOT Applied to WGAN", printed and in its program.

Both are for MNIST at 28 x 28. The sets of this package that are 32 x 32 have a border of two black pixels, which G sets
and D does not see.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from dotlib.errors import check_count, check_option
from dotlib.networks.layers import Rng, check_image, layer
from dotlib.networks.mlp import LeakyReLU

PADDED = 32  # a side of so many pixels has a border
BORDER = 2
BLACK = -1.0


@dataclass(frozen=True)
class Layers:
    """What one design has, the widths of G's hidden layers as shares of the widest; those of D are reversed."""

    shares: tuple[float, ...]
    activation: type[nn.Module]  # of G
    layer_norm: bool  # in D, before each activation


DESIGNS = {"printed": Layers((1, 1, 1), nn.Tanh, False), "code": Layers((1 / 4, 1 / 2, 1), LeakyReLU, True)}


class Generator(nn.Sequential):
    """Latents (B, latent) -> images (B, 1, side, side) in [-1, 1]; at most `width` units a layer. Raises InputError."""

    def __init__(
        self, side: int, *, latent: int = 100, width: int = 128, design: str = "printed", rng: Rng = None
    ) -> None:
        layers, seen = _checked(design, side, width), _seen(side)
        check_count("latent", latent)
        parts: list[nn.Module] = []
        inputs = latent
        for share in layers.shares:
            parts += [_drawn(nn.Linear(inputs, inputs := int(share * width)), rng), layers.activation()]
        parts += [_drawn(nn.Linear(inputs, seen**2), rng), nn.Tanh(), nn.Unflatten(1, (1, seen, seen))]
        border = (side - seen) // 2
        super().__init__(*parts, *([nn.ConstantPad2d(border, BLACK)] if border else []))


class Discriminator(nn.Sequential):
    """Images (B, 1, side, side) -> logits (B, 1), rows independent; `spectral`: with spectral norm. Raises InputError.

    A layer norm, which the design "code" has, is no map of slope 1: no product of norms bounds the slope of such a D.
    """

    def __init__(
        self, side: int, *, width: int = 128, design: str = "printed", spectral: bool = False, rng: Rng = None
    ) -> None:
        layers, self.seen = _checked(design, side, width), _seen(side)
        parts: list[nn.Module] = [nn.Flatten()]
        inputs = self.seen**2
        for share in layers.shares[::-1]:
            parts.append(_drawn(nn.Linear(inputs, inputs := int(share * width)), rng, spectral))
            parts += [*([nn.LayerNorm(inputs)] if layers.layer_norm else []), LeakyReLU()]
        super().__init__(*parts, _drawn(nn.Linear(inputs, 1), rng, spectral))
        self.image_shape = (1, side, side)

    def forward(self, input: Tensor) -> Tensor:
        """(B, 1, side, side) -> (B, 1)."""
        check_image(input, self.image_shape)
        border = (self.image_shape[-1] - self.seen) // 2
        inside = slice(border, border + self.seen)
        return super().forward(input[..., inside, inside])


def _drawn(module: nn.Linear, rng: Rng, spectral: bool = False) -> nn.Module:
    """First weights U(-r, r) with r = fan_in^-1/2, biases 0."""
    return layer(module, normalise=spectral, reach=module.in_features**-0.5, rng=rng)


def _seen(side: int) -> int:
    """The side of what D sees."""
    return side - 2 * BORDER if side == PADDED else side


def _checked(design: str, side: int, width: int) -> Layers:
    check_option("design", design, DESIGNS)
    check_count("side", side)
    check_count("width", width, 4)
    return DESIGNS[design]
