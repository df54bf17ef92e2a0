"""The page of the report on WGAN and DOT: its record, its tables over planted trainings, its pictures.

Kinds of test: identities (record and table, verdicts and statements), planted effects, failures.
"""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from wgan_tables import constants, lines, planted

from dotlib.data import images
from dotlib.evaluation import wgan, wgan_statements
from dotlib.evaluation.wgan_statements import FREE, GP, SN
from dotlib.experiments import wgan_mnist
from dotlib.metrics import frequencies, intervals
from dotlib.results import paper, records, tidy

NAME = "digits-mlp-wgan-gp"


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def run(artifacts):
    return wgan.load(NAME, profile="smoke", whole=False)


def test_a_run_leaves_a_record_with_constants_norms_and_its_table(run, tmp_path):
    record = wgan_mnist.open_record(NAME, "smoke", 0, whole=False)
    lines = wgan.measure(run, (wgan.BARE, wgan.SAVED))
    wgan_mnist.fill_record(record, run, lines, wgan.norms_along(run))
    tidy.write(record, lines, tmp_path)
    stored = records.read(tmp_path / "wgan_mnist" / f"{record.key}.json")
    assert stored.verdicts == {}, "one training judges no statement"
    assert stored.made["pairs"].keys() == {NAME} and stored.get("lines").value == len(lines) == 3
    for name, unit in (("K_eff", "logits per data distance"), ("k_eff", "logits per latent distance")):
        rows = list(stored.rows(quantity=name))
        assert [row.setting for row in rows] == list(run.pairs) and {row.unit for row in rows} == {unit}
        assert [row.value for row in rows] == run.curves[name]["mean"]
    assert [row.setting for row in stored.rows(quantity="norm slope")] == list(wgan.norms_along(run))
    assert stored.get("product of norms").value == wgan.product_of_norms(run)
    assert stored.parameters["whole"] is False and len(stored.parameters["ways"]) == 9
    (of,) = wgan_statements.runs(tmp_path).values()
    assert of.constant("norm slope").tolist() == [wgan.norms_along(run)[40]["slope"]]
    built = wgan_mnist.built_table(lines).splitlines()
    assert len(built) == 5 and built[3].startswith("| bare | ") and "bare, saved" in built[4]


def test_the_recorded_trainings_are_those_of_the_campaign_with_its_parameters():
    """No seed of a constraint is left out, and a record says what was measured for it."""
    listed = yaml.safe_load((records.KEPT / "campaign.yml").read_text(encoding="utf-8"))
    kept = {f"wgan_mnist/{record.key}": record for record in records.stored(records.KEPT, "wgan_mnist")}
    assert kept.keys() <= listed.keys() and {f"wgan_mnist/laptop-digits-{pair}-s{seed}" for seed in range(5)
                                             for pair in wgan_mnist.CONSTRAINTS.values()} <= kept.keys()  # fmt: skip
    for key, record in kept.items():
        whole = listed[key].get("whole", False)
        assert record.parameters["whole"] is whole and len(record.parameters["ways"]) == len(wgan.ways(whole))


def test_the_page_has_a_verdict_on_every_statement_of_the_report():
    """The table of the page against the list of paper_values.yml, in its order."""
    rows = wgan_statements.table({"digits, laptop": planted()}).splitlines()[2:]
    said = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert said == [statement.says for statement in paper.statements("s4")]
    words = [row.rstrip(" |").rpartition(" | ")[2] for row in rows]
    vocabulary = (paper.REPRODUCED, paper.REPLICATED, paper.CONTRADICTED, paper.UNDECIDED, "not attempted (")
    assert all(word.startswith(vocabulary) for word in words)


def test_both_norms_have_a_curve_for_each_constraint_and_a_column():
    of = planted()
    curves = wgan_mnist.norm_curves(of, "slope")
    assert list(curves) == ["gradient penalty", "spectral norm", "none"]
    x, mean, half = curves["gradient penalty"]
    assert x == [1_000, 3_000] and 10**mean == pytest.approx([1.05 / 2, 1.05], rel=1e-4) and (half > 0).all()
    table = wgan_mnist.norm_table(of).splitlines()
    assert table[0].count("|") == 8 and table[2].startswith("| gradient penalty | 5 | 0.30 [")
    assert "| spectral norm | 5 | 0.10" in table[3]
    assert [axis.get_title() for axis in wgan_mnist.norms_figure(of).axes] == ["K_eff", "mean slope at samples"]
    one = wgan_mnist.norm_curves(planted(seeds=1), "K_eff")["none"]
    assert (one[2] == 0).all(), "one training has no interval"


def test_constants_and_changes_are_shown_over_trainings():
    of = planted()
    growth = wgan_mnist.growth_table(of).splitlines()
    assert growth[2].startswith("| 100 | 0.300 [") and growth[5].startswith("| 50,000 | 0.480 [")
    saved = wgan_mnist.change_table(of, wgan_mnist.SAVED, ("fid", "precision", "rough")).splitlines()
    assert "high frequencies of the change" in saved[0]
    assert saved[2].startswith("| bare, a score | 6.00 | 0.600 |")
    assert saved[3].startswith("| saved in [-1, 1] | +17.00 [") and saved[5].startswith(
        "| best, saved in [-1, 1] | +0.00"
    )
    for ways in (wgan_mnist.COUPLED, wgan_mnist.TARGETS, wgan_mnist.CONTROLS):
        assert len(wgan_mnist.change_table(of, ways, ("fid",)).splitlines()) == 3 + len(ways)
    single = wgan_mnist.change_table(planted(seeds=1), wgan_mnist.SAVED, ("fid",))
    assert "| +16.83 |" in single


def test_every_way_of_a_table_is_among_those_of_a_record():
    known = {(way.name, way.setting) for way in wgan.ways(whole=True)}
    for ways in (wgan_mnist.COUPLED, wgan_mnist.SAVED, wgan_mnist.TARGETS, wgan_mnist.CONTROLS):
        assert set(ways.values()) <= known


def test_the_plane_has_each_cost_from_bare_to_the_largest_step():
    paths = wgan_mnist.plane(planted(), "printed")
    recall, precision = paths["squared"]
    assert precision == pytest.approx([0.6, 0.65, 0.7, 0.85]) and recall == pytest.approx(
        [0.8, 0.8, 0.75, 0.4], abs=1e-3
    )
    assert paths["none"][1] == pytest.approx([0.6] * 4) and len(paths["bare"][0]) == len(paths["real"][0]) == 1
    assert len(wgan_mnist.plane_figure(planted(), "printed").axes) == 1


def test_the_answer_names_both_norms_and_both_changes():
    text = wgan_mnist.answer({"digits, laptop": planted()})
    assert "slope at samples is 1.05 [" in text and f"**{paper.REPLICATED}**" in text
    assert "K_eff over 500 pairs 0.30 [" in text and f"**{paper.CONTRADICTED}**" in text
    assert "changes precision by +0.100 [" in text and "and FID by -0.50 [" in text
    assert "without rescaling them changes FID by +17.00 [" in text and "more than this transport does" in text
    assert wgan_mnist.answer({}).startswith("No training is recorded yet")
    assert f"The 20 statements of the report: {paper.CONTRADICTED} (" in text
    assert "FID" not in wgan_mnist.answer({"digits, laptop": planted(seeds=1)})


def test_what_the_page_says_in_words_holds_of_every_recorded_data_set():
    """The text around the tables: slopes above every constant, a change in image space that is no noise."""
    recorded = wgan_statements.runs()
    assert list(recorded) == ["digits, laptop", "mnist, laptop"]
    for label, of in recorded.items():
        slope = of.constant("norm slope")
        assert (slope > of.constant("norm K_eff")).all() and (slope > of.constant("K_eff", setting=50_000)).all()
        side = 8 if label.startswith("digits") else 28
        white, target = frequencies.white_share(side, side), wgan_statements.TARGETS
        before, after = (of.score("rough", target, lr) for lr in (0.08, 0.13))
        assert (after < white - 0.05).all() and abs(after - before).mean() < (white - before).mean() / 4
        assert (of.constant("norm slope", SN) > 3 * of.constant("norm K_eff", SN)).all()
        assert min(of.constant(norm, FREE).mean() for norm in ("norm slope", "norm K_eff")) > 2e5
        tied = [of.change("D", ("coupled", n)).mean() for n in (8, 64, 600)]
        assert of.change("D", ("program, l2", 0.05)).mean() > tied[0] > tied[1] > tied[2]
    of = recorded["digits, laptop"]  # of these and seed 0 "Try it" asks
    ratio = {pair: of.constant("norm slope", pair) / of.constant("norm K_eff", pair) for pair in (GP, SN, FREE)}
    assert ratio[FREE][0] > 2 * ratio[GP][0] and ratio[SN].mean() == pytest.approx(4, abs=0.5)
    program = wgan_statements.TARGETS, wgan.TARGET[0][0]
    far = of.score("moved", *program, FREE) - of.score("moved", *program)
    assert of.score("moved", *program, FREE)[0] == pytest.approx(2 * of.score("moved", *program)[0], rel=0.2)
    low, high = intervals.t_interval(far)[1]
    assert low < 0 < high, "over trainings no difference is resolved"
    for each in recorded.values():
        (first, second, third) = ((wgan_statements.LIKE, lr) for lr in wgan.LRS)
        assert intervals.t_interval(each.change("precision", second, first))[1][0] > 0
        assert intervals.t_interval(each.change("recall", second, first))[1][1] < 0
        assert intervals.t_interval(each.change("precision", third, second))[1][1] < 0
        assert intervals.t_interval(each.change("fid", ("best", 1.0), ("truncation", 0.9)))[1][1] < 0
        assert intervals.t_interval(each.change("recall", ("best", 1.0), ("truncation", 0.9)))[1][1] < 0
    best, weak = (
        {q: recorded["mnist, laptop"].change(q, way, pair=wgan_statements.CODE).mean() for q in ("precision", "recall")}
        for way in (("best", 1.0), ("truncation", 0.9))
    )
    assert best["precision"] < weak["precision"] + 0.001 and best["recall"] == pytest.approx(
        2 * weak["recall"], rel=0.1
    )
    mnist = recorded["mnist, laptop"]
    assert min(mnist.constant(norm, FREE).mean() for norm in ("norm slope", "norm K_eff")) > 1e6
    recall = mnist.change("recall", wgan_mnist.SAVED["saved in [-1, 1]"])
    assert intervals.t_interval(recall)[1][0] > 0, "saving alone raises recall"


def test_sentences_on_noise_and_truncation_have_one_for_each_data_set():
    """Planted: the best setting is no different from truncation until it gains precision and recall over it."""
    noise = wgan_mnist.noise({"digits, laptop": planted(), "mnist, laptop": planted()})
    assert noise.count("a difference of +0.000 [") == 2 and "would have 0.61" in noise and "would have 0.71" in noise
    of = planted()
    rough = of.table["rough"] + 0.02 * (of.table["method"].eq("target, program") & of.table["setting"].eq(0.13))
    rougher = wgan_statements.Runs(of.table.assign(rough=rough), of.constants)
    text = wgan_mnist.noise({"digits, laptop": rougher})
    assert "both additions has 0.520 [" in text and "a difference of +0.020 [" in text
    every = (wgan_mnist.noise, wgan_mnist.beyond_truncation, wgan_mnist.steps, wgan_mnist.as_printed, wgan_mnist.tied)
    for words in every:
        assert words({}) == "No training is recorded yet."


def test_the_best_setting_is_compared_with_truncation_of_each_strength():
    """Planted: precision and FID better than at 80 % and recall worse; at 90 % all alike; two trainings say nothing."""
    effects = {
        ("best", 1.0): (0.2, -0.1, -1.0),
        ("truncation", 0.8): (0.1, 0.0, 3.0),
        ("truncation", 0.9): (0.2, -0.1, -1.0),
    }
    rows = wgan_mnist.beyond_truncation({"digits, laptop": planted(effects=effects)}).splitlines()
    assert rows[2].startswith("| digits, laptop | 80% | +0.100 [") and rows[2].endswith("| precision, FID | recall |")
    assert rows[3].startswith("| digits, laptop | 90% | +0.000 [") and rows[3].endswith("| - | - |")
    few = wgan_mnist.beyond_truncation({"digits, laptop": planted(seeds=2, effects=effects)}).splitlines()
    assert few[2].endswith("| - | - |")


def test_rows_that_are_tied_move_all_the_same():
    """Planted by the number of rows; of the records, what the page says of the move."""
    of = planted()
    far = of.table["moved"] + 0.2 * (of.table["method"].eq("coupled") & of.table["setting"].eq(600))
    text = wgan_mnist.tied({"digits, laptop": wgan_statements.Runs(of.table.assign(moved=far), of.constants)})
    assert text == "On *digits, laptop* 600 tied rows move by 0.30 [0.30, 0.30]."
    for each in wgan_statements.runs().values():
        assert intervals.t_interval(each.score("moved", "coupled", 600))[1][0] > 0.2


def test_sentences_on_steps_and_on_the_printed_algorithm_take_their_ways():
    effects = {("printed, squared", 0.005): (0.0, 0.0, 0.0), ("printed, squared", 0.05): (0.1, -0.2, 0.0),
               ("printed, squared", 0.5): (-0.2, 0.1, 0.0), ("target, printed", 0.08): (0.0, 0.0, -1.0),
               ("target, printed", 0.13): (0.0, 0.0, -2.0)}  # fmt: skip
    of = {"digits, laptop": planted(effects=effects)}
    text = wgan_mnist.steps(of)
    assert "from 0.005 to 0.05 precision changes by +0.100 [" in text and "and recall by -0.200 [" in text
    assert "from 0.05 to 0.5 precision changes by -0.300 [" in text
    assert "changes FID by -1.00 [" in (text := wgan_mnist.as_printed(of)) and "both additions by -2.00 [" in text


def test_the_programs_network_has_a_table_of_its_own_pairs():
    of, pair = planted(), wgan_statements.CODE
    assert wgan_mnist.program_table({"digits, laptop": of}) == "No training of it is recorded yet."
    table = pd.concat([of.table, pd.DataFrame(lines(0, pair, {("best", 1.0): (0.3, 0.0, -2.0)}))])
    with_it = wgan_statements.Runs(table, pd.concat([of.constants, pd.DataFrame(constants(0, pair, K=0.5, slope=1.3))]))
    text = wgan_mnist.program_table({"digits, laptop": with_it, "mnist, laptop": of})
    assert "trainings: 1. Slope at samples 1.29, K_eff 0.49." in text and "mnist" not in text
    assert "| best, as printed | +0.300 | +0.000 | -1.98 |" in text and "| bare, saved in [-1, 1] | +0.000 |" in text
    assert with_it.score("fid", "best", 1.0).equals(of.score("fid", "best", 1.0)), "no number of the penalty's rows"


def test_the_trap_differs_in_its_file_alone(run):
    pixels, captions = wgan_mnist.trap(run)
    bare, moved, saved = pixels.values()
    assert bare.shape == (8, 1, 8, 8) and (moved != bare).any()
    dark = images.to_float(torch.from_numpy(bare)) < 0
    assert (saved[dark.numpy()] == 0).all() and captions["bare, saved in [-1, 1]"] == ["+0.00"] * 8


def test_pictures_are_of_the_same_latents(run):
    pixels, captions = wgan_mnist.strips(run, wgan_mnist.target_ways())
    assert list(pixels) == ["bare", "0.08, 13 updates", "0.13, 15 updates"] and len(captions["bare"]) == 8
    assert np.array_equal(pixels["bare"], wgan_mnist.trap(run)[0]["bare"])
    (axis,) = wgan_mnist.label_figure(run).axes
    assert len(axis.patches) == 40 and sum(bar.get_height() for bar in axis.patches) == pytest.approx(4)
    frames = wgan_mnist.along_training(run)
    assert frames is not None and frames.shape == (12, 32, 1, 8, 8)
    assert np.array_equal(frames[-1, :8], pixels["bare"])


def test_the_radius_of_the_printed_reading_leaves(run):
    (axis,) = wgan_mnist.radius_figure(run).axes
    curves = {line.get_label(): line.get_ydata() for line in axis.lines}
    assert list(curves) == list(wgan_mnist.READINGS.values()) and axis.get_yscale() == "log"
    printed, tangent = curves[wgan_mnist.READINGS["sqrt_dim"]], curves[wgan_mnist.READINGS["norm"]]
    assert np.isfinite(tangent).all() and np.nanmax(printed) > 1.5 * np.nanmax(tangent)


def test_presets_and_print():
    rows = wgan_mnist.preset_table().splitlines()
    assert "| updates of G | 37,500 | 157,500 | 3,000 | 9,375 |" in rows
    last = "0.0005, at last 5e-05"
    assert f"| step size | 0.0001, at last 1e-05 | 0.0001, at last 0.0001 | {last} | {last} |" in rows
    assert any(row.startswith("| weight of the penalty | 10 (ours) | 10 | 10 | 10 |") for row in rows)
    assert any(row.startswith("| updates of D for one of G | 5, at last 5 (ours) | 5, at last 1 |") for row in rows)
    assert wgan_mnist.printed() == {
        "printed_fid": "19.65", "printed_precision": "0.52", "printed_recall": "0.32", "pairs": "50,000", "k": "0.47",
    }  # fmt: skip


def test_a_table_over_trainings_needs_no_constraint_that_is_missing():
    of = planted()
    penalty = of.table["dataset"].str.endswith(wgan_statements.GP), of.constants["pair"] == wgan_statements.GP
    only = wgan_statements.Runs(pd.DataFrame(of.table[penalty[0]]), pd.DataFrame(of.constants[penalty[1]]))
    assert list(wgan_mnist.norm_curves(only, "K_eff")) == ["gradient penalty"]
    assert "| none | 0 | - | - | - | - | - |" in wgan_mnist.norm_table(only)
