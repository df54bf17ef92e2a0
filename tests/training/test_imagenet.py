"""The public conditional pair: refused unless keys, shapes and vectors fit, and computed twice.

Kinds of test: golden numbers of the released program, second method (the forward passes in NumPy, written from the
layout alone), a typed table of the layout, failures. The real files are nowhere here; the tests write narrow files in
their layout.
"""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from dotlib.errors import FileError, InputError
from dotlib.pairs import Pair
from dotlib.seeding import numpy_rng
from dotlib.training import imagenet
from dotlib.transport import SGD, Adam, latent_dot

# --- the layout, typed by hand -----------------------------------------------------------------


def layout(ch: int, classes: int, bottom: int, latent: int) -> dict[str, dict[str, tuple[int, ...]]]:
    """Keys and shapes of both files, without anything of the package."""
    G = {
        "l1/W": (16 * ch * bottom**2, latent),
        "l1/b": (16 * ch * bottom**2,),
        "b7/gamma": (ch,),
        "b7/beta": (ch,),
        "b7/avg_mean": (ch,),
        "b7/avg_var": (ch,),
        "b7/N": (),
        "l7/W": (3, ch, 3, 3),
        "l7/b": (3,),
    }
    for k, wide, narrow in ((2, 16, 16), (3, 16, 8), (4, 8, 4), (5, 4, 2), (6, 2, 1)):
        i, o = wide * ch, narrow * ch
        G |= {f"block{k}/c1/W": (o, i, 3, 3), f"block{k}/c1/b": (o,)}
        G |= {f"block{k}/c2/W": (o, o, 3, 3), f"block{k}/c2/b": (o,)}
        G |= {f"block{k}/c_sc/W": (o, i, 1, 1), f"block{k}/c_sc/b": (o,)}
        for b, c in (("b1", i), ("b2", o)):
            G |= {f"block{k}/{b}/gammas/W": (classes, c), f"block{k}/{b}/betas/W": (classes, c)}
            G |= {f"block{k}/{b}/avg_mean": (c,), f"block{k}/{b}/avg_var": (c,), f"block{k}/{b}/N": ()}
    D = {"l7/W": (1, 16 * ch), "l7/b": (1,), "l7/u": (1, 1), "l_y/W": (classes, 16 * ch), "l_y/u": (1, classes)}
    for k, i, h, o in ((1, 3, ch, ch), (2, ch, ch, 2 * ch), (3, 2 * ch, 2 * ch, 4 * ch), (4, 4 * ch, 4 * ch, 8 * ch),
                       (5, 8 * ch, 8 * ch, 16 * ch), (6, 16 * ch, 16 * ch, 16 * ch)):  # fmt: skip
        D |= {f"block{k}/c1/W": (h, i, 3, 3), f"block{k}/c1/b": (h,), f"block{k}/c1/u": (1, h)}
        D |= {f"block{k}/c2/W": (o, h, 3, 3), f"block{k}/c2/b": (o,), f"block{k}/c2/u": (1, o)}
        if k < 6:
            D |= {f"block{k}/c_sc/W": (o, i, 1, 1), f"block{k}/c_sc/b": (o,), f"block{k}/c_sc/u": (1, o)}
    return {"G": G, "D": D}


NARROW = layout(ch=2, classes=3, bottom=1, latent=6)


def numbers(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes.values())


def test_the_loader_expects_the_layout_of_the_public_files():
    """89 + 56 arrays at full width; the networks have no weight or buffer that no array fills."""
    typed = layout(ch=64, classes=1_000, bottom=4, latent=128)
    G, D = imagenet._on_meta(bottom=4, latent=128, width=64, classes=1_000)
    expected = imagenet._expected(G, D)
    assert {role: {key: tuple(t.shape) for key, t in targets.items()} for role, targets in expected.items()} == typed
    assert [len(typed[role]) for role in "GD"] == [89, 56]
    assert [numbers(typed[role]) for role in "GD"] == [42_006_926, 30_049_898]
    assert typed["G"]["l1/W"] == (16_384, 128) and typed["D"]["l_y/u"] == (1, 1_000)
    assert sum(key.endswith("/N") for key in typed["G"]) == 11
    for network, targets in zip((G, D), expected.values(), strict=True):
        filled = {id(t) for t in targets.values()}
        assert all(id(t) in filled for t in network.state_dict(keep_vars=True).values())


# --- files in this layout ----------------------------------------------------------------------


def golden(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Array number k, in sorted order of keys, is made of w_i = sin(1 + 0.37 i + k)."""
    arrays = {}
    for k, (key, shape) in enumerate(sorted(shapes.items())):
        w = np.sin(1 + 0.37 * np.arange(int(np.prod(shape)), dtype=np.float64) + k).reshape(shape)
        if key.endswith("/N"):
            arrays[key] = np.zeros((), np.int64)
        elif key.endswith("avg_var"):
            arrays[key] = (1 + 0.5 * w).astype("f4")
        elif key.endswith(("/gamma", "gammas/W")):
            arrays[key] = (1 + 0.2 * w).astype("f4")
        elif key.endswith("/W") and not key.endswith("betas/W"):
            arrays[key] = (1.5 * w / np.sqrt(np.prod(shape[1:]))).astype("f4")
        else:
            arrays[key] = (w if key.endswith("/u") else 0.1 * w).astype("f4")
    return arrays


def trained(role: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Random arrays whose u are leading singular vectors, as training leaves them."""
    rng, arrays = numpy_rng(seed, "sngan", role), {}
    for key, shape in NARROW[role].items():
        w = rng.standard_normal(shape)
        kind = key.rsplit("/", 1)[1]
        if kind == "N":
            arrays[key] = np.array(850_000, np.int64)
        elif kind == "avg_var":
            arrays[key] = (0.5 + w**2).astype("f4")
        elif kind != "u":
            scale = 0.2 if len(shape) == 1 else 1 / np.sqrt(np.prod(shape[1:]))
            arrays[key] = (("gamma" in key) + scale * w).astype("f4")
    for key, shape in NARROW[role].items():
        if key.endswith("/u"):
            u = np.linalg.svd(arrays[key[:-1] + "W"].reshape(shape[1], -1).astype("f8"))[0][:, 0]
            arrays[key] = (u + 0.02 * rng.standard_normal(shape)).astype("f4")
    return arrays


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def written(folder: Path, **arrays: dict[str, np.ndarray]) -> Path:
    for role, content in arrays.items():
        (folder / imagenet.FILES[role]).write_bytes(packed(content))
    return folder


@pytest.fixture
def place(tmp_path):
    return written(tmp_path, G=trained("G"), D=trained("D"))


# --- what is refused ---------------------------------------------------------------------------


def refused(place: Path | None, match: str, **options: float) -> None:
    with pytest.raises(FileError, match=match) as caught:
        imagenet.load_conditional(place, **options)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 600 and "sngan_projection" in text


@pytest.mark.parametrize("role", ["G", "D"])
def test_damaged_files_are_refused_and_no_network_is_filled(place, role, monkeypatch):
    def fill(*_):
        raise AssertionError("a refused file was loaded")

    monkeypatch.setattr(torch.nn.Module, "to_empty", fill)
    path = place / imagenet.FILES[role]
    content = path.read_bytes()
    for damaged in (content[:-40], content[: len(content) // 2], b"", b"PK\x03\x04", b"text", b"\x80\x04K\x01."):
        path.write_bytes(damaged)
        refused(place, f"{path.name}: not an npz file of plain arrays")
    for page in (b"<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>", b"\n <html>404</html>"):
        path.write_bytes(page)
        refused(place, f"{path.name}: a web page, not the file; download it again from the Google Drive")
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(flipped))
    refused(place, "not an npz file of plain arrays")


def test_an_object_that_would_run_a_command_is_not_unpickled(place, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    arrays = trained("D")
    arrays["l7/b"] = np.array([Evil()], dtype=object)
    written(place, D=arrays)
    refused(place, r"not an npz file of plain arrays \(Object arrays cannot be loaded")
    assert not (tmp_path / "ran").exists()
    np.load(place / imagenet.FILES["D"], allow_pickle=True)["l7/b"]
    assert (tmp_path / "ran").exists()  # the trap works where somebody allows it


def test_an_array_that_declares_more_than_there_is(place):
    """Its header asks for 4 TB."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)})
    path = place / imagenet.FILES["G"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("l1/b.npy", header.getvalue())
    refused(place, "not an npz file of plain arrays")


CHANGES = [
    ("G", lambda a: a.pop("l7/b"), r"1 keys are missing \['l7/b'\], 0 unknown \[\]; this is another network"),
    ("G", lambda a: a.update(extra=np.zeros(1, "f4")), r"0 keys are missing \[\], 1 unknown \['extra'\]"),
    ("D", lambda a: a.clear(), r"56 keys are missing \['block1/c1/W', 'block1/c1/b', 'block1/c1/u'\]"),
    ("G", lambda a: a.update({"l1/W": a["l1/W"].T.copy()}), r"l1/W has shape \(6, 32\), expected \(32 bottom\^2"),
    ("G", lambda a: a.update({"l7/W": a["l7/W"].transpose(1, 0, 2, 3)}), r"l7/W has shape \(2, 3, 3, 3\)"),
    ("D", lambda a: a.update({"l_y/W": a["l_y/W"].T.copy()}), r"l_y/W has shape \(32, 3\) .*expected \(3, 32\)"),
    ("D", lambda a: a.update({"l7/u": a["l7/u"][0]}), r"l7/u has shape \(1,\) .*expected \(1, 1\)"),
    ("D", lambda a: a.update({"block6/c1/W": a["block6/c1/W"].transpose(1, 0, 2, 3)}), "sigma of block6/c1 after one"),
    ("G", lambda a: a.update({"b7/gamma": a["b7/gamma"][:, None]}), "this is another network"),
    ("G", lambda a: a.update({"b7/gamma": a["b7/gamma"][:0]}), "this is another network"),
    ("G", lambda a: a.update({"b7/beta": a["b7/beta"].astype("f8")}), "b7/beta has .*type float64, expected .*float32"),
    ("G", lambda a: a.update({"b7/N": np.zeros((), "f4")}), "b7/N has .*type float32, expected .* an integer type"),
    ("G", lambda a: a.update({"b7/N": np.zeros(1, "i8")}), r"b7/N has shape \(1,\)"),
    ("D", lambda a: a.update({"l7/b": a["l7/b"] * np.float32("nan")}), "l7/b holds NaN or infinity"),
    ("G", lambda a: a.update({"l1/b": a["l1/b"] + np.float32("inf")}), "l1/b holds NaN or infinity"),
    ("G", lambda a: a["block3/b1/avg_var"].fill(0), "block3/b1/avg_var holds a variance <= 0"),
    ("G", lambda a: a["b7/avg_var"].fill(-1), "b7/avg_var holds a variance <= 0"),
    ("D", lambda a: a["block1/c1/W"].fill(0), "sigma of block1/c1 after one iteration is nan of its largest"),
    ("D", lambda a: a["block4/c2/u"].fill(0), "sigma of block4/c2 after one iteration is 0.000 of its largest"),
]  # fmt: skip


@pytest.mark.parametrize(("role", "change", "match"), CHANGES)
def test_other_arrays_are_refused(place, role, change, match):
    arrays = trained(role)
    change(arrays)
    written(place, **{role: arrays})
    refused(place, match)


def test_a_swapped_pair_of_files_is_refused(place):
    written(place, G=trained("D"), D=trained("G"))
    refused(place, r"ResNetGenerator_850000.npz: \d+ keys are missing .*unknown .*; this is another network")


def test_a_discriminator_of_other_sizes_is_refused(place):
    wider = layout(ch=2, classes=4, bottom=1, latent=6)["D"]
    written(place, D=golden(wider))
    refused(place, r"SNResNetProjectionDiscriminator_850000.npz: l_y/W has shape \(4, 32\) .*expected \(3, 32\)")


def test_a_file_of_the_network_for_64_pixels_is_refused(place):
    """It has a block less: four of G with b6 and l6 behind them, five of D."""
    arrays = {key.replace("b7", "b6").replace("l7", "l6"): value for key, value in trained("G").items()}
    written(place, G={key: value for key, value in arrays.items() if not key.startswith("block6")})
    refused(place, r"ResNetGenerator_850000.npz: 2. keys are missing .*, 7 unknown .*; this is another network")
    written(place, G=trained("G"), D={k: v for k, v in trained("D").items() if not k.startswith("block6")})
    refused(place, r"Discriminator_850000.npz: 6 keys are missing \['block6/c1/W', .*this is another network")


def test_the_u_of_another_file_is_refused_by_its_ratio(place):
    """Weights of one training and u of another have the right shapes."""
    mixed = {key: trained("D", seed=int(key.endswith("/u")))[key] for key in NARROW["D"]}
    written(place, D=mixed)
    refused(
        place, r"sigma of \S+ after one iteration is 0\.\d{3} of its largest singular value; its u belongs to anoth"
    )


def test_a_known_digest_is_compared(place, monkeypatch):
    digests = imagenet.load_conditional(place).digests
    assert digests == {
        name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in imagenet.FILES.values()
    }
    monkeypatch.setattr(imagenet, "SHA256", digests)
    imagenet.load_conditional(place)
    monkeypatch.setattr(imagenet, "SHA256", digests | {imagenet.FILES["D"]: "0" * 64})
    refused(place, "Discriminator_850000.npz: SHA-256 [0-9a-f]{12}... is not that of the published file")


def test_missing_files_say_where_to_get_them(tmp_path, monkeypatch):
    refused(tmp_path, "ResNetGenerator_850000.npz: cannot be read .No such file.*Google Drive")
    for variable in imagenet.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert imagenet.folder() is None
    refused(None, "^DOTLIB_SNGAN: not set; get ResNetGenerator_850000.npz and SNResNetProjectionDiscr.*set it to their")
    monkeypatch.setenv("DOTLIB_OFFICIAL", str(tmp_path))
    assert imagenet.folder() is None, "the folder may have the 2-D weights alone"
    (tmp_path / imagenet.FILES["D"]).write_bytes(b"")
    assert imagenet.folder() == tmp_path
    monkeypatch.setenv("DOTLIB_SNGAN", "there")
    assert imagenet.folder() == Path("there")
    monkeypatch.setenv("DOTLIB_SNGAN", "")
    assert imagenet.folder() == tmp_path


def test_an_unknown_sigma_is_refused(place):
    with pytest.raises(InputError, match="sigma: unknown 'limits'.*nearest: limit"):
        imagenet.load_conditional(place, sigma="limits")


# --- second method: both networks in NumPy -----------------------------------------------------


def conv(x, a, name):
    """Same size, from windows; x (B, c, h, w)."""
    w = a[f"{name}/W"]
    reach = w.shape[2] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))
    return np.einsum("bihwkl,oikl->bohw", windows, w) + a[f"{name}/b"][:, None, None]


def relu(x):
    return np.maximum(x, 0)


def norm(x, a, name, gain, bias):
    """gain and bias: (B, c) or (c,)."""
    mean, variance, gain, bias = (v[..., None, None] for v in (a[f"{name}/avg_mean"], a[f"{name}/avg_var"], gain, bias))
    return gain * (x - mean) / np.sqrt(variance + 2e-5) + bias


def upped(x):
    return x.repeat(2, axis=2).repeat(2, axis=3)


def halved(x):
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def images(arrays, z, y):
    a = {key: value.astype("f8") for key, value in arrays.items()}
    h = (z @ a["l1/W"].T + a["l1/b"]).reshape(len(z), -1, 1, 1)
    for k in range(2, 7):
        tables = {b: [a[f"block{k}/{b}/{t}/W"][y] for t in ("gammas", "betas")] for b in ("b1", "b2")}
        r = conv(upped(relu(norm(h, a, f"block{k}/b1", *tables["b1"]))), a, f"block{k}/c1")
        r = conv(relu(norm(r, a, f"block{k}/b2", *tables["b2"])), a, f"block{k}/c2")
        h = r + conv(upped(h), a, f"block{k}/c_sc")
    return np.tanh(conv(relu(norm(h, a, "b7", a["b7/gamma"], a["b7/beta"])), a, "l7"))


def divided(arrays, sigma):
    """The weights over their sigma: one iteration from the stored u, or the first singular value."""
    a = {key: value.astype("f8") for key, value in arrays.items()}
    for key in [key for key in a if key.endswith("/u")]:
        m = a[key[:-1] + "W"].reshape(a[key].shape[1], -1)
        v = a[key] @ m
        u = (v := v / np.linalg.norm(v)) @ m.T
        one = (u / np.linalg.norm(u)) @ m @ v.T
        a[key[:-1] + "W"] /= one[0, 0] if sigma == "released" else np.linalg.norm(m, 2)
    return a


def logits(arrays, x, y, sigma):
    a = divided(arrays, sigma)
    h = conv(relu(conv(x, a, "block1/c1")), a, "block1/c2")
    h = halved(h) + conv(halved(x), a, "block1/c_sc")
    for k in range(2, 7):
        r = conv(relu(conv(relu(h), a, f"block{k}/c1")), a, f"block{k}/c2")
        h = halved(r) + halved(conv(h, a, f"block{k}/c_sc")) if k < 6 else r + h
    phi = relu(h).sum((2, 3))
    head = phi @ a["l7/W"].T + a["l7/b"]
    return head[:, 0], head[:, 0] + (a["l_y/W"][y] * phi).sum(1)


@pytest.mark.parametrize("sigma", ["released", "limit"])
@pytest.mark.parametrize("fill", ["trained", "golden"])
def test_narrow_files_against_numpy(tmp_path, fill, sigma):
    """Images and logits to 1e-5; with the golden u, far from their limit, the two sigmas differ."""
    arrays = {role: golden(NARROW[role]) if fill == "golden" else trained(role) for role in "GD"}
    public = imagenet.load_conditional(written(tmp_path, **arrays), sigma=sigma, least_ratio=0.5)
    rng, y = numpy_rng(0, "latents"), np.array([2, 0, 1, 1])
    z = rng.standard_normal((4, 6)).astype("f4")
    x = images(arrays["G"], z.astype("f8"), y)
    found = public.pair.generator(torch.from_numpy(z), torch.from_numpy(y))
    assert np.abs(found.numpy() - x).max() < 1e-5 and x.std() > 0.1
    head, conditioned = logits(arrays["D"], x, y, sigma)
    D, x = public.pair.discriminator, torch.from_numpy(x).float()
    assert np.abs(D(x).numpy()[:, 0] - head).max() < 1e-5 * (1 + np.abs(head).max())
    assert np.abs(D(x, torch.from_numpy(y)).numpy()[:, 0] - conditioned).max() < 1e-5 * (1 + np.abs(conditioned).max())
    assert np.abs(conditioned - head).max() > 0.01
    other = logits(arrays["D"], x.numpy().astype("f8"), y, "limit" if sigma == "released" else "released")[1]
    assert np.abs(other - conditioned).max() > (1e-3 if fill == "golden" else 1e-5)


def test_what_is_loaded_is_ready_to_move(place, monkeypatch):
    monkeypatch.setenv("DOTLIB_SNGAN", str(place))
    public = imagenet.load_conditional()
    assert public.pair.prior.dim == 6 and public.pair.prior.spherical
    for network in (public.pair.generator, public.pair.discriminator):
        assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert len(public.ratios) == 19 and all(0.9 < ratio <= 1 + 1e-7 for ratio in public.ratios.values())
    y, z = torch.tensor([2, 0]), torch.ones(2, 6)
    moved = latent_dot(public.pair.conditioned_on(y), z, 1.0, steps=2).final
    assert torch.isfinite(moved).all() and not torch.equal(moved, z)


# --- golden numbers of the released program ----------------------------------------------------

# pfnet-research/sngan_projection (e84b1a5) and AkinoriTanaka-phys/DOT (d748a3e) under Chainer 7.8.1 computed these from
# files filled by `golden`: z = sin(2 + 0..17), classes 0, 1, 2.
GOLDEN = {
    "sum": -3108.2116,
    "centre": [-0.36077, -0.25759, -0.64921],  # x[:, 1, 16, 16]
    "head": [-0.104720, -0.102641, -0.105275],  # D(x)
    "first": [-0.009457, -0.144973, -0.259502],  # D(x | y)
    "second": [-0.024007, -0.138507, -0.235946],  # D(x | y) again: the embedding's u has moved
    "sgd": [0.8967397, 0.1288223, -0.7687958, -0.9708481, -0.2915676, 0.6445194],  # first row after three steps
    "adam": [0.8792332, 0.1111111, -0.7867427, -0.9888479, -0.3093908, 0.6269432],
}


@pytest.fixture
def released(tmp_path) -> Pair:
    arrays = {role: golden(NARROW[role]) for role in "GD"}
    return imagenet.load_conditional(written(tmp_path, **arrays), least_ratio=0.5).pair


def start() -> tuple[torch.Tensor, torch.Tensor]:
    z = torch.sin(2 + torch.arange(18, dtype=torch.float64)).float().reshape(3, 6)
    return z, torch.arange(3)


def stateful(pair: Pair) -> Pair:
    """The pair with the released D, whose embedding advances its u at every use, also in evaluation mode."""
    arrays = golden(NARROW["D"])
    weight, u = (torch.from_numpy(arrays[f"l_y/{key}"]) for key in "Wu")
    state = [u]

    def D(x, y):
        sigma, state[0] = imagenet.one_iteration(weight, state[0])
        pair.discriminator.embedding.weight.data.copy_(weight / sigma)
        return pair.discriminator(x, y)

    return Pair(pair.generator, D, pair.prior)


def test_images_and_logits_are_those_of_the_released_program(released):
    """To 1e-5; the sum is over 9,216 pixels."""
    z, y = start()
    x = released.generator(z, y)
    assert float(x.double().sum()) == pytest.approx(GOLDEN["sum"], abs=2e-3)
    assert x[:, 1, 16, 16].tolist() == pytest.approx(GOLDEN["centre"], abs=1e-5)
    assert released.discriminator(x)[:, 0].tolist() == pytest.approx(GOLDEN["head"], abs=1e-5)
    assert released.discriminator(x, y)[:, 0].tolist() == pytest.approx(GOLDEN["first"], abs=1e-5)
    D = stateful(released).discriminator
    for use in ("first", "second"):
        assert D(x, y)[:, 0].tolist() == pytest.approx(GOLDEN[use], abs=1e-5)


@pytest.mark.parametrize(("name", "optimizer"), [("sgd", SGD(0.01)), ("adam", Adam(0.01, (0.0, 0.9)))])
def test_three_steps_are_those_of_the_released_program(released, name, optimizer):
    """Variant "official" with the D that changes at each use: to 1e-7, the printed digits; one frozen D: to 1e-5."""
    z, y = start()
    options = {"steps": 3, "optimizer": optimizer, "variant": "official"}
    moved = latent_dot(stateful(released).conditioned_on(y), z, 1.0, **options).final
    assert moved[0].tolist() == pytest.approx(GOLDEN[name], abs=1.5e-7)
    released.discriminator.embedding.weight.data.copy_(divided_embedding())
    still = latent_dot(released.conditioned_on(y), z, 1.0, **options).final
    assert still[0].tolist() == pytest.approx(GOLDEN[name], abs=1e-5)
    printed = latent_dot(stateful(released).conditioned_on(y), z, 1.0, steps=3, optimizer=optimizer).final
    assert float((printed - moved).abs().max()) > 1e-4  # the numbers tell the variants apart


def divided_embedding() -> torch.Tensor:
    """The embedding of the first use."""
    arrays = golden(NARROW["D"])
    weight, u = (torch.from_numpy(arrays[f"l_y/{key}"]) for key in "Wu")
    return weight / imagenet.one_iteration(weight, u)[0]
