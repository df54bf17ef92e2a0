"""The official files of MNIST, Fashion-MNIST, CIFAR-10, STL-10, and folders of pictures, as uint8; or a FileError.

The parsers take the whole content and the label under which errors speak of it. Declared sizes are compared with the
length that is there before anything is allocated, so no header can ask for memory, and nothing is read short. The
readers know how many images the files hold, so that a file cut short between two records is refused as well.
"""

import gzip
import hashlib
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from dotlib.data import downloads
from dotlib.errors import FileError, check_count, one_line

COUNTS = {  # images in the official files
    "mnist": {"train": 60_000, "test": 10_000},
    "fashion_mnist": {"train": 60_000, "test": 10_000},
    "cifar10": {"train": 50_000, "test": 10_000},
    "stl10": {"unlabeled": 100_000, "train": 5_000, "test": 8_000},
}
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}  # of the sets in MNIST's format
CIFAR_RECORD = 1 + 3 * 32 * 32  # a label and the planes R, G, B
STL_SIDE = 96
STL_IMAGE = 3 * STL_SIDE**2
STL_BLOCK = 500  # images of 96 x 96 in memory at a time, 14 MB
CLASSES = 10
IDX_UINT8 = 0x08
MOST_UNPACKED = 1 << 30  # bytes; MNIST's largest file holds 47 MB
SUFFIXES = {".png", ".jpg", ".jpeg"}
_AGAIN = "download it again"
Read = tuple[np.ndarray, np.ndarray | None, str]  # images, labels, origin


def gunzip(content: bytes, label: str) -> bytes:
    """What a gz file holds, at most 1 GiB. Raises FileError when it is damaged or cut short."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{label}: not a whole gz file ({one_line(error)}); {_AGAIN}") from error
    if not content or len(unpacked) > MOST_UNPACKED:
        size = "more than 1 GiB" if content else "no bytes"
        raise FileError(f"{label}: expected a gz file of at most 1 GiB, found {size}; {_AGAIN}")
    return unpacked


def parse_idx(content: bytes, label: str) -> np.ndarray:
    """An IDX file of bytes with 1 axis (labels) or 3 (images): uint8 (N,) or (N, rows, columns).

    Layout: two zero bytes, the type 0x08, the number of axes, each size as 4 bytes, high byte first, then the items,
    the last axis fastest. Raises FileError.
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        start = content[:4].hex() or "nothing"
        raise FileError(f"{label}: not an IDX file (it begins with {start}); {_AGAIN}, and unpack a .gz only once")
    kind, axes = content[2], content[3]
    if kind != IDX_UINT8 or axes not in (1, 3):
        kinds = f"IDX type 0x{kind:02x} with {axes} axes, expected 0x08 with 1 or 3"
        raise FileError(f"{label}: {kinds}; give MNIST's own file")
    start = 4 + 4 * axes
    if len(content) < start:
        raise FileError(f"{label}: cut short within its header, {len(content)} bytes; {_AGAIN}")
    shape = struct.unpack(f">{axes}I", content[4:start])
    items, present = math.prod(shape), len(content) - start  # whole numbers: no overflow
    if items != present or items == 0:
        sizes = f"its header declares {' x '.join(map(str, shape))} = {items} items, found {present}"
        raise FileError(f"{label}: {sizes}; it is empty, cut short or too long: {_AGAIN}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def parse_cifar10(content: bytes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's binary version: images uint8 (N, 3, 32, 32) and labels uint8 (N,), 0 to 9.

    Layout: records of 3,073 bytes, a label and three planes in rows. Raises FileError.
    """
    _check_whole(content, CIFAR_RECORD, label)
    records = np.frombuffer(content, np.uint8).reshape(-1, CIFAR_RECORD)
    labels = records[:, 0].copy()
    if labels.max() >= CLASSES:
        row = int((labels >= CLASSES).argmax())
        remedy = f"this is not CIFAR-10's binary version, or it is damaged: {_AGAIN}"
        raise FileError(f"{label}: record {row} has label {labels[row]}, expected 0 to 9; {remedy}")
    return records[:, 1:].reshape(-1, 3, 32, 32).copy(), labels


def parse_stl10(content: bytes, label: str) -> np.ndarray:
    """Images of an STL-10 binary file, or of a whole number of its records: (N, 3, 96, 96) uint8.

    Layout: 27,648 bytes an image, planes R, G, B, each column by column from the left; the result has rows before
    columns. A view of `content`, read-only. Raises FileError.
    """
    _check_whole(content, STL_IMAGE, label)
    columns = np.frombuffer(content, np.uint8).reshape(-1, 3, STL_SIDE, STL_SIDE)
    return columns.transpose(0, 1, 3, 2)


def parse_stl10_labels(content: bytes, label: str) -> np.ndarray:
    """Labels of an STL-10 file: (N,) uint8, 0 to 9. The file counts from 1. Raises FileError."""
    _check_whole(content, 1, label)
    labels = np.frombuffer(content, np.uint8)
    wrong = (labels < 1) | (labels > CLASSES)
    if wrong.any():
        row = int(wrong.argmax())
        place = f"label {labels[row]} at position {row}, expected 1 to 10"
        raise FileError(f"{label}: {place}; give STL-10's own file, or {_AGAIN}")
    return labels - np.uint8(1)


def _check_whole(content: bytes, record: int, label: str) -> None:
    if not content or len(content) % record:
        sizes = f"{len(content)} bytes, expected a multiple of {record}"
        raise FileError(f"{label}: {sizes}; it is empty, cut short or of another kind: {_AGAIN}")


def mnist(part: str) -> Read:
    """MNIST, "train" or "test", padded by 2 on each side: images (N, 1, 32, 32) uint8, labels (N,) int64, origin.

    From $DOTLIB_DATA/mnist or $DOTLIB_DATA, packed or not; else `downloads.fetch`. Raises FileError.
    """
    return _grey("mnist", part, "", ("mnist", "."))


def fashion_mnist(part: str) -> Read:
    """Fashion-MNIST as `mnist`, whose file names it has; from $DOTLIB_DATA/fashion-mnist. Raises FileError."""
    return _grey("fashion_mnist", part, "fashion-mnist/", ("fashion-mnist",))


def mnist8(part: str) -> Read:
    """MNIST as `mnist`, made small: images (N, 1, 8, 8) uint8, the mean of each 4 x 4, rounded half to even."""
    return _made_small(mnist(part))


def fashion_mnist8(part: str) -> Read:
    """Fashion-MNIST made small as `mnist8` is: images (N, 1, 8, 8) uint8. Raises FileError."""
    return _made_small(fashion_mnist(part))


def _made_small(rows: Read) -> Read:
    images, labels, origin = rows
    total = images.reshape(-1, 1, 8, 4, 8, 4).sum((3, 5), dtype=np.uint16)  # at most 16 x 255
    return ((total + 7 + (total >> 4 & 1)) >> 4).astype(np.uint8), labels, origin


def cifar10(part: str) -> Read:
    """CIFAR-10, "train" or "test": images (N, 3, 32, 32) uint8, labels (N,) int64, origin. Raises FileError."""
    stems = [f"data_batch_{k}" for k in range(1, 6)] if part == "train" else ["test_batch"]
    names = [f"cifar-10-batches-bin/{stem}.bin" for stem in stems]
    parts = {}
    for file in downloads.parts(names, "cifar-10-binary.tar.gz"):
        images, labels = parse_cifar10(file.read(), file.label)
        _check_number(len(images), COUNTS["cifar10"][part] // len(names), file.label)
        parts[file.name] = images, labels.astype(np.int64), file.origin()
    images, labels, origins = zip(*(parts[name] for name in names), strict=True)
    return np.concatenate(images), np.concatenate(labels), downloads.weakest(origins)


def stl10(part: str) -> Read:
    """STL-10, "unlabeled", "train" or "test", at half its side; memory stays near the size of the result.

    Images (N, 3, 48, 48) uint8, labels (N,) int64 or None, origin. Raises FileError.
    """
    images, labels = (f"stl10_binary/{part}_{kind}.bin" for kind in "Xy")
    arrays, origins = {}, []
    for file in downloads.parts([images] if part == "unlabeled" else [images, labels], "stl10_binary.tar.gz"):
        if file.name == images:
            arrays[images] = _halved(file, COUNTS["stl10"][part])
        else:
            arrays[labels] = parse_stl10_labels(file.read(), file.label).astype(np.int64)
            _check_number(len(arrays[labels]), COUNTS["stl10"][part], file.label)
        origins.append(file.origin())
    return arrays[images], arrays.get(labels), downloads.weakest(origins)


def pictures(path: Path, size: int) -> tuple[np.ndarray, str]:
    """All PNG and JPEG files of a folder, by name: (N, 3, size, size) uint8, and their origin.

    The centre square, resized with Pillow's bicubic filter. Raises FileError, naming the file.
    """
    check_count("size", size)
    try:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); give a folder of PNG or JPEG images") from error
    images = np.empty((len(files), 3, size, size), np.uint8)
    for row, file in enumerate(files):
        images[row] = _decoded(file, size).transpose(2, 0, 1)
    return images, downloads.note(path)


def _grey(name: str, part: str, prefix: str, folders: tuple[str, ...]) -> Read:
    """A set in MNIST's format, as `mnist` has it; `prefix` is that of its keys in `downloads.SOURCES`."""
    stem, own = {"train": "train", "test": "t10k"}[part], f"give {TITLES[name]}'s own file"
    images, images_origin, images_path = _idx(f"{prefix}{stem}-images-idx3-ubyte.gz", folders)
    labels, labels_origin, labels_path = _idx(f"{prefix}{stem}-labels-idx1-ubyte.gz", folders)
    if images.shape[1:] != (28, 28):
        raise FileError(f"{images_path}: expected images of 28 x 28, found shape {images.shape}; {own}")
    if labels.ndim != 1 or labels.max() > 9:
        present = f"shape {labels.shape} and largest value {labels.max()}"
        raise FileError(f"{labels_path}: expected labels 0 to 9, found {present}; {own}")
    _check_number(len(images), COUNTS[name][part], images_path)
    _check_number(len(labels), len(images), labels_path)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
    return padded, labels.astype(np.int64), downloads.weakest((images_origin, labels_origin))


def _idx(key: str, folders: tuple[str, ...]) -> tuple[np.ndarray, str, str]:
    """The array of an IDX file, a key of `downloads.SOURCES`, its origin, and its path in words."""
    given, name = downloads.data_folder(), Path(key).name
    there = () if given is None else (given / folder for folder in folders)
    places = (folder / each for folder in there for each in (name, name.removesuffix(".gz")))
    path = next((place for place in places if place.exists()), None) or downloads.fetch(key)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); {downloads.by_hand(key)}") from error
    if path.suffix == ".gz":
        content = gunzip(content, str(path))
    official = hashlib.sha256(content).hexdigest() == downloads.SOURCES[key].sha256
    origin = downloads.OFFICIAL if official else downloads.note(path.parent)
    return parse_idx(content, str(path)), origin, str(path)


def _halved(file: downloads.Part, count: int) -> np.ndarray:
    """STL-10's images at half their side, (N, 3, 48, 48) uint8, read block by block.

    The mean of four pixels, rounded half to even, in whole numbers.
    """
    _check_number(file.size, count * STL_IMAGE, file.label, "bytes")
    out = np.empty((count, 3, STL_SIDE // 2, STL_SIDE // 2), np.uint8)
    for start in range(0, count, STL_BLOCK):
        rows = out[start : start + STL_BLOCK]
        full = parse_stl10(file.read(len(rows) * STL_IMAGE), file.label)
        _check_number(len(full), len(rows), file.label)
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
        remedy = "repair it or take it out of the folder"
        raise FileError(f"{file}: no readable image ({one_line(error)}); {remedy}") from error


def _check_number(number: int, expected: int, label: str, unit: str = "images or labels") -> None:
    if number != expected:
        remedy = "it is cut short, or another file: give the official one"
        raise FileError(f"{label}: expected {expected:,} {unit}, found {number:,}; {remedy}")


READERS = {
    "mnist": mnist,
    "mnist8": mnist8,
    "fashion_mnist": fashion_mnist,
    "fashion_mnist8": fashion_mnist8,
    "cifar10": cifar10,
    "stl10": stl10,
}
