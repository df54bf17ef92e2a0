"""Rejection and Metropolis-Hastings samplers on laws that are known in full.

Kinds: identities (closed-form laws, budgets), oracles (row-by-row loops on the same stream),
invariants (networks untouched), failures (nothing accepted, wrong settings).
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from dotlib.errors import InputError, NothingAcceptedError
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.samplers import base as sampling
from dotlib.samplers import rejection

P_G = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05], dtype=torch.float64)
P_DATA = torch.tensor([0.1, 0.2, 0.2, 0.2, 0.3], dtype=torch.float64)
LOG_R = (P_DATA / P_G).log()
EDGES = P_G.cumsum(0)[:-1].float()


def to_state(z):
    """Uniform latents (B, 1) -> one of five states (B, 1), with the law P_G."""
    return torch.bucketize((z + 1) / 2, EDGES).float()


def five_states(log_r=LOG_R):
    """G draws one of five states, D is the log ratio given."""
    return Pair(to_state, lambda x: log_r.float()[x[:, 0].long()], Uniform(1))


def shares(samples):
    return torch.bincount(samples[:, 0].long(), minlength=5).double() / len(samples)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def total_variation(p, q):
    return float((p - q).abs().sum() / 2)


def test_mh_has_the_data_as_its_stationary_law():
    pair, stream = five_states(), rng()
    z = pair.prior.sample(100, stream)
    logit = pair.latent_logit(z).double()
    visits = torch.zeros(5, dtype=torch.float64)
    for _ in range(1_000):  # 10^5 steps in all
        z, logit, _ = rejection.walk(pair, z, logit, 1, stream)
        visits += shares(to_state(z)) / 1_000
    assert total_variation(visits, P_DATA) < 0.01
    assert total_variation(visits, P_G) > 0.1


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_chain_from_g_has_the_law_of_the_matrix_power(steps):
    accept = (LOG_R[None, :] - LOG_R[:, None]).exp().clamp(max=1)  # from row to column
    move = P_G[None, :] * accept
    move += torch.diag(1 - move.sum(1))
    law = P_G @ torch.linalg.matrix_power(move, steps)
    drawn = rejection.MHGAN(steps=steps).draw(five_states(), 20_000, rng())
    found = torch.bincount(drawn.samples[:, 0].long(), minlength=5)
    assert chisquare(found, law * 20_000).pvalue > 0.01
    assert torch.equal(drawn.samples, to_state(drawn.latents))


def test_mh_equals_a_loop_over_chains_on_the_same_stream():
    pair, n, steps = five_states(), 7, 40
    z = pair.prior.sample(n, rng(1))
    start = torch.tensor([0.0, 3.0, -1.0, 0.5, 9.0, -2.0, 0.0], dtype=torch.float64)
    fast_z, fast_logit, moved = rejection.walk(pair, z, start, steps, rng(2))
    stream = rng(2)
    drawn = [(pair.prior.sample(n, stream), torch.rand(n, dtype=torch.float64, generator=stream)) for _ in range(steps)]
    for chain in range(n):
        at, logit, left = z[chain], float(start[chain]), False
        for candidates, u in drawn:
            proposed = float(pair.latent_logit(candidates[chain][None]))
            odds, new_odds = torch.exp(torch.tensor([logit, proposed], dtype=torch.float64))
            if u[chain] < min(1.0, float(new_odds / odds)):
                at, logit, left = candidates[chain], proposed, True
        assert torch.equal(fast_z[chain], at)
        assert float(fast_logit[chain]) == pytest.approx(logit, abs=1e-12)
        assert bool(moved[chain]) == left
    assert not moved[4] and moved.sum() >= 5  # e^9: no proposal comes near


def test_chains_from_data_keep_no_real_datum():
    real = torch.tensor([[4.0]])  # the state with the largest ratio, 6
    again = rejection.MHGAN(steps=2, start=real, restart="data", attempts=50)
    drawn = again.draw(five_states(), 500, rng())
    assert torch.equal(drawn.samples, to_state(drawn.latents))
    assert drawn.acceptance < 1 / 2  # chains that had not moved were run again
    stuck = torch.full((5,), -50.0, dtype=torch.float64)
    stuck[4] = 50.0
    lonely = Pair(lambda z: torch.zeros_like(z), lambda x: stuck.float()[x[:, 0].long()], Uniform(1))
    with pytest.raises(NothingAcceptedError, match="^steps: 3 of 3 chains never left .* 4 x 5"):
        rejection.MHGAN(steps=5, start=real, restart="data", attempts=4).draw(lonely, 3, rng())
    kept = rejection.MHGAN(steps=5, start=real).draw(lonely, 3, rng())
    assert torch.equal(kept.samples, torch.zeros(3, 1)) and kept.acceptance == 1 / (5 + 6)


def test_a_chain_that_never_moved_has_the_law_of_one_from_G():
    """From a datum that no sample comes near, every chain runs twice, the second time from G."""
    start, pair = torch.tensor([[9.0]]), five_states()

    def logit(x):
        return torch.where(x[:, 0] == 9, 60.0, pair.logit(x.clamp(max=4)))

    far = Pair(pair.generator, logit, pair.prior)
    found = rejection.MHGAN(steps=2, start=start).draw(far, 20_000, rng())
    law = rejection.MHGAN(steps=2).draw(pair, 20_000, rng(5))
    counts = [torch.bincount(d.samples[:, 0].long(), minlength=5) for d in (found, law)]
    assert chi2_contingency(torch.stack(counts)).pvalue > 0.01
    assert found.acceptance == pytest.approx(1 / (2 + 3))


def test_without_shift_drs_is_plain_rejection():
    chance = rejection.shifted_log_ratio(LOG_R, LOG_R.max(), eps=0.0).sigmoid()
    torch.testing.assert_close(chance, (LOG_R - LOG_R.max()).exp(), rtol=1e-12, atol=0)
    r = LOG_R.exp()
    kept = (P_G * chance * r).sum() / (P_G * chance).sum()
    assert float(kept) == pytest.approx(float((P_DATA * r).sum()), rel=1e-12)


def test_drs_equals_a_loop_over_proposals_on_the_same_stream():
    pair = Pair(lambda z: z, lambda x: 3 * x[:, 0], Normal(1))
    sampler = rejection.DRS(percentile=60, burn_in=100)
    fast = sampler.prepare(pair, rng(1))(40, rng(2))
    seen = pair.latent_logit(pair.prior.sample(100, rng(1))).double()
    largest = seen.max()
    gamma = torch.quantile(rejection.shifted_log_ratio(seen, largest, 1e-8), 0.6)
    kept, stream, count, first = [], rng(2), 0, largest
    while len(kept) < 40:
        z = pair.prior.sample(sampling.BLOCK, stream)
        u = torch.rand(sampling.BLOCK, dtype=torch.float64, generator=stream)
        for row in range(sampling.BLOCK):
            if len(kept) == 40:
                break
            count += 1
            logit = pair.latent_logit(z[row][None]).double()[0]
            largest = max(largest, logit)
            below = logit - largest
            F = below - torch.log1p(-torch.exp(below - 1e-8))
            if u[row] < torch.sigmoid(F - gamma):
                kept.append(z[row])
    assert torch.equal(fast.latents, torch.stack(kept))
    assert fast.proposals == count
    assert largest > first  # the running maximum rose on the way


class Scripted(Normal):
    """A prior whose draws are written down, one block after the other."""

    def __init__(self, *blocks):
        super().__init__(1)
        object.__setattr__(self, "blocks", iter(blocks))

    def sample(self, n, rng):
        return next(self.blocks)[:n, None]


def test_the_largest_logit_of_drs_is_carried_from_block_to_block():
    """Burn-in of logits 0, a proposal of 5 at the end of the first block, then a block of 0 and blocks of 5.

    At the largest logit F is gamma, and half of the proposals pass; 5 below it a share of e^-23. A second block that
    began anew would give the samples that only the third can give.
    """
    size = sampling.BLOCK
    first = torch.zeros(size)
    first[-1] = 5.0
    later = (torch.full((size,), logit) for logit in (0.0, 5.0, 5.0))
    pair = Pair(lambda z: z, lambda x: x[:, 0], Scripted(torch.zeros(100), first, *later))
    drawn = rejection.DRS(percentile=50, burn_in=100).draw(pair, 200, rng())
    largest = int((drawn.samples == 5).sum())
    assert 40 < largest < 110, f"{largest} of 200 samples have the largest logit: later blocks forgot it"
    assert drawn.acceptance < 200 / (2 * size), "kept in the second block"


@pytest.mark.parametrize("budget", [0.1, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("kind", ["drs", "obrs"])
def test_the_accepted_share_is_the_budget(kind, budget):
    if (kind, budget) == ("drs", 1.0):
        pytest.skip("a sigmoid accepts all in the limit only")
    pair = Pair(lambda z: z, lambda x: x[:, 0], Normal(1))
    sampler = (rejection.DRS if kind == "drs" else rejection.OBRS)(budget=budget, burn_in=50_000)
    drawn = sampler.draw(pair, int(40_000 * budget), rng())
    assert drawn.acceptance == pytest.approx(budget, abs=0.01)
    if budget == 1:
        assert drawn.acceptance == 1


def weighted_threshold(budget):
    """`budget_threshold` on proposals in exactly the proportions of P_G."""
    logits = LOG_R.repeat_interleave((P_G * 20).round().long())
    return rejection.budget_threshold(logits, budget)


def test_obrs_is_plain_rejection_at_its_own_budget():
    plain = 1 / float(LOG_R.exp().max())  # E_G[r] = 1
    assert float(weighted_threshold(plain)) == pytest.approx(float(LOG_R.max()), abs=1e-9)
    assert float(weighted_threshold(plain / 3)) == float(LOG_R.max())


@pytest.mark.parametrize("budget", [0.2, 0.5, 0.9])
def test_obrs_keeps_the_law_of_its_formula(budget):
    chance = (LOG_R - weighted_threshold(budget)).exp().clamp(max=1)
    assert float((P_G * chance).sum()) == pytest.approx(budget, abs=1e-12)
    drawn = rejection.OBRS(budget=budget, burn_in=200_000).draw(five_states(), 20_000, rng())
    law = P_G * chance / budget
    assert total_variation(shares(drawn.samples), law) < 0.01
    assert total_variation(law, P_DATA) < total_variation(P_G, P_DATA)


@settings(max_examples=500, deadline=None)
@given(chances=st.lists(st.floats(0.001, 1), min_size=5, max_size=5))
def test_no_rule_of_the_same_budget_comes_nearer_to_the_data(chances):
    rule = torch.tensor(chances, dtype=torch.float64)
    budget = float((P_G * rule).sum())
    best = (LOG_R - weighted_threshold(budget)).exp().clamp(max=1)
    reached = float((P_G * best).sum())  # less than the budget where it exceeds plain rejection
    for divergence in (kullback_leibler, total_variation, chi_square):
        assert divergence(P_DATA, P_G * best / reached) <= divergence(P_DATA, P_G * rule / budget) + 1e-9


def kullback_leibler(p, q):
    return float((p * (p / q).log()).sum())


def chi_square(p, q):
    return float(((p - q).square() / q).sum())


def test_a_rejection_that_accepts_nothing_ends():
    pair = Pair(lambda z: z, lambda x: 200 * x[:, 0], Normal(1))
    asked = []
    with pytest.raises(NothingAcceptedError, match="^limit: .* of 50 samples after 512 proposals"):
        rejection.reject(pair, lambda logits: asked.append(len(logits)) or torch.zeros(len(logits)), 50, rng(), limit=6)
    assert sum(asked) == 512


def test_networks_are_read_only():
    torch.manual_seed(0)
    G = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2)).eval()
    D = torch.nn.Linear(2, 1).eval()
    before = {k: v.clone() for k, v in (G.state_dict() | D.state_dict()).items()}
    pair = Pair(G, D, Normal(2))
    for sampler in (rejection.DRS(burn_in=50), rejection.OBRS(burn_in=50), rejection.MHGAN(5)):
        assert not sampler.draw(pair, 20, rng()).samples.requires_grad
    after = G.state_dict() | D.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (rejection.OBRS(budget=0.0), "^budget: .*> 0, found 0.0"),
        (rejection.OBRS(budget=1.5), "^budget: found 1.5; a share"),
        (rejection.DRS(budget=-1.0), "^budget: "),
        (rejection.DRS(percentile=101), "^percentile: found 101"),
        (rejection.DRS(eps=0.0), "^eps: "),
        (rejection.DRS(burn_in=0), "^burn_in: "),
        (rejection.DRS(limit=0), "^limit: "),
        (rejection.MHGAN(steps=0), "^steps: "),
        (rejection.MHGAN(attempts=0), "^attempts: "),
        (rejection.MHGAN(restart="none"), "^restart: unknown 'none'"),
    ],
)
def test_wrong_settings_are_named(sampler, message):
    with pytest.raises(InputError, match=message):
        sampler.draw(five_states(), 10, rng())


@pytest.mark.parametrize(
    "sampler",
    [
        rejection.OBRS(burn_in=10),
        rejection.DRS(burn_in=10),
        rejection.MHGAN(steps=2),
        rejection.MHGAN(steps=2, start=torch.zeros(10, 1)),
    ],
)
def test_logits_that_are_not_finite_are_refused(sampler):
    pair = Pair(lambda z: z, lambda x: x[:, 0] / 0, Uniform(1))
    with pytest.raises(InputError, match="^discriminator: NaN or infinity among 10 logits"):
        sampler.draw(pair, 10, rng())
