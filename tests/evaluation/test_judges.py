"""Judges: fit once, told apart by settings and images. Kinds of test: identities, invariances, failures."""

import concurrent.futures
import dataclasses
import time

import pytest
import torch
from torch import nn

from dotlib import seeding
from dotlib.data import images
from dotlib.data.images import image_set
from dotlib.errors import FileError, InputError, SettingsDifferError
from dotlib.evaluation import classifiers, judges
from dotlib.metrics import scores
from dotlib.metrics.frechet import Moments, fid
from dotlib.training import checkpoints


@pytest.fixture(scope="module")
def artifact_folder(tmp_path_factory):
    """One folder for the whole file, so that the small judge is fit once."""
    return tmp_path_factory.mktemp("artifacts")


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


def test_what_a_judge_is_fit_on_is_the_split_judge_and_all_of_it(monkeypatch):
    """Compared is what goes through the network, whatever names the code gives to its images."""
    seen = []

    class Watched(classifiers.Classifier):
        def forward(self, x):
            seen.append(x.detach())
            return super().forward(x)

    monkeypatch.setattr(classifiers, "Classifier", Watched)
    classifiers.fit(dataclasses.replace(classifiers.judge_training("digits", "smoke"), images=0))
    shown, own = (
        {row.numpy().tobytes() for row in rows}
        for rows in (torch.cat(seen), images.to_float(image_set("digits", "judge").images))
    )
    assert not shown - own, f"the judge is fit on {len(shown - own)} images that are not of its split"
    assert not own - shown, f"the judge is not fit on {len(own - shown)} images of its split"


class Brightness(nn.Module):
    """A judge's network whose features are the brightness of both halves, and whose logits follow their difference."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, x):
        features = torch.stack([half.flatten(1).mean(1) for half in x.chunk(2, 2)], 1)
        return features * self.scale, features - features.flip(1)


KINDS = [("classifier", ("test", "floor")), *((name, ("train", "test")) for name in judges.NETWORKS)]


@pytest.mark.parametrize(("kind", "splits"), KINDS)
def test_reference_and_floor_are_the_splits_of_their_kind(alone, monkeypatch, kind, splits):
    """Every split has a brightness of its own; the distance of reference and floor is that of these two splits."""
    levels, drawn = dict(zip(images.SPLITS, (20, 60, 100, 140, 180), strict=True)), {}
    for split, level in levels.items():
        pixels = level + torch.randint(20, (50, 1, 8, 8), generator=seeding.generator(0, split), dtype=torch.uint8)
        drawn[split] = images._build("digits", split, (pixels, None, f"drawn as {split}"))
    judge = judges.Judge("brightness", Brightness().eval(), torch.Tensor.double, 2, 2, "0")
    monkeypatch.setattr(judges, "image_set", lambda name, split: drawn[split])
    monkeypatch.setattr(judges, "classifier", lambda *_, **__: judge)
    monkeypatch.setattr(judges, "public", lambda name: judge)
    settings = judges.scoring_settings("digits", "dcgan", "smoke")
    panel = judges.load_panel("digits", settings, profile="smoke", judge=kind)
    reference, floor = (Moments.of(judge(drawn[split].images)[0]) for split in splits)
    assert judges.SPLITS[kind] == splits, f"{kind}: (reference, floor) are {judges.SPLITS[kind]}"
    assert set(panel.origins.values()) == {f"drawn as {split}" for split in splits}
    for name in panel.judges:
        assert torch.allclose(panel.references[name].moments.mean, reference.mean), f"reference is not {splits[0]}"
        assert torch.allclose(panel.references[name].rows().mean(0).double(), reference.mean)
        found = panel.floor[name]
        assert found.fid == pytest.approx(fid(real=reference, fake=floor)), f"the floor is not that of {splits[1]}"
        assert found.fid > 1_000 and (found.n, found.n_real) == (50, 50)
        assert found.is_sd > 0  # over two splits


def test_a_judge_is_fit_once_and_loaded_afterwards(smoke, artifacts, monkeypatch):
    monkeypatch.setattr(classifiers, "fit", None)
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
    settings = classifiers.judge_training("digits", "smoke")
    before = torch.get_rng_state()
    first, again = (classifiers.fit(settings).state_dict() for _ in range(2))
    other = classifiers.fit(dataclasses.replace(settings, seed=1)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), before)


def test_flipped_images_are_used_when_asked():
    settings = classifiers.judge_training("digits", "smoke")
    plain, flipped = (classifiers.fit(dataclasses.replace(settings, flip=flip)).state_dict() for flip in (False, True))
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


@pytest.mark.parametrize("dataset", classifiers.JUDGE_TRAINING)
def test_smoke_is_short_and_features_are_few(dataset):
    for profile in ("smoke", "laptop", "paper"):
        settings = classifiers.judge_training(dataset, profile, seed=2)
        assert settings.features <= 64 and settings.seed == 2
    smoke = classifiers.judge_training(dataset, "smoke")
    assert smoke.epochs == 1 and 0 < smoke.images <= 1_000


def test_two_that_want_one_judge_fit_it_once(alone, monkeypatch):
    made, calls = classifiers.fit, []

    def fit(settings):
        calls.append(settings)
        time.sleep(0.2)  # long enough for the other to arrive
        return made(settings)

    monkeypatch.setattr(classifiers, "fit", fit)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: judges.classifier("digits", profile="smoke").sha256, "ab"))
    assert len(calls) == 1 and found[0] == found[1]


# --- a classifier's file -----------------------------------------------------------------------


@pytest.fixture
def copy(smoke, artifacts, tmp_path):
    """(settings, a copy of the small judge's file)."""
    path = tmp_path / "judge.safetensors"
    path.write_bytes(file_of(artifacts).read_bytes())
    return classifiers.judge_training("digits", "smoke"), path


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
