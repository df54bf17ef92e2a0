"""Table 7 over trainings: verdicts on planted tables whose answer is known.

Kinds: closed forms (t-intervals, Holm), planted tables in which sets agree and trainings do not, refusals.
"""

import numpy as np
import pandas as pd
import pytest

from dotlib.evaluation import table7_trainings
from dotlib.results import paper, records, tidy

NOISE = 0.05 * np.array([2.0, -1.0, 0.5, -0.5, -1.0])  # of five trainings, mean 0
PAIRS = tuple(f"digits-{row}" for row in table7_trainings.ROWS)


def table(change, *, pairs=PAIRS, noise=NOISE, sets=3, refused=()):
    """Lines of trainings in which a method changes FID by change(pair, method) + noise; IS rises by a tenth of it."""
    lines = []
    for pair in pairs:
        for seed, shift in enumerate(noise):
            for number in range(sets):
                level = {"bare": 30.0, "real": 5.0}
                level |= {method: 30.0 + change(pair, method) + shift for method in ("DOT", "MH-GAN")}
                where = {"dataset": pair, "seed": seed, "set": number, "judge": "classifier", "setting": 1.0}
                for method, fid in level.items():
                    if (pair, seed, method) not in refused:
                        value = fid + 3.0 * number  # of a set, common to all methods
                        others = dict.fromkeys(table7_trainings.OTHERS, 0.5)
                        lines.append(where | {"method": method, "fid": value, "is_mean": 8 - value / 10} | others)
    return pd.DataFrame(lines)


def printed_sign(pair):
    return np.sign(table7_trainings.statements(pair, "fid")[0].change)


def word_of(frame, pair, start):
    (word,) = (word for (of, text), word in table7_trainings.verdicts(frame).items() if of == pair and start in text)
    return paper.kind(word)


def test_a_sign_over_trainings_is_replicated_and_its_mirror_contradicted():
    """DOT 3 below MH-GAN, which goes the printed way by 2."""
    frame = table(lambda pair, method: 2 * printed_sign(pair) - 3 * (method == "DOT"))
    mirror = table(lambda pair, method: -2 * printed_sign(pair) + 3 * (method == "DOT"))
    for pair in PAIRS:
        resolved = abs(table7_trainings.statements(pair, "fid")[0].change) > paper.reprint_gap("fid")
        assert resolved  # as in print
        for of, word in ((frame, paper.REPLICATED), (mirror, paper.CONTRADICTED)):
            assert word_of(of, pair, "s FID") == word  # raises or lowers
            assert word_of(of, pair, "MH-GAN, FID") == word


def test_rows_whose_change_is_apart_from_zero_are_counted():
    """Two rows rise by 3; two do nothing; of the last MH-GAN refused all trainings but two."""
    refused = [(PAIRS[4], seed, "MH-GAN") for seed in range(3)]
    frame = table(lambda pair, _: 3.0 * (pair in PAIRS[1:3]), refused=refused)
    assert table7_trainings.apart(frame, "fid") == table7_trainings.apart(frame, "is_mean") == "2 of 4"


def test_sets_that_agree_are_no_trainings():
    """Five trainings that scatter about 0 decide nothing, however many sets of each say the same."""
    frame = table(lambda *_: -0.1, noise=4 * np.array([1.0, -1.0, 0.5, -0.5, 0.2]), sets=20)
    words = table7_trainings.verdicts(frame)
    assert len(words) == 20
    assert {paper.kind(word) for (_, text), word in words.items() if text.startswith("MH-GAN")} <= {
        paper.UNDECIDED,
        paper.NOT_RESOLVED,
    }


def test_judges_are_averaged_inside_a_training():
    """Two judges that say -3 and +1 of MH-GAN: -1, with one n for each training."""
    one = table(lambda pair, method: -3.0 * (method == "MH-GAN"))
    other = table(lambda pair, method: 1.0 * (method == "MH-GAN")).assign(judge="b")
    found = table7_trainings.difference(pd.concat([one, other]), PAIRS[0], "fid", "MH-GAN", "bare")
    assert found.to_numpy() == pytest.approx(-1.0 + NOISE)


def test_holm_is_over_all_twenty_statements():
    """Five values 1 + s (-2 .. 2) have t = sqrt(2) / s: p = 1.5e-4 and 3.5e-3, only the first outlives Holm."""
    for scale, word in ((0.1, paper.REPLICATED), (0.23, paper.UNDECIDED)):
        noise = scale * (np.arange(5.0) - 2)
        frame = table(lambda pair, method: (method == "MH-GAN") * (pair == PAIRS[1]) * printed_sign(pair), noise=noise)
        assert word_of(frame, PAIRS[1], "s FID") == word


def test_a_training_that_refused_is_left_out_and_counted():
    refused = {(PAIRS[0], 3, "MH-GAN"), *((PAIRS[1], seed, "MH-GAN") for seed in range(3))}
    frame = table(lambda pair, method: -2.0 - (method == "DOT"), refused=refused)
    assert list(table7_trainings.difference(frame, PAIRS[0], "fid", "MH-GAN", "bare").index) == [0, 1, 2, 4]
    assert list(table7_trainings.difference(frame, PAIRS[0], "fid", "DOT", "bare").index) == [0, 1, 2, 3, 4]
    assert not any(pair == PAIRS[1] for pair, _ in table7_trainings.verdicts(frame))  # two trainings are too few
    lines = table7_trainings.score_table("fid", frame, {}, "this build").splitlines()
    assert "| 5, 1 refused |" in lines[2] and "| 5, 3 refused |" in lines[3]
    assert "undecided, too few" in table7_trainings.verdict_table(frame).splitlines()[3]


def test_a_row_shows_print_scores_differences_and_the_build():
    frame = table(lambda pair, method: -2.0 - (method == "DOT"), pairs=PAIRS[:1])
    line, real = table7_trainings.score_table("fid", frame, {"dcgan-wgan-gp": "-1.00"}, "this build").splitlines()[2:]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:6] == ["dcgan-wgan-gp", "27.93", "36.14", "24.14", "5", "33.00"]
    assert cells[6].startswith("-2.00 [") and cells[7].startswith("-3.00 [")
    assert cells[8:] == ["-1.00 [-1.00, -1.00]", "-1.00"]
    assert "| 8.00 |" in real


def test_the_answer_counts_all_statements():
    frame = table(lambda pair, method: 2 * printed_sign(pair) - 3 * (method == "DOT"))
    text = table7_trainings.answer({"digits, laptop": frame})
    assert text.startswith("On digits, laptop, 25 trainings of 5 rows: *MH-GAN changes a row as printed*, by IS: ")
    assert f"; by FID: {paper.REPLICATED} (5). *DOT is better than MH-GAN*, by IS: {paper.REPLICATED} (5); by" in text
    assert "The chains have 1 proposals and the judges are 1 classifiers" in text and text.count(". ") == 2
    assert "No training" in table7_trainings.answer({})


def test_the_answer_turns_with_the_tables():
    frame = table(lambda pair, method: -2 * printed_sign(pair) + 3 * (method == "DOT"))
    text = table7_trainings.answer({"digits, laptop": frame})
    assert f"by FID: {paper.CONTRADICTED} (5). *DOT is better than MH-GAN*, by IS: {paper.CONTRADICTED} (5)" in text
    few = table(lambda *_: -1.0, refused=[(PAIRS[0], seed, "MH-GAN") for seed in range(3)])
    assert "too few trainings (1)" in table7_trainings.answer({"digits, laptop": few})


def test_the_forest_has_differences_over_trainings_and_each_of_them():
    frame = table(lambda pair, method: -2 - 3 * (method == "DOT"), refused=[(PAIRS[1], 0, "MH-GAN")])
    panels, trainings, shaded = table7_trainings.forest(frame)
    assert list(panels) == ["IS\nMH-GAN - bare", "IS\nDOT - MH-GAN", "FID\nMH-GAN - bare", "FID\nDOT - MH-GAN"]
    assert shaded == {"IS\nDOT - MH-GAN": 1, "FID\nDOT - MH-GAN": -1}
    row = table7_trainings.ROWS[0]
    assert trainings["FID\nMH-GAN - bare"][row] == pytest.approx(-2 + NOISE)
    low, mean, high = panels["FID\nMH-GAN - bare"][row]
    assert mean == pytest.approx(-2) and high - mean == pytest.approx(mean - low)
    assert high - mean == pytest.approx(2.776445 * NOISE.std(ddof=1) / 5**0.5, rel=1e-5)
    assert len(trainings["FID\nDOT - MH-GAN"][table7_trainings.ROWS[1]]) == 4  # the refused one is left out


def test_tables_of_a_folder_are_read_with_their_pair_and_seed(tmp_path):
    frame = table(lambda *_: -1.0, pairs=PAIRS[:1])
    for seed in range(2):
        record = records.start("tab7_mhgan", profile="laptop", dataset=PAIRS[0], seed=seed, parameters={})
        lines = frame[frame["seed"] == seed].drop(columns=["dataset", "seed"])
        tidy.write(record, lines.to_dict("records"), tmp_path)
    (found,) = table7_trainings.frames(tmp_path).values()
    assert table7_trainings.pairs(found) == [PAIRS[0]] and set(found["seed"]) == {0, 1}
    assert found["fid"].to_numpy() == pytest.approx(frame[frame["seed"] < 2]["fid"].to_numpy())
