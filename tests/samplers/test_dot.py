"""DOT and the naive ascent as samplers. Kinds: identities (the algorithm itself), invariants (networks untouched)."""

import pytest
import torch

from dotlib.pairs import Normal, Pair, Uniform
from dotlib.samplers import base as sampling
from dotlib.samplers import dot as dot_samplers
from dotlib.transport import latent_dot, target_dot


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def networks(prior=None):
    torch.manual_seed(0)
    G = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    D = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Softplus(), torch.nn.Linear(8, 1))
    return Pair(G.eval(), D.eval(), prior or Uniform(2))


@pytest.mark.parametrize("cost", ["l2", "none"])
def test_transports_raise_d_and_leave_the_networks(cost):
    pair = networks(Normal(2))
    before = {k: v.clone() for k, v in pair.generator.state_dict().items()}
    bare = dot_samplers.Bare().draw(pair, 50, rng())
    with torch.no_grad():
        low = pair.logit(bare.samples).mean()
        for sampler in (
            dot_samplers.LatentDOT(cost=cost, variant="exact", k_eff=0.01),
            dot_samplers.TargetDOT(cost=cost, K_eff=0.01),
        ):
            assert pair.logit(sampler.draw(pair, 50, rng()).samples).mean() > low
    assert all(torch.equal(before[k], v) for k, v in pair.generator.state_dict().items())
    assert not any(p.grad is not None for p in pair.discriminator.parameters())


def test_samples_are_those_of_the_two_algorithms():
    """The sampler adds nothing: its latents, moved by Algorithm 2, and its points, moved by Algorithm 1."""
    pair = networks()
    bare = dot_samplers.Bare().draw(pair, 20, rng(3))
    moved = dot_samplers.LatentDOT(steps=4, k_eff=0.5).draw(pair, 20, rng(3))
    assert torch.equal(moved.latents, latent_dot(pair, bare.latents, 0.5, steps=4, batch_size=20).final)
    points = dot_samplers.TargetDOT(steps=4, K_eff=0.5).draw(pair, 20, rng(3))
    expected = target_dot(pair.logit, sampling.generate(pair, bare.latents), 0.5, steps=4, batch_size=20).final
    assert torch.equal(points.samples, expected) and torch.equal(points.latents, bare.latents)
