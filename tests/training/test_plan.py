"""What is told of a training: what it will do, how long it took before, how far it is.

Kinds of test: closed forms, identities (the files are those of real trainings), failures.
"""

import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dotlib.results import files
from dotlib.training import checkpoints, plan
from dotlib.training.settings import pair_path, settings_of

NAME = "swissroll-wgan-gp"
SETTINGS = replace(settings_of(NAME, "smoke"), generator_updates=100, critic_updates=4, warmup_updates=0)


def announced(settings, profile="smoke"):
    told = []
    plan.announce(told.append, NAME, settings, profile, "cpu")
    return told


def test_an_unfinished_training_says_where_it_goes_on(artifacts):
    state = pair_path(NAME, SETTINGS, "smoke").with_suffix(".run") / "state.safetensors"
    checkpoints.save(state, {}, {"update": 1_234})
    assert announced(SETTINGS)[:2] == [
        "swissroll-wgan-gp, profile smoke, seed 0: 100 updates of G, 4 of D before each, on cpu",
        f"goes on after update 1,234, from {state.parent}",
    ]
    state.write_bytes(b"cut")  # the training itself will name the file
    assert announced(SETTINGS)[1].startswith(f"the state is saved in {state.parent}")


def test_a_pair_that_is_trained_already_says_so(artifacts):
    files.write_bytes(pair_path(NAME, SETTINGS, "smoke"), b"")
    assert announced(SETTINGS) == ["swissroll-wgan-gp, profile smoke, seed 0: nothing to train, it is there"]


def test_another_process_that_trains_is_named(artifacts):
    with files.only_maker(pair_path(NAME, SETTINGS, "smoke")):
        assert announced(SETTINGS)[-1] == "another process trains it already; this one waits for it"
    assert "another" not in announced(SETTINGS)[-1]


def test_what_shipped_trainings_took_is_read_from_their_files(monkeypatch, tmp_path):
    """Of these settings alone, whatever the seed; a damaged file is passed over."""
    monkeypatch.setattr(plan, "shipped_folder", lambda: tmp_path)

    def ship(seed, seconds, **changes):
        made = {"seconds_since_resume": seconds, "device": "a core"}
        settings = vars(replace(SETTINGS, seed=seed, **changes))
        checkpoints.save(tmp_path / NAME / f"laptop-s{seed}-0.safetensors", {}, {"settings": settings, "made": made})

    none = "how long it takes is recorded nowhere; an estimate comes after the first updates"
    assert plan.recorded(NAME, SETTINGS, "laptop") == none
    ship(0, 600.0)
    ship(1, 7_300.0, generator_updates=200)
    (tmp_path / NAME / "laptop-s9-0.safetensors").write_bytes(b"cut")
    end = "one that was stopped counts from its last start"
    assert plan.recorded(NAME, SETTINGS, "laptop") == f"1 shipped, on one core of a core: 10 min; {end}"
    assert plan.recorded(NAME, SETTINGS, "paper") == none
    ship(2, 40.0)
    ship(3, 300.0)
    took = "3 shipped, on one core of a core: 40 s to 10 min, half of them at most 5 min"
    assert plan.recorded(NAME, replace(SETTINGS, seed=7), "laptop") == f"{took}; {end}"


def test_every_shipped_file_says_how_long_it_took():
    assert len(plan.shipped_metas()) == len(list(Path(plan.shipped_folder() or "").glob("*/*.safetensors"))) > 50
    assert all(meta["made"]["seconds_since_resume"] > 0 for meta in plan.shipped_metas())


def test_progress_shares_time_out_by_the_updates_of_both_networks(tmp_path):
    """D has nine updates before each of the first 200 of G, later one: an update costs 10, then 2.

    Measured are early ones, of 0.02 s or more on a busy machine: the 10,000 that are left take 0.004 s or more each, 40
    s, where the rate of the early ones alone would say 200 s.
    """
    settings = replace(SETTINGS, generator_updates=10_000, warmup_updates=200, warmup_critic_updates=9)
    settings = replace(settings, critic_updates=1)
    told, path = [], tmp_path / "pair.safetensors"
    log = path.with_suffix(".run") / "log.jsonl"
    log.parent.mkdir()
    with log.open("a") as file, plan.progress(told.append, path, settings, first=0.2, every=0.3):
        for update in range(1, 81):
            file.write(json.dumps({"update": update}) + "\n")
            file.flush()
            time.sleep(0.02)
    assert 2 <= len(told) <= 8
    for line in told:
        update, seconds = map(int, re.fullmatch(r"update (\d+) of 10,000; about (\d+) (?:s|min) left", line).groups())
        assert 1 < update <= 80 and (" min left" in line or seconds > 35) and "\r" not in line
    left = [int(line.split()[-3]) * (60 if "min" in line else 1) for line in told]
    assert min(left) < 120


def test_a_log_of_an_earlier_run_is_no_progress(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"update": 7}\n{"update": 8')
    assert plan._last_update(log, since=time.time()) == 7
    os.utime(log, (1, 1))
    assert plan._last_update(log, since=time.time()) == plan._last_update(tmp_path / "none", since=0) == 0
    log.write_text("")
    assert plan._last_update(log, since=time.time()) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89.4, "89 s"), (90, "2 min"), (3_540, "59 min"), (3_590, "1 h 0 min"), (86_400, "24 h")],
)
def test_durations_are_spelt(seconds, words):
    assert plan.spelt(seconds) == words
