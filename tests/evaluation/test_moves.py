"""Ways to change latents: closed forms on a linear pair, identities, pairing, budgets, failures."""

import math

import pytest
import torch
from draws import normal, seeded
from torch import nn

from dotlib import transport
from dotlib.errors import InputError
from dotlib.evaluation import moves
from dotlib.evaluation.moves import Move
from dotlib.pairs import Normal, Pair, Uniform

K = {"own": 2.0, "shuffled": 1.0, "early": 3.0, "q50": 0.5, "q90": 1.0, "max": 4.0}
W = torch.tensor([0.6, -0.8, 0.0])  # D(x) = 2 W.x has the slope 2


def linear(prior):
    return Pair(nn.Identity().eval(), lambda x: 2 * (x @ W.to(x)), prior)


def paths(move, pair, z, lr=0.01, seed=0):
    return dict(moves.path(move, pair, pair, z, lr, seeded(seed)))


def test_a_naive_ascent_of_a_linear_d_is_a_straight_line():
    z = 0.1 * normal(0, 5, 3).float()
    for step, moved in paths(Move("naive", "descent", (1, 5, 10), 2.0, cost="none"), linear(Uniform(3)), z).items():
        assert torch.allclose(moved, z + 0.01 * step * W, atol=1e-6)


def test_a_constant_for_each_label_a_variant_and_adam_reach_the_descent():
    """Each row moves as it does alone with its own constant, and the words of a move are those of `latent_dot`."""
    pair, z, y = linear(Uniform(3)), 0.1 * normal(0, 6, 3).float(), torch.tensor([0, 1, 1, 0, 1, 0])
    conditional = Pair(lambda z, y: (y + 1)[:, None] * z, lambda x, y: (y + 1) * pair.logit(x), Uniform(3))
    labelled = conditional.conditioned_on(y)
    for options in ({}, {"variant": "exact"}, {"adam": True}, {"cost": "none"}):
        move = Move("DOT", "descent", (3,), (0.5, 3.0), **options)
        found = paths(move, labelled, z)[3]
        for label, k in enumerate(move.k):
            own = y == label
            optimizer = transport.Adam(0.01) if move.adam else transport.SGD(0.01)
            words = {"variant": move.variant, "cost": move.cost, "optimizer": optimizer}
            alone = transport.latent_dot(conditional.conditioned_on(label), z[own], k, steps=3, **words).final
            assert torch.allclose(found[own], alone, atol=1e-7), (options, label)
    with pytest.raises(InputError, match="^k: found one for each of 2 labels, and a pair without; pass one number"):
        paths(Move("DOT", "descent", (3,), (0.5, 3.0)), pair, z)


def test_a_random_direction_goes_as_far_as_the_naive_ascent_and_the_same_way_at_every_setting():
    z = 0.1 * normal(0, 400, 3).float()
    found = paths(Move("random", "random", (5, 10), 2.0, cost="none"), linear(Uniform(3)), z)
    first, second = (found[step] - z for step in (5, 10))
    assert torch.allclose(first.norm(dim=1), torch.full((400,), 0.05), atol=1e-5)
    assert torch.allclose(second, 2 * first, atol=1e-5)
    assert abs(float((first @ W).mean())) < 3 * 0.05 / math.sqrt(3 * 400)  # D neither rises nor falls
    assert torch.cov(first.T).diag().min() > 0.05**2 / 3 / 2  # all directions occur


def test_under_a_normal_prior_a_random_direction_is_tangent():
    z = normal(1, 50, 3).float()
    direction = moves._direction(Normal(3), z, seeded(0))
    assert float((direction * z).sum(1).abs().max()) < 1e-5
    assert torch.allclose(direction.norm(dim=1), torch.ones(50), atol=1e-6)


def test_best_of_m_is_the_largest_of_a_plain_list_and_begins_with_the_sample_itself():
    pair, z = linear(Uniform(3)), Uniform(3).sample(20, seeded(1))
    found = paths(Move("best", "best", (2, 4)), pair, z, seed=7)
    rng = seeded(7)
    candidates = torch.stack([z, *(Uniform(3).sample(20, rng) for _ in range(3))])
    for m in (2, 4):
        best = pair.latent_logit(candidates[:m].flatten(0, 1)).view(m, 20).argmax(0)
        assert torch.equal(found[m], candidates[best, torch.arange(20)])
    assert (pair.latent_logit(found[4]) >= pair.latent_logit(found[2])).all()


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_truncation_confines_and_keeps_the_order(share):
    z = torch.sort(Normal(1).sample(4_000, seeded(0)), dim=0).values
    cut = moves.truncated(Normal(1), z, share)
    edge = float(torch.special.ndtri(torch.tensor((1 + share) / 2, dtype=torch.float64)))
    assert (cut.diff(dim=0) >= 0).all() and float(cut.abs().max()) <= edge
    inside = z[z.abs() < edge]
    assert float(cut.std()) == pytest.approx(float(inside.std()), rel=0.03)  # the law of z, given that it is inside
    assert torch.equal(moves.truncated(Uniform(2), torch.ones(3, 2), share), torch.full((3, 2), share))
    with pytest.raises(InputError, match=r"share: expected a number in \(0, 1\]"):
        moves.truncated(Normal(1), z, 0.0)


def test_shuffled_weights_are_the_same_numbers_in_other_places():
    D = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)).eval()
    pair = Pair(nn.Identity().eval(), D, Uniform(3))
    other = moves.shuffled(pair, 0)
    for mine, theirs in zip(D.parameters(), other.discriminator.parameters(), strict=True):
        assert torch.equal(mine.flatten().sort().values, theirs.flatten().sort().values)
    assert not torch.equal(D[0].weight, other.discriminator[0].weight)
    assert other.generator is pair.generator
    with pytest.raises(InputError, match="only weights of a module"):
        moves.shuffled(linear(Uniform(3)), 0)


def test_the_ways_have_their_constants_and_equal_budgets():
    ways = {move.name: move for move in moves.moves(K)}
    assert {name: ways[name].k for name in ("DOT", "DOT, 3 k_eff", "DOT, 30 k_eff", "naive", "DOT, k = max")} == {
        "DOT": 2,
        "DOT, 3 k_eff": 6,
        "DOT, 30 k_eff": 60,
        "naive": 2,
        "DOT, k = max": 4,
    }
    assert ways["DOT, early D"].k == 3 and ways["DOT, k = 1"].k == 1
    assert "DOT, early D" not in {move.name for move in moves.moves({k: v for k, v in K.items() if k != "early"})}
    assert moves.evaluations(ways["DOT"], 20) == moves.evaluations(ways["best of m"], 61) == 61
    assert moves.evaluations(ways["DOT"], 10) == moves.evaluations(ways["best of m"], 31) == 31
    assert len(ways) == len(moves.moves(K)) == 14


def test_slopes_of_a_linear_pair_are_its_slope():
    assert torch.allclose(moves.slopes(linear(Uniform(3)), 10, seeded(0)), torch.full((10,), 2.0, dtype=torch.float64))
