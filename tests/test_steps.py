"""The table of steps: what each needs first, which code decides it, and its errors. Kinds: identities, failures."""

import pytest

from dotlib import steps
from dotlib.errors import InputError
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
        ("table7", NAME, [("pair", NAME), ("judge", "digits")]),
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

    monkeypatch.setitem(steps.KINDS, "judge", steps.Step(judge, "dotlib.evaluation.judges", lambda item: ()))
    assert steps.run("judge", "digits", profile="smoke", seed=3, device="cpu") == "fit"
    assert given == [("digits", "smoke")]


def test_unknown_kinds_and_items_are_named():
    with pytest.raises(InputError, match="kind: unknown 'scor'; .*nearest: score"):
        steps.run("scor", NAME, profile="smoke")
    with pytest.raises(InputError, match="name: unknown 'digits-dcgan'"):
        list(steps.KINDS["score"].needs("digits-dcgan"))
