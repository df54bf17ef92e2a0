"""The small VGG. Kinds of test: closed forms, invariances, failures."""

import pytest
import torch
from network_examples import count
from torch import nn

from dotlib.errors import InputError
from dotlib.networks.vgg import VGG5
from dotlib.seeding import generator


def vgg(**options):
    return VGG5(**{"channels": 1, "size": 8, "width": 2} | options, rng=generator(0, "vgg"))


def noise(*shape):
    return torch.randn(shape, generator=generator(0, "vgg", "x"))


def sides(network, x):
    """Sides of the maps after each layer that pools."""
    found = []
    for part in network.embed:
        x = part(x)
        if "Pool" in type(part).__name__:
            found.append(x.shape[-1])
    return found


def test_at_28_pixels_and_width_64_it_is_the_networks_of_the_report():
    """Sides 28, 14, 7, 3, 1; convolutions of 64, 64, 128, 128 and six times 256 maps; dense layers of 512 and 10."""
    network = vgg(size=28, width=64).eval()
    maps = [part.out_channels for part in network.embed if isinstance(part, nn.Conv2d)]
    assert maps == [64, 64, 128, 128, *[256] * 6] and network.features == 256
    assert sides(network, noise(1, 1, 28, 28)) == [14, 7, 3, 1]
    convolutions = sum(9 * i * o + o + 2 * o for i, o in zip([1, *maps], maps, strict=False))  # and batch norms
    assert count(network) == convolutions + (256 * 512 + 512) + (512 * 10 + 10)


@pytest.mark.parametrize(("size", "expected"), [(8, [4, 2, 1, 1]), (32, [16, 8, 4, 1])])
def test_other_sizes_end_at_one_place(size, expected):
    network = vgg(size=size, channels=3).eval()
    assert sides(network, noise(2, 3, size, size)) == expected
    features, logits = network(noise(5, 3, size, size))
    assert features.shape == (5, 8) and logits.shape == (5, 10) and (features >= 0).all()


def test_rows_are_independent_in_evaluation_mode():
    network, x = vgg().eval(), noise(6, 1, 8, 8)
    torch.testing.assert_close(network(x)[0][2:4], network(x[2:4])[0])


def test_first_weights_are_those_of_the_stream():
    assert torch.equal(vgg().classify.weight, vgg().classify.weight)
    assert float(vgg(width=64).dense[0].weight.detach().std()) == pytest.approx((2 / 256) ** 0.5, rel=0.02)


def test_wrong_sizes_are_refused():
    for options, message in (
        ({"size": 7}, "size"),
        ({"width": 0}, "width"),
        ({"classes": 1}, "classes"),
        ({"channels": 0}, "channels"),
    ):
        with pytest.raises(InputError, match=f"^{message}: expected an integer"):
            vgg(**options)
    with pytest.raises(InputError, match=r"8, 8"):
        vgg()(noise(2, 1, 9, 9))
