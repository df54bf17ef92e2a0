"""Sentences of theory, by example. Kinds of test: closed forms, inequalities on random cases, second method (POT)."""

import math

import pytest
import torch

from dotlib import transport
from dotlib.errors import InputError
from dotlib.evaluation import wgan_theory
from dotlib.metrics import optimal_transport
from dotlib.seeding import generator
from dotlib.transport import SGD

RNG = generator(0, "theory")


def test_the_cost_to_the_nearest_is_at_most_w_on_200_cases_and_less_on_most():
    below = 0
    for _ in range(200):
        n, m, d = torch.randint(1, 9, (3,), generator=RNG).tolist()
        x, y = (torch.randn(rows, d, generator=RNG, dtype=torch.float64) for rows in (n, m))
        nearest, W = wgan_theory.nearest_cost(x, y), optimal_transport.emd(x, y, cost="euclidean")
        assert nearest <= W + 1e-12
        below += nearest < W - 1e-9
    assert below > 100
    cover = torch.tensor([[0.0, 0.0], [5.0, 0.0]])
    assert wgan_theory.nearest_cost(cover[:1], cover) == 0, "0, though the laws differ"
    assert optimal_transport.emd(cover[:1], cover, cost="euclidean") == pytest.approx(2.5)


def test_two_points_each_have_the_cost_to_the_nearest_of_w_where_the_match_is_forced():
    x, y = torch.tensor([[0.0], [10.0]]), torch.tensor([[1.0], [11.0]])
    assert wgan_theory.nearest_cost(x, y) == optimal_transport.emd(x, y, cost="euclidean") == 1


@pytest.mark.parametrize("outcomes", [2, 7, 50])
def test_the_divergence_of_disjoint_laws_is_log_2_whatever_they_are(outcomes):
    p, q = torch.zeros(2 * outcomes, dtype=torch.float64), torch.zeros(2 * outcomes, dtype=torch.float64)
    for law, part in ((p, slice(0, outcomes)), (q, slice(outcomes, None))):
        shares = torch.rand(outcomes, generator=RNG, dtype=torch.float64)
        law[part] = shares / shares.sum()
    assert wgan_theory.jensen_shannon(p, q) == pytest.approx(math.log(2), abs=1e-12)
    assert wgan_theory.jensen_shannon(p, p) == pytest.approx(0, abs=1e-12)
    between = wgan_theory.jensen_shannon(p, (p + q) / 2)
    assert 0 < between < math.log(2) and between == pytest.approx(wgan_theory.jensen_shannon((p + q) / 2, p))


def test_the_divergence_of_two_coins_written_out():
    """p = (1, 0), q = (1/2, 1/2): m = (3/4, 1/4)."""
    expected = (math.log(4 / 3) + 0.5 * math.log(2 / 3) + 0.5 * math.log(2)) / 2
    coins = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
    assert wgan_theory.jensen_shannon(*coins) == pytest.approx(expected, abs=1e-7)


def test_log_of_one_minus_d_saturates_where_d_is_near_0_and_not_near_1():
    """Its slope by the logit is -D exactly: 0 at minus infinity, -1/2 in the middle, -1 at infinity."""
    logits = torch.linspace(-30, 30, 61, dtype=torch.float64)
    torch.testing.assert_close(wgan_theory.saturating_slope(logits), -logits.sigmoid(), rtol=1e-9, atol=1e-15)
    ends = wgan_theory.saturating_slope(torch.tensor([-1e3, 0.0, 1e3]))
    assert ends.tolist() == [0.0, -0.5, -1.0]


@pytest.mark.parametrize("slope", [0.4, 0.9, 1.2, 2.0])
def test_the_squared_cost_moves_by_half_the_slope_and_the_distance_not_at_all_below_1(slope):
    """On the grid, and by the transport itself: a linear D of slope a, SGD to the end."""
    assert wgan_theory.optimum_of_linear(slope, "squared") == pytest.approx(slope / 2, abs=1e-3)
    assert wgan_theory.optimum_of_linear(slope, "l2") == (0.0 if slope < 1 else 4.0)
    y, a = torch.zeros(1, 3, dtype=torch.float64), slope * torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3
    moved = transport.target_dot(lambda x: x @ a, y, 1.0, steps=300, optimizer=SGD(0.05), cost="sqeuclidean").final
    torch.testing.assert_close(moved[0], a / 2, rtol=0, atol=1e-3)
    stays = transport.target_dot(lambda x: x @ a, y, 1.0, steps=300, optimizer=SGD(0.01), variant="exact").final
    assert (float(stays.norm()) < 0.02) == (slope < 1)


@pytest.mark.parametrize("delta", [1e-6, 1e-3, 0.5])
def test_a_delta_outside_the_squared_distance_changes_no_step(delta):
    """An additive constant has no gradient; delta inside a norm has one, which is why the paper has it there."""
    pair_D, y = lambda x: x.square().sum(1).cos(), torch.randn(4, 3, generator=RNG, dtype=torch.float64)
    options = {"steps": 30, "optimizer": SGD(0.05)}
    squared = transport.target_dot(pair_D, y, 0.7, cost="sqeuclidean", **options).final
    outside = transport.target_dot(pair_D, y, 0.7, cost=lambda x, y: (x - y).square().sum(1) + delta, **options).final
    torch.testing.assert_close(outside, squared, rtol=0, atol=1e-12)
    inside = transport.target_dot(pair_D, y, 0.7, cost="l2", delta=delta, **options).final
    assert not torch.equal(inside, transport.target_dot(pair_D, y, 0.7, cost="l2", delta=2 * delta, **options).final)


def test_every_sentence_has_an_example_and_the_word_that_follows_from_it():
    words = {id: claim.apart for id, (_, claim) in wgan_theory.claims().items()}
    assert words == {
        "s4.w.nearest": "contradicted", "s4.js.diverges": "contradicted", "s4.vanishing": "contradicted",
        "s4.dual.slope": "reproduced", "s4.theorem2": "reproduced", "s4.squared": "contradicted",
    }  # fmt: skip
    shown = wgan_theory.examples()
    assert "W 0.5" in shown["s4.w.nearest"][0] and "0.6931" in shown["s4.js.diverges"][0]


def test_slips_are_named():
    with pytest.raises(InputError, match="q: expected shares .* found sum 2"):
        wgan_theory.jensen_shannon(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0]))
    with pytest.raises(InputError, match="y: expected width 2"):
        wgan_theory.nearest_cost(torch.zeros(1, 2), torch.zeros(1, 3))
