"""The DCGAN pair of [DOT19] Table 5: WGAN-GP, SNGAN and SAGAN differ in two switches of their designs."""

from torch import nn

from dotlib.errors import check_count
from dotlib.networks.layers import BATCH_NORM_EPS, Design, ImageNetwork
from dotlib.networks.mlp import LeakyReLU


class Generator(nn.Sequential):
    """G of [DOT19] Table 5 (i): latents (B, latent) -> images (B, channels, 8 bottom, 8 bottom) in [-1, 1].

    The first map has `design.width` channels, 512 in the paper, which each of three deconvolutions halves; attention
    follows the second. As in the released code, a ReLU follows the first batch norm, which runs over all width bottom^2
    features, and every layer has a bias. First weights are N(0, 0.02^2). Raises InputError.
    """

    def __init__(self, design: Design, latent: int = 128) -> None:
        check_count("latent", latent)
        width, features = design.width, design.width * design.bottom**2
        layers: list[nn.Module] = [
            design.layer(nn.Linear(latent, features)),
            nn.BatchNorm1d(features, eps=BATCH_NORM_EPS),
            nn.ReLU(),
            nn.Unflatten(1, (width, design.bottom, design.bottom)),
        ]
        for half in (width // 2, width // 4, width // 8):
            deconvolution = design.layer(nn.ConvTranspose2d(2 * half, half, 4, stride=2, padding=1))
            layers += [deconvolution, nn.BatchNorm2d(half, eps=BATCH_NORM_EPS), nn.ReLU()]
            if half == width // 4:
                layers += design.attention_on(half)
        last = design.layer(nn.ConvTranspose2d(width // 8, design.channels, 3, padding=1))
        super().__init__(*layers, last, nn.Tanh())


class Discriminator(ImageNetwork):
    """D of [DOT19] Table 5 (ii): images (B, channels, 8 bottom, 8 bottom) -> logits (B, 1).

    The last map has `design.width` channels, 512 in the paper, the first an eighth; attention follows the first map of
    width / 4 channels. Every layer has a bias. Raises InputError, also for images of another shape.
    """

    def __init__(self, design: Design) -> None:
        width = design.width
        layers = [design.layer(nn.Conv2d(design.channels, width // 8, 3, padding=1)), LeakyReLU()]
        for wide in (width // 4, width // 2, width):
            layers += [design.layer(nn.Conv2d(wide // 2, wide, 4, stride=2, padding=1)), LeakyReLU()]
            if wide == width // 4:
                layers += design.attention_on(wide)
            layers += [design.layer(nn.Conv2d(wide, wide, 3, padding=1)), LeakyReLU()]
        super().__init__(design, *layers, nn.Flatten(), design.layer(nn.Linear(width * design.bottom**2, 1)))
