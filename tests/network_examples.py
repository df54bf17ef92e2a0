"""Small image networks, fixed noise and counts, for the tests of the networks."""

import torch
from torch import nn

from dotlib.networks.layers import Design, SelfAttention
from dotlib.seeding import generator

SIZES = [(4, 32), (6, 48), (1, 8)]


SWITCHES = [(False, False), (True, False), (True, True), (False, True)]


def count(network):
    """Number of parameters."""
    return sum(p.numel() for p in network.parameters())


def noise(*shape, name="x", dtype=torch.float64):
    """Fixed normal numbers."""
    return torch.randn(shape, generator=generator(0, name), dtype=dtype)


def build(kind, role, **options):
    """A network by the options of its design; a generator also has its latents, 5, and its order."""
    options |= {"latent": options.get("latent", 5)} if role == "Generator" else {}
    own = {name: options.pop(name) for name in ("latent", "order") if name in options}
    return getattr(kind, role)(Design(**options), **own)


def small(kind, role, name="weights", **options):
    """A tiny float64 network in evaluation mode, gamma not 0 and batch statistics not trivial."""
    sizes = {"bottom": 1, "channels": 1, "width": 16, "spectral": True, "attention": True}
    network = build(kind, role, **(sizes | options), rng=generator(0, name)).double()
    for module in network.modules():
        if isinstance(module, SelfAttention):
            nn.init.constant_(module.gamma, 0.7)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * noise(module.num_features, name="mean"))
            module.running_var.copy_(0.5 + noise(module.num_features, name="var").square())
    return network.eval()


ATTENTION_128 = 2 * (128 * 16 + 16) + (128 * 128 + 128) + 1  # query, key; value; gamma


ATTENTION_256 = 2 * (256 * 32 + 32) + (256 * 256 + 256) + 1
