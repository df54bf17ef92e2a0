"""The classifiers whose features judge images of a data set that has labels."""

import itertools

import torch
from torch import Tensor, nn

from dotlib.errors import InputError, check_count
from dotlib.networks.layers import Rng, check_image, layer
from dotlib.networks.resnet import ResBlock

SLOPE = 0.1  # of the features where they are negative
SMALLEST = 8  # pixels a side: two halvings leave 2


class Classifier(nn.Module):
    """(B, channels, size, size) in [-1, 1] -> features (B, features), logits (B, classes).

    Three convolutions with max pooling and two dense layers; no batch norm, so that rows are independent in training
    too. Ours: the paper has Inception only. The first map has `width` channels, the second and third twice as many; the
    features, which the scores compare, come after a leaky ReLU: one that is 0 for all images would tell nothing. First
    weights are N(0, 2 / fan_in). Raises InputError, also for images of another shape.
    """

    def __init__(
        self, *, channels: int, size: int, width: int = 32, features: int = 64, classes: int = 10, rng: Rng = None
    ) -> None:
        super().__init__()
        for name, count in (("channels", channels), ("width", width), ("features", features)):
            check_count(name, count)
        check_count("classes", classes, 2)
        check_count("size", size, SMALLEST)
        if size % 4:
            raise InputError(f"size: found {size}; pad the images to a multiple of 4")
        self.image_shape = (channels, size, size)
        self.embed = nn.Sequential(
            _he(nn.Conv2d(channels, width, 3, padding=1), rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            _he(nn.Conv2d(width, 2 * width, 3, padding=1), rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            _he(nn.Conv2d(2 * width, 2 * width, 3, padding=1), rng),
            nn.ReLU(),
            nn.Flatten(),
            _he(nn.Linear(2 * width * (size // 4) ** 2, features), rng),
            nn.LeakyReLU(SLOPE),
        )
        self.classify = _he(nn.Linear(features, classes), rng)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels, size, size) -> (B, features), (B, classes)."""
        check_image(x, self.image_shape)
        features = self.embed(x)  # (B, features)
        return features, self.classify(features)


class ResidualClassifier(nn.Module):
    """(B, channels, size, size) in [-1, 1] -> features (B, features), logits (B, classes), for images of things.

    A convolution and three stages, then the mean over places, and two dense layers with a leaky ReLU between them. A
    stage is a convolution with max pooling and a residual convolution, x + F(x) ([HE16] eq. (1)); batch norm and ReLU
    follow each. The first map has `width` channels, a stage twice as many as the one before. Ours, a small kin of the
    residual networks of [HE16] 4.2. First weights are N(0, 2 / fan_in). In evaluation mode rows are independent. Raises
    InputError, also for images of another shape.
    """

    def __init__(
        self, *, channels: int, size: int, width: int = 20, features: int = 64, classes: int = 10, rng: Rng = None
    ) -> None:
        super().__init__()
        for name, count in (("channels", channels), ("width", width), ("features", features)):
            check_count(name, count)
        check_count("classes", classes, 2)
        check_count("size", size, SMALLEST)
        if size % 8:
            raise InputError(f"size: found {size}; pad the images to a multiple of 8")
        self.image_shape = (channels, size, size)
        maps = (width, 2 * width, 4 * width, 8 * width)
        layers = [_normalised(channels, width, rng=rng)]
        for narrow, wide in itertools.pairwise(maps):
            layers += [
                _normalised(narrow, wide, halved=True, rng=rng),
                ResBlock(_normalised(wide, wide, rng=rng), nn.Identity()),
            ]
        self.places = nn.Sequential(*layers)
        self.embed = nn.Sequential(_he(nn.Linear(maps[-1], features), rng), nn.LeakyReLU(SLOPE))
        self.classify = _he(nn.Linear(features, classes), rng)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels, size, size) -> (B, features), (B, classes)."""
        check_image(x, self.image_shape)
        maps = self.places(x.contiguous(memory_format=torch.channels_last))  # faster on a CPU
        features = self.embed(maps.mean((2, 3)))  # (B, features)
        return features, self.classify(features)


def _normalised(inputs: int, outputs: int, *, halved: bool = False, rng: Rng) -> nn.Sequential:
    """A 3 x 3 convolution, max pooling where the side is halved, batch norm and ReLU."""
    convolution = _he(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), rng)
    pooling = [nn.MaxPool2d(2)] if halved else []
    return nn.Sequential(convolution, *pooling, nn.BatchNorm2d(outputs), nn.ReLU())


def _he(module: nn.Linear | nn.Conv2d, rng: Rng) -> nn.Module:
    fan_in = module.weight[0].numel()
    return layer(module, normalise=False, std=(2 / fan_in) ** 0.5, rng=rng)
