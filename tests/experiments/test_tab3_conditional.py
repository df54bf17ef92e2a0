"""The page of Table 3: its layout, the tables of controls, the record of a run, and the pictures.

Kinds of test: golden numbers (Table 3), planted effects, identities, failures.
"""

import numpy as np
import pytest
from conditional_tables import PAIR, table

from dotlib.evaluation import conditional, over_trainings, table3_trainings
from dotlib.experiments import tab3_conditional
from dotlib.metrics import intervals
from dotlib.results import records, tidy
from dotlib.training import imagenet


def test_table_3_is_printed_as_it_is():
    rows = tab3_conditional.printed_trials().splitlines()
    assert rows[2] == "| trial 1, k = 1 | 36.40, 43.34 | 36.99, 43.01 | 37.25, 42.70 | 37.61, 42.35 |"
    assert rows[5].startswith("| trial 4, k_eff(y) | 36.23, 43.63 |") and len(rows) == 6


def test_controls_and_differences_have_a_line_for_each_way_and_score():
    lines = tab3_conditional.control_table(table(-1.0)).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [
        "bare", "real", "DOT", "DOT, k = 1", "official", "exact", "naive", "truncation to 80%", "truncation to 90%",
    ]  # fmt: skip
    against = tab3_conditional.against_table(table(-1.0, k=-0.5)).splitlines()
    assert against[0] == "| DOT minus | DOT, k = 1 | official | exact | naive |"
    assert "| FID | -0.50 [-0.50, -0.50] |" in against[3]


def test_the_layout_of_table_3_takes_a_set_for_each_trial():
    rows = tab3_conditional.trial_table(table(-1.0, k=-0.5, seeds=1)).splitlines()
    assert rows[2] == "| trial 1, k = 1 | 10.50, 10.50 | 11.50, 9.50 | 11.50, 9.50 | 11.50, 9.50 |"
    assert rows[5] == "| trial 4, k_eff(y) | 10.80, 10.80 | 12.30, 9.30 | 12.30, 9.30 | 12.30, 9.30 |"


def test_changes_are_paired_inside_a_set():
    """The sets of the planted training lie 0.1 apart, and its changes are all the same: intervals of no width."""
    heads, _, *rows = tab3_conditional.paired_table(table(-1.0, k=-0.5, seeds=1)).splitlines()
    assert heads == "| change from bare | 4 updates | 16 updates | 32 updates |"
    assert rows[0] == "| IS, k = 1 |" + " +1.00 [+1.00, +1.00] |" * 3
    assert rows[3] == "| FID, k_eff(y) |" + " -1.50 [-1.50, -1.50] |" * 3


# --- a run ----------------------------------------------------------------------------------------------


def test_a_run_leaves_a_record_with_its_table_and_pictures(artifacts, tmp_path):
    record = tab3_conditional.open_record(PAIR, "smoke", 0)
    run = conditional.load(PAIR, profile="smoke")
    lines = conditional.measure(run)
    tab3_conditional.fill_record(record, run, lines)
    tidy.write(record, lines, tmp_path)
    (frame,) = table3_trainings.frames(tmp_path).values()
    assert set(frame["dataset"]) == {PAIR} and len(frame) == len(lines)
    stored = records.read(tmp_path / "tab3_conditional" / f"{record.key}.json")
    assert stored.get("k_eff", method="D(x|y)", setting=3).value == run.k["D(x|y)"][3]
    assert stored.get("hinge loss").value == run.hinge and stored.made["pairs"].keys() == {PAIR}
    assert stored.verdicts == {}, "one training judges no claim"
    way, D = tab3_conditional.evolution(run, each=2)
    assert way.shape == (31, 20, 1, 8, 8) and way.dtype == np.uint8 and D.shape == (2, 20)
    sets, captions = tab3_conditional.before_after(run)
    assert np.array_equal(sets["bare"], way[0, ::2]) and np.array_equal(sets["DOT"], way[-1, ::2])
    assert captions["bare"][4] == f"{D[0, 8]:.2f}"
    (axis,) = tab3_conditional.constants_figure(run).axes
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([*run.k["D(x|y)"], *run.k["D(x)"]])


def test_without_the_public_files_there_is_no_picture(monkeypatch, tmp_path):
    for variable in imagenet.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert tab3_conditional.public_evolution() is None


def test_truncation_raises_fid_in_every_recorded_training_as_the_page_says():
    frames, held = table3_trainings.frames(), []
    for frame in frames.values():
        for _, lines in frame.groupby("dataset"):
            bare = over_trainings.by_training(over_trainings.cells(lines, "bare", "fid"))
            for share in lines.loc[lines["method"] == "truncation", "setting"].unique():
                change = over_trainings.by_training(over_trainings.cells(lines, "truncation", "fid", share)) - bare
                assert (change > 0).all()
                held.append(intervals.t_interval(change)[1][0] <= 0)
    assert sum(held) > len(held) / 2
