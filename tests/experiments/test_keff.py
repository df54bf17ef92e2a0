"""k = 1 against k_eff: the algebra of one step, slopes that are known, verdicts, tables."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from dotlib import transport
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import Measurement
from dotlib.evaluation.judges import Scoring
from dotlib.experiments import keff
from dotlib.pairs import Pair, Uniform
from dotlib.results import paper, records, tables
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import OBJECTIVES, image_training
from dotlib.transport.lipschitz import LipschitzEstimate

C = Scoring(sets=2, samples=30, updates=20, lr=0.01, pairs=20, repeats=2, splits=2)
ROW = "dcgan-sngan-hi"


class Wave(nn.Module):
    """A pair in one: G is the identity, D(z) = slope sum(z) + swing sum(sin(3 z)), (B, 1)."""

    def __init__(self, slope: float, swing: float = 0.0) -> None:
        super().__init__()
        self.slope, self.swing = nn.Parameter(torch.tensor(slope)), swing

    def forward(self, z):
        return (self.slope * z + self.swing * (3 * z).sin()).sum(1, keepdim=True)


class Same(nn.Module):
    """Latents as they are; the parameter only says where they live."""

    def __init__(self) -> None:
        super().__init__()
        self.here = nn.Parameter(torch.zeros(()))

    def forward(self, z):
        return z + self.here


def run_of(
    slope: float, *, k: float = 1.0, swing: float = 0.0, dim: int = 1, dataset: str = "digits", rows=None
) -> image_pairs.Table1Row:
    """A row of Table 1 whose D(G(.)) is known; its scores are given, not measured."""
    pair = Pair(Same().eval(), Wave(slope, swing).eval(), Uniform(dim))
    pair = image_pairs.ImagePair(**vars(pair), name=f"{dataset}-{ROW}", digests={"file": "digest"})
    trained = zoo.TrainedPair(pair.name, pair, image_training(dataset, ROW, "smoke"), Path("file"), "digest", [], MADE)
    estimate = LipschitzEstimate(torch.tensor([k, k], dtype=torch.float64), C.pairs)
    return image_pairs.Table1Row(pair, trained, Panel(), C, Measurement(estimate, estimate, rows or {}, {}))


MADE = {"commit": "abc", "dirty": False, "device": "cpu", "seconds_since_resume": 1.0}


class Panel:
    """As much of a panel as a record asks for."""

    digests, origins = {"judge": "digest"}, {"test": "nowhere"}

    def only_first(self):
        return self


@pytest.fixture
def third(monkeypatch):
    """with_arms of a run, with the method that it would measure in the place of scores."""
    monkeypatch.setattr(
        image_pairs, "measure", lambda pair, methods, *_: Measurement(None, None, {"method": methods[0]}, {})
    )
    return lambda run: keff.with_arms(run, 0).rows["method"]


def after(run, method, z, steps=1):
    """Latents after some updates of a method."""
    K = run.measured.k_eff.value if method.k is None else method.k
    return transport.latent_dot(run.pair, z, K, steps=steps, cost=method.cost, optimizer=transport.SGD(method.lr)).final


# --- one step -------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0.2, 0.7, 3.0])
def test_the_arms_are_what_the_page_says_of_one_step(third, k):
    run = run_of(0.5, k=k, swing=0.1, dim=5)
    z = 0.5 * run.pair.prior.sample(8, generator(0, "z")).double()  # no clip within a step
    run.pair.discriminator.double(), run.pair.generator.double()
    dot, k1, naive = image_pairs.table1_methods(C)
    moved = {
        name: after(run, method, z) - z
        for name, method in (("dot", dot), ("k1", k1), ("naive", naive), ("k1step", third(run)))
    }
    leaf = z.clone().requires_grad_(True)
    (g,) = torch.autograd.grad(run.pair.latent_logit(leaf).sum(), leaf)
    u = torch.full_like(z, 5**-0.5)  # gradient of the shifted norm at the anchor
    expected = {"k1": (1, 1), "k1step": (1 / k, 1 / k), "dot": (1, 1 / k), "naive": (0, 1 / k)}
    for name, (along_u, along_g) in expected.items():
        assert torch.allclose(moved[name], C.lr * (along_g * g - along_u * u), atol=1e-12), name


def test_with_a_constant_of_1_the_three_priced_arms_are_one(third):
    run = run_of(1.0, k=1.0, swing=0.1, dim=3)
    z = run.pair.prior.sample(6, generator(0, "z"))
    dot, k1, _ = image_pairs.table1_methods(C)
    ends = [after(run, method, z, steps=7) for method in (dot, k1, third(run))]
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])


def test_the_third_arm_has_the_objective_of_k_1_and_the_steps_of_table_1(third):
    method = third(run_of(1.0, k=0.25))
    assert (method.k, method.lr, method.cost, method.variant) == (1.0, 0.04, "l2", "paper")
    assert method.steps == (10, 20)


def test_arms_are_added_to_those_of_table_1():
    rows = {("dot", 0): 1, ("k1", 10): 2}
    run = run_of(1.0, rows=rows)
    fresh = {("k1step", 10): 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_pairs, "measure", lambda *_: Measurement(None, None, fresh, {}))
        measured = keff.with_arms(run, 0)
    assert measured.rows == rows | fresh and run.measured.rows == rows
    assert measured.k_eff is run.measured.k_eff


# --- differences and verdicts ---------------------------------------------------------------------


class Given(Measurement):
    """Measured with scores that are written down: (arm, step) -> values of every set."""

    def of(self, method, step, quantity, judge=None):
        sign = {"fid": 1.0, "is_mean": -1.0}[quantity]
        return [sign * value for value in self.rows[method, step]]


def given(k: float, *, dot: float, k1: float = 0.0, k1step: float = 0.5, naive: float = -2.0):
    """Four sets that differ by 1, which pairing must take out."""
    values = {"dot": dot, "k1": k1, "k1step": k1step, "naive": naive}
    rows = {
        (arm, step): [value, value + 1.0 + 0.01 * i, value + 2.0, value + 3.0 + 0.01 * i]
        for step in (10, 20)
        for i, (arm, value) in enumerate(values.items())
    }
    estimate = LipschitzEstimate(torch.tensor([k, k], dtype=torch.float64), 10)
    return Given(estimate, estimate, rows, {})


def test_step_and_price_add_up():
    m = given(0.5, dot=-1.0)
    whole, step, price = (
        keff.difference(m, *pair, 20, "fid")[0] for pair in (("dot", "k1"), keff.EFFECTS["step"], keff.EFFECTS["price"])
    )
    assert whole == pytest.approx(step + price)


@pytest.mark.parametrize(("k", "reversed_"), [(0.5, False), (2.0, True)])
def test_the_lower_constant_comes_first(k, reversed_):
    m = given(k, dot=-1.0)
    low, high = keff.difference(m, "dot", "k1", 10, "fid")[1]
    assert keff.lower_minus_higher(m, 10, "fid") == pytest.approx((-high, -low) if reversed_ else (low, high))


def test_the_print_has_one_row_against_the_claim():
    assert keff.contrary() == ["wgan-gp, FID, 20 updates"]
    assert keff.unresolved() == [f"wgan-gp, {what} updates" for what in ("IS, 10", "FID, 10", "FID, 20")]
    assert [score.value for score in keff.printed("wgan-gp", 20, "fid")] == [24.06, 24.14]
    assert [score.value for score in keff.printed("sagan-hi", 0, "is_mean")] == [7.46, 7.52]
    assert keff.printed_gap("wgan-gp", 20, "fid") == pytest.approx(0.08) and len(keff.claims()) == 20
    constants = [paper.value(f"b2.cifar10.dcgan.{kind}.k_eff").value for kind in OBJECTIVES]
    assert constants == [0.86, 0.39, 0.34, 0.28, 0.21]


@pytest.mark.parametrize(
    ("profile", "k", "dot", "word", "other"),
    [
        ("laptop", 0.5, -1.0, paper.REPLICATED, paper.NOT_RESOLVED),
        ("laptop", 2.0, -1.0, paper.CONTRADICTED, paper.NOT_RESOLVED),
        ("smoke", 0.5, -1.0, paper.SMOKE, paper.SMOKE),
    ],
)
def test_every_printed_row_has_a_verdict(profile, k, dot, word, other):
    record = records.start("keff", profile=profile, dataset="digits", seed=0, parameters={})
    run = run_of(1.0)
    rows = [*(f"dcgan-{kind}" for kind in OBJECTIVES), "resnet-sagan-ns"]
    slope = keff.probe(run.pair, keff.SETTINGS["smoke"], 0)
    arms, runs = {row: given(k, dot=dot) for row in rows}, dict.fromkeys(rows, run)
    keff.fill_record(record, arms, dict.fromkeys(rows, slope), runs)
    assert len(record.verdicts) == 4 * len(OBJECTIVES)
    # printed differences of 0.25 and 0.08 in FID and of 0.04 in IS; reprints of one score differ by 0.40 and 0.09
    measured = "" if profile == "smoke" else " (measured: -1.0"  # k_eff minus k = 1, whichever is lower
    for text in ("wgan-gp, FID, 10 updates", "wgan-gp, FID, 20 updates"):
        assert record.verdicts.pop(text).startswith(other + measured), text
    assert record.verdicts.pop("wgan-gp, IS, 10 updates").startswith(other + measured.replace("-", "+"))
    assert set(record.verdicts.values()) == {word}
    row = record.get("fid", pair="resnet-sagan-ns", method="dot", setting=20, against="k1")
    assert row.value == pytest.approx(dot, abs=0.02)
    assert record.made["weights"] == {"file": "digest", "judge": "digest"}
    assert [row.setting for row in record.rows(quantity="k_eff by pairs", pair="dcgan-wgan-gp")] == [10, 30, 100]
    record = records.start("keff", profile=profile, dataset="digits", seed=0, parameters={})
    keff.fill_record(record, arms, dict.fromkeys(rows, slope), runs)
    lines = keff.claim_table(record, arms, runs).splitlines()
    assert len(lines) == 2 + 2 * len(OBJECTIVES)
    cells = [cell.strip() for cell in lines[3].strip("|").split("|")]
    gap = tables.change(*keff.difference(arms["dcgan-wgan-gp"], "dot", "k1", 20, "fid"))
    assert cells == [
        "wgan-gp, 20 updates",
        f"{k:.2g}",
        *cells[2:5],
        "+0.08",
        gap,
        record.verdicts["wgan-gp, FID, 20 updates"],
    ]


# --- slopes ---------------------------------------------------------------------------------------


def test_slopes_of_a_line_are_its_own():
    curve, norms = keff.probe(run_of(0.7).pair, keff.SETTINGS["smoke"], 0)
    assert norms == pytest.approx(torch.full((100,), 0.7).double())
    assert curve.mean == pytest.approx(torch.full((3,), 0.7).double(), rel=1e-3)


def test_pairs_stay_below_the_supremum_and_gradients_come_near_it():
    settings = replace(keff.SETTINGS["laptop"], pair_counts=(10, 100))
    curve, norms = keff.probe(run_of(0.2, swing=0.5).pair, settings, 0)
    supremum = 0.2 + 3 * 0.5
    assert (curve.mean.diff() > 0).all() and curve.mean.max() < supremum + 1e-6
    assert 0.999 * supremum < norms.max() <= supremum + 1e-6


def test_far_pairs_in_many_dimensions_miss_the_local_slope():
    curve, norms = keff.probe(run_of(0.0, swing=0.5, dim=64).pair, keff.SETTINGS["smoke"], 0)
    assert norms.median() > 3 * curve.mean.max()


def test_the_table_of_slopes_counts_what_is_above_the_constant():
    """Norms 1 to 4 against k = 2 with no scatter: the largest is twice it, and half of them are above it."""
    curve, _ = keff.probe(run_of(0.7).pair, keff.SETTINGS["smoke"], 0)
    norms = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    lines = keff.slope_table({ROW: given(2.0, dot=0.0)}, {ROW: (curve, norms)}).splitlines()
    assert "| 100 pairs |" in lines[0]
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells == [ROW, "2 ± 0", "0.7", "2", "4", "2.0", "50%"]  # torch's median is the lower of the middle two


# --- tables ---------------------------------------------------------------------------------------


def test_the_stl10_table_fills_only_what_a_run_on_that_set_has():
    scores = type("Scores", (), {"is_mean": 8.5, "fid": 50.25})
    rows = {("dot", step): {"judge": [scores, scores]} for step in (0, 20)}
    run = run_of(1.0, dataset="stl10", rows=rows)
    text = keff.stl10_table({"dcgan-sagan-hi": run})
    assert "| dcgan-sagan-hi, 20 updates | 10.29 | 40.51 | 8.50 | 50.25 |" in text
    assert "| dcgan-sagan-hi, 10 updates | 10.11 | 41.09 | - | - |" in text
    assert "| resnet-sagan-ns, 0 updates | 9.33 | 41.91 | - | - |" in text
    other = keff.stl10_table({"dcgan-sagan-hi": run_of(1.0, rows=rows)})
    assert "8.50 |" not in other and other.count("\n") == text.count("\n") == 7


def scored(k: float) -> Given:
    """Every arm after 0, 10 and 20 updates, in two sets that differ by 1."""
    measured = given(k, dot=-1.0)
    return replace(measured, rows=measured.rows | {("dot", 0): [3.0, 4.0, 3.0, 4.0]})


def test_the_table_of_scores_has_the_print_beside_ours():
    rows = [f"dcgan-{kind}" for kind in OBJECTIVES]
    table = keff.score_table({row: scored(0.25) for row in rows}, dict.fromkeys(rows, run_of(1.0))).splitlines()
    assert table[0].endswith("| 0, here | 10, here | 20, here |") and len(table) == 2 + 2 * len(OBJECTIVES)
    cells = [cell.strip() for cell in table[3].strip("|").split("|")]
    assert cells[:3] == ["wgan-gp, k_eff", "0.86", "0.25"]
    assert cells[3:6] == ["6.53, 27.84", "7.21, 24.06", "7.45, 24.14"] and cells[6] == "-3.50, 3.50"


def test_a_history_starts_at_bare_and_has_half_its_interval():
    measured = scored(0.5)
    updates, means, halves = keff.history(measured, 20, "fid")["k_eff"]
    mean, (low, high) = keff.difference(
        replace(measured, rows=measured.rows | {("bare", 20): [3.0, 4.0, 3.0, 4.0]}), "dot", "bare", 20, "fid"
    )
    assert updates == (0, 10, 20) and (means[0], halves[0]) == (0, 0)
    assert (means[2], halves[2]) == pytest.approx((mean, (high - low) / 2))


def test_a_number_that_is_not_printed_is_refused():
    with pytest.raises(InputError, match="b2.cifar10.dcgan.sagan-hi.k1.u5"):
        keff.printed("sagan-hi", 5, "fid")
