"""The DCGANs of [DOT19] Table 5, and what they share with the ResNets.

Kinds of test: closed forms, invariances, failures.
"""

import math

import pytest
import torch
from network_examples import ATTENTION_128, SIZES, SWITCHES, build, count, noise, small
from torch import nn

from dotlib.errors import InputError
from dotlib.networks import dcgan, resnet
from dotlib.networks.classifier import Classifier
from dotlib.networks.layers import Design, SelfAttention, spectral, thermalise
from dotlib.seeding import generator


@pytest.mark.parametrize(("bottom", "total"), [(4, 3_828_739), (6, 5_170_179)])
def test_parameter_counts_of_table_5_generator(bottom, total):
    flat = 512 * bottom * bottom  # 8,192 and 18,432 features
    by_hand = (
        (128 * flat + flat)
        + 2 * flat
        + (512 * 256 * 16 + 256)
        + 2 * 256
        + (256 * 128 * 16 + 128)
        + 2 * 128
        + (128 * 64 * 16 + 64)
        + 2 * 64
        + (64 * 3 * 9 + 3)
    )
    assert by_hand == total
    assert count(dcgan.Generator(Design(512, bottom))) == by_hand
    sagan = dcgan.Generator(Design(512, bottom, spectral=True, attention=True))
    assert count(sagan) == by_hand + ATTENTION_128


@pytest.mark.parametrize(("bottom", "total"), [(4, 5_860_865), (6, 5_871_105)])
def test_parameter_counts_of_table_5_discriminator(bottom, total):
    by_hand = (
        (3 * 64 * 9 + 64)
        + (64 * 128 * 16 + 128)
        + (128 * 128 * 9 + 128)
        + (128 * 256 * 16 + 256)
        + (256 * 256 * 9 + 256)
        + (256 * 512 * 16 + 512)
        + (512 * 512 * 9 + 512)
        + (512 * bottom * bottom + 1)
    )
    assert by_hand == total
    assert count(dcgan.Discriminator(Design(512, bottom))) == by_hand
    assert count(dcgan.Discriminator(Design(512, bottom, spectral=True))) == by_hand
    sagan = dcgan.Discriminator(Design(512, bottom, spectral=True, attention=True))
    assert count(sagan) == by_hand + ATTENTION_128


@pytest.mark.parametrize("kind", [dcgan, resnet])
@pytest.mark.parametrize(("spectral", "attention"), SWITCHES)
@pytest.mark.parametrize(("bottom", "side"), SIZES)
def test_shapes_and_range(kind, spectral, attention, bottom, side):
    G, D = (Design(8, bottom, 3, spectral, attention, generator(0, role)) for role in "GD")
    G, D = kind.Generator(G, latent=7), kind.Discriminator(D)
    x = G(noise(3, 7, dtype=torch.float32))
    assert x.shape == (3, 3, side, side) and float(x.detach().abs().max()) <= 1
    assert D(x).shape == (3, 1)


def test_order_of_layers_in_table_5():
    """[DOT19] Table 5 with the ReLU of the released code after the first batch norm."""
    G = dcgan.Generator(Design(8, bottom=1, attention=True))
    up = ["ConvTranspose2d", "BatchNorm2d", "ReLU"]
    assert [type(part).__name__ for part in G] == [
        "Linear",
        "BatchNorm1d",
        "ReLU",
        "Unflatten",
        *up,
        *up,
        "SelfAttention",
        *up,
        "ConvTranspose2d",
        "Tanh",
    ]
    assert {part.eps for part in G if "Norm" in type(part).__name__} == {2e-5}
    D = dcgan.Discriminator(Design(8, bottom=1, attention=True))
    step = ["Conv2d", "LeakyReLU"]
    assert [type(part).__name__ for part in D] == [
        *step,
        *step,
        "SelfAttention",
        *step,
        *step,
        *step,
        *step,
        *step,
        "Flatten",
        "Linear",
    ]
    assert {part.slope for part in D if type(part).__name__ == "LeakyReLU"} == {0.2}


def test_every_layer_is_normalised_or_none():
    """Attention always is (Figure 6)."""
    for kind in (dcgan, resnet):
        for role in ("Generator", "Discriminator"):
            for wanted in (True, False):
                network = build(kind, role, bottom=1, width=8, spectral=wanted)
                layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
                assert len(layers) >= 5
                assert {hasattr(m, "parametrizations") for m in layers} == {wanted}


@pytest.mark.parametrize("kind", [dcgan, resnet])
def test_weights_follow_the_generator_alone(kind):
    """Singular vectors too."""
    options = {"bottom": 1, "width": 8, "spectral": True, "attention": True}
    for role in ("Generator", "Discriminator"):
        states = []
        for seed in (4, 4, 5):
            torch.rand(seed, generator=torch.default_generator)  # moves the global state
            states.append(build(kind, role, **options, rng=generator(seed, "w")).state_dict())
        first, again, other = states
        assert all(torch.equal(t, again[name]) for name, t in first.items())
        assert all(
            not torch.equal(t, other[name])
            for name, t in first.items()
            if name.endswith(("original", "_u", "_v")) and t.numel() > 1
        )


def test_first_weights_are_normal_with_std_002():
    """Sum of squares over the variance is chi-square with n degrees; 5 standard deviations."""
    for network in (
        dcgan.Generator(Design(64, bottom=1, rng=generator(0, "G"))),
        dcgan.Discriminator(Design(64, bottom=1, rng=generator(0, "D"))),
    ):
        for module in network:
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                w, n = module.weight.detach().double() / 0.02, module.weight.numel()
                assert abs(float(w.square().sum()) - n) < 5 * math.sqrt(2 * n)
                assert abs(float(w.sum())) < 5 * math.sqrt(n)
                assert float(module.bias.detach().abs().max()) == 0


@pytest.mark.parametrize("kind", [dcgan, resnet])
def test_rows_are_independent_in_evaluation(kind):
    """Sums in other orders: 1e-13 of values of order 1."""
    for role, x in (("Generator", noise(5, 5)), ("Discriminator", noise(5, 1, 8, 8))):
        network = small(kind, role)
        alone = torch.cat([network(row[None]) for row in x])
        assert torch.allclose(network(x), alone, rtol=1e-12, atol=1e-13)


def test_sizes_are_refused_by_name():
    with pytest.raises(InputError, match="width: found 20; .*multiple of 8 such as 16"):
        Design(width=20)
    with pytest.raises(InputError, match="bottom: expected an integer >= 1, found 0"):
        Design(8, bottom=0)
    with pytest.raises(InputError, match="channels: .*found 2.5"):
        Design(8, channels=2.5)


def test_images_of_another_shape_are_refused():
    for D in (small(dcgan, "Discriminator"), small(resnet, "Discriminator"), Classifier(channels=1, size=8, width=2)):
        for shape in ((2, 1, 9, 9), (2, 3, 8, 8), (1, 8, 8), (2, 64)):
            with pytest.raises(InputError, match=r"x: expected images \(B, 1, 8, 8\), found shape"):
                D(torch.zeros(shape))


def test_other_failures_name_the_argument():
    with pytest.raises(InputError, match="latent: .*found 0"):
        dcgan.Generator(Design(8), latent=0)
    with pytest.raises(InputError, match="order: unknown 'usul'; known: published, usual; nearest"):
        resnet.Generator(Design(8), latent=5, order="usul")
    with pytest.raises(InputError, match="iterations: .*found -1"):
        thermalise(spectral(nn.Linear(2, 2)), -1)
    with pytest.raises(InputError, match="channels: .*found 0"):
        SelfAttention(0)
