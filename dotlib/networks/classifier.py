"""The classifier whose features judge images of a dataset that has labels."""

from torch import Tensor, nn

from dotlib.errors import InputError, check_count
from dotlib.networks.layers import Rng, check_image, layer

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


def _he(module: nn.Linear | nn.Conv2d, rng: Rng) -> nn.Module:
    fan_in = module.weight[0].numel()
    return layer(module, normalise=False, std=(2 / fan_in) ** 0.5, rng=rng)
