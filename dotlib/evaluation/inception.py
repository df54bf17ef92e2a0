"""The Inception network of FID, filled from a checked file and from nowhere else.

pytorch_fid has the network, and downloads its weights wherever it builds one. Here the file comes
first: its SHA-256 is compared, then it is read without running anything that it holds.
"""

import os
import warnings
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional

from dotlib.data import downloads
from dotlib.data.downloads import SOURCES, Source
from dotlib.errors import FileError, one_line
from dotlib.metrics import backends

FILE = "pt_inception-2015-12-05-6726825d.pth"
PLACE = "DOTLIB_INCEPTION"
SIDE = 299  # pixels
REMEDY = f"get {SOURCES[FILE].urls[0]} and name the file in {PLACE}"
REASON = 200  # characters of a library's message that an error repeats


class Inception(nn.Module):
    """pytorch_fid's network up to the last pooling, and the linear layer without its bias."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.classifier = nn.Parameter(body.get_parameter("fc.weight").detach(), requires_grad=False)
        body.fc = nn.Identity()
        self.body = body
        self.classes, self.dim = self.classifier.shape
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 299, 299) in [-1, 1] -> features (B, 2048), logits (B, 1008)."""
        features = self.body(x)
        return features, features @ self.classifier.T


def prepare(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) uint8 -> (B, 3, 299, 299) in [-1, 1], bilinear as pytorch_fid does it."""
    x = images.float() / 255
    x = functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return (2 * x - 1).expand(-1, 3, -1, -1)


def network(path: Path | None = None, sha256: str | None = None) -> tuple[Inception, str]:
    """The filled network and its file's digest; arguments as in `judges.inception`.

    Raises FileError for a file that is missing, cut short, a web page, not the published one, or not such weights.
    """
    source = SOURCES[FILE] if sha256 is None else Source((), sha256)
    file = Path(path or os.environ.get(PLACE) or downloads.fetch(FILE))
    if fault := downloads.fault(file, source):
        raise FileError(f"{file}: {fault}; {REMEDY}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it doubts; what it refuses, it raises
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise whatever it stumbles over
        raise FileError(f"{file}: cannot be read as weights ({_short(error)}); {REMEDY}") from error
    return Inception(_filled(file, weights)), source.sha256


def _filled(path: Path, weights: object) -> nn.Module:
    module = backends.module("pytorch_fid.inception")
    ours = mock.patch.object(module, "load_state_dict_from_url", return_value=weights)  # instead of a download
    try:
        with ours, torch.random.fork_rng(devices=[]):
            return module.fid_inception_v3()
    except (AttributeError, RuntimeError, TypeError) as error:
        raise FileError(f"{path}: does not hold the Inception network ({_short(error)}); {REMEDY}") from error


def _short(error: Exception) -> str:
    text = one_line(error)
    return text if len(text) <= REASON else text[:REASON] + "..."
