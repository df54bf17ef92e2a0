"""The page of Table 3: its layout, the tables of controls, the record of a run, and the pictures.

Kinds of test: golden numbers (Table 3), planted effects, identities, failures.
"""

import numpy as np
import pytest
import torch
from conditional_tables import PAIR, table

from dotlib import transport
from dotlib.data import images
from dotlib.evaluation import conditional, over_trainings, table3_trainings
from dotlib.experiments import tab3_conditional
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.networks import conditional as networks
from dotlib.pairs import Normal, Pair
from dotlib.results import records, tidy
from dotlib.seeding import generator
from dotlib.training import imagenet


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged(PAIR, "conditional")


def test_table_3_is_printed_as_it_is():
    rows = tab3_conditional.printed_trials().splitlines()
    assert rows[2] == "| trial 1, k = 1 | 36.40, 43.34 | 36.99, 43.01 | 37.25, 42.70 | 37.61, 42.35 |"
    assert rows[5].startswith("| trial 4, k_eff(y) | 36.23, 43.63 |") and len(rows) == 6


def test_controls_and_differences_have_a_line_for_each_way_and_score():
    lines = tab3_conditional.control_table(table(-1.0)).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [
        "bare", "real", "DOT, k_eff(y)", "DOT, k = 1", "official", "exact", "naive",
        "truncation to 80%", "truncation to 90%",
    ]  # fmt: skip
    against = tab3_conditional.against_table(table(-1.0, k=-0.5)).splitlines()
    assert against[0] == "| DOT, k_eff(y) minus | DOT, k = 1 | official | exact | naive |"
    assert "| FID | -0.50 [-0.50, -0.50] |" in against[3]


def test_a_change_is_what_is_moved_minus_bare():
    """Planted: FID falls by 1, by 1.5 with k_eff(y), and inception score rises as much."""
    heads, _, *lines = tab3_conditional.control_table(table(-1.0, k=-0.5)).splitlines()
    columns = [head.strip() for head in heads.strip("|").split("|")]
    cells = {
        (line := [c.strip() for c in row.strip("|").split("|")])[0]: dict(zip(columns, line, strict=True))
        for row in lines
    }
    assert cells["DOT, k_eff(y)"]["FID"] == "-1.50 [-1.50, -1.50]" and cells["exact"]["FID"] == "-1.00 [-1.00, -1.00]"
    assert cells["DOT, k_eff(y)"]["IS"] == "+1.50 [+1.50, +1.50]" and cells["bare"]["FID"] == "10.65"
    moves = tab3_conditional.moves_table(table(-1.0, k=-0.5)).splitlines()
    assert moves[2].startswith("| DOT, k_eff(y) | ") and len(moves) == 2 + len(tab3_conditional.DESCENTS)


def test_the_page_counts_the_intervals_that_exclude_0():
    """All planted changes are 1 and have no width; DOT is as all other descents but for k."""
    changed, quantities, ways = len(conditional.QUANTITIES), len(conditional.QUANTITIES) + 2, 7
    assert tab3_conditional.excluding([table(-1.0)]) == (changed * ways, changed * ways + quantities * 4)
    assert tab3_conditional.excluding([table(-1.0, k=-0.5)])[0] == changed * ways + quantities * 4
    assert tab3_conditional.excluding([table(-1.0, seeds=1)]) == (0, 0)
    texts = tab3_conditional.texts([table(-1.0, k=-0.5), table(1.0)])
    assert texts["agreement"].startswith("DOT, k_eff(y) +1.500 [") and texts["intervals"] == str(
        2 * (changed * ways + quantities * 4)
    )
    assert set(tab3_conditional.texts([]).values()) == {"-"}


def test_what_the_page_says_of_distances_and_agreement_holds_of_the_recorded_pairs():
    for frame in table3_trainings.frames().values():
        for pair, lines in frame.groupby("dataset"):
            far = {way: tab3_conditional.changes(lines, way, 32, "moved") for way in tab3_conditional.DESCENTS}
            rise = {way: tab3_conditional.changes(lines, way, 32, "D").mean() for way in tab3_conditional.DESCENTS}
            assert (far["DOT, k = 1"] > far["DOT"]).all() and (far["DOT"] > far["naive"]).all(), pair
            assert min(far, key=lambda way: far[way].mean()) == "exact" == max(rise, key=rise.__getitem__)
            agreed = {
                way: tab3_conditional.changes(lines, *way, "agreement").mean() for way in tab3_conditional._ways(lines)
            }
            most = max(agreed, key=agreed.__getitem__)
            assert most == ("truncation", 0.8)
    first = next(iter(table3_trainings.frames().values()))
    for way in tab3_conditional.DESCENTS:  # "hardly changes"
        change = tab3_conditional.changes(first[first["dataset"] == "digits-cond-hi"], way, 32, "agreement")
        assert abs(change.mean()) < 0.02


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


def test_tables_of_another_judge_stand_apart_under_the_name_of_the_pair(tmp_path):
    ours = tab3_conditional.open_record("cifar10-cond-hi", "laptop", 0)
    theirs = tab3_conditional.open_record("cifar10-cond-hi", "laptop", 0, "efficientnet")
    assert (ours.key, theirs.key) == ("laptop-cifar10-cond-hi-s0", "laptop-cifar10-cond-hi-efficientnet-s0")
    assert "judge" not in ours.parameters, "as in the records of before there was another"
    lines = table(-1.0, seeds=1)
    for record, columns in ((ours, []), (theirs, ["agreement"])):
        record.put("hinge loss", 0.5, unit="")
        tidy.write(record, lines.drop(columns=["dataset", "seed", *columns]).to_dict("records"), tmp_path)
    frames = table3_trainings.frames(tmp_path)
    assert list(frames) == ["cifar10, laptop", "cifar10, laptop, efficientnet"]
    assert {frame["dataset"].unique().item() for frame in frames.values()} == {"cifar10-cond-hi"}
    assert table3_trainings.hinge_losses(tmp_path) == {"cifar10-cond-hi": 0.5}
    labels = [SCORES["agreement"].label in tab3_conditional.control_table(of) for of in frames.values()]
    assert labels == [True, False] and tab3_conditional.agreement(frames["cifar10, laptop, efficientnet"]) == "-"
    assert SCORES["agreement"].label not in tab3_conditional.against_table(frames["cifar10, laptop, efficientnet"])
    assert "cifar10, laptop, efficientnet" in table3_trainings.answer(frames, tmp_path)


def test_without_the_public_files_there_is_no_picture(monkeypatch, tmp_path):
    for variable in imagenet.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert tab3_conditional.public_path() is None


def test_the_public_pair_is_pictured_with_its_labels_and_k_1(monkeypatch, tmp_path):
    """Figures 1 and 5 by plain calls, on a small pair with the labels of ImageNet in the public one's place."""
    sizes = {"bottom": 1, "classes": 1_000, "ladder": networks.CIFAR, "width": 2}
    G = networks.Generator(**sizes, latent=6, rng=generator(0, "G")).eval().requires_grad_(False)
    D = networks.Discriminator(**sizes, spectral=False, rng=generator(0, "D")).eval().requires_grad_(False)
    pair = Pair(G, D, Normal(6))
    monkeypatch.setattr(imagenet, "folder", lambda: tmp_path)
    monkeypatch.setattr(imagenet, "load_conditional", lambda: imagenet.PublicPair(pair, {}, {}))
    pixels, logits = tab3_conditional.public_path(seed=1, updates=3)
    z = pair.prior.sample(6, generator(1, "ImageNet", "latents"))
    bound = pair.conditioned_on(torch.tensor([207, 281, 366, 483, 963, 980]))
    end = transport.latent_dot(bound, z, 1.0, steps=3, optimizer=transport.Adam(0.01)).final
    for place, latents in ((0, z), (-1, end)):
        x = bound.generate(latents)
        assert np.array_equal(pixels[place], images.to_uint8(x).numpy())
        assert logits[place] == pytest.approx(bound.logit(x).numpy(), abs=1e-5)
    rows, captions = tab3_conditional.ends(pixels, logits)
    assert np.array_equal(rows["DOT"], pixels[3]) and captions["bare"][2] == f"{logits[0, 2]:.2f}"
    assert captions["DOT"][5] == f"{logits[1, 5] - logits[0, 5]:+.2f}"


def test_trials_on_the_public_weights_are_listed_in_the_layout_of_table_3(monkeypatch, tmp_path):
    monkeypatch.setattr(records, "BUILT", tmp_path)
    assert tab3_conditional.public_trials() == "No trial of Table 3 has been made here."
    job = {"trial": 3, "labels": "uniform", "samples": 2_500}
    about = {"dataset": "imagenet-trial3-uniform", "parameters": job, "judge": "inception"}
    record = records.start("tab3_public", profile="laptop", seed=0, **about)
    for update in (0, 4, 16, 32):
        record.put("is_mean", 36 + update / 10, setting=update, sd=0.5, unit="", judge="inception")
    record.put("fid", 42.0, setting=32, unit="", judge="inception")
    records.write(record, tmp_path)
    assert tab3_conditional.public_trials().splitlines()[2] == (
        "| trial 3, inception, uniform labels, N = 2,500 | 36.00(0.50), - | 36.40(0.50), - | 37.60(0.50), - "
        "| 39.20(0.50), 42.00 |"
    )


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
