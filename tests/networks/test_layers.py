"""Self-attention and spectral norm.

Kinds of test: identities, a second method (loops, the SVD, central differences).
"""

import copy
import math

import pytest
import torch
from network_examples import noise, small
from torch import nn

from dotlib.networks import dcgan, resnet
from dotlib.networks.layers import Design, SelfAttention, layer, thermalise
from dotlib.seeding import generator
from dotlib.training.objectives import gradient_penalty


def test_attention_starts_as_the_identity():
    x = noise(2, 16, 3, 2)
    assert torch.equal(SelfAttention(16, rng=generator(0, "a")).double()(x), x)


def test_attention_by_loops():
    """Places one by one, as Figure 6 says it; sums of 6 terms, so 1e-12."""
    attention = SelfAttention(16, rng=generator(0, "a")).double().eval()
    nn.init.constant_(attention.gamma, 0.7)
    x = noise(2, 16, 3, 2)
    query, key, value = (part(x).flatten(2).tolist() for part in (attention.query, attention.key, attention.value))
    out = attention(x).flatten(2).tolist()
    assert len(query[0]) == len(key[0]) == 2 and len(value[0]) == 16
    for b in range(2):
        for i in range(6):
            power = [math.exp(sum(query[b][s][i] * key[b][s][j] for s in range(2))) for j in range(6)]
            for c in range(16):
                mixed = sum(p * value[b][c][j] for j, p in enumerate(power)) / sum(power)
                expected = float(x.flatten(2)[b, c, i]) + 0.7 * mixed
                assert out[b][c][i] == pytest.approx(expected, abs=1e-12)


def test_attention_has_no_sense_of_place():
    """Moving the places moves the answer along."""
    attention = small(dcgan, "Discriminator", width=32, bottom=2)[4]
    assert isinstance(attention, SelfAttention)
    x, order = noise(1, 8, 4, 4), torch.randperm(16, generator=generator(0, "order"))
    moved = x.flatten(2)[:, :, order].reshape(x.shape)
    assert torch.allclose(attention(moved).flatten(2), attention(x).flatten(2)[:, :, order], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(128, 256, 3),
        lambda: nn.ConvTranspose2d(256, 128, 4),
        lambda: nn.Linear(128, 2048),
        lambda: nn.Linear(8192, 1),
    ],
    ids=["conv", "deconv", "up", "one"],
)
def test_sigma_is_the_svds_after_thermalising(make):
    """On the axis of the released code: rows are axis 0, the inputs of a transposed convolution.

    Full width and random, where singular values lie so close that 100 power iterations are up to
    1 % off.
    """
    module = layer(make(), normalise=True, rng=generator(0, "w"))
    before = module.parametrizations.weight.original.detach().clone()
    assert float(torch.linalg.matrix_norm(module.eval().weight.detach().flatten(1), 2)) > 0
    module.train()
    thermalise(module, 10)
    assert module.training and module.parametrizations.weight[0].training
    assert torch.equal(module.parametrizations.weight.original, before)
    top = torch.linalg.matrix_norm(module.eval().weight.detach().double().flatten(1), 2)
    assert float(top) == pytest.approx(1, abs=1e-5)  # the bar is 1e-3


def test_thermalising_twice_changes_nothing_more():
    network = small(dcgan, "Discriminator")
    x = noise(3, 1, 8, 8)
    thermalise(network)
    once = network(x)
    thermalise(network, 7)
    assert torch.allclose(network(x), once, rtol=1e-10, atol=0)
    thermalise(nn.Linear(2, 3))  # nothing to do


@pytest.mark.parametrize("kind", [dcgan, resnet])
def test_evaluation_changes_no_buffer_and_training_does(kind):
    for role, x in (("Generator", noise(3, 5)), ("Discriminator", noise(3, 1, 8, 8))):
        network = small(kind, role)
        before = {name: t.clone() for name, t in network.named_buffers()}
        network(x)
        assert all(torch.equal(t, before[name]) for name, t in network.named_buffers())
        network.train()(x)
        moved = {name.rsplit(".", 1)[1] for name, t in network.named_buffers() if not torch.equal(t, before[name])}
        assert {"_u", "_v"} <= moved


@pytest.mark.parametrize("kind", [dcgan, resnet])
def test_gradient_penalty_has_the_derivative_of_its_values(kind):
    """Second derivatives through spectral norm and attention, against central differences.

    Step 1e-5 in float64: truncation and rounding both about 1e-10 of a value of order 1. The
    direction is one for all weights; u and v stand still in evaluation mode.
    """
    D = small(kind, "Discriminator", width=8)
    for p in D.parameters():
        p.data += 0.3 * noise(*p.shape, name="start")  # off the small start: gradients of order 1
    real, fake = noise(4, 1, 8, 8), noise(4, 1, 8, 8, name="fake")

    def penalty():
        return gradient_penalty(D, real, fake, target=1.0, rng=generator(0, "mix"))

    parameters = list(D.parameters())
    direction = [noise(*p.shape, name=f"d{i}") for i, p in enumerate(parameters)]
    gradients = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True) if g is not None)
    values = []
    for step in (1e-5, -1e-5):
        for p, d in zip(parameters, direction, strict=True):
            p.data += step * d
        values.append(float(penalty().detach()))
        for p, d in zip(parameters, direction, strict=True):
            p.data -= step * d
    assert abs(slope) > 1e-3
    assert (values[0] - values[1]) / 2e-5 == pytest.approx(slope, rel=1e-4)


def updates(network, optimiser, steps, start):
    """Some steps of training on fixed draws."""
    for step in range(start, start + steps):
        optimiser.zero_grad()
        network(noise(4, 1, 8, 8, name=f"batch {step}", dtype=torch.float32)).square().sum().backward()
        optimiser.step()


def test_state_dict_continues_to_the_last_bit():
    """Six updates at once, or three, a saved state into a fresh network, and three more."""

    def fresh(seed):
        return dcgan.Discriminator(Design(8, 1, 1, spectral=True, attention=True, rng=generator(seed, "D")))

    whole = fresh(0)
    updates(whole, torch.optim.SGD(whole.parameters(), 0.1), 6, 0)
    half = fresh(0)
    updates(half, torch.optim.SGD(half.parameters(), 0.1), 3, 0)
    state = {name: t.clone() for name, t in half.state_dict().items()}
    again = fresh(1)
    again.load_state_dict(state, strict=True)
    updates(again, torch.optim.SGD(again.parameters(), 0.1), 3, 3)
    assert {name.rsplit(".", 1)[-1] for name in state} >= {"_u", "_v", "original", "bias"}
    end = again.state_dict()
    assert all(torch.equal(t, end[name]) for name, t in whole.state_dict().items())


def test_a_deep_copy_is_equal_and_apart():
    network = small(dcgan, "Discriminator")
    x, twin = noise(3, 1, 8, 8), copy.deepcopy(network)
    before = network(x)
    assert torch.equal(twin(x), before)
    for p in twin.parameters():
        p.data.add_(0.1)
    twin.train()(x)
    assert torch.equal(network(x), before)
