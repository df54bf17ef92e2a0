"""The official files of MNIST, CIFAR-10 and STL-10, and folders of pictures, as uint8 arrays.

Each reader knows how many images its files hold, so that a file cut short between two records is
refused as well.
"""

import hashlib
from pathlib import Path

import numpy as np

from dotlib import downloads, formats
from dotlib.errors import BadFile, check_count
from dotlib.sources import SOURCES

COUNTS = {  # images in the official files
    "mnist": {"train": 60_000, "test": 10_000},
    "cifar10": {"train": 50_000, "test": 10_000},
    "stl10": {"unlabeled": 100_000, "train": 5_000, "test": 8_000},
}
STL_BLOCK = 500  # images of 96 x 96 in memory at a time, 14 MB
SUFFIXES = {".png", ".jpg", ".jpeg"}
Read = tuple[np.ndarray, np.ndarray | None, str]  # images, labels, origin


def mnist(part: str) -> Read:
    """MNIST padded by 2 on each side: images (N, 1, 32, 32) uint8, labels (N,) int64, origin.

    part:  "train" or "test". From $DOTLIB_DATA/mnist or $DOTLIB_DATA, packed or not; else
           `downloads.fetch`. Raises BadFile.
    """
    stem = {"train": "train", "test": "t10k"}[part]
    images, images_origin, what = _idx(f"{stem}-images-idx3-ubyte")
    labels, labels_origin, labels_what = _idx(f"{stem}-labels-idx1-ubyte")
    if images.shape[1:] != (28, 28):
        raise BadFile(f"{what}: expected images of 28 x 28, found shape {images.shape}; give MNIST's own file")
    if labels.ndim != 1 or labels.max() > 9:
        raise BadFile(
            f"{labels_what}: expected labels 0 to 9, found shape {labels.shape} and "
            f"largest value {labels.max()}; give MNIST's own file"
        )
    _check_number(len(images), COUNTS["mnist"][part], what)
    _check_number(len(labels), len(images), labels_what)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
    return padded, labels.astype(np.int64), downloads.weakest((images_origin, labels_origin))


def cifar10(part: str) -> Read:
    """CIFAR-10: images (N, 3, 32, 32) uint8, labels (N,) int64, origin. part: "train" or "test".

    Raises BadFile.
    """
    files = [f"data_batch_{k}" for k in range(1, 6)] if part == "train" else ["test_batch"]
    names = [f"cifar-10-batches-bin/{file}.bin" for file in files]
    found = {}
    for source in downloads.parts(names, "cifar-10-binary.tar.gz"):
        images, labels = formats.cifar10(source.read(), source.what)
        _check_number(len(images), COUNTS["cifar10"][part] // len(files), source.what)
        found[source.name] = images, labels.astype(np.int64), source.origin()
    images, labels, origins = zip(*(found[name] for name in names), strict=True)
    return np.concatenate(images), np.concatenate(labels), downloads.weakest(origins)


def stl10(part: str) -> Read:
    """STL-10 at half its side: images (N, 3, 48, 48) uint8, labels (N,) int64 or None, origin.

    part:  "unlabeled", "train" or "test". Memory stays near the size of the result.
    Raises BadFile.
    """
    names = [f"stl10_binary/{part}_X.bin"]
    if part != "unlabeled":
        names.append(f"stl10_binary/{part}_y.bin")
    found = {}
    for source in downloads.parts(names, "stl10_binary.tar.gz"):
        if source.name == names[0]:
            array = _halved(source, COUNTS["stl10"][part])
        else:
            array = formats.stl10_labels(source.read(), source.what).astype(np.int64)
            _check_number(len(array), COUNTS["stl10"][part], source.what)
        found[source.name] = array, source.origin()
    images, origin = found[names[0]]
    if part == "unlabeled":
        return images, None, origin
    labels, labels_origin = found[names[1]]
    return images, labels, downloads.weakest((origin, labels_origin))


def pictures(path: Path, size: int) -> tuple[np.ndarray, str]:
    """All PNG and JPEG files of a folder, by name: (N, 3, size, size) uint8, and their origin.

    The centre square, resized with Pillow's bicubic filter. Raises BadFile, naming the file.
    """
    check_count("size", size)
    try:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise BadFile(f"{path}: cannot be read ({error.strerror}); give a folder of PNG or JPEG images") from error
    images = np.empty((len(files), 3, size, size), np.uint8)
    for row, file in enumerate(files):
        images[row] = _decoded(file, size).transpose(2, 0, 1)
    return images, downloads.note(path)


def _idx(name: str) -> tuple[np.ndarray, str, str]:
    """An MNIST file's array, its origin, and its path in words."""
    given = downloads.data_folder()
    places = (
        [] if given is None else [folder / (name + end) for folder in (given / "mnist", given) for end in (".gz", "")]
    )
    path = next((place for place in places if place.exists()), None)
    if path is None:
        path = downloads.fetch(name + ".gz")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: cannot be read ({error.strerror}); {downloads.by_hand(name + '.gz')}") from error
    if path.suffix == ".gz":
        content = formats.gunzip(content, str(path))
    official = hashlib.sha256(content).hexdigest() == SOURCES[name + ".gz"].sha256
    origin = downloads.OFFICIAL if official else downloads.note(path.parent)
    return formats.idx(content, str(path)), origin, str(path)


def _halved(source: downloads.Part, count: int) -> np.ndarray:
    """STL-10's images at half their side, (N, 3, 48, 48) uint8, read block by block.

    The mean of four pixels, rounded half to even, in whole numbers.
    """
    _check_number(source.size, count * formats.STL_IMAGE, source.what, "bytes")
    side = formats.STL_SIDE // 2
    out = np.empty((count, 3, side, side), np.uint8)
    for start in range(0, count, STL_BLOCK):
        rows = out[start : start + STL_BLOCK]
        full = formats.stl10(source.read(len(rows) * formats.STL_IMAGE), source.what)
        _check_number(len(full), len(rows), source.what)
        total = sum(full[:, :, i::2, j::2].astype(np.uint16) for i in (0, 1) for j in (0, 1))
        rows[:] = (total + 1 + (total >> 2 & 1)) >> 2
    return out


def _decoded(file: Path, size: int) -> np.ndarray:
    from PIL import Image, ImageOps  # here: only folders need it

    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
            side, (width, height) = min(image.size), image.size
            left, top = (width - side) // 2, (height - side) // 2
            square = image.crop((left, top, left + side, top + side))
            return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BadFile(
            f"{file}: no readable image ({' '.join(str(error).split())}); repair it or take it out of the folder"
        ) from error


def _check_number(found: int, expected: int, what: str, unit: str = "images or labels") -> None:
    if found != expected:
        raise BadFile(
            f"{what}: expected {expected:,} {unit}, found {found:,}; it is cut short, or "
            "another file: give the official one"
        )


READERS = {"mnist": mnist, "cifar10": cifar10, "stl10": stl10}
