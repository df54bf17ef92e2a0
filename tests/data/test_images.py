"""Image sets: what is read, how it is split, and the two conversions.

Small files in the official formats stand for the real ones, with the official counts replaced;
the real MNIST, and CIFAR-10 where it is at hand, are read as well and skipped where missing.
Kinds of test: identities, closed forms, second method, golden numbers, failures.
"""

import functools
import gzip
import hashlib
import os
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from dotlib.data import downloads, images, readers
from dotlib.data.downloads import MD5, SOURCES, Source
from dotlib.errors import FileError, InputError
from dotlib.evaluation import judges
from dotlib.seeding import generator, numpy_rng

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = Path(os.environ.get("DOTLIB_DATA") or BESIDE)
MNIST = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
needs_mnist = pytest.mark.skipif(
    not any(all((folder / name).exists() for name in MNIST) for folder in (REAL, REAL / "mnist")),
    reason="MNIST's files are not here; set DOTLIB_DATA to a folder with mnist/*-ubyte.gz",
)
needs_fashion = pytest.mark.skipif(
    not all((REAL / "fashion-mnist" / name).exists() for name in MNIST),
    reason="Fashion-MNIST's files are not here; set DOTLIB_DATA to a folder with fashion-mnist/*-ubyte.gz",
)
needs_cifar10 = pytest.mark.skipif(
    not (REAL / "cifar-10-batches-bin").is_dir(),
    reason="CIFAR-10's binary version is not here; set DOTLIB_DATA to the folder that holds cifar-10-batches-bin",
)
COUNTS = {
    "mnist": {"train": 30, "test": 8},
    "fashion_mnist": {"train": 33, "test": 7},
    "cifar10": {"train": 40, "test": 9},
    "stl10": {"unlabeled": 23, "train": 6, "test": 7},
}
SIZES = {"mnist": (1, 32, 32), "fashion_mnist": (1, 32, 32), "cifar10": (3, 32, 32), "stl10": (3, 48, 48)}
EACH = pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])


def random_bytes(*shape: int, top: int = 256) -> np.ndarray:
    return numpy_rng(0, "images", str(shape)).integers(0, top, shape, dtype=np.uint8)


def write_mnist(folder: Path, name: str = "mnist") -> None:
    folder.mkdir(exist_ok=True)
    for part, stem in (("train", "train"), ("test", "t10k")):
        n = COUNTS[name][part]
        head = struct.pack(">4I", 0x803, n, 28, 28)
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + random_bytes(n, 28, 28).tobytes()))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2I", 0x801, n) + random_bytes(n, top=10).tobytes()
        )


def write_cifar10(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for k, name in enumerate(["test_batch", *(f"data_batch_{k}" for k in range(1, 6))]):
        n = COUNTS["cifar10"]["train"] // 5 if k else COUNTS["cifar10"]["test"]
        rows = np.concatenate([(random_bytes(n, 1) + k) % 10, random_bytes(n, 3_072) + k], 1)
        (folder / f"{name}.bin").write_bytes(rows.astype(np.uint8).tobytes())


def write_stl10(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for part, n in COUNTS["stl10"].items():
        (folder / f"{part}_X.bin").write_bytes(random_bytes(n, 3, 96, 96).tobytes())
        if part != "unlabeled":
            (folder / f"{part}_y.bin").write_bytes((random_bytes(n, top=10) + 1).tobytes())


FOLDERS = {
    "mnist": ("mnist", write_mnist),
    "fashion_mnist": ("fashion-mnist", functools.partial(write_mnist, name="fashion_mnist")),
    "cifar10": ("cifar-10-batches-bin", write_cifar10),
    "stl10": ("stl10_binary", write_stl10),
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """$DOTLIB_DATA is an empty folder, the counts are small, and nothing is cached or fetched."""
    monkeypatch.setattr(readers, "COUNTS", COUNTS)
    monkeypatch.setattr(readers, "STL_BLOCK", 4)
    monkeypatch.setenv("DOTLIB_DATA", str(tmp_path))
    monkeypatch.setenv("DOTLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DOTLIB_IMAGES", raising=False)
    for cached in (images._split, images._pool):
        cached.cache_clear()
    yield tmp_path
    for cached in (images._split, images._pool):
        cached.cache_clear()


@pytest.fixture
def filled(place):
    for name, write in FOLDERS.values():
        write(place / name)
    return place


def row_names(found: images.ImageSet) -> list[bytes]:
    """Each image as one value, so that splits can be compared as sets."""
    return [hashlib.sha256(image.numpy().tobytes()).digest() for image in found.images]


def refused(match: str, name: str, split: str = "train") -> str:
    with pytest.raises(FileError, match=match) as caught:
        images.image_set(name, split)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 900
    return text


# --- conversions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_byte_survives_there_and_back(dtype):
    byte = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    x = images.to_float(byte)
    assert x.dtype == torch.float32 and x.shape == byte.shape
    assert float(x.min()) == -1 and float(x.max()) == 1
    assert torch.equal(images.to_uint8(x.to(dtype)), byte)
    assert byte.flatten()[0] == 0 and torch.equal(x[x > 0].sort().values, x[x > 0])


def test_to_float_is_linear():
    """Steps of 2/255; float32 near 1 is exact to 6e-8."""
    x = images.to_float(torch.arange(256, dtype=torch.uint8)).double()
    assert float((x - torch.linspace(-1, 1, 256, dtype=torch.float64)).abs().max()) < 1e-7


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_rounding_is_to_the_nearest_and_half_to_even(dtype):
    assert images.to_uint8(torch.tensor([-1, -0.5, 0, 0.5, 1], dtype=dtype)).tolist() == [
        0,
        64,
        128,
        191,
        255,
    ]  # 63.75, 127.5 (to even: 128), 191.25
    if dtype == torch.float64:
        for k in range(0, 255):
            middle = torch.tensor([(k + 0.5) / 127.5 - 1], dtype=dtype)
            if float((middle + 1) * 127.5) == k + 0.5:  # where the middle is met exactly
                assert images.to_uint8(middle).item() == k + k % 2


def test_inputs_are_not_written():
    byte, x = torch.arange(9, dtype=torch.uint8), torch.linspace(-1, 1, 9, requires_grad=True)
    images.to_float(byte)
    assert not images.to_uint8(x).requires_grad
    assert byte.tolist() == list(range(9)) and torch.equal(x.detach(), torch.linspace(-1, 1, 9))


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (torch.tensor([0.0, float("nan")]), "found .x. up to nan"),
        (torch.tensor([float("inf")]), "up to inf"),
        (torch.tensor([-float("inf")]), "up to inf"),
        (torch.tensor([1.001]), r"found .x. up to 1.001; end the generator with tanh"),
        (torch.tensor([-1.00001]), "up to 1.00001"),
        (torch.tensor([255.0]), "up to 255"),
        (torch.zeros(2, dtype=torch.uint8), "floats .*found torch.uint8 of shape .2,."),
        (torch.zeros(0, 3), "found torch.float32 of shape .0, 3."),
        (torch.zeros(2, dtype=torch.complex64), "found torch.complex64"),
        (np.zeros(2), "found ndarray"),
    ],
    ids=["nan", "inf", "-inf", "1.001", "-1.00001", "255", "bytes", "empty", "complex", "array"],
)
def test_what_is_no_image_in_range_is_refused(x, match):
    with pytest.raises(InputError, match=f"^images: .*{match}"):
        images.to_uint8(x)


def test_rounding_beyond_1_is_allowed():
    edge = torch.tensor([1 + 1e-7, -1 - 1e-7], dtype=torch.float64)
    assert images.to_uint8(edge).tolist() == [255, 0]


@pytest.mark.parametrize(
    "x", [torch.zeros(2), torch.zeros(2, dtype=torch.int64), np.zeros(2, "u1")], ids=["float", "int64", "array"]
)
def test_only_bytes_become_floats(x):
    with pytest.raises(InputError, match="images: expected a uint8 tensor, found"):
        images.to_float(x)


# --- draws ---------------------------------------------------------------------------------------


def test_draws_come_from_the_generator_alone():
    digits = images.image_set("digits")
    state = torch.get_rng_state()
    first = digits.draw(64, generator(0, "draw"))
    assert first.shape == (64, 1, 8, 8) and first.dtype == torch.float32
    assert torch.equal(first, digits.draw(64, generator(0, "draw")))
    assert not torch.equal(first, digits.draw(64, generator(1, "draw")))
    known = {image.numpy().tobytes() for image in images.to_float(digits.images)}
    assert all(image.numpy().tobytes() in known for image in first)
    assert torch.equal(state, torch.get_rng_state())
    assert len(digits.draw(5_000, generator(0, "draw"))) == 5_000  # with replacement


def test_labelled_draws_are_the_draws_with_the_label_of_each_image():
    digits = images.image_set("digits")
    label_of = dict(zip((row.numpy().tobytes() for row in images.to_float(digits.images)), digits.labels, strict=True))
    x, y = digits.draw_labelled(200, generator(0, "draw"))
    assert torch.equal(x, digits.draw(200, generator(0, "draw"))) and y.dtype == torch.int64
    assert y.tolist() == [int(label_of[row.numpy().tobytes()]) for row in x] and len(set(y.tolist())) == 10
    bare = replace(digits, labels=None)
    with pytest.raises(InputError, match="^labels: digits train has none; take a labelled set or split"):
        bare.draw_labelled(4, generator(0, "draw"))
    with pytest.raises(InputError, match="n: expected an integer >= 1"):
        digits.draw_labelled(0, generator(0, "draw"))


def test_taken_rows_are_different_and_keep_their_labels():
    digits = images.image_set("digits")
    label_of = dict(zip(row_names(digits), digits.labels.tolist(), strict=True))
    some = digits.take(100, generator(0, "take"))
    assert len(some) == 100 == len(set(row_names(some))) and some.images.dtype == torch.uint8
    assert [label_of[row] for row in row_names(some)] == some.labels.tolist()
    assert (some.name, some.split, some.origin) == ("digits", "train", digits.origin)
    assert some.fingerprint != digits.fingerprint
    assert digits.take(100, generator(0, "take")).fingerprint == some.fingerprint
    assert sorted(row_names(digits.take(1_197, generator(0, "a")))) == sorted(row_names(digits))
    assert len(digits.take(1, generator(0, "a"))) == 1


def test_bad_numbers_of_images():
    digits = images.image_set("digits")
    with pytest.raises(InputError, match="n: 1198 exceeds the 1197 images of digits train; take"):
        digits.take(1_198, generator(0, "a"))
    for bad in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="n: expected an integer >= 1"):
            digits.take(bad, generator(0, "a"))
        with pytest.raises(InputError, match="n: expected an integer >= 1"):
            digits.draw(bad, generator(0, "a"))


# --- splits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("digits", (1_197, 600, 1_797, 597, 600)),
        ("mnist", (30, 8, 38, 22, 8)),
        ("mnist8", (30, 8, 38, 22, 8)),
        ("fashion_mnist", (33, 7, 40, 26, 7)),
        ("fashion_mnist8", (33, 7, 40, 26, 7)),
        ("cifar10", (40, 9, 49, 31, 9)),
        ("stl10", (23, 7, 23, 6, 7)),
    ],
)
def test_every_split(filled, name, counts):
    sets = {split: images.image_set(name, split) for split in images.SPLITS}
    assert tuple(len(found) for found in sets.values()) == counts
    for split, found in sets.items():
        assert (found.name, found.split) == (name, split)
        assert found.images.dtype == torch.uint8 and found.images.is_contiguous()
        assert found.images.shape[1:] == SIZES.get(name, (1, 8, 8))
        if found.labels is not None:
            assert found.labels.dtype == torch.int64 and len(found.labels) == len(found)
            assert int(found.labels.min()) >= 0 and int(found.labels.max()) <= 9
        assert images.image_set(name, split) is found  # kept in memory
    rows = {split: row_names(found) for split, found in sets.items()}
    if name == "stl10":
        assert [sets[split].labels is None for split in images.SPLITS] == [1, 0, 1, 0, 1]
        assert rows["train"] == rows["paper"] and set(rows["floor"]) < set(rows["train"])
        assert sets["train"].fingerprint == sets["paper"].fingerprint
        assert not set(rows["judge"]) & set(rows["train"]) | set(rows["judge"]) & set(rows["test"])
        return
    assert sorted(rows["judge"] + rows["floor"]) == sorted(rows["train"])
    assert rows["paper"] == rows["train"] + rows["test"]
    assert torch.equal(sets["paper"].labels, torch.cat([sets["train"].labels, sets["test"].labels]))
    assert rows["floor"] != rows["train"][: len(rows["floor"])]  # shuffled


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist8_is_the_rounded_mean_of_4_by_4(filled, name):
    """NumPy's mean and rint are a second method; random images have all sixteenths, the halves among them."""
    full, small = (images.image_set(each) for each in (name, f"{name}8"))
    means = full.images.numpy().reshape(-1, 1, 8, 4, 8, 4).astype(float).mean((3, 5))
    assert np.array_equal(small.images.numpy(), np.rint(means))
    assert ((means % 1 == 0.5) & (np.rint(means) % 2 == 0)).any() and len(np.unique(means % 1)) == 16
    assert torch.equal(small.labels, full.labels) and small.origin == full.origin


@pytest.mark.parametrize("name", ["digits", "mnist", "mnist8", "fashion_mnist", "fashion_mnist8", "cifar10", "stl10"])
def test_no_image_is_on_two_sides_of_a_comparison(filled, name):
    """Reference, floor and what the judge is fit on; three of the digits have a twin in another split."""
    rows = {split: set(row_names(images.image_set(name, split))) for split in images.SPLITS}
    pairs = [*judges.SPLITS.values(), *(("judge", split) for split in judges.SPLITS["classifier"]), ("train", "test")]
    shared = {pair: len(rows[pair[0]] & rows[pair[1]]) for pair in pairs}
    assert max(shared.values()) <= (3 if name == "digits" else 0), f"images in both splits: {shared}"


def test_unknown_words():
    with pytest.raises(InputError, match="name: unknown 'cifar'; known: cifar10, .*nearest: cifar10"):
        images.image_set("cifar")
    with pytest.raises(InputError, match="split: unknown 'valid'; known: floor, judge, paper, test"):
        images.image_set("digits", "valid")


def test_digits_are_those_of_scikit_learn():
    """Grey levels 0 to 16 onto 0 to 255: 0, 16, 32, 48, 64, 80, 96, 112, 128, 143, ..., 255."""
    found = images.image_set("digits", "paper")
    bunch = load_digits()
    label_of = {}
    for pixels, label in zip(bunch.images, bunch.target, strict=True):
        label_of[bytes(round(v * 15.9375) for v in pixels.ravel())] = int(label)
    assert len(label_of) == 1_797
    assert [label_of[image.numpy().tobytes()] for image in found.images] == found.labels.tolist()
    assert found.images.unique().tolist() == [
        0,
        16,
        32,
        48,
        64,
        80,
        96,
        112,
        128,
        143,
        159,
        175,
        191,
        207,
        223,
        239,
        255,
    ]
    assert found.origin == "built into scikit-learn"


# From a script without this package: load_digits().images * 255 / 16 through numpy.rint, rows in
# the order numpy.random.default_rng(s).permutation(1797) with s the first 8 bytes of
# sha256("0\x1fsplit\x1fdigits\x1ftest") as a big-endian number, halved; the first 600 are "test",
# the rest "train"; then sha256 of "(N, 1, 8, 8)", the pixels, the labels as little-endian int64.
GOLDEN = {
    "train": "69cebaa9b1cdbac69aeb6b9750316fd1db2bc1fb85c5ab6414e68f580c3fadd9",
    "test": "34dd4317a7f60e049e43a2d02999d53bea494c8a4d339de3ebc8fb5bede4df65",
}


@pytest.mark.parametrize("split", GOLDEN)
def test_golden_fingerprints_of_the_digits(split):
    assert images.image_set("digits", split).fingerprint == GOLDEN[split]


def test_fingerprints_see_shape_pixels_and_labels():
    pixels, labels = torch.zeros(4, 1, 2, 3, dtype=torch.uint8), torch.arange(4)
    other = pixels.clone()
    other[3, 0, 1, 2] = 1
    variants = [
        (pixels, labels),
        (pixels, None),
        (pixels, labels.flip(0)),
        (other, labels),
        (pixels.reshape(4, 1, 3, 2), labels),
        (pixels.reshape(2, 1, 4, 3), labels[:2]),
    ]
    prints = [images._build("x", "train", (*rows, "")).fingerprint for rows in variants]
    assert len(set(prints)) == len(variants)
    strided = pixels.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)
    assert images._build("y", "test", (strided, labels, "o")).fingerprint == prints[0]


# --- MNIST ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("beside", [True, False], ids=["mnist/", "flat"])
def test_mnist_is_padded_by_2(place, beside):
    write_mnist(place / "mnist" if beside else place)
    for part in ("train", "test"):
        found = images.image_set("mnist", part)
        n = COUNTS["mnist"][part]
        assert np.array_equal(found.images[:, 0, 2:30, 2:30].numpy(), random_bytes(n, 28, 28))
        assert int(found.images.sum()) == int(random_bytes(n, 28, 28).sum(dtype=np.int64))
        assert found.labels.tolist() == random_bytes(n, top=10).tolist()
        assert found.origin == downloads.UNKNOWN


def test_fashion_mnist_is_never_taken_for_mnist(place):
    """Both sets have files of the same names; the one without a folder of its own is MNIST's."""
    write_mnist(place)
    with pytest.raises(
        FileError, match="^.*: holds no fashion-mnist/train-images.*DOTLIB_DATA names, under fashion-mn"
    ):
        images.image_set("fashion_mnist")
    write_mnist(place / "fashion-mnist", "fashion_mnist")
    assert (len(images.image_set("mnist")), len(images.image_set("fashion_mnist"))) == (30, 33)
    (place / "fashion-mnist" / "train-labels-idx1-ubyte").unlink()
    images._pool.cache_clear()
    images._split.cache_clear()
    assert "holds no fashion-mnist/train-labels" in refused("get https://github.com/zalando", "fashion_mnist")
    (place / "fashion-mnist" / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 33) + bytes([10] * 33))
    refused("largest value 10; give Fashion-MNIST's own file", "fashion_mnist")


def test_origin_of_mnist(filled, monkeypatch):
    (filled / "mnist" / "ORIGIN.txt").write_text("made for a test\n")
    assert images.image_set("mnist").origin == "made for a test"
    for name, packed in (("train-images-idx3-ubyte.gz", True), ("train-labels-idx1-ubyte", False)):
        content = (filled / "mnist" / name).read_bytes()
        digest = hashlib.sha256(gzip.decompress(content) if packed else content).hexdigest()
        key = name.removesuffix(".gz") + ".gz"
        monkeypatch.setitem(SOURCES, key, Source(SOURCES[key].urls, digest, packed=True))
    images._pool.cache_clear()
    images._split.cache_clear()
    assert images.image_set("mnist").origin == downloads.OFFICIAL
    assert images.image_set("mnist", "paper").origin == "made for a test"


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("train-images-idx3-ubyte.gz", lambda c: c[:-1], "not a whole gz file"),
        (
            "train-images-idx3-ubyte.gz",
            lambda c: gzip.compress(gzip.decompress(c)[:-1]),
            "declares 30 x 28 x 28 = 23520 items, found 23519",
        ),
        ("train-labels-idx1-ubyte", lambda c: c[:-1], "declares 30 = 30 items, found 29"),
        (
            "train-labels-idx1-ubyte",
            lambda c: struct.pack(">2I", 0x801, 29) + c[9:],
            "labels-idx1-ubyte: expected 30 images or labels, found 29",
        ),
        ("train-labels-idx1-ubyte", lambda c: c[:-1] + b"\x0a", "labels 0 to 9, .* largest value 10"),
        (
            "train-labels-idx1-ubyte",
            lambda c: struct.pack(">4I", 0x803, 30, 1, 1) + c[8:],
            r"labels 0 to 9, found shape .30, 1, 1.",
        ),
        (
            "train-images-idx3-ubyte.gz",
            lambda c: gzip.compress(struct.pack(">4I", 0x803, 29, 28, 28) + gzip.decompress(c)[800:]),
            "images-idx3-ubyte.gz: expected 30 images or labels, found 29; it is cut short",
        ),
        (
            "train-images-idx3-ubyte.gz",
            lambda c: gzip.compress(struct.pack(">4I", 0x803, 30, 14, 56) + gzip.decompress(c)[16:]),
            r"expected images of 28 x 28, found shape .30, 14, 56.",
        ),
        (
            "train-images-idx3-ubyte.gz",
            lambda c: gzip.compress(struct.pack(">2I", 0x801, 1) + b"1"),
            r"expected images of 28 x 28, found shape .1,.",
        ),
        ("train-images-idx3-ubyte.gz", lambda c: b"<html>", "Not a gzipped file"),
    ],
    ids=[f"{n}" for n in range(10)],
)
def test_bad_mnist_files(filled, name, change, match):
    path = filled / "mnist" / name
    path.write_bytes(change(path.read_bytes()))
    text = refused(match, "mnist")
    assert str(path) in text


def test_a_folder_in_place_of_an_mnist_file(filled):
    path = filled / "mnist" / "train-labels-idx1-ubyte"
    path.unlink()
    path.mkdir()
    assert "get https://ossci" in refused("cannot be read .Is a directory", "mnist")


@EACH
@pytest.mark.parametrize("split", images.SPLITS)
def test_missing_files_name_the_folder_and_the_download(place, name, split):
    text = refused(f"^{place}: holds no .*; get https://.*by hand .sha256 ", name, split)
    place = "put the file into the folder that DOTLIB_DATA names"
    assert place + ", under fashion-mnist" * (name == "fashion_mnist") + ", or unset DOTLIB_DATA" in text


# --- CIFAR-10 and STL-10, from a folder and from an archive --------------------------------------


def archive(place: Path, monkeypatch, name: str, key: str) -> None:
    """Pack a data set's folder as the official archive is packed, and remove the folder."""
    path = place / key
    with tarfile.open(path, "w:gz") as tar:
        for file in sorted((place / name).iterdir(), reverse=True):
            tar.add(file, f"{name}/{file.name}")
            file.unlink()
    (place / name).rmdir()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(SOURCES, key, Source(SOURCES[key].urls, digest, path.stat().st_size))


@pytest.mark.parametrize(("name", "key"), [("cifar10", "cifar-10-binary.tar.gz"), ("stl10", "stl10_binary.tar.gz")])
def test_an_archive_gives_what_its_folder_gives(filled, monkeypatch, name, key):
    before = [images.image_set(name, split) for split in images.SPLITS]
    archive(filled, monkeypatch, FOLDERS[name][0], key)
    images._pool.cache_clear()
    images._split.cache_clear()
    for found in before:
        again = images.image_set(name, found.split)
        assert again is not found and again.fingerprint == found.fingerprint
        assert (found.origin, again.origin) == (downloads.UNKNOWN, downloads.OFFICIAL)
    assert not (filled / FOLDERS[name][0]).exists()  # nothing was unpacked


def test_cifar10_is_read_in_the_order_of_its_files(filled):
    found = images.image_set("cifar10")
    content = b"".join((filled / f"cifar-10-batches-bin/data_batch_{k}.bin").read_bytes() for k in range(1, 6))
    for row in range(40):
        record = content[3_073 * row : 3_073 * (row + 1)]
        assert found.labels[row] == record[0]
        assert found.images[row].numpy().tobytes() == record[1:]


def test_known_content_is_said_to_be_known(filled, monkeypatch):
    for path in (filled / "cifar-10-batches-bin").iterdir():
        monkeypatch.setitem(MD5, f"cifar-10-batches-bin/{path.name}", hashlib.md5(path.read_bytes()).hexdigest())
    assert images.image_set("cifar10", "paper").origin == "official content, md5 verified"


def test_stl10_is_halved_by_means_that_round_half_to_even(filled):
    """Every sum of four bytes, against Python's own rounding; rows and columns as in the format."""
    content = (filled / "stl10_binary/test_X.bin").read_bytes()
    found = images.image_set("stl10", "test")
    rng = numpy_rng(0, "stl10")
    for _ in range(2_000):
        n, c, y, x = (int(rng.integers(0, top)) for top in (7, 3, 48, 48))
        four = [content[27_648 * n + 9_216 * c + 96 * (2 * x + j) + 2 * y + i] for i in (0, 1) for j in (0, 1)]
        assert found.images[n, c, y, x] == round(sum(four) / 4)
    assert found.labels.tolist() == random_bytes(7, top=10).tolist()


def test_every_mean_of_four_bytes(filled, monkeypatch):
    """All 1,021 sums: an image whose 2 x 2 blocks hold them."""
    monkeypatch.setitem(COUNTS["stl10"], "test", 1)
    sums = np.arange(48 * 48 * 3) % 1_021
    blocks = np.stack([np.clip(sums - 255 * k, 0, 255) for k in range(4)], -1).astype(np.uint8)
    planes = blocks.reshape(3, 48, 48, 2, 2).transpose(0, 1, 3, 2, 4).reshape(3, 96, 96)
    (filled / "stl10_binary/test_X.bin").write_bytes(planes.transpose(0, 2, 1).tobytes())
    (filled / "stl10_binary/test_y.bin").write_bytes(b"\x01")
    found, _, _ = readers.stl10("test")
    assert found.ravel().tolist() == [round(int(s) / 4) for s in sums]


def test_stl10_is_read_in_blocks(filled, monkeypatch):
    whole = readers.stl10("unlabeled")[0]
    sizes, read = [], readers.parse_stl10
    monkeypatch.setattr(
        readers, "parse_stl10", lambda content, what: sizes.append(len(content) // 27_648) or read(content, what)
    )
    for block, expected in ((23, [23]), (22, [22, 1]), (5, [5, 5, 5, 5, 3]), (1, [1] * 23)):
        monkeypatch.setattr(readers, "STL_BLOCK", block)
        assert np.array_equal(readers.stl10("unlabeled")[0], whole) and sizes == expected
        sizes.clear()


BIN, X = "cifar-10-batches-bin/data_batch_3.bin", "stl10_binary/unlabeled_X.bin"


@pytest.mark.parametrize(
    ("name", "split", "file", "change", "match"),
    [
        ("cifar10", "train", BIN, lambda c: c[:-1], "24583 bytes, expected a multiple of 3073"),
        ("cifar10", "train", BIN, lambda c: c[3_073:], "expected 8 images or labels, found 7"),
        ("cifar10", "train", BIN, lambda c: c + c, "expected 8 images or labels, found 16"),
        ("cifar10", "train", BIN, lambda c: b"", "0 bytes"),
        ("cifar10", "train", BIN, lambda c: b"\xff" + c[1:], "record 0 has label 255"),
        ("cifar10", "paper", BIN, None, "cannot be read .No such file.*get https://www.cs.toronto"),
        ("stl10", "paper", X, lambda c: c[:-1], "expected 635,904 bytes, found 635,903"),
        ("stl10", "floor", X, lambda c: c[27_648:], "expected 635,904 bytes, found 608,256"),
        ("stl10", "test", "stl10_binary/test_X.bin", lambda c: c + c, "193,536 bytes, found 387,072"),
        ("stl10", "test", "stl10_binary/test_y.bin", lambda c: c[1:], "expected 7 .* found 6"),
        ("stl10", "judge", "stl10_binary/train_y.bin", lambda c: b"\0" + c[1:], "label 0 at position"),
        ("stl10", "judge", "stl10_binary/train_y.bin", None, "get https://ai.stanford"),
    ],
    ids=[f"{n}" for n in range(12)],
)
def test_bad_binary_files(filled, name, split, file, change, match):
    path = filled / file
    path.write_bytes(change(path.read_bytes())) if change else path.unlink()
    assert str(path) in refused(match, name, split)


# --- a folder of pictures ------------------------------------------------------------------------


def pictures(folder: Path, n: int) -> None:
    for k in range(n):
        Image.fromarray(random_bytes(40, 40, 3) // 2 + np.uint8(k)).save(folder / f"{k:02}.png")


def test_a_folder_is_read_in_the_order_of_names(place):
    pictures(place, 13)
    (place / "readme.md").write_text("no image")
    found = images.folder(place, 40)
    assert found.images.shape == (13, 3, 40, 40) and found.labels is None
    assert found.origin == downloads.UNKNOWN and (found.name, found.split) == ("folder", "paper")
    for k in range(13):
        expected = random_bytes(40, 40, 3) // 2 + np.uint8(k)
        assert np.array_equal(found.images[k].permute(1, 2, 0).numpy(), expected)
    (place / "ORIGIN.txt").write_text("thirteen squares")
    assert images.folder(place, 16).origin == "thirteen squares"
    assert images.folder(place, 16).images.shape == (13, 3, 16, 16)


def test_the_middle_square_is_kept(place):
    """60 x 20, the outer thirds white: only the grey middle is left. A grey one becomes RGB."""
    wide = np.full((20, 60), 255, np.uint8)
    wide[:, 20:40] = 100
    Image.fromarray(wide).save(place / "a.png")
    Image.fromarray(wide.T.copy()).save(place / "b.JPG", quality=100)
    Image.fromarray(np.dstack([wide] * 4)).save(place / "c.png")  # with alpha
    found = images.folder(place, 10)
    assert found.images.shape == (3, 3, 10, 10)
    assert (found.images.int() - 100).abs().max() <= 1  # JPEG's error; resizing keeps constants


def test_splits_of_a_folder(place, monkeypatch):
    pictures(place, 20)
    monkeypatch.setenv("DOTLIB_IMAGES", str(place))
    sets = {split: images.image_set("folder", split) for split in images.SPLITS}
    assert [len(found) for found in sets.values()] == [17, 3, 20, 14, 3]
    rows = {split: set(row_names(found)) for split, found in sets.items()}
    assert rows["train"] == rows["judge"] | rows["floor"]
    assert rows["paper"] == rows["train"] | rows["test"] and len(rows["paper"]) == 20
    assert sets["train"].images.shape[1:] == (3, 32, 32)


def png(content: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize(
    "content", [b"", b"text", b"<html>", png(b""), png(bytes(30)), b"\xff\xd8\xff\xe0" + bytes(30)], ids=len
)
def test_a_file_that_is_no_image_is_named(place, content):
    pictures(place, 3)
    (place / "01.png").write_bytes(content)
    with pytest.raises(FileError, match="01.png: no readable image .*take it out") as caught:
        images.folder(place, 8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_pictures_cut_short_are_named(place, kind):
    pictures(place, 2)
    Image.fromarray(random_bytes(40, 40, 3)).save(place / f"x.{kind}")
    content = (place / f"x.{kind}").read_bytes()
    for share in (1, 10, 50, 90):
        (place / f"x.{kind}").write_bytes(content[: len(content) * share // 100])
        with pytest.raises(FileError, match=f"x.{kind}: no readable image"):
            images.folder(place, 8)


def test_bad_folders(place, monkeypatch):
    with pytest.raises(FileError, match="nowhere: cannot be read .No such file.*give a folder"):
        images.folder(place / "nowhere", 8)
    for n, match in ((0, "has 0 images; at least 2"), (1, "has 1 images; at least 2")):
        pictures(place, n)
        with pytest.raises(FileError, match=match):
            images.folder(place, 8)
    with pytest.raises(InputError, match="size: expected an integer >= 1, found 0"):
        images.folder(place, 0)
    refused("DOTLIB_IMAGES: not set; set it to a folder", "folder")
    pictures(place, 7)
    monkeypatch.setenv("DOTLIB_IMAGES", str(place))
    refused("split 'test' has 1 images; at least 2", "folder", "test")


# --- the real files ------------------------------------------------------------------------------


@pytest.fixture
def real(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("DOTLIB_DATA", str(REAL))
    monkeypatch.setenv("DOTLIB_CACHE", str(REAL / "no cache"))


@needs_mnist
def test_the_real_mnist(real):
    """Digits of each kind and the mean grey level, as often published: 0.1307 of 28 x 28 pixels."""
    train, test = images.image_set("mnist"), images.image_set("mnist", "test")
    assert train.origin == test.origin == downloads.OFFICIAL
    assert train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    mean = float(train.images[:, :, 2:30, 2:30].double().mean()) / 255
    assert abs(mean - 0.1307) < 5e-5
    floor, judge = images.image_set("mnist", "floor"), images.image_set("mnist", "judge")
    assert (len(floor), len(judge)) == (10_000, 50_000)
    assert torch.equal(floor.labels.bincount() + judge.labels.bincount(), train.labels.bincount())


@needs_fashion
def test_the_real_fashion_mnist(real):
    """6,000 and 1,000 of each class; the mean grey level as often published, 0.2860 of 28 x 28 pixels."""
    train, test = images.image_set("fashion_mnist"), images.image_set("fashion_mnist", "test")
    assert train.origin == test.origin == downloads.OFFICIAL
    assert train.labels.bincount().tolist() == [6_000] * 10 and test.labels.bincount().tolist() == [1_000] * 10
    mean = float(train.images[:, :, 2:30, 2:30].double().mean()) / 255
    assert abs(mean - 0.2860) < 5e-5


@needs_cifar10
def test_the_real_cifar10(real):
    train, test = images.image_set("cifar10"), images.image_set("cifar10", "test")
    assert train.labels.bincount().tolist() == [5_000] * 10
    assert test.labels.bincount().tolist() == [1_000] * 10
    means = train.images.double().mean((0, 2, 3)) / 255
    assert (means - torch.tensor([0.4914, 0.4822, 0.4465])).abs().max() < 2e-3  # a JPEG copy too
