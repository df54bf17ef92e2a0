"""Statements over trainings on any G with any D.

Kinds: planted tables in which sets agree and trainings do not, the rule of the print, Holm's correction (closed form).
"""

import numpy as np
import pytest
from scipy import stats
from swap_tables import OTHERS, A, table

from dotlib.evaluation import table2_trainings
from dotlib.metrics.scores import SCORES
from dotlib.results import paper
from dotlib.training.settings import OBJECTIVES


def test_sets_and_judges_that_agree_are_no_trainings():
    """Five trainings that scatter about 0 decide nothing, however many sets of each say the same."""
    frame = table(lambda *_: -0.1, noise=4 * np.array([1.0, -1.0, 0.5, -0.5, 0.2]), sets=5, judges=5)
    assert table2_trainings.counts(table2_trainings.matrix(frame, "fid")) == {"better": 0, "worse": 0, "undecided": 14}
    one = frame[(frame["seed"] == 1) & frame["method"].isin(["bare", "own D"])]
    fid = one.pivot_table(index="set", columns="method", values="fid")
    assert np.ptp(fid["own D"] - fid["bare"]) < 1e-9  # all sets of one training say -4.1


@pytest.mark.parametrize(("sign", "word"), [(1, paper.REPLICATED), (-1, paper.CONTRADICTED), (0, paper.UNDECIDED)])
def test_a_printed_D_is_judged_by_the_rule_of_the_print(sign, word):
    frame = table(lambda *_: -2.0 * sign)
    words = table2_trainings.verdicts(frame, own=False)
    assert words.keys() == {(kind, quantity) for kind in OBJECTIVES for quantity in table2_trainings.CLAIMS}
    least = {q: paper.reprint_gap(SCORES[q].printed) for q in table2_trainings.CLAIMS}
    for (kind, quantity), found in words.items():
        resolved = abs(table2_trainings.printed_change(kind, quantity)) > least[quantity]
        assert paper.kind(found) == (word if resolved else paper.NOT_RESOLVED)
    if sign == 1:
        assert paper.REPRODUCED in table2_trainings.verdicts(frame, own=True).values()


def test_the_correction_is_over_the_seven_discriminators_of_a_generator():
    """Five values c + (-2 .. 2) have t = c / sqrt(0.5): 0.02 alone is decided, but no more among seven."""
    centre = stats.t.isf(0.01, 4) * np.sqrt(0.5)
    frame = table(lambda row, m: -centre if m == OTHERS[0] else 0.0, noise=np.arange(5.0) - 2)
    cell = table2_trainings.matrix(frame, "fid")[A][OTHERS[0]]
    assert cell.p == pytest.approx(0.14, rel=1e-6) and cell.word == "undecided"
