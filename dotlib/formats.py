"""Bytes of the official image files -> arrays, or BadFile: IDX, CIFAR-10 binary, STL-10 binary.

Each reader takes the whole content and the name under which errors speak of it. Declared sizes are
compared with the length that is there before anything is allocated, so no header can ask for
memory, and nothing is read short.
"""

import gzip
import io
import math
import struct
import zlib

import numpy as np

from dotlib.errors import BadFile

CIFAR_RECORD = 1 + 3 * 32 * 32  # a label and the planes R, G, B
STL_SIDE = 96
STL_IMAGE = 3 * STL_SIDE**2
CLASSES = 10
IDX_UINT8 = 0x08
MOST_UNPACKED = 1 << 30  # bytes; MNIST's largest file holds 47 MB
_AGAIN = "download it again"


def gunzip(content: bytes, what: str) -> bytes:
    """What a gz file holds, at most 1 GiB. Raises BadFile when it is damaged or cut short."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadFile(f"{what}: not a whole gz file ({_one_line(error)}); {_AGAIN}") from error
    if not content or len(unpacked) > MOST_UNPACKED:
        found = "more than 1 GiB" if content else "no bytes"
        raise BadFile(f"{what}: expected a gz file of at most 1 GiB, found {found}; {_AGAIN}")
    return unpacked


def idx(content: bytes, what: str) -> np.ndarray:
    """An IDX file of bytes with 1 axis (labels) or 3 (images): uint8 (N,) or (N, rows, columns).

    Layout: two zero bytes, the type 0x08, the number of axes, each size as 4 bytes, high byte
    first, then the items, the last axis fastest. Raises BadFile.
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise BadFile(
            f"{what}: not an IDX file (it begins with {content[:4].hex() or 'nothing'}); "
            f"{_AGAIN}, and unpack a .gz only once"
        )
    kind, axes = content[2], content[3]
    if kind != IDX_UINT8 or axes not in (1, 3):
        raise BadFile(
            f"{what}: IDX type 0x{kind:02x} with {axes} axes, expected 0x08 with 1 or 3; give MNIST's own file"
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise BadFile(f"{what}: cut short within its header, {len(content)} bytes; {_AGAIN}")
    shape = struct.unpack(f">{axes}I", content[4:start])
    items, found = math.prod(shape), len(content) - start  # whole numbers: no overflow
    if items != found or items == 0:
        raise BadFile(
            f"{what}: its header declares {' x '.join(map(str, shape))} = {items} items, "
            f"found {found}; it is empty, cut short or too long: {_AGAIN}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def cifar10(content: bytes, what: str) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's binary version: images uint8 (N, 3, 32, 32) and labels uint8 (N,), 0 to 9.

    Layout: records of 3,073 bytes, a label and three planes in rows. Raises BadFile.
    """
    _check_whole(content, CIFAR_RECORD, what)
    records = np.frombuffer(content, np.uint8).reshape(-1, CIFAR_RECORD)
    labels = records[:, 0].copy()
    if labels.max() >= CLASSES:
        row = int((labels >= CLASSES).argmax())
        raise BadFile(
            f"{what}: record {row} has label {labels[row]}, expected 0 to 9; this is not "
            f"CIFAR-10's binary version, or it is damaged: {_AGAIN}"
        )
    return records[:, 1:].reshape(-1, 3, 32, 32).copy(), labels


def stl10(content: bytes, what: str) -> np.ndarray:
    """Images of an STL-10 binary file, or of a whole number of its records: (N, 3, 96, 96) uint8.

    Layout: 27,648 bytes an image, planes R, G, B, each column by column from the left; the result
    has rows before columns. A view of `content`, read-only. Raises BadFile.
    """
    _check_whole(content, STL_IMAGE, what)
    columns = np.frombuffer(content, np.uint8).reshape(-1, 3, STL_SIDE, STL_SIDE)
    return columns.transpose(0, 1, 3, 2)


def stl10_labels(content: bytes, what: str) -> np.ndarray:
    """Labels of an STL-10 file: (N,) uint8, 0 to 9. The file counts from 1. Raises BadFile."""
    _check_whole(content, 1, what)
    labels = np.frombuffer(content, np.uint8)
    wrong = (labels < 1) | (labels > CLASSES)
    if wrong.any():
        row = int(wrong.argmax())
        raise BadFile(
            f"{what}: label {labels[row]} at position {row}, expected 1 to 10; give STL-10's own file, or {_AGAIN}"
        )
    return labels - np.uint8(1)


def _check_whole(content: bytes, record: int, what: str) -> None:
    if not content or len(content) % record:
        raise BadFile(
            f"{what}: {len(content)} bytes, expected a multiple of {record}; it is "
            f"empty, cut short or of another kind: {_AGAIN}"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
