"""The class-conditional pair of spectral normalisation [SN18] with a projection discriminator [PROJ18]: ResNet G and D.

[DOT19] section 4.2 moves samples of the public pair for ImageNet at 128 x 128, as its authors released it. Their pair
for CIFAR-10 has the same blocks on another `Ladder`.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dotlib.errors import InputError, check_count
from dotlib.networks.layers import BATCH_NORM_EPS, Linear, Rng, check_image, layer

CLASSES = 1_000  # ImageNet
RESIDUAL = math.sqrt(2)  # factor of the first weights in a residual branch


@dataclass(frozen=True)
class Ladder:
    """How the channels change from block to block, in units of the width."""

    up: tuple[int, ...]  # of G: the first map, then after each block, which doubles the side
    down: tuple[int, ...]  # of D: after each block
    halving: int  # so many blocks of D, the first ones, halve the side
    bias: bool  # of D's dense layer

    def side(self, bottom: int) -> int:
        """Of the images, in pixels, where that of G's first map is `bottom`."""
        return bottom * 2 ** (len(self.up) - 1)


IMAGENET = Ladder(up=(16, 16, 8, 4, 2, 1), down=(1, 2, 4, 8, 16, 16), halving=5, bias=True)  # 32 bottom
CIFAR = Ladder(up=(1, 1, 1, 1), down=(1, 1, 1, 1), halving=2, bias=False)  # 8 bottom; also for digits of 8 x 8


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose gain and bias belong to a class: (B, c, h, w), (B,) -> (B, c, h, w).

    ::

        gain_y (x - mean) / sqrt(variance + eps) + bias_y

    Gain and bias are tables (classes, c), ones and zeros at first; the statistics are of all classes together.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, affine=False)
        self.gain, self.bias = (
            nn.Embedding.from_pretrained(table, freeze=False)
            for table in (torch.ones(classes, channels), torch.zeros(classes, channels))
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, c, h, w) and classes (B,) -> (B, c, h, w)."""
        gain, bias = (table(y)[:, :, None, None] for table in (self.gain, self.bias))
        return torch.addcmul(bias, gain, self.norm(x))


class UpBlock(nn.Module):
    """Residual block of G: (B, c, h, w), (B,) -> (B, c', 2 h, 2 w).

    norm1, ReLU, unpooling, conv1, norm2, ReLU, conv2, beside unpooling and a 1 x 1 shortcut.
    """

    def __init__(self, inputs: int, outputs: int, classes: int, rng: Rng) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm(inputs, classes)
        self.conv1 = _conv(inputs, outputs, 3, rng)
        self.norm2 = ConditionalBatchNorm(outputs, classes)
        self.conv2 = _conv(outputs, outputs, 3, rng)
        self.shortcut = _conv(inputs, outputs, 1, rng)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, c, h, w) and classes (B,) -> (B, c', 2 h, 2 w)."""
        h = self.conv1(F.interpolate(torch.relu(self.norm1(x, y)), scale_factor=2))
        h = self.conv2(torch.relu(self.norm2(h, y)))
        return h + self.shortcut(F.interpolate(x, scale_factor=2))


class DownBlock(nn.Module):
    """Residual block of D: (B, c, h, w) -> (B, c', h / 2, w / 2), or at the same size.

    ReLU, conv1, ReLU, conv2, mean over 2 x 2, beside a 1 x 1 shortcut and the same mean. The first block, on pixels,
    has no ReLU before conv1, which widens already, and the shortcut's mean comes first. Without `halve` no mean is
    taken, and the shortcut is the identity.
    """

    def __init__(
        self, inputs: int, outputs: int, *, first: bool = False, halve: bool = True, normalise: bool, rng: Rng
    ) -> None:
        super().__init__()
        hidden = outputs if first else inputs
        self.first = first
        self.conv1 = _conv(inputs, hidden, 3, rng, normalise)
        self.conv2 = _conv(hidden, outputs, 3, rng, normalise)
        self.shortcut = _conv(inputs, outputs, 1, rng, normalise) if halve else nn.Identity()
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, c', h / 2, w / 2)."""
        h = self.conv2(torch.relu(self.conv1(x if self.first else torch.relu(x))))
        aside = self.shortcut(self.pool(x)) if self.first else self.pool(self.shortcut(x))
        return self.pool(h) + aside


class Generator(nn.Module):
    """G(z | y): latents (B, latent), classes (B,) -> images (B, channels, side, side) in [-1, 1].

    The prior is N(0, I). The first map has sides `bottom`; the ladder says how wide it is, and gives the side of the
    images, 128 for bottom 4 on the ladder of ImageNet. Every table of gains and biases has a row for each class. First
    weights are Glorot-uniform, times sqrt 2 in the residual branches; every layer has a bias. Released names, on the
    ladder of ImageNet: l1 is `dense`, block2 to block6 are `blocks` 0 to 4 with b1, c1, b2, c2, c_sc as norm1, conv1,
    norm2, conv2, shortcut, b7 is `norm`, l7 is `last`; gammas, betas, avg_mean, avg_var are gain, bias,
    norm.running_mean, norm.running_var. Raises InputError.
    """

    def __init__(
        self,
        *,
        bottom: int = 4,
        latent: int = 128,
        width: int = 64,
        classes: int = CLASSES,
        channels: int = 3,
        ladder: Ladder = IMAGENET,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        _check_sizes(bottom=bottom, latent=latent, width=width, classes=classes, channels=channels)
        self.bottom, self.classes = bottom, classes
        self.dense = _layer(nn.Linear(latent, ladder.up[0] * width * bottom**2), rng)
        self.blocks = nn.ModuleList(
            UpBlock(wide * width, narrow * width, classes, rng) for wide, narrow in pairwise(ladder.up)
        )
        top = ladder.up[-1] * width
        self.norm = nn.BatchNorm2d(top, eps=BATCH_NORM_EPS)
        self.last = _layer(nn.Conv2d(top, channels, 3, padding=1), rng)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """(B, latent) and classes (B,) -> (B, channels, side, side)."""
        _check_classes(y, len(z), self.classes)
        h = self.dense(z).unflatten(1, (-1, self.bottom, self.bottom))  # (B, c, bottom, bottom)
        for block in self.blocks:
            h = block(h, y)
        return torch.tanh(self.last(torch.relu(self.norm(h))))


class Discriminator(nn.Module):
    """D(x | y): images (B, channels, side, side), classes (B,) -> logits (B, 1); D(x) where no class is given.

    ::

        D(x | y) = D(x) + embedding_y . phi(x),   D(x) = dense(phi(x)),   phi = sum of ReLU over all places

    D(x), the unconditional head, is what the released program takes for k_eff(y). Spectral norm is in every layer and
    in the embedding. First weights are those of `Generator`. Released names, on the ladder of ImageNet: block1 to
    block6 are `blocks` 0 to 5 with c1, c2, c_sc as conv1, conv2, shortcut, l7 is `dense`, l_y is `embedding`. Raises
    InputError, also for images of another shape.
    """

    def __init__(
        self,
        *,
        bottom: int = 4,
        width: int = 64,
        classes: int = CLASSES,
        channels: int = 3,
        ladder: Ladder = IMAGENET,
        spectral: bool = True,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        _check_sizes(bottom=bottom, width=width, classes=classes, channels=channels)
        side = ladder.side(bottom)
        self.classes, self.image_shape = classes, (channels, side, side)
        options, widths = {"normalise": spectral, "rng": rng}, [step * width for step in ladder.down]
        self.blocks = nn.Sequential(
            DownBlock(channels, widths[0], first=True, halve=ladder.halving > 0, **options),
            *(
                DownBlock(narrow, wide, halve=block < ladder.halving, **options)
                for block, (narrow, wide) in enumerate(pairwise(widths), 1)
            ),
        )
        self.dense = _layer(nn.Linear(widths[-1], 1, bias=ladder.bias), rng, normalise=spectral)
        self.embedding = _layer(nn.Embedding(classes, widths[-1]), rng, normalise=spectral)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, channels, side, side), and classes (B,) or none -> (B, 1)."""
        check_image(x, self.image_shape)
        features = torch.relu(self.blocks(x)).sum((2, 3))  # (B, c)
        if y is None:
            return self.dense(features)
        _check_classes(y, len(x), self.classes)
        return self.dense(features) + (self.embedding(y) * features).sum(1, keepdim=True)


def _check_classes(y: Tensor, rows: int, classes: int) -> None:
    """Refuse what is not one class a row; the range only where looking does not stall a GPU."""
    if y.dtype not in (torch.int32, torch.int64) or y.shape != (rows,):
        raise InputError(
            f"y: expected {rows} integers, found shape {tuple(y.shape)} of {y.dtype}; pass one class for each row"
        )
    if y.device.type == "cpu" and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise InputError(
            f"y: found classes {int(y.min())} to {int(y.max())}; they are numbered from 0 to {classes - 1}"
        )


def _check_sizes(**sizes: int) -> None:
    for name, count in sizes.items():
        check_count(name, count)


def _conv(inputs: int, outputs: int, side: int, rng: Rng, normalise: bool = False) -> nn.Module:
    """A convolution that keeps the size: 3 x 3 in a residual branch, 1 x 1 in a shortcut."""
    convolution = nn.Conv2d(inputs, outputs, side, padding=side // 2)
    return _layer(convolution, rng, gain=RESIDUAL if side > 1 else 1.0, normalise=normalise)


def _layer(module: Linear, rng: Rng, *, gain: float = 1.0, normalise: bool = False) -> nn.Module:
    """First weights U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)), biases 0; normalised or not."""
    outputs, inputs, *places = module.weight.shape
    reach = gain * math.sqrt(6 / ((outputs + inputs) * math.prod(places)))
    return layer(module, normalise=normalise, reach=reach, rng=rng)
