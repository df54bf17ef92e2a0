"""The ResNets of [DOT19] Table 6. Kinds of test: closed forms (counts by hand), identities, invariances."""

import pytest
import torch
from network_examples import ATTENTION_128, ATTENTION_256, count, noise, small
from torch import nn

from dotlib.networks import resnet
from dotlib.networks.layers import Design


@pytest.mark.parametrize(("bottom", "n"), [(4, 2), (6, 1)])
def test_parameter_counts_of_table_6_generator(bottom, n):
    """n = 2 for CIFAR-10, 1 for STL-10; 128 n channels and latent coordinates."""
    c, flat = 128 * n, 128 * n * bottom * bottom
    block = 2 * c + (c * c * 9 + c) + 2 * c + (c * c * 9 + c) + (c * c * 9 + c)  # the shortcut
    by_hand = (c * flat + flat) + 3 * block + 2 * c + (c * 3 * 9 + 3)
    attention = {1: ATTENTION_128, 2: ATTENTION_256}[n]
    assert count(resnet.Generator(Design(c, bottom), latent=c)) == by_hand
    published = Design(c, bottom, spectral=True, attention=True)
    assert count(resnet.Generator(published, latent=c)) == by_hand + attention


@pytest.mark.parametrize(("bottom", "side"), [(4, 8), (6, 12)])
def test_parameter_counts_of_table_6_discriminator(bottom, side):
    """Two halvings: 32 to 8 and 48 to 12."""
    same, halve = 128 * 128 * 9 + 128, 128 * 128 * 16 + 128
    by_hand = (
        (3 * 128 * 9 + 128)
        + halve
        + (3 * 128 * 16 + 128)  # down1, with its shortcut
        + same
        + halve
        + halve  # down2, with its shortcut
        + 2 * same
        + 2 * same  # down3, twice
        + (128 * side * side + 1)
    )
    assert count(resnet.Discriminator(Design(128, bottom))) == by_hand
    published = Design(128, bottom, spectral=True, attention=True)
    assert count(resnet.Discriminator(published)) == by_hand + ATTENTION_128


def test_resnet_block_without_its_last_layer_is_its_shortcut():
    """Figure 7: the shortcut of `up` is a convolution of the unpooled input, a linear map."""
    block = next(m for m in small(resnet, "Generator", spectral=False) if hasattr(m, "shortcut"))
    nn.init.zeros_(block.residual[-1].weight)
    x = noise(2, 16, 3, 3)
    big = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(block(x), block.shortcut[-1](big))


def test_resnet_down_blocks_by_what_they_ignore():
    """Figure 8: down3 adds ReLU terms to x itself; with x < 0 only its biases are added, here 0.
    Figure 7: down1 sees the pixels before any ReLU; a change of a negative pixel matters."""
    D = small(resnet, "Discriminator", attention=False)
    x = -noise(2, 16, 2, 2).abs()
    assert torch.equal(D[2](x), x)
    assert torch.equal(D[1](x), D[1].shortcut(x))
    pixels = -noise(1, 1, 8, 8).abs()
    change = D[0].residual(pixels) - D[0].residual(2 * pixels)
    assert float(change.detach().abs().max()) > 1e-3


def test_resnet_order_matters_and_published_is_relu_first():
    """The same weights, the two layers exchanged."""
    published, usual = (small(resnet, "Generator", order=order) for order in ("published", "usual"))
    z = noise(4, 5)
    scale = float(usual(z).detach().abs().max())
    assert float((published(z) - usual(z)).detach().abs().max()) > 0.1 * scale
    names = [[type(part).__name__ for part in list(G)[-4:-2]] for G in (published, usual)]
    assert names == [["ReLU", "BatchNorm2d"], ["BatchNorm2d", "ReLU"]]
