"""A pair: what it passes on, and what it refuses; the two priors of the paper.

Kinds of test: identities, invariances (rows, support), statistics with stated bounds, failures.
"""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from dotlib.errors import InputError
from dotlib.networks.mlp import toy_discriminator, toy_generator
from dotlib.pairs import Normal, Pair, Uniform, refuse_training_mode, rowwise
from dotlib.seeding import generator


@pytest.fixture(scope="module")
def pair() -> Pair:
    G, D = toy_generator(generator(0, "G")), toy_discriminator(generator(0, "D"))
    return Pair(G.eval(), D.eval(), Uniform(2))


def test_latent_logit_is_the_composition(pair):
    z = pair.prior.sample(6, generator(0, "z"))
    x = pair.generate(z)
    assert x.shape == (6, 2) and pair.logit(x).shape == (6,)
    assert torch.equal(pair.latent_logit(z), pair.logit(x))
    assert torch.equal(pair.logit(x), pair.discriminator(x)[:, 0])


def test_rows_are_independent(pair):
    z = pair.prior.sample(64, generator(1, "z"))
    alone = torch.cat([pair.latent_logit(row[None]) for row in z])
    # a matrix product sums 512 terms in an order that depends on the batch: float32 rounding
    assert torch.allclose(pair.latent_logit(z), alone, rtol=1e-4, atol=1e-5)


def test_functions_will_do():
    pair = Pair(lambda z: 2 * z, lambda x: x.sum(1), Normal(3))
    assert pair.latent_logit(torch.ones(4, 3)).tolist() == [6.0] * 4


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_rowwise_takes_a_vector_or_a_column(shape):
    assert rowwise(torch.arange(3.0).reshape(shape), 3).tolist() == [0, 1, 2]


def test_rowwise_takes_one_row():
    assert rowwise(torch.ones(1), 1).shape == rowwise(torch.ones(1, 1), 1).shape == (1,)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ((torch.ones(3), torch.ones(3)), "discriminator: returned a tuple; return only the logits"),
        (None, "returned a NoneType"),
        ([1.0, 2.0, 3.0], "returned a list"),
        (torch.ones(3, 2), r"returned shape \(3, 2\) for 3 rows; .*\(3,\) or \(3, 1\)"),
        (torch.ones(1, 3), r"returned shape \(1, 3\) for 3 rows"),
        (torch.ones(()), r"returned shape \(\) for 3 rows"),
        (torch.ones(3, 1, 1), r"returned shape \(3, 1, 1\)"),
        (torch.ones(4), r"returned shape \(4,\) for 3 rows"),
    ],
)
def test_other_outputs_are_refused(out, message):
    pair = Pair(lambda z: z, lambda x: out, Uniform(2))
    with pytest.raises(InputError, match=message) as caught:
        pair.logit(torch.zeros(3, 2))
    assert "\n" not in str(caught.value)


def test_training_mode_is_refused_also_deep_inside():
    deep = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2))).eval()
    Pair(deep, nn.Linear(2, 1).eval(), Uniform(2))
    deep[1][0].train()
    with pytest.raises(InputError, match=r"generator: Sequential is in training mode; call .eval"):
        Pair(deep, nn.Linear(2, 1).eval(), Uniform(2))
    with pytest.raises(InputError, match="discriminator: Linear is in training mode"):
        Pair(deep.eval(), nn.Linear(2, 1), Uniform(2))
    refuse_training_mode("generator", lambda z: z)


# Priors


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
