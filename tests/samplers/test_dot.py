"""DOT and the naive ascent as samplers. Kinds: identities (the algorithm itself), invariants (networks untouched)."""

import pytest
import torch

from dotlib.pairs import Normal, Pair, Uniform
from dotlib.samplers import base as sampling
from dotlib.samplers import dot as dot_samplers
from dotlib.transport import SGD, Adam, latent_dot, lipschitz, target_dot


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


def test_the_defaults_are_those_of_b1_and_b2_written_out():
    """[DOT19] B.2: 20 steps of SGD 0.01 on latents; B.1: 100 of Adam(0.01, 0, 0.9) on points; nothing is clipped."""
    pair = networks(Normal(2))
    z = dot_samplers.Bare().draw(pair, 20, rng(3)).latents
    common = {"cost": "l2", "variant": "paper", "delta": 1e-3, "batch_size": 20}
    moved = dot_samplers.LatentDOT(k_eff=0.5).draw(pair, 20, rng(3)).latents
    assert torch.equal(moved, latent_dot(pair, z, 0.5, steps=20, optimizer=SGD(0.01), **common).final), (
        "latents move otherwise than in B.2"
    )
    y = 4 * sampling.generate(pair, z)  # some beyond the 2 at which the released program clips
    far = Pair(lambda z: 4 * pair.generate(z), pair.discriminator, pair.prior)
    points = dot_samplers.TargetDOT(K_eff=0.5).draw(far, 20, rng(3)).samples
    whole = target_dot(pair.logit, y, 0.5, steps=100, optimizer=Adam(0.01, (0.0, 0.9)), clip=None, **common).final
    assert points.abs().max() > 2.1 and torch.equal(points, whole), "points move otherwise than in B.1"


@pytest.mark.parametrize(
    ("options", "n_pairs", "repeats"), [({}, 100, 10), ({"pairs": 7}, 7, 10), ({"repeats": 3}, 100, 3)]
)
def test_the_constant_is_estimated_from_as_many_pairs_as_are_asked_for(options, n_pairs, repeats):
    """B.1: the mean over ten maxima over a hundred pairs."""
    pair = networks()
    estimates = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=rng(3))))  # as `draw` seeds them
    k_eff = lipschitz.latent_constant(pair, n_pairs=n_pairs, repeats=repeats, rng=estimates).value
    drawn, known = (dot_samplers.LatentDOT(**o).draw(pair, 9, rng(3)) for o in (options, {"k_eff": k_eff}))
    assert torch.equal(drawn.latents, known.latents), "k_eff is of other pairs"
    for kind in (dot_samplers.LatentDOT, dot_samplers.TargetDOT):
        setup = kind(**options).draw(pair, 9, rng(3)).setup
        assert setup.generator == setup.discriminator == 2 * n_pairs * repeats, kind.__name__


def test_every_option_reaches_its_algorithm():
    """One option at a time is another one, and the sampler still does what the algorithm does with it."""
    pair = networks(Normal(2))
    z = dot_samplers.Bare().draw(pair, 20, rng(3)).latents
    y = sampling.generate(pair, z)
    both = {"steps": 3, "optimizer": SGD(0.05), "cost": "none", "variant": "exact"}
    for name, value in both.items():
        option = {"optimizer": SGD(0.03), name: value}
        moved = dot_samplers.LatentDOT(k_eff=0.5, **option).draw(pair, 20, rng(3)).latents
        assert torch.equal(moved, latent_dot(pair, z, 0.5, batch_size=20, **option).final), name
    for name, value in (both | {"clip": 0.1}).items():
        option = {"optimizer": SGD(0.03), name: value}
        moved = dot_samplers.TargetDOT(K_eff=0.5, **option).draw(pair, 20, rng(3)).samples
        assert torch.equal(moved, target_dot(pair.logit, y, 0.5, batch_size=20, **option).final), name
