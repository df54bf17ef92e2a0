"""Table 7: its print, its verdicts, its tables.

Kinds: claims of the paper from print alone, verdicts on made-up scores whose sign is known,
identities (what a table shows is in the record).
"""

from dataclasses import replace

import pytest

from dotlib.evaluation import comparison_tables
from dotlib.evaluation.comparison import Point
from dotlib.experiments import tab7_mhgan
from dotlib.results import paper, records
from dotlib.samplers.base import Cost
from dotlib.training.settings import OBJECTIVES


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


def judged(pair, profile="laptop", points=POINTS):
    record = records.start("tab7_mhgan", profile=profile, dataset="digits-x", seed=0, parameters={})
    comparison_tables.put_points(record, points)
    record.put("fid", 3.5, unit="squared feature units", method="real")
    tab7_mhgan.put_differences(record, points)
    tab7_mhgan.put_verdicts({pair: record})
    return record


def test_a_row_is_judged_by_sign():
    assert judged("cifar10-dcgan-sngan-hi").verdicts == {
        "MH-GAN raises IS": paper.REPLICATED,
        "MH-GAN lowers FID": paper.UNDECIDED,  # by 1, 0.5 and 2; the interval holds 0
        "DOT looks better than MH-GAN, IS": paper.UNDECIDED,
        "DOT looks better than MH-GAN, FID": paper.REPLICATED,
    }


def test_the_mirror_image_is_contradicted():
    mirror = [
        replace(point, scores={name: [-value for value in values] for name, values in point.scores.items()})
        for point in POINTS
    ]
    assert judged("cifar10-dcgan-sngan-hi", points=mirror).verdicts == {
        "MH-GAN raises IS": paper.CONTRADICTED,
        "MH-GAN lowers FID": paper.UNDECIDED,
        "DOT looks better than MH-GAN, IS": paper.UNDECIDED,
        "DOT looks better than MH-GAN, FID": paper.CONTRADICTED,
    }


def test_the_printed_sign_is_that_of_the_row():
    """In print MH-GAN worsens FID of WGAN-GP on CIFAR-10; here it lowers it, by 6, 5.9 and 6."""
    better = [*POINTS[:2], point("MH-GAN", 500, (24.0, 25.1, 26.0), (5.4, 5.5, 5.65))]
    verdicts = judged("digits-dcgan-wgan-gp", points=better).verdicts
    assert verdicts["MH-GAN raises FID"] == paper.CONTRADICTED
    assert "MH-GAN lowers FID" not in verdicts
    assert judged("stl10-dcgan-wgan-gp", points=better).verdicts["MH-GAN lowers FID"] == paper.REPLICATED


def test_all_pairs_of_the_table_share_one_correction():
    """Alone, p is 0.0082 and 0.0016; among the twenty claims of five pairs, the first is no longer small."""
    rows = {f"digits-dcgan-{kind}": judged(f"digits-dcgan-{kind}") for kind in OBJECTIVES}
    tab7_mhgan.put_verdicts(rows)
    assert {record.verdicts["DOT looks better than MH-GAN, FID"] for record in rows.values()} == {paper.UNDECIDED}
    raised = [word for record in rows.values() for text, word in record.verdicts.items() if text == "MH-GAN raises IS"]
    assert raised == [paper.REPLICATED] * 4


def test_smoke_compares_nothing_and_a_row_that_is_not_printed_gets_no_verdict():
    smoke = judged("digits-dcgan-wgan-gp", "smoke").verdicts
    assert set(smoke.values()) == {paper.SMOKE} and len(smoke) == 4
    assert judged("digits-resnet-sagan-hi").verdicts == {}


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
    record = judged("digits-dcgan-wgan-gp")
    assert tab7_mhgan.cell(record, "DOT", "fid", interval=False) == "26.17 (-4.83)"
    assert tab7_mhgan.cell(record, "bare", "fid") == "31.00"


def test_a_refusal_is_shown_and_compares_nothing():
    refused = [*POINTS[:2], Point("MH-GAN", 500, {}, [], [], [], "real_logits: separable")]
    for profile, word in (("laptop", paper.REFUSED), ("smoke", paper.SMOKE)):
        record = judged("digits-dcgan-wgan-gp", profile, refused)
        assert set(record.verdicts.values()) == {word} and len(record.verdicts) == 4
        assert record.parameters["refused"] == {"MH-GAN, 500": "real_logits: separable"}
    line = tab7_mhgan.score_table("fid", {"digits-dcgan-wgan-gp": record}).splitlines()[2]
    assert line.split("|")[6].strip() == "refused"


def test_tables_show_what_the_records_hold():
    rows = {"digits-dcgan-wgan-gp": judged("digits-dcgan-wgan-gp")}
    line, real = tab7_mhgan.score_table("fid", rows).splitlines()[2:]
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "dcgan-wgan-gp",
        "27.93",
        "36.14",
        "24.14",
        "31.00",
        "29.83 (-1.17 [-3.06, +0.73])",
        "26.17 (-4.83 [-5.55, -4.12])",
    ]
    assert "| real images | - | - | - | 3.50 | - | - |" in real
    cells = tab7_mhgan.verdict_table(rows).splitlines()[2].split("|")
    assert [cell.strip() for cell in cells[2:6]] == [
        f"raises: {paper.REPLICATED}",
        "undecided",
        "raises: undecided",
        paper.REPLICATED,
    ]
