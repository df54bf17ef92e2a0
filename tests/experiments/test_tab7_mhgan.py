"""Table 7: its print, and what the page shows of one build.

Kinds: claims of the paper from print alone, identities (what a table shows is in the record). Verdicts are those over
trainings, `evaluation/test_table7_trainings.py`.
"""

import pytest

from dotlib.evaluation import comparison_records, table7_trainings
from dotlib.evaluation.comparison import Point
from dotlib.experiments import tab7_mhgan
from dotlib.metrics import intervals
from dotlib.results import paper, records
from dotlib.samplers.base import Cost


def point(method, setting, fid, is_mean):
    return Point(
        method,
        setting,
        {"fid": list(fid), "is_mean": list(is_mean)},
        [Cost(3, 2, 1, 0.5)] * 3,
        [Cost(10, 20, 0, 0.1)] * 3,
        [],
    )


POINTS = [
    point("bare", 1, (30.0, 31.0, 32.0), (5.0, 5.1, 5.2)),
    point("DOT", 20, (25.0, 26.5, 27.0), (5.5, 5.6, 5.9)),
    point("MH-GAN", 500, (29.0, 30.5, 30.0), (5.4, 5.5, 5.65)),
]


def built(points=POINTS):
    record = records.start("tab7_mhgan", profile="laptop", dataset="digits-x", seed=0, parameters={})
    comparison_records.put_points(record, points)
    tab7_mhgan.put_differences(record, points)
    return record


def test_in_print_dot_is_better_in_fid_always_and_in_is_not_for_sngan_hinge():
    """[DOT19] B.2 says "in all cases"; its own tables say so of FID alone."""
    table, counts = tab7_mhgan.claims_in_print()
    assert counts["printed"] == counts["fid_better"] == 10 and counts["is_better"] == 8
    behind = [line.split("|")[1].strip() for line in table.splitlines() if "**no**" in line]
    assert behind == ["cifar10, sngan-hi", "stl10, sngan-hi"]


def test_in_print_mhgan_worsens_some_generators():
    _, counts = tab7_mhgan.claims_in_print()
    assert counts["is_worse"] == 2  # SNGAN(ns) on both sets
    assert counts["fid_worse"] == 4  # besides, WGAN-GP on CIFAR-10 and SAGAN(hi) on STL-10


def test_losses_beyond_the_reprints_are_counted_apart(monkeypatch):
    """In print the losses in FID are 8.21, 2.51, 4.92 and 3.44, those in IS 0.26 and 0.62."""
    _, counts = tab7_mhgan.claims_in_print()
    assert (counts["is_beyond"], counts["fid_beyond"]) == (2, 4)
    monkeypatch.setattr(paper, "reprint_gap", {"is": 0.27, "fid": 3.0}.get)
    _, counts = tab7_mhgan.claims_in_print()
    assert (counts["is_beyond"], counts["is_worse"]) == (1, 2)
    assert (counts["fid_beyond"], counts["fid_worse"]) == (3, 4)


def test_chains_that_ran_twice_are_counted_from_the_proposals():
    """100 chains of 500 proposals, of which 20 ran twice: each of those has 501 proposals more."""
    proposals = 100 * 500 + 20 * 501
    chain = Point("MH-GAN", 500, {}, [], [], [100 / proposals])
    assert tab7_mhgan.unmoved(chain) == pytest.approx([0.2])
    assert tab7_mhgan.unmoved(Point("MH-GAN", 500, {}, [], [], [1 / 500])) == pytest.approx([0.0])


def test_a_cell_has_the_change_with_or_without_its_interval():
    record = built()
    assert tab7_mhgan.cell(record, "DOT", "fid", interval=False) == "26.17 (-4.83)"
    assert tab7_mhgan.cell(record, "MH-GAN", "fid") == "29.83 (-1.17 [-3.06, +0.73])"
    assert tab7_mhgan.cell(record, "bare", "fid") == "31.00"
    assert tab7_mhgan.change(record)["fid"] == "-1.17 [-3.06, +0.73]"


def test_a_refusal_is_shown_and_compares_nothing():
    record = built([*POINTS[:2], Point("MH-GAN", 500, {}, [], [], [], "real_logits: separable")])
    assert record.parameters["refused"] == {"MH-GAN, 500": "real_logits: separable"}
    assert not any(record.rows(against="MH-GAN"))
    assert tab7_mhgan.cell(record, "MH-GAN", "fid") == "refused"
    assert tab7_mhgan.change(record) == {"fid": "refused", "is_mean": "refused"}


def test_what_try_it_says_of_the_trainings_of_seed_1_holds():
    """FID rises in the four rows that run, by intervals over sets that are shorter than those over trainings."""
    (frame,) = table7_trainings.frames().values()
    for row in table7_trainings.ROWS:
        pair = f"digits-{row}"
        record = records.find("tab7_mhgan", profile="laptop", dataset=pair, seed=1, folder=records.KEPT)
        if row == "dcgan-sngan-hi":
            assert "separable" in str(record.parameters["refused"])
            continue
        low, high = tab7_mhgan.row(record, "MH-GAN", "fid", "bare").interval
        over = intervals.t_interval(table7_trainings.difference(frame, pair, "fid", "MH-GAN", "bare"))[1]
        assert low > 0 and high - low < over[1] - over[0]
