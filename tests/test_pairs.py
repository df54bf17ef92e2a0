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


# Labels


def shift(z, y):
    """A conditional G or D of two lines: every label has its own shift."""
    return z + y[:, None]


def weighted(x, y):
    return (x * (1 + y[:, None])).sum(1)


@pytest.fixture
def conditional() -> Pair:
    return Pair(shift, weighted, Normal(3))


def test_bound_labels_reach_both_networks(conditional):
    z, y = torch.arange(12.0).reshape(4, 3), torch.tensor([2, 0, 1, 0])
    bound = conditional.conditioned_on(y)
    assert torch.equal(bound.generate(z), shift(z, y)) and torch.equal(bound.logit(z), weighted(z, y))
    assert torch.equal(bound.latent_logit(z), weighted(shift(z, y), y)) and bound.prior == conditional.prior
    assert torch.equal(bound.labels, y) and conditional.labels is None
    one = conditional.conditioned_on(2)
    for rows in (z, z[:1]):  # one label serves batches of any size
        assert torch.equal(one.latent_logit(rows), weighted(shift(rows, 0 * rows[:, 0] + 2), 0 * rows[:, 0] + 2))


def test_a_split_pair_has_the_labels_of_its_rows(conditional):
    z, y = torch.arange(21.0).reshape(7, 3), torch.tensor([2, 0, 1, 0, 3, 3, 1])
    whole = conditional.conditioned_on(y).latent_logit(z)
    for size, sizes in ((3, [3, 3, 1]), (7, [7]), (100, [7]), (None, [7])):
        parts = list(conditional.conditioned_on(y).split(7, size))
        batches = z.split(size or 7)
        assert [len(part.generator.labels) for part in parts] == sizes
        joined = [part.latent_logit(rows) for rows, part in zip(batches, parts, strict=True)]
        assert torch.equal(torch.cat(joined), whole)
    for pair in (Pair(lambda z: z, lambda x: x.sum(1), Normal(3)), conditional.conditioned_on(1)):
        parts = list(pair.split(7, 3))
        assert len(parts) == 3 and all(part.generator is pair.generator for part in parts)


def test_a_bound_pair_shares_the_networks_and_their_mode():
    G, D = toy_generator(generator(0, "G")).eval(), toy_discriminator(generator(0, "D")).eval()
    bound = Pair(G, D, Uniform(2)).conditioned_on(1)
    assert bound.generator.network is G and bound.discriminator.network is D and not bound.generator.training
    assert bound.device == torch.device("cpu")
    D.train()
    with pytest.raises(InputError, match="discriminator: .* training mode"):
        bound.refuse_training_mode()
    with pytest.raises(InputError, match="discriminator: .* training mode"):
        list(bound.split(3, 1))


def test_wrong_labels_are_refused_by_name(conditional):
    for y in (2.5, True, torch.zeros(0, dtype=torch.int64), torch.tensor([[0], [1]]), torch.tensor([0.0, 1.0])):
        with pytest.raises(
            InputError, match=r"labels: found shape .* of torch\..*; pass one integer, or one for each row"
        ):
            conditional.conditioned_on(y)
    bound = conditional.conditioned_on(torch.tensor([0, 1]))
    for call in (
        lambda: bound.generate(torch.ones(3, 3)),
        lambda: bound.logit(torch.ones(3, 3)),
        lambda: [*bound.split(3, 1)],
    ):
        with pytest.raises(InputError, match="labels: 2 are bound, found 3 rows; bind one label"):
            call()
    with pytest.raises(InputError, match="labels: this pair has its labels; bind those of the pair"):
        bound.conditioned_on(1)
    with pytest.raises(InputError, match="size: expected an integer >= 1, found 0"):
        list(bound.split(2, 0))


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
