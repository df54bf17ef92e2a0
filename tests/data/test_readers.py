"""The official files' bytes, read whole and right or refused.

Kinds of test: identities (writing back what was read gives the very bytes), second method (one
pixel at a time, by the formats' descriptions), property tests over damaged files, failures.
"""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotlib.data import readers
from dotlib.errors import FileError
from dotlib.seeding import numpy_rng

EXAMPLES = settings(max_examples=600, deadline=None, derandomize=True)
RNG = numpy_rng(0, "formats")
DIGITS = RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 7, dtype=np.uint8)
CIFAR = RNG.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
STL = RNG.integers(0, 256, (2, 3, 96, 96), dtype=np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + (array.tobytes())


def cifar_bytes(images: np.ndarray, labels: np.ndarray) -> bytes:
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


def stl_bytes(images: np.ndarray) -> bytes:
    return b"".join(plane.T.tobytes() for image in images for plane in image)


IDX_FILES = [idx_bytes(DIGITS), idx_bytes(LABELS), idx_bytes(DIGITS[:1, :1, :1])]
CIFAR_FILES = [cifar_bytes(CIFAR[:n], LABELS[:n]) for n in (1, 3)]
STL_FILES = [stl_bytes(STL[:n]) for n in (1, 2)]
FILES = {  # kind -> valid files, bytes of header worth damaging
    "idx": (IDX_FILES, 16),
    "cifar10": (CIFAR_FILES, 1),
    "stl10": (STL_FILES, 1),
    "labels": ([bytes(range(1, 11)), b"\x01"], 1),
    "gz": ([gzip.compress(content, mtime=0) for content in IDX_FILES], 10),
}


def ids(value) -> str:
    """Names of test cases: bytes by their length."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)[:30]


def one_line(caught, what: str = "the file") -> None:
    text = str(caught.value)
    assert text.startswith(f"{what}: ") and "\n" not in text and len(text) < 400
    assert "again" in text or "give" in text  # a remedy


@st.composite
def damaged(draw, file: str) -> bytes:
    """A valid file after up to three mutations; also headers that are random altogether."""
    files, header = FILES[file]
    content = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(
            st.sampled_from(["flip", "set", "cut", "cut front", "extend", "header", "insert", "repeat", "clear"])
        )
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        near = draw(st.integers(0, min(header, max(len(content) - 1, 0))))  # headers are small
        if kind == "flip" and content:
            content[draw(st.sampled_from([at, near]))] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set" and content:
            content[draw(st.sampled_from([at, near]))] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at:]
        elif kind == "cut front":
            del content[:at]
        elif kind == "extend":
            content += draw(st.binary(max_size=40))
        elif kind == "header":
            random = draw(st.binary(min_size=header, max_size=header))
            content[:header] = draw(
                st.sampled_from([random, b"\0\0\x08\x03" + random[4:], b"\0\0\x08\x01" + random[4:]])
            )
        elif kind == "insert":
            content[at:at] = draw(st.binary(max_size=5))
        elif kind == "repeat":
            content *= 2
        else:
            content.clear()
    return bytes(content)


# --- what is read ------------------------------------------------------------------------------


@pytest.mark.parametrize("array", [DIGITS, LABELS, DIGITS[:1]])
def test_idx_reads_what_was_written(array):
    found = readers.parse_idx(idx_bytes(array), "f")
    assert found.dtype == np.uint8 and np.array_equal(found, array) and found.shape == array.shape
    assert found.flags.writeable


def test_idx_pixel_by_pixel():
    content = idx_bytes(DIGITS)
    found = readers.parse_idx(content, "f")
    for i, j, k in np.ndindex(DIGITS.shape):
        assert found[i, j, k] == content[16 + 12 * i + 3 * j + k]


def test_cifar10_pixel_by_pixel():
    content = cifar_bytes(CIFAR, LABELS[:3])
    images, labels = readers.parse_cifar10(content, "f")
    assert images.shape == (3, 3, 32, 32) and images.dtype == labels.dtype == np.uint8
    for row in range(3):
        assert labels[row] == content[3_073 * row]
    for _ in range(500):
        n, c, y, x = (int(RNG.integers(0, top)) for top in (3, 3, 32, 32))
        assert images[n, c, y, x] == content[3_073 * n + 1 + 1_024 * c + 32 * y + x]


def test_stl10_pixel_by_pixel():
    """Column-major: the second byte of a plane lies below the first, not beside it."""
    content = stl_bytes(STL)
    images = readers.parse_stl10(content, "f")
    assert images.shape == (2, 3, 96, 96) and images.dtype == np.uint8
    assert images[0, 0, 1, 0] == content[1] and images[0, 0, 0, 1] == content[96]
    for _ in range(500):
        n, c, y, x = (int(RNG.integers(0, top)) for top in (2, 3, 96, 96))
        assert images[n, c, y, x] == content[27_648 * n + 9_216 * c + 96 * x + y]


def test_stl10_labels_count_from_1_in_the_file_and_from_0_here():
    assert readers.parse_stl10_labels(bytes(range(1, 11)), "f").tolist() == list(range(10))


def test_gunzip():
    content = idx_bytes(DIGITS)
    assert readers.gunzip(gzip.compress(content), "f") == content
    assert readers.gunzip(gzip.compress(content[:9]) + gzip.compress(content[9:]), "f") == content


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "begins with nothing"),
        (b"\0\0\x08", "begins with 000008"),
        (b"<html>404</html>", "not an IDX file .it begins with 3c68746d"),
        (gzip.compress(IDX_FILES[0]), "not an IDX file .* unpack"),
        (b"\0\0\x0d\x01" + bytes(20), "type 0x0d with 1 axes, expected 0x08"),
        (b"\0\0\x08\x02" + bytes(20), "type 0x08 with 2 axes"),
        (b"\0\0\x08\x00", "0 axes"),
        (b"\0\0\x08\xff" + bytes(2_000), "255 axes"),
        (b"\0\0\x08\x03\0\0\0\x05", "cut short within its header, 8 bytes"),
        (IDX_FILES[0][:-1], r"declares 5 x 4 x 3 = 60 items, found 59"),
        (IDX_FILES[0] + b"\0", r"declares 5 x 4 x 3 = 60 items, found 61"),
        (IDX_FILES[0][:16], r"found 0"),
        (b"\0\0\x08\x01\0\0\0\0", "declares 0 = 0 items, found 0; it is empty"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1), "= 0 items, found 0"),
    ],
    ids=ids,
)
def test_bad_idx(content, match):
    with pytest.raises(FileError, match=match) as caught:
        readers.parse_idx(content, "the file")
    one_line(caught)


@pytest.mark.parametrize("shape", [(10**6, 10**6, 10**6), (2**32 - 1,) * 3, (2**31, 2**31, 4)])
def test_a_huge_declaration_allocates_nothing(shape):
    """10^18 items and more; the last is 2^64, which is 0 in 64-bit arithmetic."""
    content = b"\0\0\x08\x03" + struct.pack(">3I", *shape)
    tracemalloc.start()
    try:
        for extra in (b"", bytes(16)):
            with pytest.raises(FileError, match=f"= {shape[0] * shape[1] * shape[2]} items"):
                readers.parse_idx(content + extra, "f")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content", [b"", CIFAR_FILES[0][:-1], CIFAR_FILES[1] + b"\0", b"\0", CIFAR_FILES[1][: 3_073 + 5]], ids=ids
)
def test_cifar10_of_wrong_length(content):
    with pytest.raises(FileError, match=f"{len(content)} bytes, expected a multiple of 3073") as e:
        readers.parse_cifar10(content, "the file")
    one_line(e)


def test_cifar10_with_a_wrong_label():
    content = bytearray(CIFAR_FILES[1])
    content[2 * 3_073] = 10
    with pytest.raises(FileError, match="record 2 has label 10, expected 0 to 9") as caught:
        readers.parse_cifar10(bytes(content), "the file")
    one_line(caught)
    with pytest.raises(FileError, match="record 0 has label 255"):
        readers.parse_cifar10(b"\xff" * 3_073, "f")


@pytest.mark.parametrize("content", [b"", STL_FILES[0][:-1], STL_FILES[1] + b"\0"], ids=ids)
def test_stl10_of_wrong_length(content):
    with pytest.raises(FileError, match=f"{len(content)} bytes, expected a multiple of 27648") as e:
        readers.parse_stl10(content, "the file")
    one_line(e)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "0 bytes"),
        (b"\x01\x02\x00", "label 0 at position 2"),
        (b"\x0b", "label 11 at position 0"),
    ],
    ids=ids,
)
def test_bad_stl10_labels(content, match):
    with pytest.raises(FileError, match=match) as caught:
        readers.parse_stl10_labels(content, "the file")
    one_line(caught)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1f",
        b"\x1f\x8b\x08",
        b"<html>",
        b"\0" * 30,
        gzip.compress(b"x" * 99)[:-1],
        gzip.compress(b"x" * 99)[:-9],
        gzip.compress(b"x") + b"junk",
    ],
    ids=ids,
)
def test_bad_gz(content):
    with pytest.raises(FileError, match="gz file") as caught:
        readers.gunzip(content, "the file")
    one_line(caught)


def test_a_gz_file_that_unpacks_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(readers, "MOST_UNPACKED", 1_000)
    assert len(readers.gunzip(gzip.compress(bytes(1_000)), "f")) == 1_000
    with pytest.raises(FileError, match="found more than 1 GiB"):
        readers.gunzip(gzip.compress(bytes(1_001)), "f")


# --- damaged files: refused with a typed error, or read so that writing gives the same bytes -----


@EXAMPLES
@given(damaged("idx"))
def test_any_idx_file(content):
    try:
        found = readers.parse_idx(content, "the file")
    except FileError as error:
        assert str(error).startswith("the file: ") and "\n" not in str(error)
        assert content not in IDX_FILES
    else:
        assert idx_bytes(found) == content


@EXAMPLES
@given(damaged("cifar10"))
def test_any_cifar10_file(content):
    try:
        images, labels = readers.parse_cifar10(content, "the file")
    except FileError as error:
        assert str(error).startswith("the file: ") and "\n" not in str(error)
        assert not content or len(content) % 3_073 or max(content[::3_073]) > 9
    else:
        assert cifar_bytes(images, labels) == content and labels.max() < 10


@EXAMPLES
@given(damaged("stl10"))
def test_any_stl10_file(content):
    try:
        images = readers.parse_stl10(content, "the file")
    except FileError as error:
        assert str(error).startswith("the file: ") and "\n" not in str(error)
        assert not content or len(content) % 27_648
    else:
        assert stl_bytes(images) == content


@EXAMPLES
@given(damaged("labels"))
def test_any_stl10_labels_file(content):
    try:
        labels = readers.parse_stl10_labels(content, "the file")
    except FileError:
        assert not content or not set(content) <= set(range(1, 11))
    else:
        assert bytes(labels + 1) == content


@EXAMPLES
@given(damaged("gz"))
def test_any_packed_idx_file(content):
    """A flip that survives is one in the name or time of gz's header: the content is the same."""
    try:
        unpacked = readers.gunzip(content, "the file")
        found = readers.parse_idx(unpacked, "the file")
    except FileError as error:
        assert str(error).startswith("the file: ") and "\n" not in str(error)
    else:
        assert idx_bytes(found) == unpacked and unpacked in IDX_FILES
