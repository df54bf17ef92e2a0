"""The public conditional pair for ImageNet at 128 x 128: two Chainer `npz` files, loaded strictly or refused.

[DOT19] section 4.2 moves samples of this pair, [PROJ18]'s networks after 850,000 updates. The files are not part of
this repository. Their authors give them in a folder of Google Drive, linked from the README of the repository
pfnet-research/sngan_projection; the variable DOTLIB_SNGAN, or else DOTLIB_OFFICIAL, names a folder that holds them.

Nobody has published the digests of the files, so they are recorded, not compared. In place of them the loader demands
every key and shape, and that the vector `u` which a spectrally normalised layer has stored belongs to its weight.
"""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from dotlib.errors import FileError, check_option
from dotlib.networks.conditional import Discriminator, DownBlock, Generator, UpBlock
from dotlib.pairs import Normal, Pair
from dotlib.training import authors

VARIABLES = ("DOTLIB_SNGAN", authors.VARIABLE)  # see `folder`
FILES = {"G": "ResNetGenerator_850000.npz", "D": "SNResNetProjectionDiscriminator_850000.npz"}
SHA256: dict[str, str | None] = dict.fromkeys(FILES.values())  # None: the digest is recorded, and compared with nothing
SOURCE = "the Google Drive folder that the README of pfnet-research/sngan_projection links"
AGAIN = f"download it again from {SOURCE}"
SIGMAS = ("released", "limit")
LEAST_RATIO = 0.9  # of sigma after one iteration to its limit; u of trained weights are close to their limit
MOST_RATIO = 1 + 1e-7  # rounding of float64 apart it is at most 1
EPS = 1e-12  # of the released normalisation, x / (|x| + eps)
SHOWN = 3  # keys that an error lists
WIDEST = 16  # channels of the first map, in units of the width


@dataclass(frozen=True)
class PublicPair:
    """What `load_conditional` gives."""

    pair: Pair  # conditional: bind labels with `pair.conditioned_on`
    digests: dict[str, str]  # file name -> SHA-256, for records
    ratios: dict[str, float]  # spectrally normalised layer -> sigma after one iteration / largest singular value

    def on(self, device: str) -> Self:
        """The same, with its networks moved to a device."""
        for network in (self.pair.generator, self.pair.discriminator):
            cast(nn.Module, network).to(device)
        return self


def folder() -> Path | None:
    """The folder named by $DOTLIB_SNGAN, else by $DOTLIB_OFFICIAL where it holds one of the files; else None.

    The second names the authors' 2-D weights, too, which somebody may have without these.
    """
    own, shared = (Path(name) if (name := os.environ.get(variable)) else None for variable in VARIABLES)
    if own is None and shared is not None and any((shared / name).exists() for name in FILES.values()):
        return shared
    return own


def load_conditional(
    place: Path | None = None, *, sigma: str = "released", least_ratio: float = LEAST_RATIO
) -> PublicPair:
    """The public G(z | y) and D(x | y), in evaluation mode, without gradients of weights.

    In the released program a convolution divides its weight by the sigma that one power iteration from the stored u
    gives, and forgets the new u; the embedding and the dense layer keep theirs, also in evaluation mode, so that D
    changes a little at every use. Here D is one function: that of the first use.

    Args:
        place: the folder of the two files; None takes `folder`.
        sigma: "released", as above, or "limit", the largest singular value.
        least_ratio: refuse a layer whose sigma after one iteration is a smaller part of the limit: its u is another's.

    Returns:
        The pair, with what a record says of the files.

    Raises:
        InputError: For an unknown sigma.
        FileError: One line, for a file that is missing, damaged, or holds other networks; nothing is loaded then.
    """
    check_option("sigma", sigma, SIGMAS)
    place = place or folder()
    if place is None:
        names = " and ".join(FILES.values())
        raise FileError(f"{VARIABLES[0]}: not set; get {names} from {SOURCE}, and set it to their folder")
    paths = {role: Path(place) / name for role, name in FILES.items()}
    arrays, digests = {}, {}
    for role, path in paths.items():
        arrays[role], digests[path.name] = _read(path)
        _check_keys(arrays[role], _expected(*_on_meta())[role], path)
    sizes = _sizes(arrays["G"], paths["G"])
    G, D = _on_meta(**sizes)
    for role, targets in _expected(G, D).items():
        _check_arrays(arrays[role], {key: tuple(tensor.shape) for key, tensor in targets.items()}, paths[role])
    ratios = _normalise(arrays["D"], sigma, least_ratio, paths["D"])
    for network in (G, D):
        network.to_empty(device="cpu").eval().requires_grad_(False)
    for role, targets in _expected(G, D).items():
        for key, tensor in targets.items():
            tensor.copy_(torch.from_numpy(arrays[role][key]))
    return PublicPair(Pair(G, D, Normal(sizes["latent"])), digests, ratios)


def one_iteration(weight: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """sigma of a weight (out, ...) after one power iteration from u (1, out), and the new u, as released."""
    matrix = weight.flatten(1)
    v = _unit(u @ matrix)  # (1, in)
    u = _unit(v @ matrix.T)
    return (u @ matrix @ v.T)[0, 0], u


def _unit(x: Tensor) -> Tensor:
    return x / (x.norm() + EPS)


def _read(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of one file, nothing unpickled, and its SHA-256. Raises FileError."""
    content, digest = authors.content_of(path, f"get it from {SOURCE}, or correct {VARIABLES[0]}")
    if content[:512].lstrip()[:1] == b"<":
        raise FileError(f"{path}: a web page, not the file; {AGAIN}, by the button of that page")
    if SHA256.get(path.name) not in (None, digest):
        raise FileError(f"{path}: SHA-256 {digest[:12]}... is not that of the published file; {AGAIN}")
    return authors.plain_arrays(content, path, AGAIN), digest


def _on_meta(bottom: int = 1, latent: int = 1, width: int = 1, classes: int = 1) -> tuple[Generator, Discriminator]:
    """The networks of these sizes, without memory for their weights."""
    with torch.device("meta"):
        G = Generator(bottom=bottom, latent=latent, width=width, classes=classes)
        return G, Discriminator(bottom=bottom, width=width, classes=classes, spectral=False)


def _sizes(arrays: dict[str, np.ndarray], path: Path) -> dict[str, int]:
    """Width, classes, bottom and latent of a generator, read off its arrays. Raises FileError."""
    shapes = [arrays[key].shape for key in ("b7/gamma", "block2/b1/gammas/W", "l1/W")]
    if [len(shape) for shape in shapes] != [1, 2, 2] or min(map(min, shapes)) < 1:
        raise FileError(f"{path}: b7/gamma, gammas/W, l1/W have shapes {shapes}; this is another network: {AGAIN}")
    (width,), (classes, _), (rows, latent) = shapes
    bottom = max(1, math.isqrt(rows // (WIDEST * width)))
    if rows != WIDEST * width * bottom**2:
        fault = f"l1/W has shape {shapes[2]}, expected ({WIDEST * width} bottom^2, latent)"
        raise FileError(f"{path}: {fault}; {AGAIN}")
    return {"bottom": bottom, "latent": latent, "width": width, "classes": classes}


def _expected(G: Generator, D: Discriminator) -> dict[str, dict[str, Tensor]]:
    """Role -> key of the file -> what has its shape: a weight or buffer of the network, or a tensor for u alone."""
    generator = _layer("l1", G.dense) | _layer("l7", G.last) | _statistics("b7", G.norm)
    generator |= {"b7/gamma": G.norm.weight, "b7/beta": G.norm.bias}
    for number, block in enumerate(cast(Iterable[UpBlock], G.blocks), 2):
        for key, layer in (("c1", block.conv1), ("c2", block.conv2), ("c_sc", block.shortcut)):
            generator |= _layer(f"block{number}/{key}", layer)
        for key, norm in (("b1", block.norm1), ("b2", block.norm2)):
            name = f"block{number}/{key}"
            generator |= _statistics(name, norm.norm)
            generator |= {f"{name}/gammas/W": norm.gain.weight, f"{name}/betas/W": norm.bias.weight}
    discriminator = _normalised("l7", D.dense) | _normalised("l_y", D.embedding)
    for number, block in enumerate(cast(Iterable[DownBlock], D.blocks), 1):
        for key, layer in (("c1", block.conv1), ("c2", block.conv2), ("c_sc", block.shortcut)):
            if isinstance(layer, nn.Conv2d):
                discriminator |= _normalised(f"block{number}/{key}", layer)
    return {"G": generator, "D": discriminator}


def _layer(name: str, layer: nn.Module) -> dict[str, Tensor]:
    keys = {"weight": "W", "bias": "b"}
    return {f"{name}/{keys[part]}": tensor for part, tensor in layer.named_parameters()}


def _normalised(name: str, layer: nn.Module) -> dict[str, Tensor]:
    """A layer that has spectral norm in the file, with the shape of its u."""
    tensors = _layer(name, layer)
    weight = tensors[f"{name}/W"]
    return tensors | {f"{name}/u": weight.new_empty(1, len(weight))}


def _statistics(name: str, norm: nn.BatchNorm2d) -> dict[str, Tensor]:
    buffers = {"avg_mean": "running_mean", "avg_var": "running_var", "N": "num_batches_tracked"}
    return {f"{name}/{key}": norm.get_buffer(buffer) for key, buffer in buffers.items()}


def _check_keys(arrays: dict[str, np.ndarray], targets: dict[str, Tensor], path: Path) -> None:
    """Raise FileError for a file with a key too few or too many."""
    missing, extra = sorted(targets.keys() - arrays.keys()), sorted(arrays.keys() - targets.keys())
    if missing or extra:
        counts = f"{len(missing)} keys are missing {missing[:SHOWN]}, {len(extra)} unknown {extra[:SHOWN]}"
        raise FileError(f"{path}: {counts}; this is another network: {AGAIN}")


def _check_arrays(arrays: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]], path: Path) -> None:
    """Raise FileError unless every array has its shape and type, is finite, and is possible."""
    for key, shape in shapes.items():
        values, count = arrays[key], key.endswith("/N")
        if values.shape != shape or not (values.dtype.kind in "iu" if count else values.dtype == np.float32):
            kind, found = "an integer type" if count else "float32", f"shape {values.shape} and type {values.dtype}"
            raise FileError(f"{path}: {key} has {found}, expected {shape} and {kind}; {AGAIN}")
        if not np.isfinite(values).all():
            raise FileError(f"{path}: {key} holds NaN or infinity; {AGAIN}")
        if key.endswith("avg_var") and not (values > 0).all():
            raise FileError(f"{path}: {key} holds a variance <= 0; {AGAIN}")


def _normalise(arrays: dict[str, np.ndarray], sigma: str, least: float, path: Path) -> dict[str, float]:
    """Divide the weights of D by their sigma, in place, and return the ratio of each layer. Raises FileError."""
    ratios = {}
    for name in sorted(key.removesuffix("/u") for key in arrays if key.endswith("/u")):
        weight, u = (torch.from_numpy(arrays[f"{name}/{key}"]).double() for key in "Wu")
        limit = _largest(weight.flatten(1))
        once = one_iteration(weight, u)[0]
        ratios[name] = float(once / limit)
        if not least < ratios[name] <= MOST_RATIO:
            fault = f"sigma of {name} after one iteration is {ratios[name]:.3f} of its largest singular value"
            raise FileError(f"{path}: {fault}; its u belongs to another weight: {AGAIN}")
        arrays[f"{name}/W"] = (weight / (once if sigma == "released" else limit)).float().numpy()
    return ratios


def _largest(matrix: Tensor) -> Tensor:
    """Largest singular value, by the Gram matrix of the short side."""
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return torch.linalg.eigvalsh(short @ short.T)[-1].clamp(min=0).sqrt()
