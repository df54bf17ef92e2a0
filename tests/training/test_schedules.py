"""What the settings of a training say about each of its updates.

Kinds of test: golden numbers (the report "DOT Applied to WGAN", 3.2, typed here from it), closed forms, invariances.
"""

from dataclasses import replace

import pytest

from dotlib.training.schedules import ImageTraining, MLPTraining, Training
from dotlib.training.settings import MLP, mlp_training


def test_the_printed_training_is_that_of_the_report():
    s = mlp_training("mnist", "wgan-gp", "paper")
    assert s == replace(MLPTraining("mnist"), gp_weight=10.0, bottom=4, channels=1)
    assert (s.objective, s.design, s.width_G, s.width_D, s.latent, s.batch_size) == (
        "wgan",
        "printed",
        128,
        128,
        100,
        64,
    )
    assert (s.lr_G, s.lr_D, s.lr_last, s.beta1, s.beta2, s.weight_decay) == (1e-4, 1e-4, 1e-5, 0.9, 0.999, 1e-4)
    assert s.generator_updates * s.critic_updates * s.batch_size == 200 * 60_000, "200 epochs"
    assert {s.critic_updates_at(update) for update in (0, 100, 37_499)} == {5}


def test_the_training_of_the_program_has_five_updates_of_d_in_its_first_forty_epochs_and_then_one():
    s = mlp_training("mnist", "wgan-gp-code", "paper")
    assert (s.beta1, s.beta2, s.decay, s.gp_weight, s.design) == (0.0, 0.9, 0.0, 10.0, "code")
    assert [s.critic_updates_at(update) for update in (0, 7_499, 7_500, 100_000)] == [5, 5, 1, 1]
    assert s.warmup_updates * 5 * s.batch_size == 40 * 60_000
    assert (s.generator_updates - s.warmup_updates) * s.batch_size == 160 * 60_000
    assert s.lr_at(0) == s.lr_at(157_499) == {"G": 1e-4, "D": 1e-4}


def test_the_step_size_falls_linearly_to_its_last_value():
    s = MLPTraining("mnist", generator_updates=11, lr_G=1e-4, lr_D=4e-4, lr_last=1e-5)
    assert s.lr_at(0) == {"G": 1e-4, "D": 4e-4}
    assert s.lr_at(10) == pytest.approx({"G": 1e-5, "D": 1e-5})
    assert s.lr_at(5) == pytest.approx({"G": (1e-4 + 1e-5) / 2, "D": (4e-4 + 1e-5) / 2})
    assert replace(s, generator_updates=1).lr_at(0)["G"] == 1e-4


def test_every_other_training_keeps_its_step_size_and_its_weights():
    for s in (Training("swissroll", lr_D=3e-4), ImageTraining("mnist", lr_D=3e-4)):
        assert s.decay == 0 and s.lr_at(0) == s.lr_at(10**6) == {"G": s.lr_G, "D": 3e-4}


def test_the_constraint_and_the_design_are_what_tells_two_trainings_apart():
    of_names = {name: mlp_training("digits", name, "laptop", 3) for name in MLP}
    assert len({s.row for s in of_names.values()}) == len({s.key() for s in of_names.values()}) == len(MLP) == 4
    constraints = {name: (s.spectral_D, s.gp_weight) for name, s in of_names.items()}
    assert constraints == {
        "wgan-gp": (False, 10.0), "wgan-sn": (True, 0.0), "wgan-free": (False, 0.0), "wgan-gp-code": (False, 10.0),
    }  # fmt: skip
    same = {"generator_updates", "critic_updates", "lr_G", "lr_last", "weight_decay", "batch_size", "width_D"}
    three = [of_names[name] for name in ("wgan-gp", "wgan-sn", "wgan-free")]
    assert all(len({getattr(s, field) for s in three}) == 1 for field in same), "only the constraint differs"
