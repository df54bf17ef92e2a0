"""Judges: fit once, told apart by settings and images, and Inception from a checked file only.

Kinds of test: identities, invariances, second method, failures. Inception's weights are random
numbers here, in the real file's format: same names, same shapes, same way of saving.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import pickle
import sys
import time

import pytest
import torch

from dotlib import seeding
from dotlib.data import downloads, images
from dotlib.data.images import image_set
from dotlib.errors import FileError, InputError, SettingsDifferError
from dotlib.evaluation import inception as inception_network
from dotlib.evaluation import judges
from dotlib.metrics import backends, scores
from dotlib.training import checkpoints


@pytest.fixture(scope="module")
def artifact_folder(tmp_path_factory):
    """One folder for the whole file, so that the small judge is fit once."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(autouse=True)
def no_inception(monkeypatch):
    """Weights that this machine has are left alone."""
    monkeypatch.delenv(inception_network.PLACE, raising=False)


@pytest.fixture
def smoke():
    return judges.classifier("digits", profile="smoke")


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty folder of artifacts."""
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(tmp_path))
    return tmp_path


def file_of(folder):
    (path,) = (folder / "judges").glob("*.safetensors")
    return path


# --- classifiers -------------------------------------------------------------------------------


def test_the_laptop_judge_of_digits_is_right_on_images_it_has_not_seen(alone):
    judge = judges.classifier("digits", profile="laptop")
    assert judge.accuracy >= 0.95
    test = image_set("digits", "test")
    features, logits = judge(test.images)
    assert float((logits.argmax(1) == test.labels).double().mean()) == judge.accuracy
    assert features.shape == (600, judge.dim) and judge.dim * 4 < len(test)
    assert logits.shape == (600, judge.classes) and judge.classes == 10
    reference = scores.Reference(dim=judge.dim, total=600, rng=seeding.generator(0, "reference"))
    floor = image_set("digits", "floor")
    reference.add(features)
    collector = scores.Collector(dim=judge.dim, classes=10, total=600)
    collector.add(*judge(floor.images))
    real = collector.scores(real=reference, rng=seeding.generator(0, "kid"))
    noise = torch.randint(256, floor.images.shape, dtype=torch.uint8, generator=seeding.generator(0, "noise"))
    collector = scores.Collector(dim=judge.dim, classes=10, total=600)
    collector.add(*judge(noise))
    fake = collector.scores(real=reference, rng=seeding.generator(0, "kid"))
    assert fake.fid > 10 * real.fid and fake.kid > 10 * abs(real.kid)
    assert real.is_mean > 8 > fake.is_mean and real.coverage > 0.7 > fake.coverage


def test_a_judge_is_fit_on_images_that_no_reference_holds():
    """Images of "judge" are not in "test" or "floor", up to the few digits drawn twice alike."""
    sets = {
        split: {row.numpy().tobytes() for row in image_set("digits", split).images}
        for split in ("judge", "test", "floor")
    }
    assert sum(map(len, sets.values())) >= 1_790  # of 1,797
    assert len(sets["judge"] & (sets["test"] | sets["floor"])) <= 3


def test_a_judge_is_fit_once_and_loaded_afterwards(smoke, artifacts, monkeypatch):
    monkeypatch.setattr(judges, "fit", None)
    again = judges.classifier("digits", profile="smoke")
    x = image_set("digits", "test").images[:20]
    assert again.sha256 == smoke.sha256 == checkpoints.digest(file_of(artifacts))
    for one, two in zip(again(x), smoke(x), strict=True):
        assert torch.equal(one, two)
    assert again.name == "digits classifier, seed 0" and again.accuracy == smoke.accuracy
    meta = checkpoints.load(file_of(artifacts))[1]
    assert set(meta) == {"settings", "images", "accuracy", "made"}
    assert meta["images"]["judge"] == image_set("digits", "judge").fingerprint
    assert meta["made"]["versions"]["torch"]


def test_fitting_repeats_bit_by_bit_and_depends_on_the_seed():
    settings = judges.judge_training("digits", "smoke")
    before = torch.get_rng_state()
    first, again = (judges.fit(settings).state_dict() for _ in range(2))
    other = judges.fit(dataclasses.replace(settings, seed=1)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_setting_changes_the_key():
    settings = judges.judge_training("digits", "laptop")
    changes = {
        field.name: not getattr(settings, field.name)
        if field.type == "bool" or isinstance(getattr(settings, field.name), bool)
        else "x"
        if isinstance(getattr(settings, field.name), str)
        else getattr(settings, field.name) + 1
        for field in dataclasses.fields(settings)
    }
    keys = {dataclasses.replace(settings, **{name: value}).key() for name, value in changes.items()}
    assert len(keys | {settings.key()}) == len(changes) + 1


def test_flipped_images_are_used_when_asked():
    settings = judges.judge_training("digits", "smoke")
    plain, flipped = (judges.fit(dataclasses.replace(settings, flip=flip)).state_dict() for flip in (False, True))
    assert not all(torch.equal(plain[name], flipped[name]) for name in plain)


def test_a_judge_is_frozen_and_its_rows_do_not_see_each_other(smoke):
    x = image_set("digits", "test").images[:37]
    assert not smoke.network.training
    assert not any(p.requires_grad for p in smoke.network.parameters())
    state = {name: t.clone() for name, t in smoke.network.state_dict().items()}
    whole = smoke(x)
    small = dataclasses.replace(smoke, batch=5)(x)
    alone = [torch.cat(parts) for parts in zip(*map(smoke, x.split(1)), strict=True)]
    for one, two, three in zip(whole, small, alone, strict=True):
        assert one.dtype == torch.float32 and not one.requires_grad
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(one, three, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(t, state[name]) for name, t in smoke.network.state_dict().items())


def test_judges_look_at_uint8_images_only(smoke):
    x = image_set("digits", "test").images[:4]
    for wrong in (images.to_float(x), x[0], x[:0], x.long(), x.numpy(), None):
        with pytest.raises(InputError, match=r"^images: expected \(B, C, H, W\) uint8, found "):
            smoke(wrong)


def test_unknown_words_and_seeds_are_refused():
    with pytest.raises(InputError, match="dataset: unknown 'digit'; .*nearest: digits"):
        judges.classifier("digit", profile="smoke")
    with pytest.raises(InputError, match="profile: unknown 'fast'"):
        judges.classifier("digits", profile="fast")
    with pytest.raises(InputError, match="seed: expected an integer >= 0"):
        judges.classifier("digits", profile="smoke", seed=-1)


@pytest.mark.parametrize("dataset", judges.JUDGE_TRAINING)
def test_smoke_is_short_and_features_are_few(dataset):
    for profile in ("smoke", "laptop", "paper"):
        settings = judges.judge_training(dataset, profile, seed=2)
        assert settings.features <= 64 and settings.seed == 2
    smoke = judges.judge_training(dataset, "smoke")
    assert smoke.epochs == 1 and 0 < smoke.images <= 1_000


def test_two_that_want_one_judge_fit_it_once(alone, monkeypatch):
    made, calls = judges.fit, []

    def fit(settings):
        calls.append(settings)
        time.sleep(0.2)  # long enough for the other to arrive
        return made(settings)

    monkeypatch.setattr(judges, "fit", fit)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: judges.classifier("digits", profile="smoke").sha256, "ab"))
    assert len(calls) == 1 and found[0] == found[1]


# --- a classifier's file -----------------------------------------------------------------------


@pytest.fixture
def copy(smoke, artifacts, tmp_path):
    """(settings, a copy of the small judge's file)."""
    path = tmp_path / "judge.safetensors"
    path.write_bytes(file_of(artifacts).read_bytes())
    return judges.judge_training("digits", "smoke"), path


def test_a_file_of_other_settings_or_images_is_refused(copy, monkeypatch):
    settings, path = copy
    with pytest.raises(SettingsDifferError, match="epochs: stored 1, wanted 2; .*move it away"):
        judges.load(dataclasses.replace(settings, epochs=2, width=9), path)
    tensors, meta = checkpoints.load(path)
    meta["images"]["judge"] = "0" * 64
    checkpoints.save(path, tensors, meta)
    with pytest.raises(SettingsDifferError, match="judge: stored '0000"):
        judges.load(settings, path)


def test_a_damaged_or_foreign_file_is_refused(copy):
    settings, path = copy
    content = path.read_bytes()
    tensors, meta = checkpoints.load(path)
    for wrong in (content[:-1], content[:100], b"", b"<html>", content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]):
        path.write_bytes(wrong)
        with pytest.raises(FileError, match=f"{path}: .*make it again"):
            judges.load(settings, path)
    first = next(iter(tensors))
    for bad_tensors, bad_meta in (
        ({k: t for k, t in tensors.items() if k != first}, meta),
        (tensors | {"more": torch.ones(1)}, meta),
        (tensors | {first: torch.ones(2, 9)}, meta),
        (tensors, {k: v for k, v in meta.items() if k != "accuracy"}),
        (tensors, meta | {"accuracy": None}),
    ):
        checkpoints.save(path, bad_tensors, bad_meta)
        with pytest.raises(FileError, match="does not hold this classifier") as caught:
            judges.load(settings, path)
        assert "\n" not in str(caught.value)


# --- Inception ---------------------------------------------------------------------------------


@functools.cache
def random_weights() -> dict[str, torch.Tensor]:
    """State of pytorch_fid's network, filled with numbers that keep activations in range."""
    module = backends.pytorch_fid("inception")
    with torch.random.fork_rng(devices=[]):
        network = module._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    rng = torch.Generator().manual_seed(7)
    state = network.state_dict()
    for name, t in state.items():
        if t.ndim >= 2:
            t.normal_(0, (2 / t[0].numel()) ** 0.5, generator=rng)
        elif name.endswith("fc.bias"):
            t.normal_(generator=rng)
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """(path, sha256) of random weights saved as the published file is: one pickled state."""
    path = tmp_path_factory.mktemp("inception") / inception_network.FILE
    torch.save(random_weights(), path, _use_new_zipfile_serialization=False)
    return path, sha256(path)


@pytest.fixture(scope="module")
def judge(weights):
    return judges.inception(weights[0], sha256=weights[1])


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def test_inception_looks_as_pytorch_fid_does(judge, weights, monkeypatch):
    module = backends.pytorch_fid("inception")
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *_, **__: random_weights())
    theirs = module.InceptionV3().eval()
    x = pixels(3, 3, 32, 32)
    features, logits = judge(x)
    with torch.no_grad():
        wanted = theirs(x.float() / 255)[0][:, :, 0, 0]
    assert features.shape == (3, 2048) and logits.shape == (3, 1008)
    assert (judge.dim, judge.classes, judge.sha256) == (2048, 1008, weights[1])
    assert judge.accuracy is None and judge.name == "inception"
    scale = float(wanted.abs().max())
    assert scale > 1e-3
    torch.testing.assert_close(features, wanted, rtol=1e-4, atol=1e-5 * scale)
    torch.testing.assert_close(
        logits, wanted @ random_weights()["fc.weight"].T, rtol=1e-3, atol=1e-4 * float(logits.abs().max())
    )


def test_inception_agrees_with_torch_fidelity_on_images_of_its_own_size(judge, weights):
    """At 299 x 299 neither resizes. torch_fidelity maps 0..255 to (x - 128) / 128, pytorch_fid to
    2 x / 255 - 1; those differ by up to 1/128, so the agreement is close and not exact."""
    backends.fidelity("fid")
    extractor = sys.modules["torch_fidelity"].FeatureExtractorInceptionV3(
        "inception-v3-compat",
        ["2048", "logits_unbiased"],
        feature_extractor_weights_path=str(weights[0]),
        verbose=False,
    )
    x = pixels(1, 3, 5, 5).repeat_interleave(60, 2).repeat_interleave(60, 3)[:, :, :299, :299]
    for ours, theirs in zip(judge(x), extractor(x), strict=True):
        assert (ours - theirs).norm() < 0.03 * theirs.norm()


def test_grey_images_are_shown_in_three_channels(judge):
    x = pixels(2, 1, 8, 8)
    for one, two in zip(judge(x), judge(x.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    assert (judge.network.training, next(judge.network.parameters()).requires_grad) == (False,) * 2


def test_both_ways_of_saving_and_old_files_without_counters_are_read(tmp_path, judge):
    plain = {name: t for name, t in random_weights().items() if "num_batches" not in name}
    torch.save(plain, tmp_path / "w")
    again = judges.inception(tmp_path / "w", sha256=sha256(tmp_path / "w"))
    assert torch.equal(again.network.classifier, judge.network.classifier)
    for name, t in again.network.body.state_dict().items():
        assert "num_batches" in name or torch.equal(t, random_weights()[name])


def test_the_place_is_the_argument_then_the_variable_then_a_download(weights, monkeypatch, tmp_path):
    asked = []

    def fetch(what):
        asked.append(what)
        raise FileError("no network")

    monkeypatch.setattr(downloads, "fetch", fetch)
    with pytest.raises(FileError, match="no network"):
        judges.inception()
    assert asked == [inception_network.FILE]
    monkeypatch.setenv(inception_network.PLACE, str(tmp_path / "nowhere"))
    with pytest.raises(FileError, match="nowhere: cannot be read .No such file or directory.; get"):
        judges.inception()
    with pytest.raises(FileError, match=f"^{weights[0]}: "):
        judges.inception(weights[0])
    assert len(asked) == 1


def test_the_published_digest_is_demanded_by_default(weights, monkeypatch):
    """The name of the file carries the first eight digits, as torch.hub's names do."""
    known = downloads.SOURCES[inception_network.FILE].sha256
    assert len(known) == 64 and known[:8] == inception_network.FILE[-12:-4] == "6726825d"
    monkeypatch.setattr(torch, "load", None)  # nothing is read before the digest is right
    monkeypatch.setenv(inception_network.PLACE, str(weights[0]))
    for arguments in ((), (weights[0],)):
        with pytest.raises(FileError, match="not the published one|cut short|bytes"):
            judges.inception(*arguments)
    with pytest.raises(FileError, match="its sha256 is"):
        judges.inception(weights[0], sha256="0" * 64)


class Evil:
    """Makes a folder where somebody unpickles it."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def bad_files(whole: bytes, folder):
    """name -> content of files that are not Inception."""
    torch.save({"fc.weight": Evil(folder)}, folder.parent / "evil")
    torch.save({"fc.weight": torch.ones(2, 2)}, folder.parent / "other")
    torch.save([1, 2], folder.parent / "list")
    torch.save(dict(random_weights(), **{"fc.weight": torch.ones(1008, 2047)}), folder.parent / "shape")
    return {
        "truncated": whole[: len(whole) // 2],
        "short": whole[:100],
        "page": b"<!DOCTYPE html>\n<html><body>404</body></html>\n" * 9,
        "empty": b"",
        "zip": b"PK\x03\x04" + bytes(99),
        "noise": bytes(range(256)) * 4,
        "pickle": pickle.dumps(Evil(folder)),
        "more": pickle.dumps({"a": Evil(folder)}, 0),
        **{name: (folder.parent / name).read_bytes() for name in ("evil", "other", "list", "shape")},
    }


def test_everything_else_is_one_clear_line_and_runs_nothing(weights, tmp_path, recwarn):
    """Each file twice: under the published digest, and as if it had the digest that is wanted."""
    trap = tmp_path / "ran"
    said = collections.defaultdict(lambda: "cannot be read as weights (")
    said |= dict.fromkeys(("other", "list", "shape"), "does not hold the Inception network (")
    said["page"] = "a web page, not the file"
    for name, content in bad_files(weights[0].read_bytes(), trap).items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        for digest in (None, hashlib.sha256(content).hexdigest()):
            with pytest.raises(FileError, match=f"^{path}: .*; get https://.*DOTLIB_INCEPTION$") as caught:
                judges.inception(path, sha256=digest)
            assert "\n" not in str(caught.value) and len(str(caught.value)) < 700, name
            assert not trap.exists(), name
            assert said[name] in str(caught.value) or digest is None, str(caught.value)
    assert not [str(w.message) for w in recwarn.list]
    pickle.loads(pickle.dumps(Evil(trap)))  # the trap works where somebody unpickles it
    assert trap.exists()


def test_reading_a_file_leaves_pytorch_fid_and_the_random_state_alone(weights, tmp_path):
    module, before = backends.pytorch_fid("inception"), torch.get_rng_state()
    loader = module.load_state_dict_from_url
    judges.inception(weights[0], sha256=weights[1])
    torch.save({}, tmp_path / "empty")
    with pytest.raises(FileError, match="does not hold the Inception network"):
        judges.inception(tmp_path / "empty", sha256=sha256(tmp_path / "empty"))
    assert module.load_state_dict_from_url is loader
    assert torch.equal(torch.get_rng_state(), before)
