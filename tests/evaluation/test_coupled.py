"""Rows that are tied together: the audit, and every transport of the package, which ties none.

Kinds of test: identities (one row is the paper's algorithm), closed forms (the share of one row), invariances that hold
for all shipped methods and that the audited one breaks, failures.
"""

import pytest
import torch
from torch import nn

from dotlib import transport
from dotlib.errors import InputError
from dotlib.evaluation.coupled import coupled_dot
from dotlib.networks import course
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.seeding import generator
from dotlib.transport import SGD, Adam, Variant

FREE = Variant(anchor="fixed", projection="none", norm="shifted")  # as the program: nothing is projected
DIM, ROWS, K = 6, 64, 0.02  # fresh networks are flat


def pair_of(prior=None):
    rng = generator(0, "coupled")
    G = course.Generator(8, latent=DIM, width=16, rng=rng)
    D = course.Discriminator(8, width=16, rng=rng)
    return Pair(G.double().eval(), D.double().eval(), prior or Normal(DIM))


def latents(n=ROWS, prior=None):
    return (prior or Normal(DIM)).sample(n, generator(0, "z")).double()


@pytest.mark.parametrize("prior", [Normal(DIM), Uniform(DIM)])
@pytest.mark.parametrize("optimizer", [SGD(0.05), Adam(0.05)])
def test_a_batch_of_one_row_is_the_papers_algorithm(optimizer, prior):
    pair, z = pair_of(prior), latents(5, prior)
    options = {"steps": 12, "optimizer": optimizer}
    ours = transport.latent_dot(pair, z, K, variant=FREE, **options).final
    coupled = coupled_dot(pair, z, K, batch_size=1, **options)
    torch.testing.assert_close(coupled, ours, rtol=0, atol=1e-12)
    assert (ours - z).norm(dim=1).min() > 1e-3


def test_the_optimizer_of_the_program_is_the_one_that_is_not_named():
    pair, z = pair_of(), latents(5)
    assert torch.equal(coupled_dot(pair, z, K, steps=3), coupled_dot(pair, z, K, steps=3, optimizer=Adam(0.05)))


@pytest.mark.parametrize("cost", ["l2", "sqeuclidean", "none"])
@pytest.mark.parametrize("variant", ["paper", "official", "exact"])
def test_a_batch_of_64_is_64_batches_of_one_for_every_transport(variant, cost):
    pair, z = pair_of(), latents()
    options = {"steps": 10, "optimizer": Adam(0.05), "cost": cost, "variant": variant}
    whole, alone = (transport.latent_dot(pair, z, K, batch_size=n, **options).final for n in (ROWS, 1))
    torch.testing.assert_close(whole, alone, rtol=0, atol=1e-10)
    x = pair.generate(z).detach()
    options["optimizer"] = SGD(0.05)
    whole, alone = (transport.target_dot(pair.logit, x, K, batch_size=n, **options).final for n in (ROWS, 1))
    torch.testing.assert_close(whole, alone, rtol=0, atol=1e-10)


@pytest.mark.parametrize("optimizer", [SGD(0.05), Adam(0.05)])
def test_the_audited_transport_is_not_64_batches_of_one(optimizer):
    """Of 64 rows every one ends elsewhere than alone. With SGD they hardly move: D is divided by their number."""
    pair, z = pair_of(), latents()
    ends = [coupled_dot(pair, z, K / 40, steps=20, optimizer=optimizer, batch_size=n) for n in (1, 8, ROWS)]
    assert min(float((ends[0] - end).norm(dim=1).mean()) for end in ends[1:]) > 1e-3
    if isinstance(optimizer, SGD):
        alone, eight, all_rows = (float((end - z).norm(dim=1).mean()) for end in ends)
        assert alone > 4 * eight > 16 * all_rows > 0


class Linear(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.register_buffer("slope", slope)

    def forward(self, x):
        return x @ self.slope


@pytest.mark.parametrize(("rows", "slope", "moves"), [(1, 1.5, 1), (4, 1.5, 0), (4, 2.5, 1), (25, 4.5, 0)])
def test_a_linear_d_moves_a_batch_only_beyond_a_slope_of_the_root_of_its_rows(rows, slope, moves):
    """Closed form: all B rows move by v along a linear D of slope a. The objective is (sqrt(B) - a / k) |v|.

    So the batch stays where a / k < sqrt(B), while each row alone would leave for every a / k > 1.
    """
    direction = torch.tensor([0.6, 0.8], dtype=torch.float64)
    pair = Pair(nn.Identity().eval(), Linear(slope * direction).eval(), Normal(2))
    z = latents(rows, Normal(2))
    options = {"steps": 400, "optimizer": SGD(0.01), "delta": 1e-6}
    along = (coupled_dot(pair, z, 1.0, **options) - z) @ direction
    alone = (coupled_dot(pair, z, 1.0, batch_size=1, **options) - z) @ direction
    assert bool(along.min() > 0.05) == moves and (moves or float(along.abs().max()) < 0.02)
    assert alone.min() > 1, "each row alone leaves"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0.0}, "k: expected a finite number > 0"),
        ({"steps": -1}, "steps: expected an integer >= 0"),
        ({"batch_size": 0}, "batch_size: expected an integer >= 1"),
        ({"delta": 0.0}, "delta: expected a finite number > 0"),
    ],
)
def test_slips_are_named(options, message):
    with pytest.raises(InputError, match=message):
        coupled_dot(pair_of(), latents(3), **({"k": 1.0, "steps": 1} | options))


def test_a_network_in_training_mode_is_refused():
    pair = pair_of()
    pair.discriminator.train()
    with pytest.raises(InputError, match="discriminator: .*training mode"):
        coupled_dot(pair, latents(2), 1.0, steps=1)
