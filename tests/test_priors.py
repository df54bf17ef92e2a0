"""The two priors of the paper.

Kinds of test: statistics with stated bounds, identities, invariances (support).
"""

import math

import pytest
import torch
from scipy import stats

from dotlib.priors import Normal, Uniform
from dotlib.seeding import generator


@pytest.mark.parametrize(("prior", "law"), [(Uniform(3), stats.uniform(-1, 2)), (Normal(3), stats.norm())])
def test_samples_have_their_law_in_every_coordinate(prior, law):
    z = prior.sample(20_000, generator(0, "z"))
    assert z.shape == (20_000, 3) and z.dtype == torch.float32
    for column in z.double().T:
        assert stats.kstest(column.numpy(), law.cdf).pvalue > 1e-4
    correlations = torch.corrcoef(z.T) - torch.eye(3)
    assert float(correlations.abs().max()) < 5 / math.sqrt(20_000)


@pytest.mark.parametrize("prior", [Uniform(2), Normal(2)])
def test_the_generator_decides(prior):
    assert torch.equal(prior.sample(5, generator(0, "z")), prior.sample(5, generator(0, "z")))
    assert not torch.equal(prior.sample(5, generator(0, "z")), prior.sample(5, generator(1, "z")))


def test_uniform_is_clipped_to_its_cube_into_a_new_tensor():
    z = torch.tensor([[0.3, -2.0], [1.0, 5.0]])
    moved = Uniform(2).constrain(z)
    assert moved.tolist() == [[pytest.approx(0.3), -1.0], [1.0, 1.0]]
    assert moved.data_ptr() != z.data_ptr() and z[0, 1] == -2.0
    inside = Uniform(2).sample(100, generator(0, "z"))
    assert torch.equal(Uniform(2).constrain(inside), inside)
    assert Uniform(2).constrain(inside) is not inside


def test_normal_has_the_whole_space():
    z = torch.tensor([[1e9, -1e9]])
    assert Normal(2).constrain(z) is z


def test_only_the_normal_prior_is_spherical():
    assert Normal(4).spherical and not Uniform(4).spherical
    assert (Normal(4).dim, Uniform(2).dim) == (4, 2)
    assert Uniform(2) == Uniform(2) != Uniform(3)
