"""Table 1 over trainings: planted tables in which sets agree and trainings do not, and the words that follow.

Kinds of test: planted faults, mirror images, closed forms.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from training_tables import PAIRS, table

from dotlib.evaluation import over_trainings, table1_trainings
from dotlib.metrics import intervals
from dotlib.results import paper

ROWS = [pair.partition("-")[2] for pair in PAIRS]  # dcgan-sngan-ns, resnet-sagan-ns


def both(dot, **options):
    """A table in which FID falls by `dot`, and the inception score rises as it does."""
    frame = table(1.0, dot, **options)
    return frame.assign(is_mean=50 - frame["fid"])


def scattered(changes, sets=5, judges=5):
    """FID changes by these numbers, one for each training, in all sets and judges of it alike."""
    frame = both(0.0, seeds=len(changes), sets=sets, judges=judges)
    moved = frame["method"] == "DOT"
    shift = frame.loc[moved, "seed"].map(dict(enumerate(changes))) * (frame.loc[moved, "setting"] > 5)
    frame.loc[moved, "fid"] += shift
    frame.loc[moved, "is_mean"] -= shift
    return frame


def test_five_sets_of_one_training_agree_and_five_trainings_do_not():
    """Over sets of any one training DOT is better, or worse, beyond doubt; over trainings nothing is decided."""
    frame = scattered([-8.0, 6.0, -7.0, 9.0, -1.0])
    assert set(table1_trainings.verdicts(frame).values()) == {paper.UNDECIDED}
    for seed in range(5):
        of_sets = table1_trainings.changes(frame[frame["seed"] == seed], "fid")[ROWS[0]].values
        assert len(of_sets) == 5 and intervals.p_value(of_sets) < 1e-6


def test_words_over_the_sets_of_one_training_are_not_counted_over_trainings():
    """A data set of which the first training has just been recorded stood in the map as if it had several."""
    one = scattered([-8.0])
    assert any("of 1 training" in word for word in table1_trainings.verdicts(one).values())
    assert table1_trainings.words({"mnist, laptop": one}) == {"mnist, laptop": []}
    frame = scattered([-8.0, -8.1, -7.9])
    half = frame[(frame["dataset"] == PAIRS[0]) | (frame["seed"] == 0)]  # the second pair has one training
    assert sorted(score for score, _ in table1_trainings.words({"mnist, laptop": half})["mnist, laptop"]) == [
        "FID",
        "IS",
    ]
    assert "no row has the 3 trainings that a verdict needs" in table1_trainings.answer({"mnist, laptop": one})
    told = table1_trainings.answer({"mnist, laptop": half})
    assert (
        "On mnist (2 rows, 4 trainings; 1 with at least 3, which a verdict needs) FID falls in 1, rises in 0, and is"
        in told
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([-8.0, -8.1, -7.9, -8.2, -7.8], {paper.REPLICATED}),
        ([8.0, 8.1, 7.9, 8.2, 7.8], {paper.CONTRADICTED}),
    ],
)
def test_trainings_that_agree_are_judged_by_the_sign_of_the_print(changes, words):
    frame = scattered(changes)
    verdicts = table1_trainings.verdicts(frame)
    assert verdicts.keys() == {(row, quantity) for row in ROWS for quantity in ("fid", "is_mean")}
    assert set(verdicts.values()) == words
    told = table1_trainings.words({"digits, laptop": frame})["digits, laptop"]
    assert sorted(told) == [(score, *words) for score in ("FID", "FID", "IS", "IS")]


def test_all_rows_and_scores_share_one_correction():
    """Five values c + (-2 .. 2) with p = 0.02: decided as one claim of two, but not of four."""
    centre = float(stats.t.isf(0.01, 4) * np.sqrt(0.5))
    frame = scattered([-(centre + k) for k in range(-2, 3)])
    assert intervals.p_value(table1_trainings.changes(frame, "fid")[ROWS[0]].values) == pytest.approx(0.02)
    assert set(table1_trainings.verdicts(frame[frame["dataset"] == PAIRS[0]]).values()) == {paper.REPLICATED}
    assert set(table1_trainings.verdicts(frame).values()) == {paper.UNDECIDED}


def test_fewer_than_three_trainings_are_judged_over_sets_and_say_so():
    frame = scattered([-8.0, -8.1], sets=5)
    draw = np.random.default_rng(0).normal(scale=0.1, size=len(frame))
    frame["fid"] += draw
    frame["is_mean"] -= draw
    words = set(table1_trainings.verdicts(frame).values())
    assert words == {f"{paper.REPLICATED}, over 10 sets of 2 trainings"}
    assert ", over 10 sets of 2 trainings |" in table1_trainings.table("fid", frame, {}, "build")
    single = frame[(frame["seed"] == 0) & (frame["set"] == 0)]
    assert table1_trainings.verdicts(single) == {}  # one set has no interval
    assert "no row has the 3 trainings that a verdict needs" in table1_trainings.answer({"digits, laptop": single})


def test_a_row_shows_trainings_share_judges_and_the_pair_of_the_build():
    frame = scattered([-1.0, -2.0, -3.0])
    frame.loc[(frame["method"] == "DOT") & (frame["judge"] == "0"), "fid"] += 0.5
    text = table1_trainings.table("fid", frame, {ROWS[0]: "-9.99 [-9.99, -9.99]"}, "the pair of this build")
    head, _, first, second, real = text.splitlines()
    cells = [cell.strip() for cell in first.strip("| ").split("|")]
    assert head.rstrip("| ").endswith("the pair of this build")
    change = table1_trainings.changes(frame, "fid")[ROWS[0]]
    assert cells[:3] == [ROWS[0], "20.74 → 15.78", "3"]
    assert cells[4] == str(change) and cells[4].startswith("-1.90 [")  # five judges: 0.5 of one is 0.1
    assert cells[5].startswith("+0.19 [") and cells[6] == "-2.00 to -1.50"  # of 10 to the floor
    assert cells[8] == "-9.99 [-9.99, -9.99]" and second.rstrip("| ").endswith("-")
    floor = over_trainings.cells(frame, "real", "fid").mean()
    assert f"| {floor:.2f} |" in real


def test_the_answer_counts_every_row_for_both_scores():
    frame = scattered([-8.0, -8.1, -7.9, -8.2, -7.8])
    text = table1_trainings.answer({"digits, laptop": frame})
    assert text.startswith(
        "On digits (2 rows, 10 trainings) FID falls in 2, rises in 0, and is undecided in 0; IS rises"
    )
    assert "DOT covers +0.80 [+0.78, +0.82] of the way" in text and "over 5 training seeds" in text
    assert "from +0.80 to +0.80 between rows; without dcgan-" in text
    apart = frame.copy()
    apart.loc[(apart["dataset"] == PAIRS[1]) & (apart["method"] == "DOT"), "fid"] += 8.0  # this row gains nothing
    kept = table1_trainings.answer({"digits, laptop": apart})
    assert "DOT covers +0.40 [" in kept and f"without {ROWS[1]} it is +0.80 [+0.78, +0.82]." in kept
    assert "No training is recorded" in table1_trainings.answer({})


def test_records_that_arrive_appear_under_their_own_label():
    """MNIST beside digits: nothing of the page names a data set."""
    frame = scattered([-8.0, -8.1, -7.9])
    mnist = frame.assign(dataset=frame["dataset"].str.replace("digits", "mnist"))
    mnist = mnist[mnist["dataset"] == "mnist-dcgan-sngan-ns"]
    text = table1_trainings.answer({"digits, laptop": frame, "mnist, laptop": mnist})
    assert "On mnist (1 row, 3 trainings) FID falls in 1," in text
    assert isinstance(table1_trainings.changes(mnist, "fid")["dcgan-sngan-ns"].values, pd.Series)


def test_the_share_in_the_answer_is_over_seeds_that_every_row_has():
    frame = scattered([-8.0, -8.1, -7.9, -8.2, -7.8])
    uneven = frame[(frame["dataset"] == PAIRS[0]) | (frame["seed"] < 2)]  # two seeds are no interval
    text = table1_trainings.answer({"digits, laptop": uneven})
    assert "DOT covers +0.80 of the way" in text and "too few seeds are common to all rows for an interval" in text
    three = frame[(frame["dataset"] == PAIRS[0]) | (frame["seed"] < 3)]
    assert "over 3 training seeds" in table1_trainings.answer({"digits, laptop": three})


def test_the_answer_changes_with_the_records():
    """A page's first sentences are computed: trainings in which DOT does harm are told as such."""
    good, bad = ({"digits, laptop": scattered([of, of - 0.1, of + 0.1])} for of in (-8.0, 8.0))
    assert "FID falls in 2, rises in 0, and is undecided in 0; IS rises in 2" in table1_trainings.answer(good)
    assert "FID falls in 0, rises in 2, and is undecided in 0; IS rises in 0" in table1_trainings.answer(bad)


def test_the_forest_has_changes_over_trainings_and_each_judge():
    frame = scattered([-8.0, -8.2, -7.8]).assign(precision=0.5, recall=0.5, coverage=0.5)
    panels, judges, shaded = table1_trainings.forest(frame)
    assert list(panels) == ["FID", "IS", "precision", "recall", "coverage"] and shaded == {"FID": -1, "IS": 1}
    low, mean, high = panels["FID"][ROWS[0]]
    assert (low, high) == pytest.approx(intervals.t_interval(table1_trainings.changes(frame, "fid")[ROWS[0]].values)[1])
    assert mean == pytest.approx(np.mean(judges["FID"][ROWS[0]])) and len(judges["FID"][ROWS[0]]) == 5
    assert panels["recall"] == dict.fromkeys(ROWS, (0.0, 0.0, 0.0))
