"""The residual pair of [DOT19] Table 6, with the blocks of Figures 7 and 8."""

from torch import Tensor, nn

from dotlib.errors import check_count, check_option
from dotlib.networks.layers import BATCH_NORM_EPS, Design, ImageNetwork

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

    Every map has `design.width` channels, and z in the paper as many coordinates: 128 n with n = 2 for CIFAR-10, n = 1
    for STL-10. The paper leaves the first weights open; as in the released code, convolutions start as N(0, 0.02^2),
    the dense layer as N(0, 1 / latent). Every layer has a bias. Before the last convolution, order "published" has
    ReLU, then batch norm, as in Table 6 and the released code, "usual" the reverse. Raises InputError.
    """

    def __init__(self, design: Design, latent: int, *, order: str = "published") -> None:
        check_count("latent", latent)
        check_option("order", order, ORDERS)
        width, bottom = design.width, design.bottom
        dense = design.layer(nn.Linear(latent, width * bottom**2), std=latent**-0.5)
        layers: list[nn.Module] = [dense, nn.ReLU(), nn.Unflatten(1, (width, bottom, bottom))]
        layers += [_up(design) for _ in range(3)]
        layers += design.attention_on(width)
        pair = [nn.ReLU(), nn.BatchNorm2d(width, eps=BATCH_NORM_EPS)]
        last = design.layer(nn.Conv2d(width, design.channels, 3, padding=1))
        super().__init__(*layers, *(pair if order == "published" else pair[::-1]), last, nn.Tanh())


class Discriminator(ImageNetwork):
    """D of [DOT19] Table 6 (ii): images (B, channels, 8 bottom, 8 bottom) -> logits (B, 1).

    Two blocks halve the side, two keep it, then attention, ReLU and a dense layer over the 4 bottom^2 width features;
    width is 128 in the paper. First weights are those of `Generator`. Raises InputError, also for images of another
    shape.
    """

    def __init__(self, design: Design) -> None:
        layers = [_down(design, design.channels, first=True), _down(design, design.width), _flat(design), _flat(design)]
        layers += design.attention_on(design.width)
        features = 4 * design.bottom**2 * design.width
        dense = design.layer(nn.Linear(features, 1), std=features**-0.5)
        super().__init__(design, *layers, nn.ReLU(), nn.Flatten(), dense)


def _up(design: Design) -> ResBlock:
    """Figure 7, up: (B, c, h, w) -> (B, c, 2 h, 2 w); a 3 x 3 convolution in the shortcut."""
    residual = nn.Sequential(
        nn.BatchNorm2d(design.width, eps=BATCH_NORM_EPS),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        _same(design, design.width),
        nn.BatchNorm2d(design.width, eps=BATCH_NORM_EPS),
        nn.ReLU(),
        _same(design, design.width),
    )
    return ResBlock(residual, nn.Sequential(nn.Upsample(scale_factor=2), _same(design, design.width)))


def _down(design: Design, inputs: int, *, first: bool = False) -> ResBlock:
    """Figure 7, down1 (the first, on pixels), and Figure 8, down2: halves both sides."""
    layers = [_same(design, inputs), nn.ReLU(), _halve(design, design.width)]
    return ResBlock(nn.Sequential(*([] if first else [nn.ReLU()]), *layers), _halve(design, inputs))


def _flat(design: Design) -> ResBlock:
    """Figure 8, down3: keeps the shape; the shortcut is the identity."""
    layers = nn.ReLU(), _same(design, design.width), nn.ReLU(), _same(design, design.width)
    return ResBlock(nn.Sequential(*layers), nn.Identity())


def _same(design: Design, inputs: int) -> nn.Module:
    return design.layer(nn.Conv2d(inputs, design.width, 3, padding=1))


def _halve(design: Design, inputs: int) -> nn.Module:
    return design.layer(nn.Conv2d(inputs, design.width, 4, stride=2, padding=1))
