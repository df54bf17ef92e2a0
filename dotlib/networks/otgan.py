"""Generators and critics for OT-GAN, ours: the report "Optimal Transport GAN" says MLP, or CNN with two blocks.

A critic is a feature map, not a potential: its outputs have a direction and no order, so DOT cannot climb it.
"""

from torch import Tensor, nn

from dotlib.errors import InputError, check_count
from dotlib.networks.layers import Rng, check_image, layer
from dotlib.networks.mlp import MLP, LeakyReLU

ARCHITECTURES = ("cnn", "mlp")
WIDTH = {"cnn": 64, "mlp": 128}  # channels of the widest map, units of a hidden layer
BLOCKS = 4  # a side shrinks twice by 2


class CNNGenerator(nn.Sequential):
    """Latents (B, latent) -> images (B, channels, size, size) in [-1, 1].

    A linear layer to `width` maps of a quarter of the side, then twice: batch norm, ReLU, every pixel doubled, a
    convolution of 3 x 3. Raises InputError.
    """

    def __init__(self, size: int, *, latent: int = 16, channels: int = 1, width: int = 64, rng: Rng = None) -> None:
        bottom = _bottom(size, latent, channels, width)
        super().__init__(
            _drawn(nn.Linear(latent, width * bottom**2), rng),
            nn.Unflatten(1, (width, bottom, bottom)),
            *(nn.BatchNorm2d(width), nn.ReLU(), nn.Upsample(scale_factor=2)),
            _drawn(nn.Conv2d(width, width // 2, 3, padding=1), rng),
            *(nn.BatchNorm2d(width // 2), nn.ReLU(), nn.Upsample(scale_factor=2)),
            _drawn(nn.Conv2d(width // 2, channels, 3, padding=1), rng),
            nn.Tanh(),
        )


class MLPGenerator(nn.Sequential):
    """Latents (B, latent) -> images (B, channels, size, size) in [-1, 1], by two hidden layers. Raises InputError."""

    def __init__(self, size: int, *, latent: int = 16, channels: int = 1, width: int = 128, rng: Rng = None) -> None:
        _bottom(size, latent, channels, width)
        shape = (channels, size, size)
        super().__init__(MLP(latent, width, channels * size**2, hidden=2, rng=rng), nn.Tanh(), nn.Unflatten(1, shape))


class Critic(nn.Sequential):
    """Images (B, channels, size, size) -> features (B, features), rows independent. Raises InputError.

    "cnn": two convolutions of 4 x 4 with stride 2 and leaky ReLUs, then one linear layer. "mlp": two hidden layers.
    """

    def __init__(
        self,
        architecture: str,
        size: int,
        *,
        features: int = 16,
        channels: int = 1,
        width: int | None = None,
        rng: Rng = None,
    ) -> None:
        width = WIDTH[architecture] if width is None else width
        bottom = _bottom(size, features, channels, width)
        if architecture == "mlp":
            super().__init__(nn.Flatten(), MLP(channels * size**2, width, features, hidden=2, rng=rng))
        else:
            super().__init__(
                *(_drawn(nn.Conv2d(channels, width // 2, 4, stride=2, padding=1), rng), LeakyReLU()),
                *(_drawn(nn.Conv2d(width // 2, width, 4, stride=2, padding=1), rng), LeakyReLU()),
                nn.Flatten(),
                _drawn(nn.Linear(width * bottom**2, features), rng),
            )
        self.image_shape = (channels, size, size)

    def forward(self, input: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, features)."""
        check_image(input, self.image_shape)
        return super().forward(input)


GENERATORS = {"cnn": CNNGenerator, "mlp": MLPGenerator}


def _drawn(module: nn.Linear | nn.Conv2d, rng: Rng) -> nn.Module:
    """First weights U(-r, r) with r = fan_in^-1/2, biases 0."""
    return layer(module, normalise=False, reach=module.weight[0].numel() ** -0.5, rng=rng)


def _bottom(size: int, inputs: int, channels: int, width: int) -> int:
    """The side of the smallest map."""
    check_count("size", size, BLOCKS)
    for name, value, least in (("latent or features", inputs, 1), ("channels", channels, 1), ("width", width, 2)):
        check_count(name, value, least)
    if size % BLOCKS:
        raise InputError(f"size: found {size}; two blocks halve it twice, pass a multiple of {BLOCKS}")
    return size // BLOCKS
