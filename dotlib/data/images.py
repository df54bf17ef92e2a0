"""Image sets as uint8, their named splits, and the only two conversions between uint8 and float.

A set is read from official files (`downloads`), from scikit-learn, or from a folder of images. Its fingerprint goes
into every record made from it.
"""

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dotlib import seeding
from dotlib.data import downloads, readers
from dotlib.errors import FileError, InputError, check_count, check_option

NAMES = ("digits", "mnist", "mnist8", "fashion_mnist", "fashion_mnist8", "cifar10", "stl10", "folder")
SPLITS = ("train", "test", "paper", "judge", "floor")
DIGITS_TEST = 600  # our own cut of scikit-learn's 1,797: there is no official one
FOLDER = "DOTLIB_IMAGES"  # names the folder of the set "folder"
FOLDER_SIZE = 32  # its images' side
OVERSHOOT = 1e-6  # beyond [-1, 1] this is rounding; more is a network without tanh
Rows = tuple[Tensor, Tensor | None, str]  # images, labels, origin


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one split."""

    name: str
    split: str
    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor | None  # (N,) int64
    origin: str  # where the content comes from and what vouches for it, in words
    fingerprint: str  # sha256 of shape, pixels and labels

    def __len__(self) -> int:
        return len(self.images)

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """n images with replacement, (n, C, H, W) float32 in [-1, 1]: a training batch."""
        check_count("n", n)
        return to_float(self.images[torch.randint(len(self), (n,), generator=rng)])

    def draw_labelled(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """The images of `draw` with their labels, (n,) int64. Raises InputError where the set has none."""
        check_count("n", n)
        if self.labels is None:
            raise InputError(f"labels: {self.name} {self.split} has none; take a labelled set or split")
        rows = torch.randint(len(self), (n,), generator=rng)
        return to_float(self.images[rows]), self.labels[rows]

    def take(self, n: int, rng: torch.Generator) -> "ImageSet":
        """n different images with their labels, in random order, still uint8. Raises InputError for too many."""
        check_count("n", n)
        if n > len(self):
            raise InputError(f"n: {n} exceeds the {len(self)} images of {self.name} {self.split}; take fewer")
        rows = torch.randperm(len(self), generator=rng)[:n]
        labels = None if self.labels is None else self.labels[rows]
        return _build(self.name, self.split, (self.images[rows], labels, self.origin), least=1)


def to_float(images: Tensor) -> Tensor:
    """uint8, any shape -> float32: 0 to -1 and 255 to 1, exactly. Raises InputError."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        given = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"images: expected a uint8 tensor, found {given}; floats are made once")
    return images.to(torch.float32).div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """Floats in [-1, 1], any shape -> uint8: (x + 1) 127.5, rounded half to even.

    `to_float` undone exactly. Raises InputError for NaN and for values outside [-1, 1]: to cut them off silently would
    hide the wrong range.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point() or images.numel() == 0:
        is_tensor = isinstance(images, Tensor)
        given = f"{images.dtype} of shape {tuple(images.shape)}" if is_tensor else type(images).__name__
        raise InputError(f"images: expected a tensor of floats in [-1, 1], found {given}; give the generator's output")
    largest = float(images.detach().abs().amax())
    if not largest <= 1 + OVERSHOOT:
        remedy = "end the generator with tanh, or rescale 2 x - 1 from [0, 1]"
        raise InputError(f"images: expected values in [-1, 1], found |x| up to {largest:.6g}; {remedy}")
    x = images.detach().to(torch.promote_types(images.dtype, torch.float32))
    return x.add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def image_set(name: str, split: str = "train") -> ImageSet:
    """A named split, kept in memory once read.

    Args:
        name: "digits" (8 x 8, 1 channel), "mnist" and "fashion_mnist" (padded to 32 x 32, 1 channel), "mnist8"
            and "fashion_mnist8" (the mean of each 4 x 4 of those, rounded half to even), "cifar10" (32 x 32, 3
            channels), "stl10" (48 x 48, 3 channels: the mean of each 2 x 2 of 96 x 96, rounded half to even), "folder"
            ($DOTLIB_IMAGES, 32 x 32, 3 channels).
        split: "train"; "test"; "paper": train and test together, as the released code has it; "floor" and "judge" share
            "train": as many images as "test" by a fixed permutation, and the rest. digits and folder have no official
            "test": 600 and a sixth, by a fixed permutation. stl10: "train" and "paper" are the 100,000 unlabelled
            images, "test" the 8,000 labelled test images, "judge" the 5,000 labelled training images, "floor" 8,000 of
            the unlabelled.

    Returns:
        The set.

    Raises:
        InputError: For unknown words.
        FileError: For what is missing, damaged or of the wrong count.
    """
    check_option("name", name, NAMES)
    check_option("split", split, SPLITS)
    variables = (FOLDER,) if name == "folder" else ("DOTLIB_DATA", "DOTLIB_CACHE")
    return _split(name, split, tuple(os.environ.get(variable, "") for variable in variables))


def folder(path: Path, size: int) -> ImageSet:
    """All PNG and JPEG files of a folder, by name: the centre square with 3 channels, resized to `size` pixels a side.

    The filter is Pillow's bicubic one. Raises FileError, naming the file, for one that is no image.
    """
    pixels, origin = readers.pictures(Path(path), size)
    return _build("folder", "paper", (torch.from_numpy(pixels), None, origin))


@functools.lru_cache(maxsize=32)
def _split(name: str, split: str, places: tuple[str, ...]) -> ImageSet:
    """places: what the environment names; another folder is another set."""
    if name == "stl10":
        rows = _pool(name, {"test": "test", "judge": "train"}.get(split, "unlabeled"), places)
        return _build(name, split, _cut(rows, readers.COUNTS[name]["test"], True, name) if split == "floor" else rows)
    if split in ("train", "test"):
        return _build(name, split, _pool(name, split, places))
    train, test = _pool(name, "train", places), _pool(name, "test", places)
    if split == "paper":
        labels = None if train[1] is None or test[1] is None else torch.cat([train[1], test[1]])
        return _build(name, split, (torch.cat([train[0], test[0]]), labels, downloads.weakest((train[2], test[2]))))
    return _build(name, split, _cut(train, len(test[0]), split == "floor", name))


@functools.lru_cache(maxsize=16)
def _pool(name: str, part: str, places: tuple[str, ...]) -> Rows:
    """The rows of "train", "test" or "unlabeled"."""
    if name not in ("digits", "folder"):
        images, labels, origin = readers.READERS[name](part)
        return torch.from_numpy(images), None if labels is None else torch.from_numpy(labels), origin
    if name == "digits":
        rows, n = _digits(), DIGITS_TEST
    elif places[0]:
        whole = folder(Path(places[0]), FOLDER_SIZE)
        rows, n = (whole.images, None, whole.origin), max(1, len(whole) // 6)
    else:
        raise FileError(f"{FOLDER}: not set; set it to a folder of PNG or JPEG images")
    return _cut(rows, n, part == "test", name, "test")


def _digits() -> Rows:
    from sklearn.datasets import load_digits  # here: two seconds that other sets need not wait for

    bunch: Any = load_digits()
    images = np.rint(bunch.images * 255 / 16).astype(np.uint8)[:, None]  # 16 grey levels of 0..16
    return torch.from_numpy(images), torch.from_numpy(bunch.target.astype(np.int64)), "built into scikit-learn"


def _cut(rows: Rows, n: int, first: bool, *names: str) -> Rows:
    """The first n rows of a fixed permutation, which has a name, or else all the others."""
    images, labels, origin = rows
    order = torch.from_numpy(seeding.numpy_rng(0, "split", *names).permutation(len(images)))
    order = order[:n] if first else order[n:]
    return images[order], None if labels is None else labels[order], origin


def _build(name: str, split: str, rows: Rows, *, least: int = 2) -> ImageSet:
    images, labels, origin = rows
    if len(images) < least:
        raise FileError(f"{name}: split {split!r} has {len(images)} images; at least {least} are needed: add some")
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    digest.update(images.contiguous().numpy().data)
    digest.update(b"no labels" if labels is None else labels.numpy().astype("<i8").data)
    return ImageSet(name, split, images, labels, origin, digest.hexdigest())
