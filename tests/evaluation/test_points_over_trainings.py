"""Figure 3 over trainings, from synthetic tables: planted effects, their mirror images, trials that mislead.

Kinds of test: closed forms, invariances (trials inside a training), planted faults, identities (what is kept is shown).
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dotlib.errors import FileError
from dotlib.evaluation import points_over_trainings as over
from dotlib.evaluation.over_trainings import FIRST, SECOND, UNDECIDED
from dotlib.results import records, tidy

ROOT_TEN = np.sqrt(10)


def table(dot, naive, *, trials=20, quantity="emd_sqeuclidean", setting="random", g=1.0, noise=0.01):
    """Lines of trainings in which DOT and naive lie at g plus these values, (trainings,); noise is that of a trial."""
    rng, lines = np.random.default_rng(0), []
    for seed, shifts in enumerate(zip(dot, naive, strict=True)):
        target = rng.normal(scale=1.0, size=trials)  # of a trial, shared by its methods
        of_methods = {"real": 0.0, "g": g, "dot": g + shifts[0], "naive": g + shifts[1]}
        for method, level in of_methods.items():
            values = level + target + rng.normal(scale=noise, size=trials)
            lines += [{"seed": seed, "method": method, "trial": t, "value": v} for t, v in enumerate(values)]
    return pd.DataFrame(lines).assign(quantity=quantity, setting=setting)


def verdicts(frame, quantity="emd_sqeuclidean", setting="random"):
    return [at.verdict for at in over.compare(frame, quantity, setting)]


def spread(mean, sd):
    """Ten values with this mean and this standard deviation, whatever their law."""
    values = np.array([-1.5, -1.2, -0.8, -0.3, -0.1, 0.2, 0.4, 0.7, 1.1, 1.5])
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def test_trials_that_agree_in_a_training_decide_nothing_where_trainings_do_not_agree():
    """Each training alone tells DOT from naive by five standard errors of its trials or more; the ten do not."""
    rise = spread(0.2, 1.0), np.roll(spread(0.1, 0.02), 5)
    frame = table(*rise)
    apart = over.differences(frame, "emd_sqeuclidean", "random", "dot", "naive")
    trials = frame.pivot_table(index=["seed", "trial"], columns="method", values="value")
    errors = (trials["dot"] - trials["naive"]).groupby("seed").sem()
    assert (np.abs(apart) > 5 * errors).all() and (apart < 0).any() and (apart > 0).any()
    assert verdicts(frame) == [UNDECIDED, UNDECIDED, "holds"]
    assert verdicts(table(*rise, trials=200)) == [UNDECIDED, UNDECIDED, "holds"]  # more trials change nothing


def test_signed_ranks_see_what_a_t_test_leaves_open_and_change_no_verdict():
    """Ten signs that agree, one of them far out: p by ranks is 2 / 2^10, and 3 times that by Holm is below 5 %."""
    far = np.array([-0.1, -0.11, -0.12, -0.13, -0.14, -0.15, -0.16, -0.17, -0.18, -5.0])
    frame = table(far, np.linspace(0.3, 0.4, 10))
    assert verdicts(frame) == [UNDECIDED, UNDECIDED, "holds"]
    first, second = over.by_ranks({"swissroll": frame}).split("; ")
    assert first == 'swissroll, squared cost, random, "DOT is better than naive": holds in the place of undecided'
    assert second == 'swissroll, squared cost, random, "DOT is not worse than G": holds in the place of undecided'
    assert over.by_ranks({"swissroll": table(spread(-0.2, 0.01), spread(0.3, 0.01))}) == "none"


def test_a_planted_order_is_found_and_so_is_its_mirror_image():
    better, worse = spread(-0.2, 0.05), spread(0.3, 0.05)
    assert verdicts(table(better, worse)) == ["holds", "holds", "holds"]
    assert verdicts(table(worse, better)) == ["fails", "fails", "fails"]
    found = over.compare(table(better, worse), "emd_sqeuclidean", "random")
    assert [at.word for at in found] == [FIRST, FIRST, SECOND]
    assert [at.claim.text for at in found] == [
        "DOT is better than naive",
        "DOT is not worse than G",
        "naive is worse than G",
    ]
    mean, (low, high) = found[1].ends
    assert mean == pytest.approx(-0.2, abs=0.01) and high - low == pytest.approx(2 * 2.262 * 0.05 / ROOT_TEN, rel=0.1)


@pytest.mark.parametrize(("p", "word"), [(0.016, SECOND), (0.018, UNDECIDED)])
def test_a_word_holds_over_the_three_comparisons_together(p, word):
    """Holm: the smallest of three p-values counts three times, so that 0.018 is no difference at 5 %."""
    middle = stats.t.isf(p / 2, 9) / ROOT_TEN
    naive = spread(middle, 1.0)
    dot = naive + 3 * np.roll(spread(0.0, 1.0), 3)
    found = over.compare(table(dot, naive, noise=0.0), "emd_sqeuclidean", "random")
    assert found[2].word == word and [at.word for at in found[:2]] == [UNDECIDED] * 2


def test_the_targets_of_a_trial_cancel_and_trials_are_averaged_inside_a_training():
    frame = table(spread(-0.2, 0.1), np.zeros(10), noise=0.0)
    apart = over.differences(frame, "emd_sqeuclidean", "random", "dot", "g")
    assert apart.to_numpy() == pytest.approx(spread(-0.2, 0.1)) and list(apart.index) == list(range(10))
    half = frame[(frame["seed"] != 3) | (frame["trial"] < 5)]  # one training with fewer trials counts as one
    again = over.differences(half, "emd_sqeuclidean", "random", "dot", "g")
    assert again.to_numpy() == pytest.approx(apart.to_numpy())


def test_every_reading_of_a_set_is_a_row_and_a_column():
    claimed = spread(-0.2, 0.05), spread(0.3, 0.05)
    two = [
        table(*claimed),
        table(*claimed[::-1], quantity="emd_sqeuclidean", setting="balanced"),
        table(*claimed, quantity="energy_distance"),
    ]
    near = table(spread(0.2, 0.01), spread(0.3, 0.01), quantity="near", g=0.5)
    trainings = {"25gaussians": pd.concat([*two, near]), "swissroll": two[2]}
    lines = over.statement(trainings).splitlines()
    assert lines[0] == ("| over trainings | squared cost, random | squared cost, balanced | energy distance, random |")
    assert (
        lines[2] == "| 25gaussians: DOT is better than naive | holds (10 of 10) | fails (0 of 10) | holds (10 of 10) |"
    )
    assert lines[5] == "| swissroll: DOT is better than naive | - | - | holds (10 of 10) |" and len(lines) == 8
    (row,) = over.quality_table(trainings).splitlines()[2:]
    assert row.startswith("| 25gaussians, share within 4 sigma | ") and row.count("higher, +") == 2
    assert "| lower, -0.098 [" in row  # DOT - naive, -0.1 but for noise
    assert over.statement({}).startswith("No training is recorded yet")
    assert over.quality_table({}) == over.interval_table({}, {}) == "-"


def test_the_answer_has_the_published_reading_and_counts_all_of_them():
    """The other reading of the 25 Gaussians says the opposite; mirrored tables give the mirrored sentence."""
    better, worse = spread(-0.2, 0.05), spread(0.3, 0.05)
    open_ = np.roll(spread(0.0, 1.0), 3)

    def told(first, second):
        both = pd.concat([table(*first), table(*second, quantity="energy_distance")])
        return over.answer({"25gaussians": both, "swissroll": table(better, open_)})

    text = told((better, worse), (worse, better))
    assert text.startswith(
        "By the distance of Figure 3, on 25gaussians (10 trainings) *DOT is better than naive* holds, *DOT is not "
        "worse than G* holds, *naive is worse than G* holds; on swissroll (10 trainings) *DOT is better than naive* is "
    )
    assert (
        "Of the 3 readings of the distance on these sets, *DOT is better than naive* holds in 1 and fails in 1, "
        in text
    )
    assert (
        "*DOT is not worse than G* holds in 2 and fails in 1, *naive is worse than G* holds in 1 and fails in 1;"
        in text
    )
    mirrored = told((worse, better), (worse, better))
    assert (
        "on 25gaussians (10 trainings) *DOT is better than naive* fails, *DOT is not worse than G* fails," in mirrored
    )
    assert "*DOT is better than naive* holds in 0 and fails in 2" in mirrored
    assert text.count(". ") == mirrored.count(". ") == 2  # three sentences
    assert over.answer({}).startswith("No training is recorded yet")


def test_a_method_nearer_to_the_data_than_real_points_are_is_below_0():
    """Real points lie at 0, G at -0.5, and DOT 0.2 below it."""
    frame = table(spread(-0.2, 0.05), spread(0.3, 0.05), g=-0.5, noise=1e-6)
    balanced = table(spread(-0.2, 0.05), spread(0.3, 0.05), g=0.5, noise=1e-6, setting="balanced")
    rows = over.floor_table({"a": pd.concat([frame, balanced]), "b": frame}).splitlines()
    assert rows[0] == "| minus real points | squared cost, random | squared cost, balanced |" and len(rows) == 8
    assert rows[2].startswith("| a, G | -0.5000 [-0.5000, -0.5000] | +0.5000 [")
    assert rows[3].startswith("| a, DOT | -0.7000 [-0.73") and rows[7].endswith(" | - |")
    assert over.floor_table({}) == "-"


def test_the_interval_of_one_pair_stands_beside_that_over_trainings():
    frame = table(spread(-0.2, 0.05), spread(0.3, 0.05))
    record = records.Record("fig3_audit", "laptop", "25gaussians", 0, {})
    for claim in over.CLAIMS:
        where = {"method": claim.first, "setting": "random", "against": claim.second}
        record.put("emd_sqeuclidean", 0.5, interval=(0.25, 0.75), n=20, unit="", **where)
    rows = over.interval_table({"25gaussians": frame}, {"25gaussians": record}).splitlines()[2:]
    assert len(rows) == 3 and rows[0].startswith("| 25gaussians, squared cost, random: DOT - naive | -0.49")
    assert all(row.endswith(" | +0.5000 [+0.2500, +0.7500] (20) |") for row in rows)
    assert [row.split(" | ")[2:4] for row in rows] == [
        ["10 of 10", "holds"],
        ["10 of 10", "holds"],
        ["0 of 10", "holds"],
    ]
    assert over.interval_table({"25gaussians": frame}, {}).splitlines()[2].endswith(" | - |")
    panels = over.shares({"25gaussians": frame}, {"25gaussians": record})
    assert list(panels) == ["25gaussians, DOT - naive", "25gaussians, DOT - G", "25gaussians, naive - G"]
    values, ends, one = panels["25gaussians, DOT - G"]["squared cost, random"]
    level = frame[frame["method"] == "g"]["value"].mean()
    assert values.to_numpy() * level == pytest.approx(spread(-0.2, 0.05), abs=0.01)
    assert ends[0] < ends[1] < ends[2] < 0 and one * level == pytest.approx([0.25, 0.5, 0.75])
    assert over.shares({"25gaussians": frame}, {})["25gaussians, DOT - G"]["squared cost, random"][2] is None


def test_records_of_laptop_trainings_are_found_with_their_tables(tmp_path):
    """Another profile, another page and a set with one training are left out."""
    assert over.stored(tmp_path) == {}
    for stem, profile, dataset, seed in (
        ("fig3_audit", "laptop", "25gaussians", 0),
        ("fig3_audit", "laptop", "25gaussians", 7),
        ("fig3_audit", "laptop", "swissroll", 0),
        ("fig3_audit", "paper", "25gaussians", 1),
        ("fig3_audit", "paper", "25gaussians-authors", 0),
        ("fig3_toy", "laptop", "25gaussians", 1),
    ):
        record = records.Record(stem, profile, dataset, seed, {}, made={"started": 0.0, "seconds": 1.0})
        for label, value in (("a", 0.1 * seed), ("b", 1.0 + seed)):
            record.put("W1", value, interval=(0, 1), n=5, unit="", method="dot", setting=label, against="before")
        record.put("emd_euclidean", -1.0, interval=(-2, 0), n=5, unit="", method="to", setting="random", against="g")
        tidy.write(
            record, [{"quantity": "near", "setting": "random", "method": "g", "trial": 0, "value": 0.5}], tmp_path
        )
    kept = over.stored(tmp_path)
    assert {name: [record.seed for record in of_name] for name, of_name in kept.items()} == {"25gaussians": [0, 7]}
    frame = over.frames(kept, tmp_path)["25gaussians"]
    assert list(frame["seed"]) == [0, 7] and list(over.means(frame, "near", "random")["g"]) == [0.5, 0.5]
    rows = over.change_table(kept, quantity="W1", against="before").splitlines()
    half = 12.7062 * 0.7 / 2  # of two values 0.7 apart, t at 97.5 % with one degree of freedom
    assert rows[2] == f"| 25gaussians, a | +0.3500 [{0.35 - half:+.4f}, {0.35 + half:+.4f}] | 0 of 2 |"
    (row,) = over.change_table(kept, method="to", against="g").splitlines()[2:]
    assert row == "| 25gaussians, W1 cost, random | -1.0000 [-1.0000, -1.0000] | 2 of 2 |"
    assert len(rows) == 4 and over.change_table({}, quantity="W1") == "-"
    (tmp_path / "fig3_audit" / "laptop-25gaussians-s7.csv").write_text("changed", encoding="utf-8")
    with pytest.raises(FileError, match=r"laptop-25gaussians-s7\.csv: is not the table"):
        over.frames(kept, tmp_path)
