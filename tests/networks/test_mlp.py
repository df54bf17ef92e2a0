"""The networks of the 2-D experiment.

Kinds of test: closed forms (parameter counts, a network by hand), second method (torch's own leaky
ReLU), statistics of the initial weights, identities (same generator, same weights).
"""

import math

import pytest
import torch
from torch import nn

from dotlib.networks.mlp import MLP, LeakyReLU, he_normal, toy_discriminator, toy_generator
from dotlib.seeding import generator


def test_parameter_counts_of_table_4():
    """By hand, weights + biases. G: 2-256-256-256-2. D: 2-512-512-512-1."""
    count_G = (2 * 256 + 256) + (256 * 256 + 256) + (256 * 256 + 256) + (256 * 2 + 2)
    count_D = (2 * 512 + 512) + (512 * 512 + 512) + (512 * 512 + 512) + (512 * 1 + 1)
    assert (count_G, count_D) == (132_866, 527_361)
    assert sum(p.numel() for p in toy_generator().parameters()) == count_G
    assert sum(p.numel() for p in toy_discriminator().parameters()) == count_D


def test_layers_of_table_4():
    for network, width, outputs in ((toy_generator(), 256, 2), (toy_discriminator(), 512, 1)):
        linear = [layer for layer in network if isinstance(layer, nn.Linear)]
        sizes = [(layer.in_features, layer.out_features) for layer in linear]
        assert sizes == [(2, width), (width, width), (width, width), (width, outputs)]
        kinds = [type(layer).__name__ for layer in network]
        assert kinds == ["Linear", "LeakyReLU"] * 3 + ["Linear"]  # none after the last
        assert {layer.slope for layer in network if isinstance(layer, LeakyReLU)} == {0.2}
        assert network(torch.zeros(7, 2)).shape == (7, outputs)


def test_a_network_by_hand():
    """W1 = (1, -2), b1 = (0.5, 0), W2 = (3, 1), b2 = -1. At x = 2: 3 * 2.5 + 0.2 * (-4) - 1 = 5.7;
    at x = -2: 3 * 0.2 * (-1.5) + 4 - 1 = 2.1."""
    network = MLP(1, 2, 1, hidden=1).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0], [-2.0]]))
        network[0].bias.copy_(torch.tensor([0.5, 0.0]))
        network[2].weight.copy_(torch.tensor([[3.0, 1.0]]))
        network[2].bias.fill_(-1.0)
        out = network(torch.tensor([[2.0], [-2.0]], dtype=torch.float64))
    assert out[:, 0].tolist() == pytest.approx([5.7, 2.1], rel=1e-12)


def test_without_hidden_layers_it_is_linear():
    network = MLP(3, 99, 2, hidden=0)
    assert [tuple(p.shape) for p in network.parameters()] == [(2, 3), (2,)]
    assert network(torch.zeros(4, 3)).shape == (4, 2)


# --- initial weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "name"), [(toy_generator, "G"), (toy_discriminator, "D")])
def test_initial_weights_are_he_normal(make, name):
    """N(0, (0.8)^2 2 / fan_in): the sum of squares over the variance is chi-square with n degrees.

    Bounds at 5 standard deviations, sqrt(2 n) for the squares and sqrt(n) for the sum; the layers
    have from 512 to 262,144 weights.
    """
    network = make(generator(0, "weights", name))
    for layer in network:
        if isinstance(layer, nn.Linear):
            w, n = layer.weight.detach().double(), layer.weight.numel()
            scaled = w / (0.8 * math.sqrt(2 / layer.in_features))
            assert abs(float(scaled.square().sum()) - n) < 5 * math.sqrt(2 * n)
            assert abs(float(scaled.sum())) < 5 * math.sqrt(n)
            assert torch.equal(layer.bias, torch.zeros_like(layer.bias))


def test_weights_follow_the_generator_alone():
    torch.manual_seed(1)
    first = toy_generator(generator(4, "G")).state_dict()
    torch.manual_seed(2)
    again, other = toy_generator(generator(4, "G")), toy_generator(generator(5, "G"))
    assert all(torch.equal(t, again.state_dict()[name]) for name, t in first.items())
    assert not torch.equal(first["0.weight"], other[0].weight)
    assert not torch.equal(first["2.weight"], first["4.weight"])


def test_scale_is_an_argument():
    network = MLP(2, 4, 1)
    he_normal(network, generator(0, "w"))
    w = network[2].weight.detach().clone()
    he_normal(network, generator(0, "w"), scale=1.6)
    assert torch.allclose(network[2].weight, 2 * w, rtol=1e-6, atol=0)  # one rounding of float32


# --- the leaky ReLU ----------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_leaky_relu_has_torchs_values_and_gradients(slope):
    """Exactly, in value and first gradient, at 0 and -0 too; slope 1 is the identity."""
    x = torch.cat(
        [
            torch.randn(1000, generator=generator(0, "x"), dtype=torch.float64),
            torch.tensor([0.0, -0.0, 1e-300, -1e-300, 1e300, -1e300], dtype=torch.float64),
        ]
    )
    ours, theirs = x.clone().requires_grad_(True), x.clone().requires_grad_(True)
    weights = torch.randn(len(x), generator=generator(1, "x"), dtype=torch.float64)
    mine, torchs = LeakyReLU(slope)(ours), nn.functional.leaky_relu(theirs, slope)
    # 1 - slope + slope is 1 in float64 for these slopes, so even the bits agree
    assert torch.equal(mine, torchs)
    (mine * weights).sum().backward()
    (torchs * weights).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


def test_leaky_relu_float32_is_torchs():
    x = torch.randn(10_000, generator=generator(2, "x"))
    assert torch.equal(LeakyReLU(0.2)(x), nn.functional.leaky_relu(x, 0.2))


def penalty_gradients(activation: nn.Module) -> list[torch.Tensor]:
    """Gradients of sum |dD/dx|^2 for the weights: the double gradient, as in the penalty."""
    D = MLP(3, 8, 1, hidden=3, rng=generator(0, "D")).double()
    for index in (1, 3, 5):
        D[index] = activation
    x = torch.randn(20, 3, generator=generator(1, "x"), dtype=torch.float64).requires_grad_(True)
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return list(torch.autograd.grad(g.square().sum(), [D[i].weight for i in (0, 2, 4, 6)]))


def test_leaky_relu_has_torchs_double_gradient():
    """Equal to rounding of sums of some hundred terms of order 1."""
    ours, theirs = penalty_gradients(LeakyReLU(0.2)), penalty_gradients(nn.LeakyReLU(0.2))
    for mine, torchs in zip(ours, theirs, strict=True):
        assert float(torchs.abs().max()) > 1e-3
        assert torch.allclose(mine, torchs, rtol=1e-10, atol=1e-12)


def test_leaky_relu_leaves_its_input_and_passes_nan_on():
    x = torch.tensor([-1.0, 2.0, float("nan"), float("inf")])
    before = x.clone()
    y = LeakyReLU(0.2)(x)
    assert torch.equal(x.nan_to_num(9), before.nan_to_num(9))
    assert y[2].isnan() and y[3] == float("inf")
    assert y[:2].tolist() == pytest.approx([-0.2, 2.0], rel=1e-7)
