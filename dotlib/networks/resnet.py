"""The residual pair of [DOT19] Table 6, with the blocks of Figures 7 and 8."""

import torch
from torch import Tensor, nn

from dotlib.errors import check_count, check_option
from dotlib.networks.dcgan import check_image, check_width
from dotlib.networks.layers import BATCH_NORM_EPS, SelfAttention, layer, lecun_std

ORDERS = ("published", "usual")


class ResBlock(nn.Module):
    """residual(x) + shortcut(x); both (B, c, h, w) -> the same shape."""

    def __init__(self, residual: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.residual, self.shortcut = residual, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, c', h', w')."""
        return self.residual(x) + self.shortcut(x)


class Generator(nn.Sequential):
    """G of [DOT19] Table 6 (i): latents (B, latent) -> images (B, channels, 8 bottom, 8 bottom) in [-1, 1].

    The paper leaves the first weights open; as in the released code, convolutions start as N(0, 0.02^2), the dense
    layer as N(0, 1 / latent). Every layer has a bias. Raises InputError.

    Args:
        bottom: Side of the first feature map: 4 for CIFAR-10, 6 for STL-10, 1 for the 8 x 8 digits.
        latent: The paper has 128 n, as many as channels.
        channels: Of the images.
        width: Channels throughout, 128 n with n = 2 for CIFAR-10 and n = 1 for STL-10.
        spectral: Spectral norm in every layer.
        attention: `SelfAttention` after the last block.
        order: Before the last convolution, "published" has ReLU, then batch norm, as in Table 6 and the released code;
            "usual" the reverse.
        rng: Draws the first weights, layer by layer; None for torch's own start.
    """

    def __init__(
        self,
        *,
        bottom: int = 4,
        latent: int = 256,
        channels: int = 3,
        width: int = 256,
        spectral: bool = True,
        attention: bool = True,
        order: str = "published",
        rng: torch.Generator | None = None,
    ) -> None:
        for name, count in (("bottom", bottom), ("latent", latent), ("channels", channels)):
            check_count(name, count)
        check_width(width)
        check_option("order", order, ORDERS)
        dense = nn.Linear(latent, width * bottom**2)
        layers: list[nn.Module] = [
            layer(dense, normalise=spectral, std=lecun_std(latent), rng=rng),
            nn.ReLU(),
            nn.Unflatten(1, (width, bottom, bottom)),
        ]
        layers += [_up(width, spectral, rng) for _ in range(3)]
        if attention:
            layers.append(SelfAttention(width, rng=rng))
        pair = [nn.ReLU(), nn.BatchNorm2d(width, eps=BATCH_NORM_EPS)]
        last = layer(nn.Conv2d(width, channels, 3, padding=1), normalise=spectral, rng=rng)
        super().__init__(*layers, *(pair if order == "published" else pair[::-1]), last, nn.Tanh())


class Discriminator(nn.Sequential):
    """D of [DOT19] Table 6 (ii): images (B, channels, 8 bottom, 8 bottom) -> logits (B, 1).

    Two blocks halve the side, two keep it, then attention, ReLU and a dense layer over the 4 bottom^2 width features;
    width is 128 in the paper. The other options and the first weights are those of `Generator`. Raises InputError, also
    for images of another shape.
    """

    def __init__(
        self,
        *,
        bottom: int = 4,
        channels: int = 3,
        width: int = 128,
        spectral: bool = True,
        attention: bool = True,
        rng: torch.Generator | None = None,
    ) -> None:
        check_count("bottom", bottom)
        check_count("channels", channels)
        check_width(width)
        layers: list[nn.Module] = [
            _down(channels, width, spectral, rng, first=True),
            _down(width, width, spectral, rng),
            _flat(width, spectral, rng),
            _flat(width, spectral, rng),
        ]
        if attention:
            layers.append(SelfAttention(width, rng=rng))
        dense = nn.Linear(4 * bottom**2 * width, 1)
        dense = layer(dense, normalise=spectral, std=lecun_std(dense.in_features), rng=rng)
        super().__init__(*layers, nn.ReLU(), nn.Flatten(), dense)
        self.image_shape = (channels, 8 * bottom, 8 * bottom)

    def forward(self, input: Tensor) -> Tensor:
        """(B, channels, 8 bottom, 8 bottom) -> (B, 1)."""
        check_image(input, self.image_shape)
        return super().forward(input)


def _up(width: int, spectral: bool, rng: torch.Generator | None) -> ResBlock:
    """Figure 7, up: (B, c, h, w) -> (B, c, 2 h, 2 w); a 3 x 3 convolution in the shortcut."""
    residual = nn.Sequential(
        nn.BatchNorm2d(width, eps=BATCH_NORM_EPS),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        _same(width, width, spectral, rng),
        nn.BatchNorm2d(width, eps=BATCH_NORM_EPS),
        nn.ReLU(),
        _same(width, width, spectral, rng),
    )
    return ResBlock(residual, nn.Sequential(nn.Upsample(scale_factor=2), _same(width, width, spectral, rng)))


def _down(inputs: int, width: int, spectral: bool, rng: torch.Generator | None, *, first: bool = False) -> ResBlock:
    """Figure 7, down1 (the first, on pixels), and Figure 8, down2: halves both sides."""
    residual = nn.Sequential(
        *([] if first else [nn.ReLU()]),
        _same(inputs, width, spectral, rng),
        nn.ReLU(),
        _halve(width, width, spectral, rng),
    )
    return ResBlock(residual, _halve(inputs, width, spectral, rng))


def _flat(width: int, spectral: bool, rng: torch.Generator | None) -> ResBlock:
    """Figure 8, down3: keeps the shape; the shortcut is the identity."""
    return ResBlock(
        nn.Sequential(nn.ReLU(), _same(width, width, spectral, rng), nn.ReLU(), _same(width, width, spectral, rng)),
        nn.Identity(),
    )


def _same(inputs: int, outputs: int, spectral: bool, rng: torch.Generator | None) -> nn.Module:
    return layer(nn.Conv2d(inputs, outputs, 3, padding=1), normalise=spectral, rng=rng)


def _halve(inputs: int, outputs: int, spectral: bool, rng: torch.Generator | None) -> nn.Module:
    return layer(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), normalise=spectral, rng=rng)
