"""The authors' networks: refused unless they are the published files, and computed twice.

Kinds of test: failures (on small files in the same layout), second method (a forward pass in
NumPy), golden numbers. What needs the real files is skipped where $DOTLIB_OFFICIAL does not name
their folder.
"""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from dotlib.errors import FileError, InputError
from dotlib.seeding import generator, numpy_rng
from dotlib.training import authors

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "dot-2d"
FOLDER = Path(os.environ.get("DOTLIB_OFFICIAL") or BESIDE)
DATASETS = ("25gaussians", "swissroll")
needs_files = pytest.mark.skipif(
    not all((FOLDER / name).exists() for name in authors.SHA256),
    reason="the authors' npz files are not here; set DOTLIB_OFFICIAL to their folder",
)
SIZES = {"G": ((2, 256), (256, 256), (256, 256), (256, 2)), "D": ((2, 512), (512, 512), (512, 512), (512, 1))}


def arrays_of(role: str) -> dict[str, np.ndarray]:
    rng, arrays = numpy_rng(0, "official", role), {}
    for name, (inputs, outputs) in zip(authors.LAYERS[role], SIZES[role], strict=True):
        arrays[f"{name}/W"] = (rng.standard_normal((outputs, inputs)) / inputs**0.5).astype("f4")
        arrays[f"{name}/b"] = rng.standard_normal(outputs).astype("f4") / 10
    return arrays


def forward(arrays: dict[str, np.ndarray], names: tuple[str, ...], x: np.ndarray) -> np.ndarray:
    """The multilayer perceptron of Table 4, in float64 and without torch."""
    for name in names:
        x = x @ arrays[f"{name}/W"].T.astype(np.float64) + arrays[f"{name}/b"]
        if name != names[-1]:
            x = np.where(x > 0, x, 0.2 * x)
    return x


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of files in the authors' layout, which the table of digests knows."""
    digests = dict(authors.SHA256)
    monkeypatch.setattr(authors, "SHA256", digests)
    for role in "GD":
        path = tmp_path / authors.file_name(role, "swissroll")
        path.write_bytes(packed(arrays_of(role)))
        digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return tmp_path


def replaced(place: Path, role: str, content: bytes) -> None:
    """Write a file and have the table know it, so that only its structure can refuse it."""
    path = place / authors.file_name(role, "swissroll")
    path.write_bytes(content)
    authors.SHA256[path.name] = hashlib.sha256(content).hexdigest()


def refused(place: Path, match: str) -> None:
    with pytest.raises(FileError, match=match) as caught:
        authors.load_pair("swissroll", place)
    text = str(caught.value)
    assert "\n" not in text and "AkinoriTanaka-phys/DOT" in text and len(text) < 1_000


# --- what is refused ---------------------------------------------------------------------------


def test_an_object_that_would_run_a_command_is_not_unpickled(place, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    arrays = arrays_of("G")
    arrays["l0/W"] = np.array([Evil()], dtype=object)
    replaced(place, "G", packed(arrays))
    refused(place, r"not an npz file of plain arrays \(Object arrays cannot be loaded")
    assert not (tmp_path / "ran").exists()
    np.load(place / authors.file_name("G", "swissroll"), allow_pickle=True)["l0/W"]
    assert (tmp_path / "ran").exists()  # the trap works where somebody allows it


@pytest.mark.parametrize("role", ["G", "D"])
def test_truncated_and_changed_files_are_refused_by_their_digest(place, role):
    path = place / authors.file_name(role, "swissroll")
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (content[:-1], content[:middle], b"", flipped, content + b"\0", b"<html>404</html>"):
        path.write_bytes(damaged)
        refused(place, "SHA-256 [0-9a-f]{12}... is not that of the published file.*download it")


def test_structure_is_checked_even_where_the_digest_is_known(place):
    content = packed(arrays_of("G"))
    for broken in (content[:-40], content[:100], b"", b"PK\x03\x04", b"\x80\x04K\x01.", b"text"):
        replaced(place, "G", broken)
        refused(place, "not an npz file of plain arrays")
    one_array = io.BytesIO()
    np.save(one_array, np.zeros(3))
    replaced(place, "G", one_array.getvalue())
    refused(place, "not an npz file of plain arrays")


def test_a_damaged_member_is_refused(place):
    """The archive's directory is whole and one compressed array is not: CRC or zlib says so."""
    content = bytearray(packed(arrays_of("D")))
    content[len(content) // 2] ^= 0xFF
    replaced(place, "D", bytes(content))
    refused(place, "not an npz file of plain arrays")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda a: a.pop("l4/b"), r"missing keys \['l4/b'\], unknown keys \[\]; this is another"),
        (lambda a: a.update({"l3/W": a.pop("l2/W")}), r"missing .*'l2/W'.* unknown .*'l3/W'"),
        (lambda a: a.update(extra=np.zeros(1, "f4")), r"unknown keys \['extra'\]"),
        (lambda a: a.clear(), "missing keys"),
        (lambda a: a.update({"l0/W": a["l0/W"].T.copy()}), r"l0/W has shape \(2, 256\).*\(256, 2\)"),
        (lambda a: a.update({"l1/b": a["l1/b"][:, None]}), r"l1/b has shape \(256, 1\)"),
        (lambda a: a.update({"l4/W": a["l4/W"][:1]}), r"l4/W has shape \(1, 256\)"),
        (lambda a: a.update({"l2/b": a["l2/b"].astype("f8")}), "l2/b has .* type float64, expected"),
        (lambda a: a.update({"l2/b": a["l2/b"].astype(">f4")}), "l2/b has .* type >f4, expected"),
        (lambda a: a.update({"l2/b": a["l2/b"] * np.float32("nan")}), "l2/b holds NaN or infinity"),
        (lambda a: a.update({"l1/W": a["l1/W"] / np.float32(0)}), "l1/W holds NaN or infinity"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_other_networks_are_refused(place, change, match):
    arrays = arrays_of("G")
    change(arrays)
    replaced(place, "G", packed(arrays))
    refused(place, match)


def test_G_and_D_cannot_be_exchanged(place):
    replaced(place, "D", packed(arrays_of("G")))
    refused(place, "D_swissroll_WGAN-GP.npz: missing keys .*'l3/W'.*unknown keys .*'l0/W'")


def test_missing_files_say_where_to_get_them(tmp_path, monkeypatch):
    refused(tmp_path, "G_swissroll_WGAN-GP.npz: cannot be read .No such file.*folder trained_mod")
    monkeypatch.delenv("DOTLIB_OFFICIAL", raising=False)
    assert authors.folder() is None
    refused(None, "^DOTLIB_OFFICIAL: not set; download G_swissroll_WGAN-GP.npz and D_swissroll")
    monkeypatch.setenv("DOTLIB_OFFICIAL", "")
    assert authors.folder() is None


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / authors.file_name("G", "swissroll")).mkdir()
    refused(tmp_path, "Is a directory")


def test_unknown_sets_are_refused(tmp_path):
    with pytest.raises(InputError, match="dataset: unknown 'swisroll'.*nearest: swissroll"):
        authors.load_pair("swisroll", tmp_path)


# --- what is loaded ----------------------------------------------------------------------------


def compared(pair, folder: Path, dataset: str) -> None:
    """G and D of the pair against NumPy's float64, on 500 latents.

    Float32 sums of up to 512 terms of order 1: absolute error below 1e-5 times the values.
    """
    z = pair.prior.sample(500, generator(0, "official", dataset))
    arrays = {role: dict(np.load(folder / authors.file_name(role, dataset))) for role in "GD"}
    x = forward(arrays["G"], ("l0", "l1", "l2", "l4"), z.double().numpy())
    d = forward(arrays["D"], ("l1", "l2", "l3", "l4"), x)[:, 0]
    assert np.abs(pair.generate(z).numpy() - x).max() < 1e-5 * (1 + np.abs(x).max())
    assert np.abs(pair.latent_logit(z).numpy() - d).max() < 3e-5 * (1 + np.abs(d).max())
    assert x.std() > 0.01 and d.std() > 0.001  # the comparison sees something


def test_a_file_in_the_authors_layout(place, monkeypatch):
    pair, digests = authors.load_pair("swissroll", place)
    compared(pair, place, "swissroll")
    names = [authors.file_name(role, "swissroll") for role in "GD"]
    assert digests == {name: authors.SHA256[name] for name in names}
    for network in (pair.generator, pair.discriminator):
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())
    monkeypatch.setenv("DOTLIB_OFFICIAL", str(place))
    assert authors.folder() == place
    again, _ = authors.load_pair("swissroll")
    assert torch.equal(again.generate(torch.ones(1, 2)), pair.generate(torch.ones(1, 2)))


@needs_files
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_real_files_against_numpy(dataset):
    pair, _ = authors.load_pair(dataset, FOLDER)
    compared(pair, FOLDER, dataset)


# Measured on the published files with `forward` of this file (no torch, none of this package):
# 400,000 latents uniform on [-1, 1]^2 from numpy.random.default_rng(20190), in float64, as 200,000
# pairs of points of p_G, and K_eff as the mean of the 2,000 maxima over 100 pairs each.
# (value, standard deviation of one term).
GOLDEN = {
    "25gaussians": {"logit": (0.45688, 0.3024), "K_eff": (2.0026, 0.4659)},
    "swissroll": {"logit": (0.75666, 0.1842), "K_eff": (0.9678, 0.2979)},
}
GOLDEN_POINTS = {  # G(z) and D(G(z)) by the same code
    "25gaussians": (
        [[0.00669399, 0.0201163], [1.13085755, 1.02141047], [-1.44986656, -1.33143032], [-1.32820748, 0.49256125]],
        [0.70558459, 0.16871224, 0.23067636, -0.06166994],
    ),
    "swissroll": (
        [[0.70885631, -0.12003119], [0.10543489, 0.99378584], [1.70823086, 0.19851667], [1.25630699, 0.64362775]],
        [0.91262418, 0.87346712, 0.96678007, 0.52601775],
    ),
}


@needs_files
@pytest.mark.parametrize("dataset", DATASETS)
def test_golden_points(dataset):
    """To 1e-5: what float32 leaves of the float64 numbers above."""
    pair, _ = authors.load_pair(dataset, FOLDER)
    z = torch.tensor([[0, 0], [0.5, -0.5], [-1, 1], [0.25, 0.75]])
    x, d = GOLDEN_POINTS[dataset]
    assert np.abs(pair.generate(z).numpy() - x).max() < 1e-5
    assert np.abs(pair.latent_logit(z).numpy() - d).max() < 1e-5


@needs_files
@pytest.mark.parametrize("dataset", DATASETS)
def test_golden_K_eff_and_mean_logit(dataset):
    """200 repeats of the maximum over 100 pairs, with torch, on other latents.

    Bounds: five standard errors of the 200 (or 40,000) terms here and the 2,000 (400,000) there.
    """
    pair, _ = authors.load_pair(dataset, FOLDER)
    z = pair.prior.sample(40_000, generator(1, "official", dataset))
    x = torch.cat([pair.generate(part) for part in z.split(2_000)])
    d = torch.cat([pair.logit(part) for part in x.split(2_000)])
    slopes = (d[::2] - d[1::2]).abs() / (x[::2] - x[1::2]).norm(dim=1)
    for found, terms, (golden, sd) in (
        (slopes.reshape(200, 100).amax(1), 200, GOLDEN[dataset]["K_eff"]),
        (d, 40_000, GOLDEN[dataset]["logit"]),
    ):
        error = sd * (1 / terms + 1 / (10 * terms)) ** 0.5
        assert float(found.double().mean()) == pytest.approx(golden, abs=5 * error)
        # the spread too: a fifth of K_eff at 100 pairs
        assert float(found.double().std()) == pytest.approx(sd, rel=0.3)


@needs_files
def test_the_real_files_are_those_of_the_table():
    for name, digest in authors.SHA256.items():
        assert authors.read(FOLDER / name)[1] == digest
