"""The authors' trained 2-D networks: Chainer `npz` files, loaded strictly or refused.

The files are not part of this repository. They lie in the folder `trained_models` of the public repository
AkinoriTanaka-phys/DOT; the environment variable DOTLIB_OFFICIAL names a folder that holds them.
"""

import hashlib
import io
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dotlib.data.toy import TOY
from dotlib.errors import FileError, check_option, one_line
from dotlib.networks import mlp
from dotlib.networks.freezing import frozen
from dotlib.pairs import Pair, Uniform

VARIABLE = "DOTLIB_OFFICIAL"
SOURCE = "AkinoriTanaka-phys/DOT on GitHub, folder trained_models"
AGAIN = f"download it again from {SOURCE}"
# Role -> layer names in the order of the forward pass; "/W" is (out, in), "/b" (out,).
LAYERS = {"G": ("l0", "l1", "l2", "l4"), "D": ("l1", "l2", "l3", "l4")}
SHA256 = {  # file name -> digest of the published file
    "G_25gaussians_WGAN-GP.npz": "c084aefd17f2880814754221a4ff83f1f1d18585ee607ff45bb4b15113151513",
    "D_25gaussians_WGAN-GP.npz": "b56f4ffba097acbf43504e0020dfd5c38c70aac5cd950fc8b808dc8ca2c64fee",
    "G_swissroll_WGAN-GP.npz": "646b6be9e6a41792a8c2444c4fad824d8ed4391060a235daac347404817ff5c1",
    "D_swissroll_WGAN-GP.npz": "94de2d5d13bd15a4a53fdd6f542670c4aaef2030ff48e859a0885f294c9d1d02",
}


def folder() -> Path | None:
    """The folder named by $DOTLIB_OFFICIAL; None where the variable is unset or empty."""
    name = os.environ.get(VARIABLE, "")
    return Path(name) if name else None


def file_name(role: str, dataset: str) -> str:
    """Name of one file in the authors' repository. role: "G" or "D"."""
    return f"{role}_{dataset}_WGAN-GP.npz"


def load_pair(dataset: str, place: Path | None = None) -> tuple[Pair, dict[str, str]]:
    """The authors' G and D of one 2-D set ([DOT19] Table 4, trained as in B.1), and file name -> SHA-256, for records.

    `place` holds the files; None takes $DOTLIB_OFFICIAL. Raises InputError for an unknown set, FileError where a file
    is missing, damaged, or not the published one.
    """
    check_option("dataset", dataset, TOY)
    place = place or folder()
    if place is None:
        raise FileError(
            f"{VARIABLE}: not set; download {file_name('G', dataset)} and "
            f"{file_name('D', dataset)} from {SOURCE}, and set it to their folder"
        )
    networks = {"G": mlp.toy_generator(), "D": mlp.toy_discriminator()}
    digests = {}
    for role, network in networks.items():
        path = place / file_name(role, dataset)
        arrays, digests[path.name] = read(path)
        _fill(network, arrays, LAYERS[role], path)
    return Pair(frozen(networks["G"]), frozen(networks["D"]), Uniform(2)), digests


def read(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of a published file by key, and its SHA-256.

    The digest is compared before anything is decoded, and nothing is ever unpickled. Raises FileError.
    """
    content, digest = content_of(path, f"download it from {SOURCE}, or correct {VARIABLE}")
    if digest != SHA256.get(path.name):
        raise FileError(
            f"{path}: SHA-256 {digest[:12]}... is not that of the published file; it is "
            f"cut short, damaged, or another's: {AGAIN}"
        )
    return plain_arrays(content, path, AGAIN), digest


def content_of(path: Path, remedy: str) -> tuple[bytes, str]:
    """What a file holds, and its SHA-256. Raises FileError, with the remedy."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    return content, hashlib.sha256(content).hexdigest()


def plain_arrays(content: bytes, path: Path, again: str) -> dict[str, np.ndarray]:
    """The arrays of an npz file by key; nothing is ever unpickled. Raises FileError, with the remedy `again`."""
    try:
        archive = np.load(io.BytesIO(content), allow_pickle=False)
        return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(f"{path}: not an npz file of plain arrays ({one_line(error)}); {again}") from error


def _fill(network: nn.Module, arrays: dict[str, np.ndarray], layers: tuple[str, ...], path: Path) -> None:
    """Copy the arrays into the linear layers. Raises FileError unless every one fits exactly."""
    linear = [part for part in network.modules() if isinstance(part, nn.Linear)]
    targets = {
        f"{name}/{key}": tensor
        for name, layer in zip(layers, linear, strict=True)
        for key, tensor in (("W", layer.weight), ("b", layer.bias))
    }
    if arrays.keys() != targets.keys():
        missing, extra = sorted(targets.keys() - arrays.keys()), sorted(arrays.keys() - targets)
        raise FileError(f"{path}: missing keys {missing}, unknown keys {extra}; this is another network: {AGAIN}")
    for key, tensor in targets.items():
        values = arrays[key]
        if values.shape != tuple(tensor.shape) or values.dtype != np.float32:
            raise FileError(
                f"{path}: {key} has shape {values.shape} and type {values.dtype}, "
                f"expected {tuple(tensor.shape)} and float32; {AGAIN}"
            )
        if not np.isfinite(values).all():
            raise FileError(f"{path}: {key} holds NaN or infinity; {AGAIN}")
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values))
