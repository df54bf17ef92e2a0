"""Records, tables and figures of a contest of samplers.

Kinds: identities (numbers of a table are those of the points), claims of Table 7 from print alone,
failures.
"""

import numpy as np
import pytest
from scipy import stats

from dotlib import published, records, sampler_plots, sampler_reporting
from dotlib.calibration import Reliability
from dotlib.errors import BadInput
from dotlib.frontier import Point
from dotlib.image_config import KINDS
from dotlib.sampling import Cost


def point(method, dial, fid, is_mean=(5.0, 5.1, 5.2), acceptance=None):
    n = len(fid)
    return Point(method, dial, {"fid": list(fid), "is_mean": list(is_mean)},
                 [Cost(3, 2, 1, 0.5)] * n, [Cost(10, 20, 0, 0.1)] * n, [acceptance] * n)


BARE = point("bare", 1, (30.0, 31.0, 32.0))
DOT = point("DOT", 20, (25.0, 26.5, 27.0), (5.5, 5.6, 5.9))
MH = point("MH-GAN", 500, (29.0, 30.5, 30.0), (5.4, 5.5, 5.9), acceptance=0.002)
POINTS = [BARE, DOT, MH]


def record(profile="laptop"):
    return records.start("tab7_mhgan", profile=profile, dataset="digits-x", seed=0, parameters={})


def test_a_record_holds_scores_differences_and_costs():
    kept = record()
    sampler_reporting.put_points(kept, POINTS)
    assert kept["bare_fid"] == 31.0 and kept.sd("bare_fid") == 1.0
    difference = np.array([-5.0, -4.5, -5.0])
    assert kept["dot20_minus_bare_fid"] == pytest.approx(difference.mean())
    half = stats.t.ppf(0.975, 2) * difference.std(ddof=1) / np.sqrt(3)
    assert kept.interval("dot20_minus_bare_fid") == pytest.approx(
        (difference.mean() - half, difference.mean() + half))
    assert kept["mh-gan500_evaluations"] == 3 + 2 + 2 and kept["dot20_seconds"] == 0.5
    assert kept["mh-gan500_acceptance"] == pytest.approx(0.002)
    assert "dot20_acceptance" not in kept.values and "bare_minus_bare_fid" not in kept.values


def test_a_row_of_table_7_is_judged_by_sign():
    kept = record()
    sampler_reporting.put_points(kept, POINTS)
    sampler_reporting.judge_table7(kept, POINTS, "cifar10-dcgan-sngan-hi")
    assert kept.verdicts == {  # MH lowers FID by 1, 0.5 and 2; the interval holds 0
        "MH-GAN raises IS": published.REPRODUCED,
        "MH-GAN lowers FID": published.SAME_SIGN,
        "DOT looks better than MH-GAN, IS": published.SAME_SIGN,
        "DOT looks better than MH-GAN, FID": published.REPRODUCED}
    kept = record("smoke")
    sampler_reporting.put_points(kept, POINTS)
    sampler_reporting.judge_table7(kept, POINTS, "digits-dcgan-wgan-gp")
    assert set(kept.verdicts.values()) == {published.SMOKE}
    assert "MH-GAN raises FID" in kept.verdicts  # as printed for this row
    kept = record()
    sampler_reporting.judge_table7(kept, POINTS, "digits-resnet-sagan-hi")
    assert not any(claim.startswith("MH-GAN") for claim in kept.verdicts)


def test_in_print_dot_is_better_in_fid_always_and_in_is_not_for_sngan_hinge():
    """[DOT19] B.2 says "in all cases"; its own tables say so of FID alone."""
    better = {}
    for dataset in ("cifar10", "stl10"):
        for kind in KINDS:
            for name, sign in (("is_mean", 1), ("fid", -1)):
                mh = sampler_reporting.table7(f"{dataset}-dcgan-{kind}", "mhgan", name)
                dot = published.value(f"tab1.{dataset}.dcgan.{kind}.dot."
                                      f"{'is' if name == 'is_mean' else 'fid'}")
                better[dataset, kind, name] = sign * (dot.value - mh.value) > 0
    assert [key for key, is_better in better.items() if not is_better] == [
        ("cifar10", "sngan-hi", "is_mean"), ("stl10", "sngan-hi", "is_mean")]


def test_tables_show_the_points():
    table = sampler_reporting.frontier_table(POINTS, ["fid"])
    rows = {cells[0]: cells[1:] for cells in
            ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())}
    assert rows["bare"] == ["7.0", "500.00", "-", "31.00"]
    assert rows["DOT, 20"][3].startswith("26.17 (-4.83 [-5.55, -4.12])")
    assert rows["MH-GAN, 500"][2] == "0.002"
    costs = sampler_reporting.cost_table(POINTS)
    assert "| DOT, 20 | 3.0 | 2.0 | 1.0 | 500.00 | 30 | 0.10 |" in costs


def test_figures_have_a_line_for_each_method_and_its_intervals():
    new = point("best of", 4, (28.0, 29.0, 30.0))
    figure = sampler_plots.frontier([*POINTS, new], [("evaluations", "fid"), ("is_mean", "fid")],
                                    floor={"fid": 3.0})
    first, second = figure.axes
    assert first.get_xscale() == "log" and second.get_xscale() == "linear"
    assert [c.get_label() for c in first.containers] == ["bare", "DOT", "MH-GAN", "best of"]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        "bare", "DOT", "MH-GAN", "best of", "real"}
    assert sampler_plots.looks([*POINTS, new])["best of"] not in sampler_plots.LOOKS.values()
    bins = Reliability(*(np.array([0.25, 0.75]) for _ in range(3)), np.array([5, 5]))
    panels = sampler_plots.reliability({f"D {i}": {"as trained": bins} for i in range(4)})
    assert [a.get_title() for a in panels.axes if a.get_visible()] == [f"D {i}" for i in range(4)]


def test_without_bare_there_is_nothing_to_compare_with():
    with pytest.raises(BadInput, match='^points: no "bare" among them'):
        sampler_reporting.put_points(record(), [DOT, MH])
