"""The networks of OT-GAN. Kinds of test: closed forms, invariances, failures."""

import pytest
import torch
from network_examples import count
from torch import nn

from dotlib.errors import InputError
from dotlib.networks.otgan import ARCHITECTURES, GENERATORS, Critic
from dotlib.seeding import generator


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (32, 1), (32, 3)])
def test_shapes_and_range(architecture, size, channels):
    G = GENERATORS[architecture](size, channels=channels, rng=generator(0, "G"))
    D = Critic(architecture, size, features=5, channels=channels, rng=generator(0, "D"))
    x = G(100 * torch.randn(6, 16, generator=generator(0, "z")))
    assert x.shape == (6, channels, size, size) and 0.5 < float(x.detach().abs().max()) <= 1
    assert D(x).shape == (6, 5)


def test_parameter_counts_by_hand():
    """8 x 8: maps of 2 x 2, 4 x 4 and 8 x 8."""
    G, D = GENERATORS["cnn"](8), Critic("cnn", 8)
    assert count(G) == (16 * 256 + 256) + 2 * 64 + (64 * 32 * 9 + 32) + 2 * 32 + (32 * 9 + 1)
    assert count(D) == (32 * 16 + 32) + (32 * 64 * 16 + 64) + (256 * 16 + 16)
    assert count(GENERATORS["mlp"](8)) == (16 * 128 + 128) + (128 * 128 + 128) + (128 * 64 + 64)
    assert count(Critic("mlp", 8)) == (64 * 128 + 128) + (128 * 128 + 128) + (128 * 16 + 16)


def test_there_are_two_convolutional_blocks():
    for network in (GENERATORS["cnn"](8), Critic("cnn", 8)):
        assert sum(isinstance(part, nn.Conv2d) for part in network.modules()) == 2
    assert not any(
        isinstance(part, nn.Conv2d) for part in (*GENERATORS["mlp"](8).modules(), *Critic("mlp", 8).modules())
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_follow_the_generator_alone(architecture):
    def weights(seed):
        networks = (
            GENERATORS[architecture](8, rng=generator(seed, "G")),
            Critic(architecture, 8, rng=generator(seed, "D")),
        )
        return [p.detach() for network in networks for p in network.parameters()]

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(not torch.equal(a, b) for a, b in zip(first, other, strict=True) if a.ndim > 1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_critic_keeps_rows_apart_and_a_generator_after_training_too(architecture):
    """A loss of four batches needs features of each image that do not depend on its batch."""
    G = GENERATORS[architecture](8, rng=generator(0, "G")).double().eval()
    D = Critic(architecture, 8, rng=generator(0, "D")).double()  # as in training
    z = torch.randn(5, 16, generator=generator(0, "z"), dtype=torch.float64)
    features = D(G(z))
    alone = torch.cat([D(G(row[None])) for row in z])
    torch.testing.assert_close(features, alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GENERATORS["cnn"](10), "^size: found 10; .*multiple of 4"),
        (lambda: GENERATORS["mlp"](0), "^size: .*found 0"),
        (lambda: GENERATORS["cnn"](8, latent=0), "^latent or features: .*found 0"),
        (lambda: Critic("cnn", 8, width=1), "^width: .*found 1"),
        (lambda: Critic("mlp", 8)(torch.zeros(2, 1, 32, 32)), r"^x: expected images \(B, 1, 8, 8\)"),
    ],
)
def test_failures_name_the_argument(call, message):
    with pytest.raises(InputError, match=message):
        call()
