"""Norms of layers and their products: closed forms, second methods, invariances, failures."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dotlib.errors import InputError
from dotlib.networks import dcgan, freezing
from dotlib.networks.layer_norms import linear_layers, map_norm, products
from dotlib.networks.layers import Design
from dotlib.networks.mlp import LeakyReLU
from dotlib.transport import lipschitz

POWER = 1e-4  # what 400 iterations leave, where the two largest singular values differ


@pytest.fixture(autouse=True)
def fixed_weights():
    """Layers below start from torch's own generator; a power iteration needs the same gap."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def jacobian_norm(layer: nn.Module, shape: tuple[int, ...]) -> float:
    """The largest singular value of the explicit matrix of a layer."""
    layer = layer.double()
    zero = torch.zeros(1, *shape, dtype=torch.float64)
    matrix = torch.autograd.functional.jacobian(layer, zero)
    return float(torch.linalg.matrix_norm(matrix.reshape(-1, zero.numel()), 2))


def small_discriminator(seed: int = 0) -> nn.Module:
    D = dcgan.Discriminator(Design(16, 1, 1, spectral=True, rng=rng(seed)))
    D(torch.randn(8, 1, 8, 8, generator=rng(seed)))
    return freezing.frozen(D.eval())


# Closed forms


def test_a_diagonal_map_has_its_largest_entry():
    layer = nn.Linear(3, 3)
    layer.weight.data = torch.diag(torch.tensor([1.0, -7.0, 2.0]))
    assert map_norm(layer, (3,), rng=rng()) == pytest.approx(7, rel=1e-12)


def test_a_pointwise_convolution_acts_as_its_matrix():
    layer = nn.Conv2d(4, 5, 1)
    expected = float(torch.linalg.matrix_norm(layer.weight.detach().double().flatten(1), 2))
    assert map_norm(layer, (4, 3, 3), rng=rng(), iterations=400) == pytest.approx(expected, rel=POWER)


def test_spectral_norm_does_not_bound_a_convolution():
    """All weights 1/3: the kernel as a matrix has norm 1. An image of ones of side s: each of the
    (s - 2)^2 inner values becomes 9/3 = 3, an edge's 2, a corner's 4/3, so the map has a norm of
    at least sqrt(9 (s-2)^2 + 16 (s-2) + 64/9) / s, and at most 3, the sum of the weights."""
    layer, s = nn.Conv2d(1, 1, 3, padding=1), 8
    layer.weight.data.fill_(1 / 3)
    assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1)
    least = (9 * (s - 2) ** 2 + 16 * (s - 2) + 64 / 9) ** 0.5 / s
    assert 2.5 < least <= map_norm(layer, (1, s, s), rng=rng()) < 3


def test_the_zero_map_has_norm_zero():
    layer = nn.Linear(3, 2)
    layer.weight.data.zero_()
    assert map_norm(layer, (3,), rng=rng()) == 0


# Second method


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(7, 4), (7,)),
        (nn.Conv2d(2, 3, 3, padding=1), (2, 5, 5)),
        (nn.Conv2d(2, 4, 4, stride=2, padding=1), (2, 6, 6)),
    ],
    ids=["dense", "same", "down"],
)
def test_power_iteration_finds_the_singular_value_of_the_explicit_matrix(layer, shape):
    nn.init.normal_(layer.weight, generator=rng())
    found = map_norm(layer, shape, rng=rng(), iterations=400)
    assert found == pytest.approx(jacobian_norm(layer, shape), rel=POWER)


# Invariances


def test_layers_come_in_order_with_the_shapes_that_reach_them():
    network = nn.Sequential(nn.Conv2d(1, 2, 4, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 1))
    found = linear_layers(network, torch.zeros(5, 1, 8, 8))
    assert [shape for _, shape in found] == [(1, 8, 8), (32,)]
    assert [layer for layer, _ in found] == [network[0], network[3]]
    assert not any(part._forward_hooks for part in network.modules())


def test_nothing_of_the_network_changes():
    D = small_discriminator()
    before = {name: tensor.clone() for name, tensor in D.state_dict().items()}
    products(D, torch.zeros(2, 1, 8, 8), rng=rng(), iterations=5)
    assert all(torch.equal(before[name], tensor) for name, tensor in D.state_dict().items())
    assert D.state_dict()["0.weight"].dtype == torch.float32
    assert not any(part._forward_hooks for part in D.modules())


def test_products_scale_with_one_layer_and_ignore_biases():
    D, x = small_discriminator(), torch.zeros(1, 1, 8, 8)
    before = products(D, x, rng=rng())
    D[0].weight.data *= 2
    D[0].bias.data += 5
    after = products(D, x, rng=rng())
    assert after.maps == pytest.approx(2 * before.maps, rel=1e-6)
    assert after.matrices == pytest.approx(2 * before.matrices, rel=1e-6)
    assert before.layers == after.layers == 8


def test_a_normalised_discriminator_has_the_product_one():
    """Spectral norm sets each matrix norm to 1, up to its own power iteration."""
    assert products(small_discriminator(), torch.zeros(1, 1, 8, 8), rng=rng()).matrices == pytest.approx(1, abs=1e-3)


@given(seed=st.integers(0, 1_000))
@settings(max_examples=5, deadline=None)
def test_no_slope_and_no_gradient_exceeds_the_product_of_maps(seed):
    D = small_discriminator(seed)
    x, y = 3 * torch.randn(2, 64, 1, 8, 8, generator=rng(seed))
    top = 1.01 * products(D, x, rng=rng(seed), iterations=100).maps  # which comes from below
    assert lipschitz.slopes(D, x, y).max() <= top
    assert lipschitz.gradient_norms(D, x).max() <= top


# Failures


def test_attention_is_refused():
    D = dcgan.Discriminator(Design(32, 1, 1, spectral=True, attention=True)).eval()
    with pytest.raises(InputError, match="SelfAttention has no known norm; take a chain"):
        products(D, torch.zeros(1, 1, 8, 8), rng=rng())


@pytest.mark.parametrize("part", [nn.BatchNorm2d(1), nn.GELU(), LeakyReLU(2.0), nn.LeakyReLU(-2.0)])
def test_other_layers_are_refused(part):
    with pytest.raises(InputError, match="has no known norm"):
        products(nn.Sequential(part.eval(), nn.Flatten(), nn.Linear(4, 1)), torch.zeros(1, 1, 2, 2), rng=rng())


def test_what_is_no_chain_is_refused():
    with pytest.raises(InputError, match="network: Linear has no known norm"):
        products(nn.Linear(2, 1), torch.zeros(1, 2), rng=rng())


def test_iterations_are_counted():
    with pytest.raises(InputError, match="iterations: expected an integer >= 1, found 0"):
        products(small_discriminator(), torch.zeros(1, 1, 8, 8), rng=rng(), iterations=0)
