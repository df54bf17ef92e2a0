"""Trained pairs by name: trained once, by one process, and believed only when whole.

Kinds of test: failures (damage, kills), identities (load what was trained), invariances (two
processes at once).

Run as a program, this file is the driver of the processes: it forks trainings of one pair.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from dotlib.errors import FileError, InputError, SettingsDifferError
from dotlib.profiles import PROFILES
from dotlib.results import files
from dotlib.seeding import generator
from dotlib.training import checkpoints, recipes, zoo
from dotlib.training import settings as training_settings
from dotlib.training.settings import Training, toy_training

NAME = "25gaussians-wgan-gp"
TINY = Training(
    "25gaussians",
    generator_updates=3,
    critic_updates=1,
    warmup_updates=1,
    warmup_critic_updates=2,
    batch_size=8,
    gp_weight=0.1,
    data_size=100,
    width_G=8,
    width_D=8,
)


# --- a conditional pair ------------------------------------------------------------------------


def test_a_conditional_pair_is_trained_and_read_and_takes_its_labels():
    """In the file are the weights of the training; with its labels bound, it is a pair like any other."""
    settings = replace(training_settings.settings_of("digits-cond-hi-1", "smoke"), generator_updates=2)
    trained = zoo.candidate("digits-cond-hi-1", settings, "smoke")
    again = zoo.candidate("digits-cond-hi-1", settings, "smoke")
    z, y = trained.pair.prior.sample(6, generator(0, "z")), torch.tensor([0, 1, 2, 3, 9, 9])
    bound, rebound = trained.pair.conditioned_on(y), again.pair.conditioned_on(y)
    with torch.no_grad():
        assert bound.generate(z).shape == (6, 1, 8, 8) and bound.latent_logit(z).shape == (6,)
        assert torch.equal(bound.latent_logit(z), rebound.latent_logit(z))
        x = bound.generate(z[:1].expand(6, -1))
    assert not torch.equal(x[0], x[1]) and torch.equal(x[4], x[5])
    assert [row["update"] for row in trained.log] == [2] and "V_D" in trained.log[-1]


# --- processes: the driver ---------------------------------------------------------------------


def fork(work) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def driver(folder: Path) -> None:
    """One maker of a small pair is killed half-way; then two want it at the same moment."""
    torch.set_num_threads(1)
    os.environ["DOTLIB_ARTIFACTS"] = str(folder)
    make, save = zoo.make, checkpoints.save

    def counted_make(settings, path, device):
        with (folder / "makers").open("a") as file:
            file.write(f"{os.getpid()} ")
        time.sleep(0.05)  # so that the other one comes while this one works
        make(settings, path, device)

    def killed_after_first_state(path, tensors, meta):
        save(path, tensors, meta)
        (path.parent / f".{path.name}.x.part").write_bytes(b"half")  # as from a kill in a writing
        os.kill(os.getpid(), signal.SIGKILL)

    def killed() -> None:
        zoo.checkpoints.save = killed_after_first_state
        zoo.train.__kwdefaults__["checkpoint_seconds"] = 0.0
        zoo.pair(NAME, profile="smoke")

    def wanting(number: int) -> None:
        trained = zoo.pair(NAME, profile="smoke")
        (folder / f"got{number}").write_text(trained.sha256)

    zoo.make, training_settings.toy_training = counted_make, lambda *_: TINY
    recipes.trainer(TINY)  # torch imports a good part of itself here: once, before the forks
    first = os.waitstatus_to_exitcode(os.waitpid(fork(killed), 0)[1])
    left = list((folder / NAME).rglob("*.part"))
    children = [fork(lambda number=number: wanting(number)) for number in (0, 1)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    (folder / "report.json").write_text(json.dumps({"first": first, "left": len(left), "codes": codes}))


def test_a_killed_maker_then_two_at_once(tmp_path):
    """The killed one leaves a state and half a file; of the two, one goes on, the other waits."""
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report == {"first": -signal.SIGKILL, "left": 1, "codes": [0, 0]}
    makers = (tmp_path / "makers").read_text().split()
    assert len(makers) == 2 and makers[0] != makers[1]  # the killed one and one of the two
    digests = {(tmp_path / f"got{number}").read_text() for number in (0, 1)}
    path = next((tmp_path / NAME).glob("smoke-s0-*.safetensors"))
    assert digests == {checkpoints.digest(path)}
    assert not list((tmp_path / NAME).glob("*.run"))  # the state is gone, with the half file
    _, meta = checkpoints.load(path)
    assert meta["log"][-1]["update"] == TINY.generator_updates and meta["log"][-1]["emd_g"] > 0


# --- training and loading ----------------------------------------------------------------------


def test_trained_once_then_loaded(artifacts, monkeypatch):
    first = zoo.candidate(NAME, TINY, "smoke")
    monkeypatch.setattr(zoo, "make", lambda *_: pytest.fail("trained twice"))
    again = zoo.candidate(NAME, TINY, "smoke")
    z = first.pair.prior.sample(9, generator(0, "z"))
    assert torch.equal(first.pair.latent_logit(z), again.pair.latent_logit(z))
    assert first.sha256 == again.sha256 == checkpoints.digest(first.path)
    assert first.settings == TINY and first.name == NAME
    assert first.path == training_settings.pair_path(NAME, TINY, "smoke")
    assert first.path.parent == artifacts / NAME
    assert [row["update"] for row in first.log][-1] == 3 and first.log[-1]["emd_g"] > 0
    assert {"commit", "versions", "device", "seconds_since_resume"} <= first.made.keys()
    files = sorted(path.name for path in first.path.parent.iterdir())
    assert files == [first.path.name, first.path.name + ".lock"] or files == [first.path.name]


def test_a_loaded_pair_is_ready_and_frozen():
    pair = zoo.candidate(NAME, TINY, "smoke").pair
    for network in (pair.generator, pair.discriminator):
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())
    assert (pair.prior.dim, pair.prior.spherical) == (2, False)
    assert pair.generate(torch.zeros(4, 2)).shape == (4, 2)


def test_the_same_settings_train_the_same_weights(monkeypatch, tmp_path):
    """From two empty folders: only the provenance may differ."""
    first, _ = checkpoints.load(zoo.candidate(NAME, TINY, "smoke").path)
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(tmp_path / "other"))
    second, _ = checkpoints.load(zoo.candidate(NAME, TINY, "smoke").path)
    assert first.keys() == second.keys()
    assert all(torch.equal(t, second[name]) for name, t in first.items())


def test_training_leaves_the_thread_count_and_the_global_generator(monkeypatch):
    before, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        zoo.candidate(NAME, TINY, "smoke")
        assert torch.get_num_threads() == 2
        monkeypatch.setattr(zoo, "train", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            zoo.candidate(NAME, replace(TINY, seed=9), "smoke")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(state)


def test_every_setting_is_part_of_the_file_name():
    paths = {training_settings.pair_path(NAME, TINY, "smoke")}
    for name, value in asdict(TINY).items():
        other = {int: lambda v: v + 1, float: lambda v: v + 0.5, str: lambda v: v + "x"}
        changed = replace(TINY, **{name: other[type(value)](value)})
        paths.add(training_settings.pair_path(NAME, changed, "smoke"))
    assert len(paths) == 1 + len(asdict(TINY))
    assert TINY.key() == replace(TINY).key() and len(TINY.key()) == 12


@pytest.mark.parametrize("profile", PROFILES)
def test_names_and_profiles_have_settings(profile):
    for dataset in training_settings.GP_WEIGHT:
        name = f"{dataset}-wgan-gp"
        settings = training_settings.settings_of(name, profile, seed=4)
        assert settings == toy_training(dataset, profile, 4)
        assert (settings.dataset, settings.seed, settings.objective) == (dataset, 4, "wgan")
        assert settings.gp_weight > 0
        path = training_settings.artifact_path(name, profile=profile, seed=4)
        assert path.name.startswith(f"{profile}-s4-") and path.suffix == ".safetensors"


def test_the_paper_profile_has_the_published_schedule():
    """[DOT19] B.1 and Table 4."""
    s = toy_training("25gaussians", "paper")
    assert (s.generator_updates, s.critic_updates, s.warmup_updates) == (20_000, 10, 25)
    assert (s.warmup_critic_updates, s.batch_size, s.data_size) == (100, 256, 100_000)
    assert (s.lr_G, s.lr_D, s.beta1, s.beta2) == (1e-4, 1e-4, 0.5, 0.9)
    assert (s.width_G, s.width_D, s.objective, s.gp_target) == (256, 512, "wgan", 1.0)


def test_the_artifact_folder_has_a_default(monkeypatch):
    monkeypatch.delenv("DOTLIB_ARTIFACTS")
    assert files.artifacts() == Path("_build/artifacts")


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "profile", "message"),
    [
        (
            "25gaussian-wgan-gp",
            "smoke",
            "name: unknown.*known: 25gaussians-wgan-gp, swissroll-wgan-gp, <digits.*nearest: 25gaussians-wgan-gp",
        ),
        (NAME, "labtop", "profile: unknown 'labtop'; known: laptop, paper, smoke; nearest: laptop"),
    ],
)
def test_unknown_names_are_refused_and_nothing_is_made(name, profile, message, artifacts):
    with pytest.raises(InputError, match=message):
        zoo.pair(name, profile=profile)
    assert not artifacts.exists()


def test_damaged_artifacts_are_refused_and_kept():
    path = zoo.candidate(NAME, TINY, "smoke").path
    content = path.read_bytes()
    for damaged in (content[:-1], content[:100], b"", content[:50] + b"x" + content[51:]):
        path.write_bytes(damaged)
        with pytest.raises(FileError, match="make it again"):
            zoo.candidate(NAME, TINY, "smoke")
        assert path.read_bytes() == damaged


def test_another_pairs_file_under_this_name_is_refused():
    first = zoo.candidate(NAME, TINY, "smoke").path
    other = replace(TINY, seed=1, lr_G=1e-3)
    training_settings.pair_path(NAME, other, "smoke").write_bytes(first.read_bytes())
    with pytest.raises(SettingsDifferError, match=r"lr_G: stored 0.0001, wanted 0.001; seed: stored 0"):
        zoo.candidate(NAME, other, "smoke")


@pytest.mark.parametrize("change", ["missing", "shape", "extra", "meta"])
def test_files_of_other_networks_are_refused_in_one_line(change):
    path = zoo.candidate(NAME, TINY, "smoke").path
    tensors, meta = checkpoints.load(path)
    if change == "missing":
        del tensors["G.0.weight"]
    elif change == "shape":
        tensors["G.0.weight"] = torch.zeros(9, 2)
    elif change == "extra":
        tensors["D.9.weight"] = torch.zeros(1)
    else:
        del meta["log"]
    checkpoints.save(path, tensors, meta)
    with pytest.raises(FileError, match="does not hold this pair .*train again") as caught:
        zoo.candidate(NAME, TINY, "smoke")
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_refused(artifacts):
    for device in ("cuda:99", "toaster", "meta"):
        with pytest.raises(InputError, match=f"^device: cannot use '{device}' .*; use cpu"):
            zoo.candidate(NAME, TINY, "smoke", device)
    assert not list(artifacts.rglob("*.run"))


if __name__ == "__main__":
    driver(Path(sys.argv[1]))
