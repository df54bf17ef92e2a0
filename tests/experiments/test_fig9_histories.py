"""Figures 9 to 11: claims as signs, closed forms of curves and latents' ways, invariances."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.judges import Scoring
from dotlib.experiments import fig9_histories
from dotlib.experiments.fig9_histories import Settings
from dotlib.metrics.scores import Scores
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.results import paper, records
from dotlib.training.settings import ROWS, SHAPES
from dotlib.transport.lipschitz import LipschitzEstimate

SMALL = Settings(
    Scoring(sets=3, samples=40, batch=16), lrs=(0.5, 0.05, 0.01), steps=(0, 1, 2, 4, 8), early=1, late=4, followed=30
)
SLOW = replace(SMALL, lrs=(0.01, 0.005, 0.001))  # for the printed projection
W = torch.tensor([[3.0, 0.0, 0.0, 4.0]])  # slope of D o G: 5


def linear_pair(prior=Uniform) -> Pair:
    """G: four latents as an image of 2 x 2; D: linear with slope W."""
    G, D = nn.Linear(4, 4, bias=False), nn.Linear(4, 1, bias=False)
    G.weight.data, D.weight.data = torch.eye(4), W.clone()
    return Pair(nn.Sequential(G, nn.Unflatten(1, (1, 2, 2))).eval(), nn.Sequential(nn.Flatten(), D).eval(), prior(4))


def pair_of(prior=Uniform) -> image_pairs.ImagePair:
    return image_pairs.ImagePair(**vars(linear_pair(prior)), name="x", digests={"x": "0"})


def measured(value) -> image_pairs.Measurement:
    """Scores of three sets: value(kind, lr, step, quantity) plus what is common to a set."""
    rows = {}
    blank = dict.fromkeys(Scores.__dataclass_fields__, 0)
    for method in fig9_histories.methods(SMALL):
        kind, _, lr = method.name.partition("-")
        for step in method.steps:
            rows[method.name, step] = {
                "judge": [
                    Scores(
                        **blank
                        | {
                            quantity: value(kind, float(lr), step, quantity) + common
                            for quantity in fig9_histories.QUANTITIES
                        }
                    )
                    for common in (0.0, 5.0, 7.0)
                ]
            }
    constant = LipschitzEstimate(torch.tensor([0.2, 0.4], dtype=torch.float64), 5)
    return image_pairs.Measurement(constant, constant, rows, {})


def as_published(kind, lr, step, quantity):
    """A story in which all that B.2 says is true."""
    progress = lr * step / 0.5  # 1 after the first step at the large rate
    if quantity == "is_mean":
        return 7 + (progress if progress <= 1 else 1.5 - 0.5 * progress)
    if quantity == "fid":
        over = max(progress - 1, 0) * 30 + (0.1 * step if kind == "naive" else 0)
        return 20 - 4 * min(progress, 1) + over
    return 0.5


def reversed_story(kind, lr, step, quantity):
    return -as_published(kind, lr, step, quantity)


# Claims


def verdicts(value, profile="laptop"):
    record = records.start("fig9_histories", profile=profile, dataset="digits", seed=0, parameters={})
    fig9_histories.fill_record(record, measured(value), SMALL)
    return record


def test_every_claim_holds_in_the_published_story_and_none_in_its_reverse():
    assert set(verdicts(as_published).verdicts.values()) == {paper.REPLICATED}
    assert set(verdicts(reversed_story).verdicts.values()) == {paper.CONTRADICTED}
    assert set(verdicts(as_published, "smoke").verdicts.values()) == {paper.SMOKE}


def test_differences_are_paired_over_sets():
    """What is common to a set, 0, 5 or 7, leaves neither a mean nor a width."""
    record = verdicts(as_published)
    text = "lr 0.5: DOT improves FID by update 1"
    assert record.get(text).value == pytest.approx(-4)
    assert record.get(text).interval == pytest.approx((-4, -4))


def test_signs_are_those_of_the_printed_numbers():
    signs = {claim.text: math.copysign(1, claim.printed) for claim in fig9_histories.claims(SMALL)}
    assert len(signs) == len(fig9_histories.claims(SMALL)) == 9
    assert [sign for text, sign in signs.items() if "improves IS" in text or "worsens FID" in text] == [1, 1]
    assert [sign for text, sign in signs.items() if "improves FID" in text or "worsens IS" in text] == [-1, -1]


def test_the_published_side_in_words():
    lines = fig9_histories.claim_table(verdicts(as_published), SMALL).splitlines()
    shown = [line.split("|")[2].strip() for line in lines[2:]]
    assert shown[:4] == ["+1.48", "-1.09", "-4.76", "+41.03"]  # 8.88 - 7.40, and so on
    assert set(shown[4:]) == {"above 0"}


@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
@pytest.mark.parametrize("dataset", list(SHAPES))
def test_claims_ask_only_for_what_is_measured(dataset, profile):
    c = fig9_histories.settings_of(dataset, "dcgan-sngan-hi", profile)
    kept = {(method.name, step) for method in fig9_histories.methods(c) for step in method.steps}
    assert len({method.name for method in fig9_histories.methods(c)}) == 6
    for claim in fig9_histories.claims(c):
        assert {claim.first, claim.second} <= kept and claim.first != claim.second


def test_tables_show_the_claims_and_what_the_text_quotes():
    record = verdicts(as_published)
    lines = fig9_histories.claim_table(record, SMALL).splitlines()
    assert len(lines) == 2 + 9
    cells = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert cells == ["lr 0.5: DOT improves FID by update 1", "-4.76", "-4.000 [-4.000, -4.000]", paper.REPLICATED]
    assert [fig9_histories.printed(score, 0) for score in ("is_mean", "fid")] == [7.40, 22.37]


def test_the_quoted_scores_stand_beside_ours_of_dot_at_the_largest_rate():
    """The story's values plus 4, the mean of what is common to a set."""
    lines = fig9_histories.quoted_table(verdicts(as_published), SMALL).splitlines()
    assert lines[0] == "| updates | IS, paper | FID, paper | IS, digits | FID, digits |"
    assert lines[2] == "| 0, here 0 | 7.40 | 22.37 | 11.00 | 24.00 |"
    assert lines[3].endswith("| 12.00 | 20.00 |") and lines[4].endswith("| 10.50 | 110.00 |")  # progress 1 and 4


def test_a_panel_has_dot_and_naive_at_one_rate():
    unit, lines = fig9_histories.panels(measured(as_published), 0.5)["FID"]
    assert unit == "squared feature units" and list(lines) == ["DOT", "naive"]
    steps, mean, _ = lines["naive"]
    assert list(steps) == list(SMALL.steps) and mean[-1] > lines["DOT"][1][-1]


# Settings


def test_laptop_and_paper_have_the_published_updates():
    for row in ROWS:
        for profile in ("laptop", "paper"):
            c = fig9_histories.settings_of("cifar10", row, profile)
            assert c.lrs == (0.05, 0.005, 0.001) and c.steps[::10] == (0, 100)
            assert (c.early, c.late) == (10, 90) and {10, 90} <= set(c.steps)
            assert c.scoring.sets >= 5 and c.scoring.samples > 2_048


def test_unknown_words_are_refused():
    with pytest.raises(InputError, match="profile"):
        fig9_histories.settings_of("digits", "dcgan-sngan-hi", "smok")
    with pytest.raises(InputError, match="architecture"):
        fig9_histories.settings_of("digits", "sngan-hi", "smoke")


def test_dot_and_naive_differ_in_the_cost_alone():
    both = fig9_histories.methods(SMALL)
    for dot, naive in zip(both[::2], both[1::2], strict=True):
        assert replace(naive, name=dot.name, cost=dot.cost) == dot
        assert (dot.cost, naive.cost) == ("l2", "none")


# Curves


def test_a_curve_has_means_and_paired_half_widths():
    def drifting(kind, lr, step, quantity):
        return 10.0 * step

    m = measured(drifting)
    first = fig9_histories.methods(SMALL)[0].name
    entry = m.rows[first, 8]["judge"]
    m.rows[first, 8]["judge"] = [
        replace(one, fid=one.fid + extra) for one, extra in zip(entry, (-1.0, 0.0, 1.0), strict=True)
    ]
    steps, mean, half = fig9_histories.curve(m, first, "fid")
    assert steps == list(SMALL.steps)
    np.testing.assert_allclose(mean, [10 * step + 4 for step in steps], rtol=1e-12)
    expected = 4.302653 / math.sqrt(3)  # t(0.975, 2) times sd 1 over sqrt(3)
    np.testing.assert_allclose(half, [0, 0, 0, 0, expected], rtol=1e-6, atol=1e-9)


# The ways of latents


def test_the_naive_ascent_goes_straight_until_the_cube_stops_it():
    """A step is lr W / k. With k = 5 the first coordinate gains 0.6 lr a step, the last 0.8 lr."""
    pair = pair_of()
    ways = fig9_histories.ways(pair, 5.0, SMALL, 0)
    z = image_pairs.latents(pair, SMALL.scoring, 0, 0)[: SMALL.followed]
    for lr in SMALL.lrs:
        distance, border = ways[f"naive-{lr:g}"]
        for at, step in enumerate(SMALL.steps):
            end = z.clone()
            end[:, 0] = (z[:, 0] + 0.6 * lr * step).clamp(max=1)
            end[:, 3] = (z[:, 3] + 0.8 * lr * step).clamp(max=1)
            assert distance[at] == pytest.approx(float((end - z).norm(dim=1).mean()), abs=1e-5)
            assert border[at] == pytest.approx(float((end == 1).float().mean()), abs=1e-6)
    assert ways["naive-0.5"][1][-1] == 0.5  # 0.6 * 0.5 * 8 = 2.4: two of four coordinates arrive


def test_latents_stay_where_the_slope_is_below_the_constant():
    """DOT with k twice the slope: no latent gets farther than the norm's delta, plus a step."""
    ways = fig9_histories.ways(pair_of(), 10.0, SMALL, 0)
    for lr in SMALL.lrs:
        assert ways[f"dot-{lr:g}"][0].max() < 1e-3 + 2 * lr
        assert ways[f"dot-{lr:g}"][0][-1] < ways[f"naive-{lr:g}"][0][-1]


def test_ways_are_those_of_the_samples_that_are_judged():
    """G is the identity, so the images that `images.moved` gives are the latents."""
    pair = pair_of()
    z = image_pairs.latents(pair, SMALL.scoring, 0, 0)[: SMALL.followed]
    ways = fig9_histories.ways(pair, 1.0, SMALL, 0)
    for method in fig9_histories.methods(SMALL):
        x = torch.stack([x for _, x in image_pairs.moved(pair, method, z, 1.0)]).flatten(2)
        expected = (x - z).norm(dim=2).mean(1)
        np.testing.assert_allclose(ways[method.name][0], expected, rtol=1e-5, atol=1e-6)


def test_ways_start_at_the_latents():
    for prior in (Uniform, Normal):
        for distance, edge in fig9_histories.ways(pair_of(prior), 5.0, SLOW, 0).values():
            assert distance[0] == 0 and len(distance) == len(edge) == len(SMALL.steps)
            assert edge[0] == 0 if prior is Uniform else 0.7 < edge[0] < 1.2


def test_the_relative_radius_of_the_normal_prior():
    """||z|| / sqrt(4) of the latents themselves, before any step."""
    pair = pair_of(Normal)
    z = image_pairs.latents(pair, SMALL.scoring, 0, 0)[: SMALL.followed]
    _, edge = fig9_histories.ways(pair, 5.0, SLOW, 0)["dot-0.01"]
    assert edge[0] == pytest.approx(float(z.norm(dim=1).mean() / 2), rel=1e-6)


def test_seeds_give_other_latents():
    first, again, other = (fig9_histories.ways(pair_of(), 1.0, SMALL, seed)["dot-0.5"][0] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
