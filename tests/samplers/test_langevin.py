"""DDLS and DGflow.

Kinds of test: closed forms (laws of the chains), a second method (row by row, derivatives of f),
identities, invariances, failures. Every law is tested at one fixed seed by Kolmogorov-Smirnov.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import Normal as NormalLaw

from dotlib.errors import InputError
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.samplers.base import Kept, Sampler, latents
from dotlib.samplers.langevin import DDLS, SCALES, DGflow
from dotlib.seeding import generator

N = 10_000
SLOPE = torch.tensor([1.5, -0.5])


class Bare(Sampler):
    """Samples of G as they are."""

    def prepare(self, pair, rng):
        return lambda n, rng: Kept(latents(pair, n, rng))


def identity(z):
    return z


def flat(x):
    return 0 * x.sum(1)


def linear(x):
    return x @ SLOPE


def draw(sampler, D=flat, prior=None, n=N, G=identity):
    """Latents of n draws; every sampler starts from the same ones."""
    return sampler.draw(Pair(G, D, prior or Normal(2)), n, generator(1, "langevin")).latents


def follows(x: torch.Tensor, law) -> None:
    """Every coordinate of x, (n, d), has the distribution `law`, of SciPy."""
    for coordinate in x.double().numpy().T:
        assert stats.kstest(coordinate, law.cdf).pvalue > 0.01


def networks(outputs=3):
    """A generator with batch statistics and a discriminator, both with weights to be left alone."""
    rng = generator(1, "weights")
    G = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, outputs))
    D = nn.Sequential(nn.Linear(outputs, 16), nn.Softplus(), nn.Linear(16, 1))
    for network in (G, D):
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=rng)
    G[1].running_mean.copy_(torch.randn(16, generator=rng))
    return G.eval(), D.eval()


# Laws


@pytest.mark.parametrize(("steps", "step"), [(1000, 0.01), (7, 0.5)])
def test_ddls_has_the_exact_law_under_a_linear_logit(steps, step):
    """With G = identity and d = a.z the target is N(a, I), and the chain is autoregressive:
    z' - a = rho (z - a) + sqrt(step) noise with rho = 1 - step / 2. Given its start, z_k is
    normal around a + rho^k (z_0 - a) with variance step (1 - rho^(2k)) / (1 - rho^2)."""
    z, start = draw(DDLS(steps, step, block=N), linear), draw(Bare())
    rho = 1 - step / 2
    sd = math.sqrt(step * (1 - rho ** (2 * steps)) / (1 - rho**2))
    follows((z - SLOPE - rho**steps * (start - SLOPE)) / sd, stats.norm())


def test_ddls_ends_at_the_target_widened_by_the_step():
    """At stationarity variance = rho^2 variance + step, that is 1 / (1 - step / 4). A mean of n
    draws has standard error sqrt(variance / n), their variance has variance sqrt(2 / n)."""
    step = 1.0
    z, variance = draw(DDLS(50, step, block=N), linear).double(), 1 / (1 - step / 4)
    assert ((z.mean(0) - SLOPE).abs() < 4 * math.sqrt(variance / N)).all()
    assert ((z.var(0) - variance).abs() < 4 * variance * math.sqrt(2 / N)).all()


@pytest.mark.parametrize("prior", [Normal(3), Uniform(3)], ids=["normal", "uniform"])
def test_ddls_keeps_the_prior_when_d_is_flat_and_forgets_its_start(prior):
    z, start = (draw(sampler, prior=prior) for sampler in (DDLS(block=N), Bare()))
    follows(z, stats.norm() if prior.spherical else stats.uniform(-1, 2))
    for after, before in zip(z.T.numpy(), start.T.numpy(), strict=True):
        assert abs(np.corrcoef(after, before)[0, 1]) < math.exp(-5) + 4 / math.sqrt(N)


def test_ddls_on_the_cube_has_the_density_that_integration_gives():
    """d(z) = sin(4 z) gives a density in proportion to exp(d) on [-1, 1]: a hill, a valley, and a
    hill that the edge at z = -1 cuts. Its distribution function is summed up on a grid; the start
    is far from it."""

    def D(x):
        return torch.sin(4 * x[:, 0])

    grid = np.linspace(-1, 1, 20_001)
    density = np.exp(np.sin(4 * (grid[1:] + grid[:-1]) / 2))
    cdf = np.concatenate(([0], density.cumsum() / density.sum()))
    z, start = (draw(sampler, D, Uniform(1), n=4000)[:, 0].numpy() for sampler in (DDLS(block=4000), Bare()))
    assert stats.kstest(z, lambda at: np.interp(at, grid, cdf)).pvalue > 0.01
    assert stats.kstest(start, lambda at: np.interp(at, grid, cdf)).statistic > 0.1


@pytest.mark.parametrize(("options", "variance"), [({}, 1.05), ({"f": "JS"}, 1.05), ({"gamma": 1.0, "steps": 10}, 3.0)])
def test_dgflow_grows_by_two_eta_gamma_a_step_when_d_is_flat(options, variance):
    """Nothing restores the prior: after k steps the law is N(0, 1 + 2 eta gamma k)."""
    follows(draw(DGflow(**options, block=N)), stats.norm(scale=math.sqrt(variance)))


def test_dgflow_at_its_defaults_looks_like_the_prior_to_ten_thousand_flat_draws():
    """The distribution functions of N(0, 1.05) and N(0, 1) differ by at most 0.006; the test at
    n = 10^4 needs 0.016."""
    follows(draw(DGflow(block=N)), stats.norm())


def test_dgflow_drifts_by_eta_a_a_step_under_a_linear_logit():
    """KL and d = a.z: z_k - z_0 is N(k eta a, 2 eta gamma k I)."""
    z, start = draw(DGflow(block=N), linear), draw(Bare())
    follows((z - start - 25 * 0.1 * SLOPE) / math.sqrt(0.05), stats.norm())


# A second method


F_DIVERGENCES = {  # f of [DGFLOW21], a function of r = p_G / p_data
    "KL": lambda r: r * r.log(),
    "JS": lambda r: r * r.log() - (r + 1) * ((r + 1) / 2).log(),
    "logD": lambda r: (r + 1) * (r + 1).log() - 2 * math.log(2),
}


def first_variation(f: str, d: torch.Tensor) -> torch.Tensor:
    """-f'(e^-d) with a graph that leads back to d."""
    r = (-d).exp()
    (slope,) = torch.autograd.grad(F_DIVERGENCES[f](r).sum(), r, create_graph=True)
    return -slope


@pytest.mark.parametrize("f", F_DIVERGENCES)
def test_scale_is_the_derivative_of_the_first_variation(f):
    assert set(F_DIVERGENCES) == set(SCALES)
    d = torch.linspace(-6, 6, 49, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(first_variation(f, d).sum(), d)
    torch.testing.assert_close(SCALES[f](d.detach()), expected, rtol=1e-12, atol=1e-12)


def one_by_one(sampler, pair, n):
    """The same chains, each row by itself, on the same noise, by gradients of scalars."""
    rng = generator(1, "langevin")
    torch.randint(2**62, (), generator=rng)  # `draw` seeds the estimates with it
    z, cube = pair.prior.sample(n, rng), isinstance(pair.prior, Uniform)
    langevin = isinstance(sampler, DDLS)
    rows = list(NormalLaw(0.0, 1.0).icdf((z + 1) / 2) if langevin and cube else z)
    for _ in range(sampler.steps):
        noise = torch.randn(z.shape, generator=rng)
        for i, row in enumerate(rows):
            u = row.detach().clone().requires_grad_(True)
            inside = 2 * NormalLaw(0.0, 1.0).cdf(u) - 1 if langevin and cube else u
            d = pair.latent_logit(inside[None])[0]
            if langevin:
                energy = -NormalLaw(0.0, 1.0).log_prob(u).sum() - d
                (force,) = torch.autograd.grad(energy, u)
                rows[i] = row - sampler.step / 2 * force + sampler.step**0.5 * noise[i]
            else:
                (flow,) = torch.autograd.grad(first_variation(sampler.f, d), u)
                rows[i] = row + sampler.eta * flow
                rows[i] = rows[i] + (2 * sampler.eta * sampler.gamma) ** 0.5 * noise[i]
                rows[i] = rows[i].clamp(-1, 1) if cube else rows[i]
    rows = torch.stack(rows)
    return 2 * NormalLaw(0.0, 1.0).cdf(rows) - 1 if langevin and cube else rows


@pytest.mark.parametrize("prior", [Normal(2), Uniform(2)], ids=["normal", "uniform"])
@pytest.mark.parametrize(
    "sampler", [DDLS(steps=12, step=0.04), *(DGflow(f=f, gamma=0.05, steps=12) for f in SCALES)], ids=["ddls", *SCALES]
)
def test_rows_by_themselves_give_the_same_latents(sampler, prior):
    G, D = networks()
    pair = Pair(G, lambda x: 0.2 * D(x), prior)
    drawn = sampler.draw(pair, 5, generator(1, "langevin"))
    alone = one_by_one(sampler, pair, 5)
    torch.testing.assert_close(drawn.latents, alone, rtol=0, atol=2e-5)  # float32, 12 steps
    torch.testing.assert_close(drawn.samples, pair.generate(drawn.latents), rtol=0, atol=1e-5)
    assert (alone - draw(Bare(), prior=prior, n=5)).abs().min() > 1e-4


# Identities and invariances


BOTH = pytest.mark.parametrize("sampler", [DDLS(steps=6), DGflow(steps=6)], ids=["ddls", "dgflow"])


@BOTH
@pytest.mark.parametrize("prior", [Normal(2), Uniform(2)], ids=["normal", "uniform"])
def test_no_step_returns_the_latents_of_the_bare_generator(sampler, prior):
    start = draw(replace(sampler, steps=0), linear, prior, n=300)
    assert torch.equal(start, draw(Bare(), prior=prior, n=300))
    assert not torch.equal(start, draw(sampler, linear, prior, n=300))


@BOTH
@pytest.mark.parametrize("prior", [Normal(2), Uniform(2)], ids=["normal", "uniform"])
def test_blocks_do_not_change_the_latents(sampler, prior):
    whole, parts = (draw(replace(sampler, block=block), linear, prior, n=50) for block in (50, 7))
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-6)


@BOTH
def test_a_sample_costs_one_row_of_g_and_d_and_one_backward_a_step_and_one_more_of_g(sampler):
    cost = sampler.draw(Pair(*networks(), Normal(2)), 300, generator(0, "z")).cost
    assert (cost.generator, cost.discriminator, cost.backward) == (7, 6, 6)


@BOTH
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_weights_and_statistics_stay_and_a_caller_without_gradients_is_served(sampler, mode):
    G, D = networks()
    before = [value.clone() for network in (G, D) for value in network.state_dict().values()]
    expected = draw(sampler, D, G=G, n=9)
    with mode():
        torch.testing.assert_close(draw(sampler, D, G=G, n=9), expected, rtol=0, atol=0)
    after = [value for network in (G, D) for value in network.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None and p.requires_grad for p in (*G.parameters(), *D.parameters()))
    assert not expected.requires_grad


@BOTH
def test_latents_stay_in_the_cube_whatever_the_slope(sampler):
    z = draw(replace(sampler, steps=60), lambda x: 300 * x.sum(1), Uniform(2), n=100)
    assert (z.abs() <= 1).all() and (z > 0.9).all()


def test_a_start_on_a_face_of_the_cube_moves():
    class Corner(Uniform):
        def sample(self, n, rng):
            return torch.tensor([[-1.0, 1.0]]).expand(n, 2).clone()

    z = draw(DDLS(steps=200, step=0.1), prior=Corner(2), n=20)
    assert torch.isfinite(z).all() and (z.abs() < 1).all()


# Failures


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DDLS(steps=-1), "steps: expected an integer >= 0, found -1"),
        (lambda: DDLS(step=0.0), "step: expected a finite number > 0, found 0.0"),
        (lambda: DDLS(step=4.0), "step: 4.0 is unstable .*; stay below 4"),
        (lambda: DDLS(block=0), "block: expected an integer >= 1"),
        (lambda: DGflow(f="js"), "f: unknown 'js'; known: JS, KL, logD"),
        (lambda: DGflow(eta=-0.1), "eta: expected a finite number > 0, found -0.1"),
        (lambda: DGflow(gamma=math.nan), "gamma: expected a finite number >= 0, found nan"),
        (lambda: DGflow(steps=2.5), "steps: expected an integer >= 0, found 2.5"),
        (lambda: DGflow(block=True), "block: expected an integer >= 1, found True"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("sampler", "D", "message"),
    [
        (DDLS(step=1.0), lambda x: -1e3 * x.square().sum(1).square(), "at step .*; .* lower step$"),
        (DGflow(), lambda x: 1e3 * x.square().sum(1).square(), "at step .*; .* lower eta$"),
        (DGflow(), lambda x: (x[:, 0] - 100).log(), "logit or its gradient at step 1 in 6 of 6 rows"),
        (DDLS(), lambda x: (0 * x[:, 0]).sqrt(), "logit or its gradient at step 1 in 6 of 6 rows"),
        (DDLS(), lambda x: x.new_zeros(len(x)), "autograd does not connect its logits"),
        (DGflow(), lambda x: x @ torch.ones(3), "prior: the networks refused shape .6, 2."),
    ],
)
def test_what_cannot_be_followed_is_named(sampler, D, message):
    with pytest.raises(InputError, match=message) as caught:
        draw(sampler, D, n=6)
    assert "\n" not in str(caught.value)


def test_ddls_refuses_a_prior_whose_density_it_does_not_know():
    class Other:
        dim, spherical = 2, False

    with pytest.raises(InputError, match=r"prior: the density of Other is not known"):
        draw(DDLS(), prior=Other(), n=3)
