"""GAN objectives: Theorem 2, and the gradient penalty.

Kinds of test: identities (Theorem 2 by hypothesis, where it is an equality), closed forms (a linear
critic), second method (central differences, binary cross-entropy), failures.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dotlib.errors import InputError
from dotlib.networks.mlp import MLP
from dotlib.seeding import generator
from dotlib.training.objectives import OBJECTIVES, gradient_penalty

# 64-bit logits; torch's softplus is linear above 20, so strictness is asked below that only
LOGITS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)
SMALL = st.lists(st.floats(-15, 15), min_size=1, max_size=6)
EXAMPLES = settings(max_examples=500, deadline=None, derandomize=True)


def both_sides(name: str, real: list[float], fake: list[float]) -> tuple[float, float, float]:
    """V_D, the right side E D(x) - E D(y), and a bound of their rounding errors."""
    x, y = torch.tensor(real, dtype=torch.float64), torch.tensor(fake, dtype=torch.float64)
    rounding = 1e-14 * (1 + float(x.abs().max()) + float(y.abs().max()))
    return float(OBJECTIVES[name].critic_value(x, y)), float(x.mean() - y.mean()), rounding


# --- Theorem 2: V_D <= E D(x) - E D(y), eq. (18) with K D~ = D ---------------------------------


@EXAMPLES
@given(real=LOGITS, fake=LOGITS)
@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_theorem_2(name, real, fake):
    value, difference, rounding = both_sides(name, real, fake)
    assert value <= difference + rounding


@EXAMPLES
@given(real=SMALL, fake=SMALL)
@pytest.mark.parametrize("name", ["ns", "minimax"])
def test_theorem_2_is_strict_for_the_logistic_loss(name, real, fake):
    """The gap is the mean of log(1 + e^D(x)) plus that of log(1 + e^-D(y)), each > e^-15 / 2."""
    value, difference, _ = both_sides(name, real, fake)
    gap = sum(math.log1p(math.exp(r)) for r in real) / len(real)
    gap += sum(math.log1p(math.exp(-f)) for f in fake) / len(fake)
    assert difference - value > 0
    assert difference - value == pytest.approx(gap, abs=2e-13)  # rounding of sums near 30


@EXAMPLES
@given(
    real=st.lists(st.floats(-50, 1), min_size=1, max_size=6), fake=st.lists(st.floats(-1, 50), min_size=1, max_size=6)
)
def test_the_hinge_gap_is_2_while_no_margin_is_reached(real, fake):
    """min(0, u) = u in eq. (48) as long as D(x) <= 1 and D(y) >= -1: the two -1 remain."""
    value, difference, rounding = both_sides("hinge", real, fake)
    assert difference - value == pytest.approx(2, abs=rounding)


@EXAMPLES
@given(real=LOGITS, fake=LOGITS)
def test_the_hinge_gap_is_at_least_2_and_its_value_at_most_0(real, fake):
    value, difference, rounding = both_sides("hinge", real, fake)
    assert value <= min(0.0, difference - 2) + rounding
    beyond = any(r > 1.001 for r in real) or any(f < -1.001 for f in fake)
    if beyond:  # one margin passed by 0.001, in a mean over at most 6: larger than rounding
        assert difference - value > 2 + 1e-4 - rounding


@EXAMPLES
@given(real=LOGITS, fake=LOGITS)
def test_theorem_2_is_an_equality_for_wgan(real, fake):
    value, difference, rounding = both_sides("wgan", real, fake)
    assert value == pytest.approx(difference, abs=rounding)


# --- values ------------------------------------------------------------------------------------


def test_golden_values_by_hand():
    """D(x) = (0, log 3), D(y) = (0, -log 3): softplus(-log 3) = log(4/3), softplus(log 3) = log 4.

    ns and minimax: V_D = -2 (log 2 + log 4/3) / 2. hinge: -(1 + 0)/2 twice, as log 3 > 1.
    wgan: log 3 / 2 twice.
    """
    log3 = math.log(3)
    x = torch.tensor([0, log3], dtype=torch.float64)
    logistic = -math.log(2) - math.log(4 / 3)
    expected_D = {"ns": logistic, "minimax": logistic, "hinge": -1.0, "wgan": log3}
    expected_G = {
        "ns": (math.log(2) + math.log(4)) / 2,
        "hinge": log3 / 2,
        "wgan": log3 / 2,
        "minimax": -(math.log(2) + math.log(4 / 3)) / 2,
    }
    for name, objective in OBJECTIVES.items():
        assert float(objective.critic_value(x, -x)) == pytest.approx(expected_D[name], rel=1e-14)
        assert float(objective.generator_value(-x)) == pytest.approx(expected_G[name], rel=1e-14)


@pytest.mark.parametrize("name", ["ns", "minimax"])
def test_the_logistic_value_is_binary_cross_entropy(name):
    """Second method: torch's own loss, with labels 1 for real and 0 for fake."""
    x, y = torch.randn(2, 50, generator=generator(0, "bce"), dtype=torch.float64)
    bce = nn.functional.binary_cross_entropy_with_logits
    expected = -(bce(x, torch.ones_like(x)) + bce(y, torch.zeros_like(y)))
    assert float(OBJECTIVES[name].critic_value(x, y)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_value_pushes_the_logits_the_right_way(name):
    """D gains by D(x) up and D(y) down; G gains (V_G falls) by D(y) up. At 0 nothing is flat."""
    x, y = torch.zeros(2, 4, dtype=torch.float64).requires_grad_(True)
    gx, gy = torch.autograd.grad(OBJECTIVES[name].critic_value(x, y), (x, y))
    (g,) = torch.autograd.grad(OBJECTIVES[name].generator_value(y), y)
    assert (gx > 0.1).all() and (gy < -0.1).all() and (g < -0.1).all()


def test_large_logits_neither_overflow_nor_lose_their_gradient():
    for name in ("ns", "minimax"):
        x = torch.tensor([-1e4, 1e4], requires_grad=True)
        value = OBJECTIVES[name].critic_value(x, -x)
        (g,) = torch.autograd.grad(value, x)
        assert float(value.detach()) == pytest.approx(-1e4, rel=1e-6)
        assert g.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


# --- gradient penalty --------------------------------------------------------------------------


class Linear(nn.Module):
    """D(x) = w . x, summed over all axes but the first."""

    def __init__(self, w: torch.Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.w).flatten(1).sum(1)


@pytest.mark.parametrize("target", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(2,), (5,), (3, 4, 4)])
def test_penalty_of_a_linear_critic(shape, target):
    """grad D = w everywhere, so the penalty is (|w| - t)^2, its gradient 2 (|w| - t) w / |w|."""
    rng = generator(1, "penalty")
    w = torch.randn(shape, generator=rng, dtype=torch.float64)
    real, fake = torch.randn(2, 7, *shape, generator=rng, dtype=torch.float64)
    D = Linear(w)
    penalty = gradient_penalty(D, real, fake, target=target, rng=rng)
    norm = float(w.norm())
    assert float(penalty.detach()) == pytest.approx((norm - target) ** 2, rel=1e-12)
    penalty.backward()
    assert torch.allclose(D.w.grad, 2 * (norm - target) * w / norm, rtol=1e-12, atol=0)


def test_the_penalty_draws_the_norm_to_1_unless_told_otherwise():
    """A linear critic of norm 3: (3 - 1)^2 = 4, [WGANGP17]. The page on the theorems takes the default."""
    real, fake = torch.randn(2, 7, 2, generator=generator(1, "default"), dtype=torch.float64)
    D = Linear(torch.tensor([3.0, 0.0], dtype=torch.float64))
    penalty = float(gradient_penalty(D, real, fake, rng=generator(0, "a")).detach())
    assert penalty == pytest.approx(4, rel=1e-12), "the norm is drawn to another value"


def test_penalty_is_taken_on_the_segment():
    """D(x) = x^2 / 2 has gradient norm |x|: with x = 1 and y = 3 every norm lies in [1, 3].

    With target 0 the penalty is the mean of (3 - 2a)^2, a ~ U[0, 1]: 13/3, sd of one term 2.3.
    """
    n = 20_000
    real, fake = torch.ones(n, 1), torch.full((n, 1), 3.0)
    points = []

    def D(x):
        points.append(x.detach())
        return x.square() / 2

    penalty = gradient_penalty(D, real, fake, target=0.0, rng=generator(0, "segment"))
    assert float(penalty.detach()) == pytest.approx(13 / 3, abs=5 * 2.3 / math.sqrt(n))
    (u,) = points
    assert 1 <= float(u.min()) < 1.01 and 2.99 < float(u.max()) <= 3
    assert float(u.mean()) == pytest.approx(2, abs=5 * 0.577 / math.sqrt(n))  # sd of U[1, 3]


def test_one_mixture_a_row():
    """All coordinates of one row share a, and rows do not."""
    seen = []

    def D(x):
        seen.append(x.detach())
        return x.sum(1)

    gradient_penalty(D, torch.ones(50, 3), torch.zeros(50, 3), rng=generator(0, "rows"))
    (u,) = seen
    assert torch.equal(u[:, 0], u[:, 1]) and torch.equal(u[:, 0], u[:, 2])
    assert len(u[:, 0].unique()) == 50


def test_gradient_of_the_penalty_against_central_differences():
    """Second derivatives of the paper's network, in float64. Step 1e-6, error about 1e-8.

    The same a is drawn each time, as each call gets a fresh generator.
    """
    rng = generator(2, "differences")
    D = MLP(2, 6, 1, hidden=2, rng=rng).double()
    real, fake = torch.randn(2, 9, 2, generator=rng, dtype=torch.float64)

    def penalty() -> torch.Tensor:
        return gradient_penalty(D, real, fake, target=0.7, rng=generator(0, "a"))

    gradients = torch.autograd.grad(penalty(), list(D.parameters()), allow_unused=True)
    for parameter, gradient in zip(D.parameters(), gradients, strict=True):
        for index in range(0, parameter.numel(), 5):
            flat, h = parameter.data.view(-1), 1e-6
            values = []
            for sign in (1, -1):
                flat[index] += sign * h
                values.append(float(penalty().detach()))
                flat[index] -= sign * h
            slope = (values[0] - values[1]) / (2 * h)
            exact = 0.0 if gradient is None else float(gradient.view(-1)[index])
            assert slope == pytest.approx(exact, abs=1e-7, rel=1e-6)


def test_penalty_moves_neither_input_and_takes_columns():
    real, fake = torch.randn(2, 5, 2, generator=generator(3, "inputs")).requires_grad_(True)
    before = real.detach().clone(), fake.detach().clone()
    D = MLP(2, 4, 1, rng=generator(3, "D"))  # (B, 1), as the networks here give
    gradient_penalty(D, real, fake, rng=generator(0, "a")).backward()
    assert torch.equal(real.detach(), before[0]) and torch.equal(fake.detach(), before[1])
    assert D[0].weight.grad is not None


def test_penalty_refuses_unequal_batches():
    with pytest.raises(InputError, match=r"^fake: shape \(4, 2\) differs from real \(5, 2\); draw"):
        gradient_penalty(Linear(torch.ones(2)), torch.ones(5, 2), torch.ones(4, 2), rng=generator(0, "a"))
