"""The DCGAN pair of [DOT19] Table 5: WGAN-GP, SNGAN and SAGAN differ in two switches."""

import torch
from torch import Tensor, nn

from dotlib.errors import InputError, check_count
from dotlib.networks.layers import BATCH_NORM_EPS, LEAKY_SLOPE, SelfAttention, layer
from dotlib.networks.mlp import LeakyReLU


class Generator(nn.Sequential):
    """G of [DOT19] Table 5 (i): latents (B, latent) -> images (B, channels, 8 bottom, 8 bottom) in [-1, 1].

    As in the released code, a ReLU follows the first batch norm, which runs over all width bottom^2 features, and every
    layer has a bias. Raises InputError.

    Args:
        bottom: Side of the first feature map: 4 for CIFAR-10, 6 for STL-10, 1 for the 8 x 8 digits.
        latent: Dimension of z.
        channels: Of the images.
        width: Channels of that map, 512 in the paper; halved by each of three deconvolutions.
        spectral: Spectral norm in every layer (SAGAN).
        attention: `SelfAttention` on the width / 4 channels after the second deconvolution (SAGAN).
        rng: Draws the first weights, N(0, 0.02^2), layer by layer; None for torch's own start.
    """

    def __init__(
        self,
        *,
        bottom: int = 4,
        latent: int = 128,
        channels: int = 3,
        width: int = 512,
        spectral: bool = False,
        attention: bool = False,
        rng: torch.Generator | None = None,
    ) -> None:
        check_count("latent", latent)
        _check_sizes(bottom, channels, width)
        dense = nn.Linear(latent, width * bottom**2)
        layers: list[nn.Module] = [
            layer(dense, normalise=spectral, rng=rng),
            nn.BatchNorm1d(dense.out_features, eps=BATCH_NORM_EPS),
            nn.ReLU(),
            nn.Unflatten(1, (width, bottom, bottom)),
        ]
        for wide in (width, width // 2, width // 4):
            deconvolution = nn.ConvTranspose2d(wide, wide // 2, 4, stride=2, padding=1)
            layers += [
                layer(deconvolution, normalise=spectral, rng=rng),
                nn.BatchNorm2d(wide // 2, eps=BATCH_NORM_EPS),
                nn.ReLU(),
            ]
            if attention and wide == width // 2:
                layers.append(SelfAttention(wide // 2, rng=rng))
        last = nn.ConvTranspose2d(width // 8, channels, 3, padding=1)
        super().__init__(*layers, layer(last, normalise=spectral, rng=rng), nn.Tanh())


class Discriminator(nn.Sequential):
    """D of [DOT19] Table 5 (ii): images (B, channels, 8 bottom, 8 bottom) -> logits (B, 1).

    The other options are those of `Generator`. Every layer has a bias.

    Args:
        bottom: As in `Generator`.
        channels: As in `Generator`.
        width: Channels of the last feature map, 512 in the paper; the first has width / 8.
        spectral: Spectral norm in every layer (SNGAN, SAGAN).
        attention: `SelfAttention` on the first width / 4 channels (SAGAN).
        rng: As in `Generator`.

    Raises:
        InputError: Also for images of another shape.
    """

    def __init__(
        self,
        *,
        bottom: int = 4,
        channels: int = 3,
        width: int = 512,
        spectral: bool = False,
        attention: bool = False,
        rng: torch.Generator | None = None,
    ) -> None:
        _check_sizes(bottom, channels, width)
        first = nn.Conv2d(channels, width // 8, 3, padding=1)
        layers = [layer(first, normalise=spectral, rng=rng), LeakyReLU(LEAKY_SLOPE)]
        for wide in (width // 4, width // 2, width):
            down = nn.Conv2d(wide // 2, wide, 4, stride=2, padding=1)
            layers += [layer(down, normalise=spectral, rng=rng), LeakyReLU(LEAKY_SLOPE)]
            if attention and wide == width // 4:
                layers.append(SelfAttention(wide, rng=rng))
            same = nn.Conv2d(wide, wide, 3, padding=1)
            layers += [layer(same, normalise=spectral, rng=rng), LeakyReLU(LEAKY_SLOPE)]
        dense = nn.Linear(width * bottom**2, 1)
        super().__init__(*layers, nn.Flatten(), layer(dense, normalise=spectral, rng=rng))
        self.image_shape = (channels, 8 * bottom, 8 * bottom)

    def forward(self, input: Tensor) -> Tensor:
        """(B, channels, 8 bottom, 8 bottom) -> (B, 1)."""
        check_image(input, self.image_shape)
        return super().forward(input)


def check_image(x: Tensor, shape: tuple[int, int, int]) -> None:
    """Refuse images that are not ``(B, *shape)``. Raises InputError."""
    if x.ndim != 4 or x.shape[1:] != shape:
        raise InputError(
            f"x: expected images (B, {', '.join(map(str, shape))}), found shape "
            f"{tuple(x.shape)}; resize them, or build the network with their bottom "
            "and channels"
        )


def check_width(width: int) -> None:
    """Refuse a width that is no multiple of 8. Raises InputError."""
    check_count("width", width, 8)
    if width % 8:
        raise InputError(
            f"width: found {width}; the other widths are halves, quarters and eighths "
            f"of it, pass a multiple of 8 such as {width - width % 8}"
        )


def _check_sizes(bottom: int, channels: int, width: int) -> None:
    check_count("bottom", bottom)
    check_count("channels", channels)
    check_width(width)
