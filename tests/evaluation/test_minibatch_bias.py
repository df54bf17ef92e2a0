"""The toy of the self terms. Kinds of test: closed forms, second methods, planted words, failures."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from dotlib.errors import InputError
from dotlib.evaluation import minibatch_bias
from dotlib.evaluation.minibatch_bias import SCALES, WITH, WITHOUT, W
from dotlib.metrics.energy import minibatch_energy
from dotlib.results import paper
from dotlib.seeding import generator

AT_ONE = SCALES.index(1.0)


@pytest.fixture(scope="module")
def four():
    """Batches of four: what the page shows."""
    return minibatch_bias.bias(4, blocks=20, draws=1_000, seed=0)


def test_single_points_have_their_closed_form_and_end_at_a_point():
    """2 E|x - s u| = 2 sqrt(2 (1 + s^2) / pi), smallest at s = 0; the self terms take 2 (1 + s) / sqrt(pi) off."""
    found = minibatch_bias.bias(1, blocks=20, draws=2_000, seed=1)
    s = np.array(SCALES)
    between = 2 * np.sqrt(2 * (1 + s**2) / math.pi)
    assert found.loss[WITHOUT] == pytest.approx(between, abs=0.02)  # 160,000 distances with sd of about 1
    assert found.loss[WITH] == pytest.approx(between - 2 * (1 + s) / math.sqrt(math.pi), abs=0.02)
    assert found.best[WITHOUT].max() <= 0.05 and abs(found.best[WITH].mean() - 1) < 0.03


def test_without_self_terms_a_batch_of_four_makes_the_model_too_narrow_and_with_them_it_does_not(four):
    assert abs(four.best[WITH].mean() - 1) < 0.02
    assert 0.5 < four.best[WITHOUT].mean() < 0.6
    low, high = minibatch_bias.intervals.t_interval(four.slope[WITH])[1]
    assert low < 0 < high and (four.slope[WITHOUT] > 0.5).all()


def test_the_bias_falls_with_the_batch(four):
    large = minibatch_bias.bias(16, blocks=5, draws=500, seed=0)
    assert four.best[WITHOUT].max() < large.best[WITHOUT].min() < 1


def test_sorted_points_are_paired_as_an_assignment_pairs_them():
    x, y = torch.randn(2, 30, 5, generator=generator(0, "points"), dtype=torch.float64)
    found = W(x.sort(1).values, y.sort(1).values)
    for one, other, value in zip(x, y, found, strict=True):
        costs = (one[:, None] - other).abs().numpy()
        assert value == pytest.approx(costs[linear_sum_assignment(costs)].mean(), abs=1e-12)


def test_the_loss_is_half_of_that_of_algorithm_1():
    """On the same draws, by Sinkhorn at a small epsilon, whose plan costs at most epsilon log B more."""
    found = minibatch_bias.bias(3, blocks=2, draws=40, seed=5)
    rng, values = generator(5, "minibatch bias", "3"), []
    for _ in range(2):
        x, x2, u, u2 = torch.randn(4, 40, 3, generator=rng, dtype=torch.float64).unsqueeze(3)
        options = {"epsilon": 0.01, "iterations": 2_000, "costs": lambda a, b: (a - b.transpose(-1, -2)).abs()}
        values.append(float(minibatch_energy((x, x2), (u, u2), **options).mean()) / 2)
    assert np.mean(values) == pytest.approx(found.loss[WITH][AT_ONE], abs=4 * 0.01 * math.log(3))


@pytest.mark.parametrize("name", [WITHOUT, WITH])
def test_slopes_are_those_of_the_loss(four, name):
    central = (four.loss[name][AT_ONE + 1] - four.loss[name][AT_ONE - 1]) / 0.02
    assert four.slope[name].mean() == pytest.approx(central, abs=0.01)


@pytest.mark.parametrize(
    ("without", "with_terms", "word"),
    [(0.7, 0.0, "reproduced"), (0.7, 0.3, "contradicted"), (0.0, 0.0, "undecided")],
)
def test_words_are_those_of_planted_slopes(four, without, with_terms, word):
    noise = np.linspace(-0.01, 0.01, 20)
    claim = minibatch_bias.claim(replace(four, slope={WITHOUT: without + noise, WITH: with_terms + noise}))
    assert claim.word(claim.p) == word


def test_few_draws_are_undecided(four):
    wide = np.linspace(-1, 1, 20)
    claim = minibatch_bias.claim(replace(four, slope={WITHOUT: 0.7 + wide, WITH: wide}))
    assert claim.word(claim.p) == paper.UNDECIDED


@pytest.mark.parametrize(("name", "sizes"), [("batch", (0, 2, 1)), ("blocks", (4, 1, 1)), ("draws", (4, 2, 0))])
def test_sizes_that_say_nothing_are_refused(name, sizes):
    batch, blocks, draws = sizes
    with pytest.raises(InputError, match=f"^{name}: "):
        minibatch_bias.bias(batch, blocks=blocks, draws=draws, seed=0)
