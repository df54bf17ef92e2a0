"""k = 1 against k_eff over trainings. Kinds of test: planted effects, a second method, golden numbers, refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dotlib.evaluation import keff_trainings
from dotlib.metrics import intervals
from dotlib.results import paper, records, tidy
from dotlib.training.settings import OBJECTIVES


def planted(gap, *, k_eff=0.5, seeds=5, noise=0.1):
    """Trainings of all DCGANs in which k_eff has an FID lower by `gap` than k = 1, and an IS higher by as much."""
    rng, lines = np.random.default_rng(0), []
    for kind in OBJECTIVES:
        for seed in range(seeds):
            change = gap + noise * rng.normal()
            for number in range(2):
                for judge in range(3):
                    base = {"dataset": f"digits-dcgan-{kind}", "seed": seed, "set": number, "judge": str(judge)}
                    level = 5.0 * judge + number  # sets and judges lie far apart, and must not count as trainings
                    for method, sign in (("DOT", 1), ("DOT, k = 1", 0)):
                        for setting in (5.0, 10.0, 20.0, 40.0):
                            score = {"fid": 30 + level - sign * change, "is_mean": 5 + level + sign * change}
                            lines.append(base | {"method": method, "setting": setting, "k_eff": k_eff} | score)
    return pd.DataFrame(lines)


def test_an_effect_over_trainings_has_the_printed_sign_and_its_opposite_contradicts():
    of = {gap: keff_trainings.verdicts(planted(gap)) for gap in (1.0, -1.0)}
    for text in ("sagan-hi, FID, 20 updates", "sagan-hi, IS, 10 updates"):
        assert of[1.0][text] == paper.REPLICATED and of[-1.0][text] == paper.CONTRADICTED
    assert of[1.0]["wgan-gp, FID, 20 updates"].startswith(paper.NOT_RESOLVED)
    assert len(of[1.0]) == len(keff_trainings.claims()) == 20


def test_the_n_is_the_number_of_trainings_and_of_nothing_else():
    values = keff_trainings.difference(planted(1.0), ("sagan-hi", 20, "fid")).k_eff_minus_1
    assert list(values.index) == list(range(5)) and values.mean() == pytest.approx(-1.0, abs=0.2)


def test_sets_and_judges_that_agree_do_not_decide_where_trainings_do_not():
    """The fault that this page had: six sets and judges of each training say the same, the trainings do not."""
    words = keff_trainings.verdicts(planted(0.0, noise=3.0))
    assert {word for word in words.values() if not word.startswith(paper.NOT_RESOLVED)} == {paper.UNDECIDED}


def test_a_training_whose_constant_exceeds_1_is_read_the_other_way_round():
    frame = planted(1.0)
    frame.loc[frame["seed"] == 2, "k_eff"] = 3.0
    values = keff_trainings.difference(frame, ("sngan-ns", 10, "fid"))
    same = values.lower_minus_higher == values.k_eff_minus_1
    assert list(same) == [True, True, False, True, True]
    assert values.lower_minus_higher[2] == -values.k_eff_minus_1[2]


def test_fewer_than_three_trainings_have_no_verdict():
    frame = planted(1.0, seeds=2)
    assert keff_trainings.verdicts(frame) == {} and keff_trainings.words({"digits, laptop": frame}) == {
        "digits, laptop": []
    }
    assert "not judged" in keff_trainings.answer({"digits, laptop": frame})


def test_the_answer_has_the_largest_change_of_each_score_with_its_network():
    frame = planted(1.0)
    text = keff_trainings.answer({"digits, laptop": frame})
    changes = {key: keff_trainings.difference(frame, key).k_eff_minus_1 for key in keff_trainings.claims().values()}
    of_fid = {key: each for key, each in changes.items() if key[2] == "fid"}
    kind, updates, _ = most = max(of_fid, key=lambda key: abs(of_fid[key].mean()))
    shown = intervals.changed(of_fid[most])
    assert f"The largest change measured in FID is {shown} ({kind}, {updates} updates)." in text
    assert text.count("The largest change measured") == 2


def test_the_table_has_the_word_over_trainings_and_the_change_of_one_training_under_its_own_head():
    frame, here = planted(1.0), {"sagan-hi, FID, 20 updates": "-9 [-10, -8]"}
    head, _, *rows = keff_trainings.table(frame, here, "one training").splitlines()
    assert head.count("one training") == 2 and len(rows) == 2 * len(OBJECTIVES)
    (row,) = (row for row in rows if "sagan-hi, 20" in row)
    assert row.endswith(f"| {paper.REPLICATED} | -9 [-10, -8] |")


def test_the_map_counts_both_scores_apart():
    told = keff_trainings.words({"digits, laptop": planted(1.0)})["digits, laptop"]
    assert {score for score, _ in told} == {"FID", "IS"} and len(told) == len(keff_trainings.claims())


def test_the_recorded_trainings_give_what_pandas_and_scipy_give():
    """No FID of the page is decided over trainings, and SNGAN(ns) has the differences that pandas alone finds."""
    frame = keff_trainings.frames()["digits, laptop"]
    words = keff_trainings.verdicts(frame)
    assert {paper.kind(word) for text, word in words.items() if ", FID," in text} == {
        paper.UNDECIDED,
        paper.NOT_RESOLVED,
    }
    parts = []
    for seed in range(5):
        table = pd.read_csv(records.KEPT / "transport_matters" / f"laptop-digits-dcgan-sngan-ns-s{seed}.csv")
        scores = table[table["setting"] == 20].groupby("method")["fid"].mean()
        parts.append(scores["DOT"] - scores["DOT, k = 1"])
    values = keff_trainings.difference(frame, ("sngan-ns", 20, "fid")).k_eff_minus_1
    assert list(values) == pytest.approx(parts, rel=1e-9)
    assert stats.ttest_1samp(parts, 0)[1] > 0.5  # over the sets of seed 0 alone it was "contradicted"


def test_frames_have_the_constant_of_their_training(tmp_path):
    for seed, k in ((0, 0.25), (1, 2.0)):
        record = records.start(
            "transport_matters", profile="laptop", dataset="digits-dcgan-sngan-ns", seed=seed, parameters={}
        )
        record.put("k_eff", k, method="own", unit="")
        tidy.write(record, [{"method": "bare", "setting": 1.0, "fid": 1.0}], tmp_path)
    frame = keff_trainings.frames(tmp_path)["digits, laptop"]
    assert dict(zip(frame["seed"], frame["k_eff"], strict=True)) == {0: 0.25, 1: 2.0}
