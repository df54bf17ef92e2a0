"""The measures behind the page of theorems, its tables and its record.

Kinds of test: identities, closed forms, failures of a claim.
"""

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dotlib.evaluation import points as toy_pairs
from dotlib.experiments import theorems
from dotlib.metrics import optimal_transport
from dotlib.networks.mlp import MLP
from dotlib.results import paper
from dotlib.seeding import generator
from dotlib.transport import LipschitzEstimate


def rng():
    return generator(0, "theorems", "test")


@pytest.fixture(scope="module")
def optimum():
    """Thirty points against thirty others beside them."""
    return optimal_transport.solve(torch.randn(30, 2, generator=rng()), torch.randn(30, 2, generator=rng()) * 0.5 + 1)


def linear(slope: float) -> nn.Sequential:
    """D(x) = slope x_1."""
    D = nn.Sequential(nn.Linear(2, 1))
    with torch.no_grad():
        D[0].weight.copy_(torch.tensor([[slope, 0.0]]))
        D[0].bias.zero_()
    return D.eval().requires_grad_(False)


class Flat(nn.Module):
    """D(x) = 0, with a gradient."""

    def forward(self, x):
        return 0 * x[:, :1]


def estimate(*maxima: float) -> LipschitzEstimate:
    return LipschitzEstimate(torch.tensor(maxima, dtype=torch.float64), 100)


def test_small_measures_are_distributions_of_up_to_twelve_points():
    stream = rng()
    for optimum in (theorems.small_optimum(stream) for _ in range(20)):
        assert 1 <= len(optimum.x) <= 12 and 1 <= len(optimum.y) <= 12
        assert float(optimum.a.sum()) == pytest.approx(1) and float(optimum.b.sum()) == pytest.approx(1)


def test_the_worst_certificate_is_the_largest_of_each_number(optimum):
    single = theorems.worst_certificate(optimum)
    assert single["W"] == optimum.distance
    assert single["gap"] == max(optimum.certificate(D)["gap"] for D in (optimum.lower, optimum.upper))
    other = theorems.small_optimum(rng())
    both = theorems.worst_certificate(optimum, other)
    assert both.pop("W") is None
    assert both == {key: max(single[key], theorems.worst_certificate(other)[key]) for key in both}


def test_the_excess_is_zero_on_the_segment_and_nowhere_negative(optimum):
    """With an odd number of cells, the middle one is the middle of y and T(y)."""
    y, image = optimum.y[3], optimum.images()[3]
    for D in (optimum.lower, optimum.upper):
        (first, second), value = theorems.excess(D, y, image, side=41)
        assert value.shape == (41, 41) and float(value.min()) > -1e-12
        assert (float(first[20]), float(second[20])) == pytest.approx(((y + image) / 2).tolist())
        assert float(value[20, 20]) == pytest.approx(0, abs=1e-12)
    corner = torch.stack([first[2], second[7]])[None]
    expected = (corner - y).norm() - optimum.upper(corner) + optimum.upper(y[None])
    assert float(value[7, 2]) == pytest.approx(float(expected))


def test_a_ray_is_flat_on_few_cells_and_a_region_on_many():
    """y and T(y) are 2 apart, so flat is below 0.002: a diagonal of 10 cells, and a half plane of 100 cells."""
    y, image = torch.tensor([0.0, 0.0]), torch.tensor([2.0, 0.0])
    ray, region = 1.0 - torch.eye(10), torch.ones(10, 10)
    region[:, :5] = 0.0019
    assert theorems.flat_share(ray, y, image) == pytest.approx(0.1)
    assert theorems.flat_share(region, y, image) == 0.5
    assert theorems.flat_share(region + 0.0002, y, image) == 0.0


def test_who_stays_gains_nothing_and_who_follows_the_segment_loses_nothing(optimum):
    stay = theorems.descent(optimum, optimum.y, 1.0)
    assert stay["W"] == optimum.distance and {stay[key] for key in ("move", "mean", "lowest")} == {0.0}
    arrive = theorems.descent(optimum, optimum.images(), 1.0)
    assert arrive["W"] == pytest.approx(0, abs=1e-12) and arrive["mean"] == pytest.approx(0, abs=1e-12)
    assert arrive["move"] == pytest.approx(optimum.distance)
    half = theorems.descent(optimum, optimum.images(), 0.5)
    assert half["mean"] == pytest.approx(-optimum.distance)  # length - 2 length


def test_slopes_of_a_linear_critic_are_its_weight(optimum):
    slopes = theorems.slopes(linear(-3.0), optimum, optimum.y, estimate(2.0))
    assert slopes.largest == pytest.approx(3) and slopes.bound == pytest.approx(3)
    assert slopes.norms.tolist() == pytest.approx([3.0] * 30)


def test_the_normalised_critic_has_the_bound_one(optimum):
    D = theorems.normalised_critic(0)
    assert isinstance(D, MLP) and not any(p.requires_grad for p in D.parameters())
    assert theorems.slopes(D, optimum, optimum.y, estimate(0.1)).bound == pytest.approx(1, abs=1e-5)


def test_moves_are_told_apart_by_steepness(optimum):
    steep = torch.arange(30) < 6
    x = optimum.y.float() + torch.where(steep[:, None], torch.tensor([0.3, 0.4]), torch.tensor([0.0, 0.1]))
    row = theorems.movable(optimum, x, steep)
    assert row["share"] == 0.2 and row["steep"] == pytest.approx(0.5) and row["others"] == pytest.approx(0.1)
    assert row["W"] == optimum.distance and row["W_after"] == optimal_transport.solve(optimum.x, x).distance
    assert theorems.movable(optimum, x, steep & ~steep)["steep"] is None


def test_gaps_of_a_flat_critic(optimum):
    """V_D is -2 log 2, -2, and minus the penalty (0 - 1)^2 times its weight; the printed (6) gives 0."""
    gaps = theorems.gaps(Flat(), optimum, 7.0, rng())
    assert gaps == pytest.approx({"dual": 0, "ns": 2 * math.log(2), "hinge": 2, "wgan": 7, "printed": 0})


def test_gaps_of_a_linear_critic(optimum):
    """The dual is the difference of means; with slope 1 there is no penalty, so identity attains it."""
    gaps = theorems.gaps(linear(1.0), optimum, 7.0, rng())
    assert gaps["dual"] == pytest.approx(float(optimum.x[:, 0].mean() - optimum.y[:, 0].mean()))
    assert gaps["wgan"] == pytest.approx(0, abs=1e-12) and gaps["ns"] > 0 and gaps["hinge"] >= 2


def test_random_critics_are_scaled_and_come_from_their_stream():
    first, second = (theorems.random_critic(scale, rng()) for scale in (1.0, 3.0))
    assert torch.equal(3 * first[0].weight, second[0].weight) and torch.equal(first[-1].bias, second[-1].bias)
    assert float(first[-1].bias) != 0


def test_rows_of_theorem_2_count_violations():
    gap = dict.fromkeys(theorems.PROVED, 1.0) | {"printed": -0.5}
    other = dict.fromkeys(theorems.PROVED, 2.0) | {"printed": 0.25}
    rows = theorems.theorem2_rows({"swissroll": other}, [gap, other, other, other])
    assert rows["ns"] == {"swissroll": 2.0, "random": 1.0, "violated": 0.0}
    assert rows["printed"] == {"swissroll": 0.25, "random": -0.5, "violated": 0.25}
    assert theorems.smallest_gaps(rows) == dict.fromkeys(theorems.PROVED, 1.0)


def results(slip: float = 0.0, largest: float = 1.5) -> theorems.Results:
    """What the page measures, with a segment that fails by `slip` and a critic whose bound is 4."""
    return theorems.Results(
        certificates={"small": {"W": None, "gap": 1e-15, "excess": -0.1, "negative": 0.0, "on_plan": 2e-15}},
        argmins={("swissroll", "lower"): {"lower": 0.0, "spread": slip, "tight": 1.0}},
        moves={("swissroll", "K_eff"): {"share": 0.25}},
        theorem2={key: {"random": 0.5, "violated": 0.0} for key in theorems.PROVED},
        attained={"swissroll": {"W": 0.9, "K_eff": 1.1, "largest": 0.4}},
        slopes={"swissroll": theorems.Slopes(estimate(1.0, 2.0), torch.ones(3), largest, 4.0)},
    )


@pytest.mark.parametrize(("slip", "verdict"), [(1e-12, paper.REPRODUCED), (1e-7, paper.CONTRADICTED)])
def test_each_claim_has_the_verdict_of_its_worst_place(slip, verdict):
    record = theorems.open_record({}, "laptop", 0)
    theorems.fill_record(record, results(slip))
    assert [row.value for row in record.rows(quantity="deviation")] == [2e-15, slip, 0, 0]
    assert record.verdicts == {"Theorem 1": verdict, "Theorem 2": paper.REPRODUCED}
    assert record.get("share_movable", pair="swissroll").value == 0.25
    assert record.get("K_eff", pair="swissroll").sd == pytest.approx(math.sqrt(0.5))
    assert record.get("theorem2_gap", method="hinge").n == 1_001


def test_the_summary_has_what_was_checked_and_its_deviation():
    record = theorems.open_record({}, "laptop", 0)
    theorems.fill_record(record, results(1e-7))
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in theorems.summary(record).splitlines()]
    assert [line[2] for line in lines[2:]] == ["2e-15", "1e-07", "0", "0"]
    assert lines[2][1] == "2 samples of 400 + 400 points, 200 small measures"
    assert lines[3][0].startswith("Theorem 1") and lines[3][3] == paper.CONTRADICTED
    assert lines[4][1] == "2 trained and 1,000 random critics, 3 objectives" and lines[5][3] == "a check of the code"
    assert [line[3] for line in lines[2:]].count("a check of the code") == 2


def test_the_answer_follows_the_record():
    record = theorems.open_record({}, "laptop", 0)
    theorems.fill_record(record, results(1e-12))
    text = theorems.answer(record)
    assert (
        "is 1e-12 from Theorem 1 (*reproduced*) and 0 from Theorem 2 (*reproduced*). The sample $y$ is itself" in text
    )
    assert "25% (swissroll) have a slope above $K_\\text{eff}$" in text and "*one training*" in text
    broken = theorems.open_record({}, "laptop", 0)
    theorems.fill_record(broken, results(1e-7))
    row = broken.get("share_movable", pair="swissroll")
    broken.content[row.key] = dataclasses.replace(row, value=0.5)
    changed = theorems.answer(broken)
    assert "1e-07 from Theorem 1 (*contradicted*)" in changed and "50% (swissroll)" in changed
    assert "gives no reason to move" in text and "which the theorem does not allow" in changed


def test_a_slope_above_the_bound_is_a_deviation():
    assert theorems.deviations(results(largest=5.0))["product bound"] == pytest.approx(0.25)


def test_a_smoke_run_compares_nothing():
    record = theorems.open_record({}, "smoke", 0)
    theorems.fill_record(record, results())
    assert set(record.verdicts.values()) == {paper.SMOKE}


def test_a_table_names_its_rows_and_has_dashes():
    row = {"share": 0.5, "steep": None, "W": 1.0, "gap": 3e-15, "excess": 0.0, "change": -1e-9}
    rows = {("25gaussians", "K_eff"): row, "2, smooth, SGD": row}
    text = theorems.table(["set", *row], ".2f .3f .4f power power z.4f", rows)
    assert text.splitlines()[2:] == [
        "| 25 Gaussians, $K_\\text{eff}$ | 0.50 | - | 1.0000 | 3e-15 | 0 | 0.0000 |",
        "| 2, smooth, SGD | 0.50 | - | 1.0000 | 3e-15 | 0 | 0.0000 |",
    ]


def test_measures_are_drawn_from_data_and_generator():
    pair = SimpleNamespace(
        name="swissroll",
        data=SimpleNamespace(draw=lambda n, rng: torch.rand(n, 2, generator=rng)),
        draw=lambda n, rng: torch.rand(n, 2, generator=rng) + 5,
    )
    x, y = theorems.measures(pair, 4, 0)
    assert x.shape == y.shape == (4, 2) and float(x.max()) < 1 < float(y.min())
    assert torch.equal(theorems.measures(pair, 4, 0)[1], y) and not torch.equal(theorems.measures(pair, 4, 1)[1], y)


def test_parameters_hold_what_decides_the_values():
    parameters = theorems.open_record({}, "paper", 0).parameters
    assert parameters["points"] == 1_000 and parameters["scales"] == [0.1, 1.0, 3.0, 10.0]
    assert parameters["figure3"]["steps"] == toy_pairs.figure3_settings("paper").steps
