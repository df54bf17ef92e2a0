"""Committed pairs: each file is whole, is what it says and gives the recorded logit; shipped first, trained on request.

Kinds of test: golden numbers (the logit that each file records), identities (weights to the bit), failures.
"""

import hashlib
import re
from pathlib import Path

import pytest
import torch

import dotlib as dot
from dotlib.errors import FileError, InputError, SettingsDifferError
from dotlib.results import provenance, records
from dotlib.training import checkpoints, shipped, zoo
from dotlib.training import settings as training_settings
from dotlib.training.settings import OBJECTIVES, SHAPES, Training, settings_of

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = sorted((ROOT / "pairs").glob("*/*.safetensors"))
NAME = "swissroll-wgan-gp"
TINY = Training(
    "swissroll", generator_updates=60, critic_updates=1, warmup_updates=0, batch_size=8, gp_weight=0.1, data_size=100,
    width_G=8, width_D=8,
)  # fmt: skip


# --- what is committed ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_committed_pair_is_what_it_says(path):
    """1e-4, 1e-5 of a large logit: the CPU's float32 rounding of a dozen layers; other trainings differ by tenths."""
    name, (profile, seed, key) = path.parent.name, path.stem.split("-")
    settings = settings_of(name, profile, int(seed.removeprefix("s")))
    assert settings.key() == key
    pair = dot.load_pair(name, seed=settings.seed, profile=profile)
    _, meta = checkpoints.load(path)
    assert meta["name"] == name and meta["settings"]["seed"] == settings.seed and meta["prior"] == repr(pair.prior)
    assert meta["check"]["coordinate"] == shipped.COORDINATE
    assert shipped.fixed_logit(pair, meta["check"].get("label")) == pytest.approx(
        meta["check"]["logit"], abs=1e-4, rel=1e-5
    )
    assert meta["logits"] == shipped.LOGITS[settings.objective] and meta["licence"] == "MIT"
    assert meta["origin"].startswith(shipped.ORIGINS.get(settings.dataset, "drawn by dotlib"))
    assert meta["made"]["dirty"] is False and re.fullmatch("[0-9a-f]{40}", meta["made"]["commit"])
    assert meta["log"][-1]["update"] == settings.generator_updates
    assert path.stat().st_size < 1_200_000
    assert not list(path.parent.glob("*.along")), "milestones are not shipped"


def test_the_table_lists_what_is_there_with_the_checksums_of_the_files():
    text = (ROOT / "pairs" / "README.md").read_text(encoding="utf-8")
    assert text.endswith(f"\n\n{shipped.table()}\n")
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in COMMITTED]
    assert re.findall(r"`([0-9a-f]{64})`", text) == sums


def test_every_data_set_has_an_origin_and_every_objective_a_convention():
    assert shipped.ORIGINS.keys() == SHAPES.keys()
    assert shipped.LOGITS.keys() == {training["objective"] for training in OBJECTIVES.values()}


# --- adding one, and taking it -------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of its own, whose 2-D pairs are tiny and whose source is committed."""
    root = tmp_path / "repository"
    (root / "pairs").mkdir(parents=True)
    (root / "pairs" / "README.md").write_text("# Pairs\n\n| a table |\n\n", encoding="utf-8")
    monkeypatch.setattr(training_settings, "checkout", lambda: root)
    monkeypatch.setattr(training_settings, "toy_training", lambda *_: TINY)
    monkeypatch.setattr(provenance, "source_state", lambda: ("c" * 40, False))
    return root


@pytest.fixture
def first(repository):
    """A pair that was trained, and is committed now."""
    trained = zoo.pair(NAME, profile="laptop")
    assert trained.origin == "trained here"
    assert shipped.ship(NAME) == repository / "pairs" / NAME / trained.path.name
    return trained


def test_a_committed_pair_has_the_weights_of_the_training_and_nothing_is_trained(first, repository, monkeypatch):
    monkeypatch.setattr(zoo, "make", lambda *_: pytest.fail("trained"))
    first.path.unlink()
    again = zoo.pair(NAME, profile="laptop")
    assert again.origin == "shipped" and again.path.is_relative_to(repository / "pairs")
    assert again.sha256 == first.sha256 != checkpoints.digest(again.path)  # records go on naming the same pair
    for pair in (again.pair, dot.load_pair(NAME)):
        for ours, theirs in ((pair.generator, first.pair.generator), (pair.discriminator, first.pair.discriminator)):
            weights = theirs.state_dict()
            assert ours.state_dict().keys() == weights.keys()
            assert all(torch.equal(t, weights[key]) for key, t in ours.state_dict().items())
    assert {key: again.made[key] for key in first.made} == first.made
    assert again.log[-1] == first.log[-1] and len(again.log) <= len(first.log)
    assert list(zoo.milestones(again)) == []


def test_asked_to_train_the_committed_pair_is_left_alone(first, monkeypatch):
    made = []
    first.path.unlink()
    monkeypatch.setattr(
        zoo, "make", lambda settings, path, device, make=zoo.make: made.append(path) or make(settings, path, device)
    )
    for value, origin, trainings in (
        ("0", "shipped", 0),
        ("", "shipped", 0),
        ("1", "trained here", 1),
        ("1", "trained here", 1),
    ):
        monkeypatch.setenv("DOTLIB_TRAIN", value)
        assert (zoo.pair(NAME, profile="laptop").origin, len(made)) == (origin, trainings)
    assert torch.equal(
        *(
            pair(torch.zeros(1, 2))
            for pair in (zoo.pair(NAME, profile="laptop").pair.generate, dot.load_pair(NAME).generate)
        )
    )


def test_the_record_says_where_a_pair_comes_from(first):
    record = records.start("tab1_scores", profile="smoke", dataset="digits", seed=0, parameters={})
    zoo.add_training_provenance(record, zoo.pair(NAME, profile="laptop"))
    assert record.made["pairs"][NAME]["origin"] == "shipped" and record.made["pairs"][NAME]["sha256"] == first.sha256


def test_the_list_is_written_and_an_earlier_file_of_the_seed_goes(first, repository):
    earlier = repository / "pairs" / NAME / "laptop-s0-000000000000.safetensors"
    earlier.write_bytes(b"")
    target = shipped.ship(NAME)
    assert not earlier.exists()
    text = (repository / "pairs" / "README.md").read_text(encoding="utf-8")
    assert text == f"# Pairs\n\n| a table |\n\n{shipped.table()}\n"
    (row,) = text.splitlines()[6:]
    assert f"[{NAME}]({NAME}/{target.name}) | 0 | " in row and f"`{first.sha256[:12]}`" in row


@pytest.mark.usefixtures("first")
def test_an_installed_copy_trains_and_has_nothing_to_load(monkeypatch):
    monkeypatch.setattr(training_settings, "checkout", lambda: None)
    assert zoo.pair(NAME, profile="laptop").origin == "trained here"
    for call in (dot.load_pair, shipped.ship):
        with pytest.raises(InputError, match="^pairs: an installed copy has none; use dotlib from a checkout"):
            call(NAME)


def test_trainings_of_a_row_are_its_pair_and_the_committed_seeds(monkeypatch):
    own = zoo.pair("digits-resnet-sagan-hi", profile="laptop", seed=2)
    monkeypatch.setattr(zoo, "make", lambda *_: pytest.fail("trained"))
    found = shipped.trainings(own, "laptop")
    assert list(found) == [0, 1, 2, 3, 4] and found[2] is own.pair
    assert len({shipped.fixed_logit(pair) for pair in found.values()}) == 5
    assert list(shipped.trainings(own, "smoke")) == [2]  # none is shipped in that profile
    monkeypatch.setattr(training_settings, "checkout", lambda: None)
    assert list(shipped.trainings(own, "laptop")) == [2]


# --- failures ------------------------------------------------------------------------------------


def test_a_damaged_file_is_refused_in_one_line_and_kept(first, repository):
    path = repository / "pairs" / NAME / first.path.name
    for damaged in (path.read_bytes()[:-1], b"version https://git-lfs.github.com/spec/v1\n"):
        path.write_bytes(damaged)
        for load in (dot.load_pair, lambda name: zoo.pair(name, profile="laptop")):
            with pytest.raises(FileError, match=f", or restore it: git checkout -- {path}$") as caught:
                load(NAME)
            assert "\n" not in str(caught.value) and path.read_bytes() == damaged


def test_a_file_of_other_settings_is_refused(first, repository):
    path = repository / "pairs" / NAME / first.path.name
    tensors, meta = checkpoints.load(path)
    checkpoints.save(path, tensors, meta | {"settings": meta["settings"] | {"lr_G": 0.5}})
    for load in (dot.load_pair, lambda name: zoo.pair(name, profile="laptop")):
        with pytest.raises(SettingsDifferError, match=r"lr_G: stored 0\.5, wanted 0\.0001"):
            load(NAME)


@pytest.mark.usefixtures("first")
def test_what_is_not_shipped_is_answered_with_what_is():
    listed = r"shipped in this profile: swissroll-wgan-gp \(seed 0\)"
    for name, seed, end in (
        ("mnist-dcgan-sngan-hi", 0, "; train others with dotlib train"),
        ("swisroll-wgan-gp", 0, "; nearest: swissroll-wgan-gp; train others with dotlib train"),
        (NAME, 7, "; train others with dotlib train"),
    ):
        with pytest.raises(
            InputError, match=f"^name: '{name}', seed {seed}, .* is not shipped; {listed}.*{end}$"
        ) as caught:
            dot.load_pair(name, seed=seed)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="profile 'paper' is not shipped; shipped in this profile: none; "):
        dot.load_pair(NAME, profile="paper")


def test_what_may_not_be_shipped(repository, monkeypatch):
    with pytest.raises(InputError, match="^profile: 'smoke' compares nothing and is never shipped"):
        shipped.ship(NAME, profile="smoke")
    with pytest.raises(FileError, match="cannot be read .No such file.*train it"):
        shipped.ship(NAME)
    monkeypatch.setattr(provenance, "source_state", lambda: ("c" * 40, True))
    path = zoo.pair(NAME, profile="laptop").path
    with pytest.raises(InputError, match=f"^name: {path} was trained from changed source; commit, delete it and train"):
        shipped.ship(NAME)
    assert [path.name for path in (repository / "pairs").iterdir()] == ["README.md"]
