"""The small VGG whose features the report "Discriminator Optimal Transport" takes distances in."""

from torch import Tensor, nn

from dotlib.errors import check_count
from dotlib.networks.layers import Rng, check_image, layer

BLOCKS = (1, 1, 2, 2, 4, 4, 4, 4, 4, 4)  # maps of its convolutions, times the width
POOLED = (1, 3, 6, 9)  # convolutions after which the side is halved
SMALLEST = 8


class VGG5(nn.Module):
    """(B, channels, size, size) in [-1, 1] -> features (B, 4 width), logits (B, classes).

    Ten 3 x 3 convolutions with batch norm and ReLU in four blocks, max pooling after each, then a dense layer of 8
    width numbers with ReLU and one of the classes. With the width 64 and 28 pixels a side this is the report's network,
    whose sides are 28, 14, 7, 3, 1. For other sizes the last pooling leaves one place, and a side of 1 is halved no
    more. The features are those of the last pooling. First weights are N(0, 2 / fan_in). In evaluation mode rows are
    independent. Raises InputError, also for images of another shape.
    """

    def __init__(self, *, channels: int, size: int, width: int = 64, classes: int = 10, rng: Rng = None) -> None:
        super().__init__()
        check_count("channels", channels)
        check_count("width", width)
        check_count("classes", classes, 2)
        check_count("size", size, SMALLEST)
        self.image_shape, self.features = (channels, size, size), 4 * width
        layers, inputs = [], channels
        for index, times in enumerate(BLOCKS):
            maps = times * width
            layers += [_he(nn.Conv2d(inputs, maps, 3, padding=1), rng), nn.BatchNorm2d(maps), nn.ReLU()]
            inputs = maps
            if index == POOLED[-1]:
                layers.append(nn.AdaptiveMaxPool2d(1))
            elif index in POOLED and size > 1:
                layers.append(nn.MaxPool2d(2))
                size //= 2
        self.embed = nn.Sequential(*layers, nn.Flatten())
        self.dense = nn.Sequential(_he(nn.Linear(inputs, 8 * width), rng), nn.ReLU())
        self.classify = _he(nn.Linear(8 * width, classes), rng)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels, size, size) -> (B, 4 width), (B, classes)."""
        check_image(x, self.image_shape)
        features = self.embed(x)
        return features, self.classify(self.dense(features))


def _he(module: nn.Linear | nn.Conv2d, rng: Rng) -> nn.Module:
    fan_in = module.weight[0].numel()
    return layer(module, normalise=False, std=(2 / fan_in) ** 0.5, rng=rng)
