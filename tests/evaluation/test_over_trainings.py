"""Statements over trainings from synthetic tables: planted effects, their mirror images, noise.

Kinds of test: closed forms, invariances (sets and judges inside a training), planted faults.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from training_tables import PAIRS, table

from dotlib.evaluation import over_trainings
from dotlib.evaluation.over_trainings import EQUIVALENT, FIRST, SECOND, UNDECIDED
from dotlib.results import records


def test_the_published_setting_is_that_of_the_architecture():
    assert [over_trainings.published(pair) for pair in (*PAIRS, "digits-cond-hi")] == [20, 10, 32]
    frame = table(3.0, 2.0)
    assert (over_trainings.cells(frame, "naive", "fid") - over_trainings.cells(frame, "bare", "fid")).to_numpy() == (
        pytest.approx(-3.0)
    )


def test_a_planted_difference_is_found_and_its_mirror_image_too():
    words = {
        (naive, dot): {
            each.word for each in over_trainings.compare(table(naive, dot, noise=0.05), "fid", "DOT", "naive", 0.2)
        }
        for naive, dot in ((5.0, 8.0), (8.0, 5.0), (5.0, 5.0))
    }
    assert words == {(5.0, 8.0): {FIRST}, (8.0, 5.0): {SECOND}, (5.0, 5.0): {EQUIVALENT}}


@pytest.mark.parametrize(("single", "word"), [(0.02, SECOND), (0.03, UNDECIDED)])
@pytest.mark.parametrize("other", [1.0, 0.03])
def test_a_word_holds_over_all_pairs_together(single, other, word):
    """Holm of two pairs: the smaller p-value counts twice, so that 0.03 is no difference at 5 %.

    Five trainings that differ by c + (-2, -1, 0, 1, 2) have t = c / sqrt(2.5 / 5), with four degrees of freedom.
    """
    frame = table(5.0, 5.0)
    for pair, p in zip(PAIRS, (single, other), strict=True):
        centre = stats.t.isf(p / 2, 4) * np.sqrt(0.5)
        lines = (frame["dataset"] == pair) & (frame["method"] == "DOT")
        frame.loc[lines, "fid"] += centre + frame.loc[lines, "seed"] - 2.0
    assert over_trainings.compare(frame, "fid", "DOT", "naive")[0].word == word


def test_noise_between_trainings_is_undecided_whatever_judges_and_sets():
    few, many = (table(5.0, 5.5, noise=3.0, judges=n, sets=n) for n in (2, 10))
    for frame in (few, many):
        assert {each.word for each in over_trainings.compare(frame, "fid", "DOT", "naive", 0.2)} == {UNDECIDED}
    widths = [
        np.diff(over_trainings.compare(frame, "fid", "DOT", "naive", 0.2)[0].interval[1]) for frame in (few, many)
    ]
    assert widths[0] == pytest.approx(widths[1])  # more judges and sets are no more trainings


def test_sets_and_judges_of_a_training_are_averaged():
    index = pd.MultiIndex.from_product([["p"], [0, 1], [0], ["a", "b", "c"]], names=over_trainings.CELL)
    values = pd.Series([0.0, 0.0, 3.0, 1.0, 1.0, 1.0], index)
    assert over_trainings.by_training(values).tolist() == [1.0, 1.0]


def test_judges_that_lie_apart_change_nothing_of_a_paired_difference():
    near, far = (table(5.0, 6.0, noise=0.5, level=level) for level in (0.0, 100.0))
    for a, b in zip(*(over_trainings.compare(f, "fid", "DOT", "naive", 0.2) for f in (near, far)), strict=True):
        assert a.difference.to_numpy() == pytest.approx(b.difference.to_numpy()) and a.word == b.word


def test_the_margin_is_a_share_of_what_naive_gains():
    each = over_trainings.compare(table(5.0, 5.9, noise=0.01), "fid", "DOT", "naive", 0.2)[0]
    assert each.margin == pytest.approx(1.0, abs=0.01) and each.word == EQUIVALENT
    assert over_trainings.compare(table(5.0, 6.1, noise=0.01), "fid", "DOT", "naive", 0.2)[0].word == FIRST
    assert over_trainings.compare(table(5.0, 5.9, noise=0.01), "fid", "DOT", "naive")[0].word == FIRST  # no margin


def test_the_pooled_ratio_of_a_constant_effect_and_its_word():
    result = over_trainings.pooled(over_trainings.compare(table(5.0, 4.5), "fid", "DOT", "naive", 0.2), 0.2)
    assert result.ratios.to_numpy() == pytest.approx(np.full(5, 0.1)) and result.word == EQUIVALENT
    far = over_trainings.compare(table(5.0, 2.0, noise=0.1), "fid", "DOT", "naive", 0.2)
    assert over_trainings.pooled(far, 0.2).word == SECOND
    assert over_trainings.pooled(far, 0.2).interval[0] == pytest.approx(0.6, abs=0.05)


def cancelling():
    """The naive ascent changes FID by -4 in even seeds and by +4 in odd ones, DOT by 1 less in all: of mean -0.8."""
    frame = table(0.0, 0.0)
    sign = 1 - 2 * (frame["seed"] % 2)
    moved = frame["method"].isin(["naive", "DOT"])
    frame["fid"] -= 4.0 * sign * moved + 1.0 * (frame["method"] == "DOT")
    return frame


def test_margin_and_pool_take_absolute_values_in_each_training():
    """As the rule is written. The absolute value of the mean would be 0.8 in the place of 4."""
    comparisons = over_trainings.compare(cancelling(), "fid", "DOT", "naive", 0.2)
    assert [each.margin for each in comparisons] == pytest.approx([0.8, 0.8])
    assert over_trainings.pooled(comparisons, 0.2).ratios.to_numpy() == pytest.approx(np.full(5, -0.25))
    of_means = over_trainings.pooled(comparisons, 0.2, of_means=True)
    assert of_means.ratios.to_numpy() == pytest.approx(np.full(5, -1.25))


def test_equivalence_is_corrected_for_the_pairs():
    """One pair is within its margin of 1 at p = 0.03 alone, the other at 0.5: by Holm neither at 5 %."""
    frame, se = table(5.0, 5.0), 1 / stats.t.isf(0.03, 4)
    spread = se * np.sqrt(5 / 2.5) * (np.arange(5.0) - 2)
    for pair, mean in zip(PAIRS, (0.0, 1.0), strict=True):
        moved = (frame["dataset"] == pair) & (frame["method"] == "DOT")
        frame.loc[moved, "fid"] += mean + spread[frame.loc[moved, "seed"]]
    words = [each.word for each in over_trainings.compare(frame, "fid", "DOT", "naive", 0.2)]
    assert EQUIVALENT not in words
    alone = over_trainings.compare(frame[frame["dataset"] == PAIRS[0]], "fid", "DOT", "naive", 0.2)
    assert [each.word for each in alone] == [EQUIVALENT]


def test_the_divisor_of_a_seed_is_its_own():
    """In seed 0 the naive ascent changes twice as much: the ratio of that seed alone is halved."""
    frame = table(4.0, 3.0)
    first = (frame["seed"] == 0) & frame["method"].isin(["naive", "DOT"])
    frame.loc[first, "fid"] -= 4.0
    comparisons = over_trainings.compare(frame, "fid", "DOT", "naive", 0.2)
    assert over_trainings.pooled(comparisons, 0.2).ratios.to_numpy() == pytest.approx([0.125, 0.25, 0.25, 0.25, 0.25])


def test_a_matched_difference_as_a_share_is_positive_where_the_first_is_better():
    """DOT is 2 below the naive ascent at equal rise, of a way of 10, in every training of both pairs."""
    share = over_trainings.matched_share(table(6.0, 5.0), "fid", "DOT", "naive", "D")
    assert share.to_numpy() == pytest.approx(np.full(5, 0.2)) and list(share.index) == [0, 1, 2, 3, 4]


def test_published_is_twenty_updates_and_ten_of_a_resnet():
    shares = over_trainings.shares(table(6.0, 5.0), "fid")
    gain = over_trainings.at_published(shares, "DOT")["gain"]
    assert len(gain) == 10 and gain.to_numpy() == pytest.approx(0.5)  # at 20 updates the ResNet would have 1
    assert set(shares.query("method == 'DOT' and setting == 20")["gain"].round(6)) == {0.5, 1.0}


def test_a_seed_that_one_pair_lacks_is_no_seed_of_the_pool():
    frame = table(5.0, 4.0)
    frame = frame[~((frame["dataset"] == PAIRS[0]) & (frame["seed"] == 2))]
    comparisons = over_trainings.compare(frame, "fid", "DOT", "naive", 0.2)
    assert [len(each.difference) for each in comparisons] == [4, 5]
    assert sorted(over_trainings.pooled(comparisons, 0.2).ratios.index) == [0, 1, 3, 4]


def test_a_mean_over_pairs_is_of_the_seeds_that_all_of_them_have():
    """A second training of one pair only, 90 away, changes no mean over pairs."""
    values = pd.Series({("a", 0): 1.0, ("b", 0): 3.0, ("a", 1): 5.0, ("b", 1): 7.0, ("a", 2): 92.0})
    assert over_trainings.over_pairs(values.rename_axis(over_trainings.TRAINING)).to_dict() == {0: 2.0, 1: 6.0}


def test_matched_at_equal_rise_lies_on_the_curve_of_the_other():
    """DOT ends at D = 2, where naive, 4 at its published setting, has fallen by half of its fall."""
    frame = table(6.0, 5.0)
    for column in ("D", "moved"):
        assert over_trainings.matched(frame, "fid", "DOT", "naive", column).to_numpy() == pytest.approx(3.0 - 5.0)
    short = frame[~((frame["method"] == "naive") & (frame["D"] >= 2.0))]
    assert over_trainings.matched(short, "fid", "DOT", "naive", "D").empty  # not reached: left out, never extrapolated


def test_shares_and_curves_have_their_closed_form():
    frame = table(5.0, 4.0)
    shares = over_trainings.shares(frame, "fid")
    curve = over_trainings.curves(shares).set_index(["method", "trainings"]).sort_values("gain")
    assert set(curve.index) == {(name, 5) for name in ("bare", "real", "naive", "DOT")}
    naive = over_trainings.curves(shares).query("method == 'naive'")
    assert sorted(naive["gain"].round(9))[-1] == pytest.approx(1.0)  # twice the published updates: 10 of 10
    dot = shares.query("method == 'DOT' and setting == 20 and dataset == @PAIRS[0]")
    assert dot["rise"].to_numpy() == pytest.approx(0.5) and dot["gain"].to_numpy() == pytest.approx(0.4)
    assert (shares.query("method == 'real'")["gain"] == 1).all()
    assert (shares.query("method == 'bare'")["gain"].abs() < 1e-12).all()


def test_counts_know_which_way_is_better():
    frame = table(5.0, 8.0, noise=0.05)
    frame["coverage"] = 0.5 - frame["fid"] / 100
    counts = over_trainings.counts(frame, "DOT", "naive", ("fid", "coverage"))
    assert counts.loc["FID"].to_dict() == {"better": 2, "worse": 0, "undecided": 0}
    assert counts.loc["coverage"].to_dict() == {"better": 2, "worse": 0, "undecided": 0}
    against = over_trainings.counts(frame, "naive", "DOT", ("fid", "coverage"))
    assert against.loc["FID"].to_dict() == {"better": 0, "worse": 2, "undecided": 0}


def test_the_wide_pair_is_compared_with_no_other():
    """After each of its lengths it stands alone, so that one generator is never counted as several pairs."""
    names = ("wgan-gp", "sngan-ns", "sngan-ns-wide-10k", "sngan-ns-wide-50k")
    options = {"profile": "laptop", "seed": 0, "parameters": {}}
    kept = [records.start("transport_matters", dataset=f"cifar10-dcgan-{name}", **options) for name in names]
    assert [over_trainings.label_of(record) for record in kept] == [
        "cifar10, laptop",
        "cifar10, laptop",
        "cifar10, laptop, wide-10k",
        "cifar10, laptop, wide-50k",
    ]
