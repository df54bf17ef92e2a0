"""The table of steps: what each needs first, which code decides it, and its errors. Kinds: identities, failures."""

import pytest

from dotlib import steps
from dotlib.errors import InputError
from dotlib.evaluation import classifiers
from dotlib.evaluation.public_pair import LABELS, Job
from dotlib.results import files
from dotlib.training.settings import ROWS

NAME = "digits-dcgan-sngan-hi"


@pytest.mark.parametrize(
    ("kind", "item", "needs"),
    [
        ("pair", NAME, []),
        ("judge", "digits", []),
        ("move", "swissroll", [("pair", "swissroll-wgan-gp")]),
        ("score", NAME, [("pair", NAME), ("judge", "digits")]),
        ("sample", NAME, [("pair", NAME), ("judge", "digits")]),
        ("sample", "swissroll-wgan-gp", [("pair", "swissroll-wgan-gp")]),
        ("oracle", "swissroll-wgan-gp", [("pair", "swissroll-wgan-gp")]),
        ("swap", NAME, [*(("pair", f"digits-{row}") for row in ROWS), ("judge", "digits")]),
    ],
)
def test_what_comes_before_a_step(kind, item, needs):
    assert list(steps.KINDS[kind].needs(item)) == needs


def test_every_kind_says_what_it_does_and_which_code_decides_it():
    for kind in steps.KINDS.values():
        assert kind.run.__doc__ and len(files.code_of(kind.module)) == 64


def test_a_kind_gets_the_settings_that_it_has(monkeypatch):
    given = []

    def judge(dataset, *, profile):
        given.append((dataset, profile))
        return "fit"

    monkeypatch.setitem(steps.KINDS, "judge", steps.Step(judge, "dotlib.evaluation.judges", str, lambda item: ()))
    assert steps.run("judge", "digits", profile="smoke", seed=3, device="cpu") == "fit"
    assert given == [("digits", "smoke")]


def test_unknown_kinds_and_items_are_named():
    with pytest.raises(InputError, match="kind: unknown 'scor'; .*nearest: score"):
        steps.run("scor", NAME, profile="smoke")
    with pytest.raises(InputError, match="name: unknown 'digits-dcgan'"):
        list(steps.KINDS["score"].needs("digits-dcgan"))


def test_light_names_are_those_of_the_modules_that_load_torch():
    assert set(steps.JUDGED) == set(classifiers.JUDGE_TRAINING)
    for trial in steps.TRIALS:
        number, _, labels = trial.partition("-")
        assert Job(trial=int(number), labels=labels or "balanced").labels in LABELS
    assert len(steps.TRIALS) == 4 * len(LABELS)


@pytest.mark.parametrize(
    ("kind", "items", "others"),
    [
        ("pair", ["swissroll-wgan-gp", NAME, "digits-cond-hi", "digits-mlp-wgan-gp"], []),
        ("move", ["swissroll"], ["digits"]),
        ("judge", ["digits", "mnist8"], ["swissroll"]),
        ("score", [NAME, "cifar10-dcgan-sngan-ns-wide-10k"], ["swissroll-wgan-gp", "digits-cond-hi"]),
        ("swap", [NAME], ["swissroll-wgan-gp", "digits-mlp-wgan-gp"]),
        ("sample", [NAME, "swissroll-wgan-gp"], ["digits-cond-hi"]),
        ("oracle", ["swissroll-wgan-gp"], [NAME]),
        ("table3", ["1", "4-uniform"], ["5", "1-balance", NAME]),
    ],
)
def test_an_item_is_refused_before_anything_is_loaded(kind, items, others, monkeypatch):
    made = steps.KINDS[kind]
    monkeypatch.setitem(steps.KINDS, kind, steps.Step(lambda item: f"made {item}", "", made.check, made.needs))
    assert [steps.run(kind, item) for item in items] == [f"made {item}" for item in items]
    for other in others:
        with pytest.raises(InputError, match=f"^(name|dataset|trial): .*{other}"):
            steps.run(kind, other)
