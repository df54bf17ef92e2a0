"""The one call of all samplers: what it counts, what it shares, what it refuses.

Kinds: identities (exact costs), invariants (paired latents, networks untouched), failures.
"""

import pytest
import torch
from example_sampler import Best

from dotlib.errors import InputError
from dotlib.pairs import Pair, Uniform
from dotlib.samplers import base as sampling
from dotlib.samplers import dot as dot_samplers
from dotlib.samplers import rejection
from dotlib.samplers.base import Cost, Kept, Sampler
from dotlib.transport import SGD


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def networks(prior=None):
    torch.manual_seed(0)
    G = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    D = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Softplus(), torch.nn.Linear(8, 1))
    return Pair(G.eval(), D.eval(), prior or Uniform(2))


def test_a_sampler_of_ten_lines_is_counted():
    drawn = Best(tries=4).draw(networks(), 30, rng())
    assert drawn.samples.shape == (30, 3) and drawn.latents.shape == (30, 2)
    assert (drawn.cost.generator, drawn.cost.discriminator, drawn.cost.backward) == (4, 4, 0)
    assert drawn.acceptance == 0.25 and drawn.cost.seconds > 0
    assert (drawn.setup.generator, drawn.setup.discriminator, drawn.setup.backward) == (0, 0, 0)


def test_the_example_chooses_among_the_candidates_of_each_sample():
    pair = sampling.Metered.of(networks())
    kept = Best(tries=4).prepare(pair, rng())(30, rng(1))
    _, _, logits = sampling.proposals(pair, 120, rng(1))
    torch.testing.assert_close(sampling.logits(pair, kept.samples), logits.view(30, 4).amax(dim=1))


@pytest.mark.parametrize(("shape", "rows"), [((2,), 2_048), ((1, 8, 8), 1_024), ((1, 28, 28), 256), ((3, 64, 64), 256)])
def test_small_data_are_evaluated_together_by_the_thousand(shape, rows):
    def G(z):
        sizes.append(len(z))
        return torch.zeros(len(z), *shape)

    sizes, pair = [], Pair(G, lambda x: x.flatten(1).sum(1), Uniform(2))
    assert sampling.block_of(torch.zeros(1, *shape)) == rows
    sampling.generated(pair, 2 * rows + 3, rng())
    assert sizes == [1, rows, rows, 3]  # the first tells how large the data are


def test_a_few_latents_are_evaluated_at_once_and_nothing_is_tried_before():
    """Labels that belong to the rows, one each, would not fit a single row."""
    sizes = []
    pair = Pair(lambda z: (sizes.append(len(z)), z)[1], lambda x: x.sum(1), Uniform(2))
    sampling.generated(pair, sampling.BLOCK, rng())
    assert sizes == [sampling.BLOCK]


@pytest.mark.parametrize("kind", [dot_samplers.LatentDOT, dot_samplers.TargetDOT])
def test_the_size_of_a_block_does_not_move_the_samples(kind, monkeypatch):
    whole = kind(steps=5).draw(networks(), 300, rng()).samples
    monkeypatch.setattr(sampling, "block_of", lambda x, large=0: 7)
    torch.testing.assert_close(kind(steps=5).draw(networks(), 300, rng()).samples, whole)


@pytest.mark.parametrize(
    ("sampler", "setup", "each"),
    [
        (dot_samplers.Bare(), (0, 0, 0), (1, 0, 0)),
        (dot_samplers.LatentDOT(steps=7, pairs=20, repeats=3), (120, 120, 0), (9, 8, 7)),
        (dot_samplers.LatentDOT(steps=7, k_eff=2.0), (0, 0, 0), (9, 8, 7)),
        (dot_samplers.TargetDOT(steps=7, pairs=20, repeats=3), (120, 120, 0), (1, 8, 7)),
        (dot_samplers.TargetDOT(steps=0, K_eff=1.0), (0, 0, 0), (1, 1, 0)),
        (rejection.MHGAN(steps=11), (0, 0, 0), (13, 12, 0)),
        (rejection.MHGAN(steps=60, start=torch.zeros(17, 3)), (0, 17, 0), (61, 60, 0)),
        (rejection.OBRS(budget=1.0, burn_in=300), (300, 300, 0), (1, 1, 0)),
    ],
)
def test_evaluations_are_those_of_the_algorithm(sampler, setup, each):
    drawn = sampler.draw(networks(), sampling.BLOCK, rng())
    for found, owed in ((drawn.setup, setup), (drawn.cost, each)):
        assert (found.generator, found.discriminator, found.backward) == owed


def test_a_replaced_discriminator_is_counted_once():
    pair = sampling.Metered.of(networks())
    twice = sampling.with_logits(pair, lambda logits: 2 * logits)
    x = torch.randn(5, 3)
    torch.testing.assert_close(twice.logit(x), 2 * pair.logit(x))
    assert pair.read().discriminator == twice.read().discriminator == 10
    z = torch.zeros(4, 2, requires_grad=True)
    torch.autograd.grad(twice.latent_logit(z).sum(), z)
    assert pair.read().backward == 4 and pair.read().generator == 4


def test_samplers_that_get_one_generator_start_from_the_same_latents():
    pair = networks()
    bare = dot_samplers.Bare().draw(pair, 200, rng(3))
    for still in (
        dot_samplers.LatentDOT(steps=0),
        dot_samplers.TargetDOT(steps=0),
        dot_samplers.LatentDOT(optimizer=SGD(0.0), steps=2),
        rejection.OBRS(1.0),
    ):
        drawn = still.draw(pair, 200, rng(3))
        assert torch.equal(drawn.latents, bare.latents)
        torch.testing.assert_close(drawn.samples, bare.samples, rtol=0, atol=1e-6)
    assert not torch.equal(dot_samplers.Bare().draw(pair, 200, rng(4)).latents, bare.latents)


def test_cost_of_one_of_n():
    assert (Cost(12, 6, 3, 1.5) - Cost(2, 2, 1, 0.5)).per(2) == Cost(5, 2, 1, 0.5)


def test_wrong_use_is_named():
    class Short(Sampler):
        def prepare(self, pair, rng):
            return lambda n, rng: Kept(sampling.latents(pair, n - 1, rng))

    with pytest.raises(InputError, match="^n: Short kept 4 of 5 samples"):
        Short().draw(networks(), 5, rng())
    with pytest.raises(InputError, match="^n: expected an integer >= 1, found 0"):
        dot_samplers.Bare().draw(networks(), 0, rng())
    pair = networks()
    pair.generator.train()
    with pytest.raises(InputError, match="^generator: .* is in training mode"):
        dot_samplers.Bare().draw(pair, 5, rng())
