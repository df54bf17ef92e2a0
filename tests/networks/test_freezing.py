"""Frozen networks: the same function, faster.

Kinds of test: identities (outputs and gradients of the network itself, bit for bit),
invariances (the original is not touched, the caller's tensors neither), failures.
"""

import copy

import pytest
import torch
from torch import nn

from dotlib import transport
from dotlib.errors import InputError
from dotlib.networks import dcgan, resnet
from dotlib.networks.freezing import frozen
from dotlib.networks.layers import Design, thermalise
from dotlib.networks.mlp import LeakyReLU, toy_discriminator
from dotlib.pairs import Pair, Uniform
from dotlib.seeding import generator

# The rows of [DOT19] Table 1: architecture, spectral norm in G, in D, attention.
ROWS = {
    "dcgan wgan-gp": (dcgan, False, False, False),
    "dcgan sngan-ns": (dcgan, False, True, False),
    "dcgan sngan-hi": (dcgan, False, True, False),
    "dcgan sagan-ns": (dcgan, True, True, True),
    "dcgan sagan-hi": (dcgan, True, True, True),
    "resnet sagan-ns": (resnet, True, True, True),
    "resnet sagan-hi": (resnet, True, True, True),
}


def noise(*shape, name="x"):
    """Fixed normal numbers, float32."""
    return torch.randn(shape, generator=generator(0, name))


def networks(row, *, width=16, bottom=1, latent=5):
    """G and D of a row, with batch statistics and gates as after some training; training mode."""
    kind, spectral_G, spectral_D, attention = ROWS[row]
    G, D = (
        Design(width, bottom, spectral=spectral, attention=attention, rng=generator(0, role, row))
        for role, spectral in (("G", spectral_G), ("D", spectral_D))
    )
    G, D = kind.Generator(G, latent), kind.Discriminator(D)
    for network in (G, D):
        for name, p in network.named_parameters():
            if name.endswith(("gamma", "bias")) or p.ndim < 2:
                p.data += 0.2 * noise(*p.shape, name=name)
    with torch.no_grad():
        for part in range(3):
            G(noise(16, latent, name=f"latents {part}"))
    return G, D


def assert_frozen_is_the_network(G, D, latent, *, rows=4):
    """Images to 1e-5 of their range, logits and gradients to 1e-5 of their largest."""
    G_frozen, D_frozen = frozen(G), frozen(D)
    for network in (G, D):
        network.eval()
        thermalise(network)
    z = noise(rows, latent, name="z")
    with torch.no_grad():
        x = G(z)
        assert float((G_frozen(z) - x).abs().max()) < 1e-5
        logits = D(x)
        assert float((D_frozen(x) - logits).abs().max()) < 1e-5 * max(1, float(logits.abs().max()))


@pytest.mark.parametrize("row", ROWS)
def test_frozen_is_the_network(row):
    G, D = networks(row)
    assert_frozen_is_the_network(G, D, 5)


def test_frozen_is_the_network_at_full_width():
    """SAGAN of CIFAR-10, [DOT19] Table 5."""
    G, D = networks("dcgan sagan-ns", width=512, bottom=4, latent=128)
    assert_frozen_is_the_network(G, D, 128, rows=2)


@pytest.mark.parametrize("row", ROWS)
def test_gradients_for_the_input_are_the_networks(row):
    """Float64, where no ReLU is within rounding of its kink: 1e-10."""
    G, D = (network.double() for network in networks(row))
    gradients = []
    for pair in ((frozen(G), frozen(D)), (G, D)):
        for network in pair:
            thermalise(network.eval())
        z = noise(4, 5, name="z").double().requires_grad_(True)
        gradients += torch.autograd.grad(pair[1](pair[0](z)).sum(), z)
    scale = float(gradients[1].abs().max())
    assert scale > 0
    assert float((gradients[0] - gradients[1]).abs().max()) < 1e-10 * scale


def test_the_bits_agree():
    """Values and latents moved by transport: the same operations on the same numbers."""
    G, D = networks("dcgan sagan-hi")
    still = [frozen(network) for network in (G, D)]
    for network in (G, D):
        thermalise(network.eval())
    prior = Uniform(5)
    z = prior.sample(6, generator(0, "z"))
    pairs = [Pair(*still, prior), Pair(G, D, prior)]
    assert torch.equal(pairs[0].latent_logit(z), pairs[1].latent_logit(z))
    ends = [transport.latent_dot(pair, z, 0.01, steps=5).final for pair in pairs]
    assert torch.equal(*ends) and not torch.equal(ends[0], z)


@pytest.mark.parametrize("row", ["dcgan sagan-ns", "resnet sagan-ns"])
def test_the_original_is_not_touched(row):
    """State, mode, switches and function; it trains on afterwards, its copies freeze again."""
    for network in networks(row):
        state = {name: t.clone() for name, t in network.state_dict().items()}
        twin = copy.deepcopy(network)
        frozen(network)
        assert network.training and all(part.training for part in network.modules())
        assert all(p.requires_grad for p in network.parameters())
        after = network.state_dict()
        assert list(after) == list(state)
        assert all(torch.equal(t, after[name]) for name, t in state.items())
        x = noise(4, 5) if isinstance(network, dcgan.Generator | resnet.Generator) else noise(4, 3, 8, 8)
        assert torch.equal(network(x), twin(x))
        network(x).sum().backward()
        frozen(frozen(network))


def test_what_is_left_in_a_frozen_network():
    G, D = (frozen(network) for network in networks("dcgan sagan-ns"))
    for network in (G, D):
        assert not any(part.training for part in network.modules())
        assert not any(p.requires_grad for p in network.parameters())
        assert not any("parametrizations" in name or name.endswith("_u") for name in network.state_dict())
    twice = [type(part) for part in G.modules()].count(nn.BatchNorm2d)
    assert twice == 3  # one after each deconvolution of Table 5: they stay


def test_the_callers_tensors_are_not_overwritten():
    """An activation that comes first, or after one that is kept, makes a new tensor."""
    for network in (
        nn.Sequential(LeakyReLU(0.2), nn.Linear(4, 4)),
        nn.Sequential(nn.ReLU()),
        nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(4, 1)),
        nn.Sequential(nn.Linear(4, 4), nn.ReLU(), LeakyReLU(0.2)),
    ):
        x = noise(5, 4)
        before, expected = x.clone(), network(x)
        assert torch.equal(frozen(network)(x), expected)
        assert torch.equal(x, before)
        leaf = x.clone().requires_grad_(True)
        (g,) = torch.autograd.grad(frozen(network)(leaf).sum(), leaf)
        (expected,) = torch.autograd.grad(network(leaf).sum(), leaf)
        assert torch.equal(g, expected)


def test_a_layer_used_twice_keeps_its_other_use():
    shared = nn.Linear(4, 4)
    network = nn.Sequential(shared, nn.BatchNorm1d(4), nn.ReLU(), shared).eval()
    network[1].running_var.fill_(4.0)
    x = noise(5, 4)
    assert torch.allclose(frozen(network)(x), network(x), rtol=0, atol=1e-6)
    plain = toy_discriminator(generator(0, "D"))
    assert torch.equal(frozen(plain)(noise(3, 2)), plain(noise(3, 2)))


def test_failures_name_the_network():
    with pytest.raises(InputError, match="network: found function; pass an nn.Module"):
        frozen(noise)
    bare = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False))
    with pytest.raises(InputError, match="network: .* no running statistics, .*track_running_stats"):
        frozen(bare)
    with pytest.raises(InputError, match="iterations: .*found -1"):
        frozen(nn.Linear(2, 2), iterations=-1)
