"""The frontier over trainings: planted tables whose answer is known.

Kinds: a setting that would choose itself, trainings against sets, refusals, a method that no training has.
"""

import numpy as np
import pandas as pd
import pytest

from dotlib.evaluation import frontier_trainings
from dotlib.samplers.methods import METHODS

NOISE = 0.05 * np.array([2.0, -1.0, 0.5, -0.5, -1.0])  # of five trainings, mean 0
PAIR = "digits-dcgan-sagan-ns"


def lines_of(method, settings, fid, seeds=range(5), sets=4):
    """fid(setting, seed, set); other scores are functions of it."""
    every = ((setting, seed, number) for setting in settings for seed in seeds for number in range(sets))
    table = []
    for setting, seed, number in every:
        value = fid(setting, seed, number)
        line = {"dataset": PAIR, "seed": seed, "set": number, "judge": "classifier", "method": method}
        scores = {"fid": value, "is_mean": 9 - value / 10, "precision": 0.5, "recall": 0.5}
        table.append(line | {"setting": setting, "evaluations": 10.0 * setting} | scores)
    return table


def table(*others, noise=NOISE):
    parts = [
        lines_of("bare", [1.0], lambda *_: 30.0),
        lines_of("real", [1.0], lambda *_: 5.0, sets=1),
        lines_of("DOT", [5.0, 20.0], lambda setting, seed, _: 30.0 - setting / 10 + noise[seed]),
        *others,
    ]
    return pd.DataFrame([line for part in parts for line in part])


def test_no_set_is_scored_at_a_setting_that_it_chose():
    """Two settings that differ by luck alone: each set stands where the *others* are best, which is its worst."""
    luck = np.array([[0.0, 1.0], [1.0, 0.0]])  # of two sets at two settings
    other = lines_of("naive", [1.0, 2.0], lambda setting, _, number: 20.0 + luck[int(setting) - 1, number], sets=2)
    best = frontier_trainings.at_best(table(other))
    assert (best.loc["naive", "fid"] == 21.0).all()
    assert best.loc["DOT", "fid"].to_numpy() == pytest.approx(28.0 + NOISE)
    assert (best.loc["DOT", "evaluations"] == 200.0).all()


def test_dot_is_ahead_behind_or_undecided_over_trainings():
    behind = lines_of("naive", [20.0], lambda *_: 20.0)
    open_ = lines_of("MH-GAN", [10.0], lambda _, seed, number: 28.0 + 5.0 * (seed - 2))
    frame = table(behind, open_)
    words = frontier_trainings.words(frame)
    assert words == {"bare": "ahead", "naive": "behind", "MH-GAN": "undecided"}
    assert frontier_trainings.differences(frame, "fid")["bare"].to_numpy() == pytest.approx(-2.0 + NOISE)
    text = frontier_trainings.answer({f"{PAIR}, laptop": frame})
    assert "**ahead** of bare; **behind** naive; undecided: MH-GAN. With 5 trainings of one pair" in text


def test_sets_that_agree_are_no_trainings():
    noise = 8 * np.array([1.0, -1.0, 0.5, -0.5, 0.2])
    assert frontier_trainings.words(table(noise=noise)) == {"bare": "undecided"}


def test_a_method_without_samples_keeps_its_line_and_gets_no_word():
    few = lines_of("MH-GAN", [10.0], lambda *_: 29.0, seeds=range(2))
    frame = table(few)
    assert "MH-GAN" not in frontier_trainings.words(frame)
    shown = {line.split("|")[1].strip(): line for line in frontier_trainings.table(frame).splitlines()[2:]}
    assert set(shown) == set(METHODS) - {"DOT"}
    assert "| 2 | 100 |" in shown["MH-GAN"] and "too few trainings" in shown["MH-GAN"]
    assert "| 0 | - | refused |" in shown["OBRS"]
    assert "No training" in frontier_trainings.answer({})
