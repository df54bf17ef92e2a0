"""The fully connected networks of the report: sizes, ranges, the border, the norm of D.

Kinds of test: closed forms (numbers of weights, the bound of a normalised D), invariances (border, rows), failures.
"""

import itertools

import pytest
import torch
from network_examples import count, noise
from torch import nn

from dotlib.errors import InputError
from dotlib.networks import course
from dotlib.networks.freezing import frozen
from dotlib.networks.layer_norms import products
from dotlib.seeding import generator
from dotlib.transport import lipschitz


def dense(*widths):
    """Weights and biases of a chain of dense layers."""
    return sum(a * b + b for a, b in itertools.pairwise(widths))


def networks(side=8, design="printed", width=16, spectral=False):
    rng = generator(0, "course", design)
    G = course.Generator(side, latent=5, width=width, design=design, rng=rng)
    return G, course.Discriminator(side, width=width, design=design, spectral=spectral, rng=rng)


def test_the_printed_networks_have_three_layers_of_128_units():
    G, D = course.Generator(32), course.Discriminator(32)
    assert count(G) == dense(100, 128, 128, 128, 784) and count(D) == dense(784, 128, 128, 128, 1)
    assert [type(part) for part in G].count(nn.Tanh) == 4 and not any(isinstance(part, nn.LayerNorm) for part in D)
    assert {part.slope for part in D if hasattr(part, "slope")} == {0.2}


def test_the_networks_of_the_program_widen_and_narrow_and_have_layer_norm_in_d():
    G, D = (kind(32, width=1_024, design="code") for kind in (course.Generator, course.Discriminator))
    norms = 2 * (1_024 + 512 + 256)
    assert count(G) == dense(100, 256, 512, 1_024, 784) and count(D) == dense(784, 1_024, 512, 256, 1) + norms
    assert [type(part) for part in G].count(nn.Tanh) == 1


@pytest.mark.parametrize("design", course.DESIGNS)
@pytest.mark.parametrize("side", [8, 32])
def test_images_are_in_range_and_rows_independent(side, design):
    G, D = networks(side, design)
    z = noise(7, 5, dtype=torch.float32) * 3
    x = G(z)
    assert x.shape == (7, 1, side, side) and x.abs().max() <= 1 and D(x).shape == (7, 1)
    torch.testing.assert_close(D(x), torch.cat([D(G(row[None])) for row in z]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("design", course.DESIGNS)
def test_the_border_of_mnist_is_black_and_d_does_not_see_it(design):
    """MNIST is 28 x 28, two pixels of black around it here; so target DOT leaves the border as it is."""
    G, D = networks(32, design)
    x = G(noise(3, 5, dtype=torch.float32))
    border = torch.ones(32, 32, dtype=torch.bool)
    border[2:-2, 2:-2] = False
    assert (x[:, 0, border] == -1).all() and not (x[:, 0, ~border] == -1).all()
    other = x.detach().clone()
    other[:, 0, border] = noise(3, int(border.sum()), dtype=torch.float32)
    assert torch.equal(D(other), D(x))
    other.requires_grad_(True)
    (gradient,) = torch.autograd.grad(D(other).sum(), other)
    assert (gradient[:, 0, border] == 0).all() and (gradient[:, 0, ~border] != 0).all(1).any()


def test_spectral_norm_bounds_the_slope_of_a_dense_d_by_1():
    """Here the bound of the report holds: the layers are dense, so the norm of the matrix is that of the map."""
    G, D = networks(32, spectral=True, width=32)
    D = frozen(D.double())
    x = G.double()(noise(40, 5)).detach()
    both = products(D, x, rng=generator(0, "power"))
    assert both.layers == 4 and both.maps == pytest.approx(1, abs=1e-6) and both.matrices == pytest.approx(1, abs=1e-6)
    assert 0 < lipschitz.slopes(D, x[:20], x[20:]).max() <= lipschitz.gradient_norms(D, x).max() <= 1 + 1e-9


def test_a_layer_norm_has_no_bounded_slope():
    """Where a row's features come close together their norm divides by almost nothing; `products` refuses such a D."""
    D = networks(design="code", spectral=True)[1].double().eval()
    x = noise(3, 1, 8, 8) * 1e-4
    assert lipschitz.gradient_norms(D, x).max() > 2
    with pytest.raises(InputError, match="LayerNorm has no known norm"):
        products(D, x, rng=generator(0, "power"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: course.Generator(8, design="prnted"), "design: unknown 'prnted'; known: code, printed"),
        (lambda: course.Discriminator(8, width=2), "width: expected an integer >= 4"),
        (lambda: course.Generator(8, latent=0), "latent: expected an integer >= 1"),
        (lambda: course.Discriminator(8)(torch.zeros(1, 1, 32, 32)), "x: expected images"),
    ],
)
def test_slips_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
