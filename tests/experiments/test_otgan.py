"""The page of OT-GAN: settings, one measured run, tables of planted values, the recorded trainings.

Kinds of test: golden numbers (the report's), identities, planted effects, failures.
"""

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from dotlib.errors import InputError
from dotlib.evaluation import otgan_runs, otgan_statements
from dotlib.experiments import otgan
from dotlib.metrics import intervals
from dotlib.plots import images as image_plots
from dotlib.results import paper, records, tidy
from dotlib.training.otgan import OTGANTraining


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def run(artifacts):
    return otgan.load("digits", "cnn; uniform plan", profile="smoke")


@pytest.fixture
def filled(run):
    record = otgan.open_record("digits", "cnn; uniform plan", "smoke", 0)
    otgan.fill_record(record, run, otgan.timings("digits", run.settings), otgan.audit(run))
    return record


@pytest.fixture(scope="module")
def kept():
    """The recorded trainings on MNIST."""
    return otgan_statements.frames()["mnist8, laptop"]


def test_records_have_the_reports_settings_and_only_the_digits_are_shorter():
    for name, changes in otgan.RUNS.items():
        assert otgan.training_of(name, "mnist8", "laptop", 3) == replace(OTGANTraining("mnist8", seed=3), **changes)
        assert otgan.training_of(name, "mnist", "paper", 0) == replace(OTGANTraining("mnist"), **changes)
    short = otgan.training_of("batch 8", "digits", "laptop", 0)
    assert short.generator_updates < 3_750 and short.lr_G == short.lr_D > 1e-4 and short.batch_size == 8


def test_runs_are_named_one_by_one_or_all():
    every = [run for run in otgan.RUNS if run != otgan.UNROLLED]
    assert otgan.names_of("all") == every and otgan.names_of("cnn") == ["cnn"]
    assert otgan.names_of("mlp; epsilon 0.01, released") == ["mlp", "epsilon 0.01, released"]
    with pytest.raises(InputError, match="^runs: unknown 'cn'.*nearest: cnn"):
        otgan.names_of("mlp; cn")
    with pytest.raises(InputError, match="^dataset: unknown 'cifar10'"):
        otgan.settings_of("cifar10", "laptop")


def test_windows_and_milestones_fit_into_every_training():
    """Five windows end with a milestone, and a quarter is three milestones: else a statement is about other updates."""
    for dataset, profile in (("digits", "smoke"), ("digits", "laptop"), ("mnist8", "laptop")):
        updates = otgan.training_of("cnn", dataset, profile, 0).generator_updates
        ends = {updates * (i + 1) // otgan_runs.WINDOWS for i in range(otgan_runs.WINDOWS)}
        milestones = [updates * (i + 1) // otgan.training.MILESTONES for i in range(otgan.training.MILESTONES)]
        assert set(milestones) <= ends and milestones[otgan.training.MILESTONES // otgan.PARTS - 1] == updates // 4


def test_a_record_has_times_audit_origins_and_its_picture(run, filled, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BUILT", tmp_path)
    lines = otgan.measure(run)
    path = otgan.write(filled, run, lines)
    frame = tidy.of(records.read(path), tmp_path)
    assert set(frame["run"]) == {"cnn", "uniform plan"} and len(frame) == len(lines)
    assert {int(row.setting) for row in filled.rows(quantity="seconds an update")} == {*otgan.TIMED}
    assert {*filled.made["trainings"]} == {*run.trainings} and filled.made["weights"]["cnn"] == run.trainings[
        "cnn"
    ].sha256
    assert filled.verdicts == {}  # of one training
    picture = Image.open(path.with_suffix(".png"))
    assert picture.mode == "P" and image_plots.GREYS // 2 < len(picture.getcolors()) <= image_plots.GREYS


def test_changed_source_under_a_training_makes_its_record_unkeepable(run, filled):
    filled.made["dirty"] = False
    otgan_record = otgan.open_record("digits", "cnn; uniform plan", "smoke", 0)
    otgan_record.made["dirty"] = False
    run.trainings["cnn"].made["dirty"] = True
    otgan.fill_record(otgan_record, run, {}, [])
    assert otgan_record.made["dirty"]


def test_the_tables_show_what_is_in_the_record(run, filled):
    audited = otgan.audit_table(filled).splitlines()[2:]
    assert len(audited) == 3 * len(run.settings.audited) and "| epsilon 0.01, released end | 8 |" in "\n".join(audited)
    times = {int(row.split("|")[1]): row for row in otgan.time_table([filled]).splitlines()[2:]}
    assert "| 0.35 | 0.5 | 0.36 |" in times[8] and "| 3.5 to 4 | 1 | 0.91 to 1.04 |" in times[32]
    assert times[128].count("| - ") == 3
    assert otgan.hours(3.6, 30) == pytest.approx(1.0)  # 1,000 updates
    rows = otgan_statements.run_table(pd.DataFrame(otgan.measure(run)).assign(seed=0)).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["cnn", "uniform plan"]


def timed_record(seed, seconds, dataset="mnist8"):
    record = records.start("otgan", profile="laptop", dataset=dataset, seed=seed, parameters={})
    for batch, factor in ((8, 0.5), (32, 1.0)):
        record.put("seconds an update", factor * seconds, setting=batch, unit="seconds")
    return record


def test_times_are_the_median_over_records_and_an_update_sees_two_batches_of_real_images(tmp_path):
    """In closed form: 0.064 s for 2 x 32 real images are 1,000 a second, and 60,000 of them a minute."""
    three = [timed_record(seed, seconds) for seed, seconds in enumerate((0.5, 0.064, 0.032))]
    eight, thirty = otgan.time_table(three).splitlines()[2:]
    assert thirty.endswith("| 0.0640 (0.0320 to 0.5000) | 1,000 | 0.017 |")
    assert eight.endswith("| 0.0320 (0.0160 to 0.2500) | 500 | 0.033 |")
    assert "| 0.0640 | 1,000 |" in otgan.time_table(three[1:2]), "one record has no range"
    for record in (*three, timed_record(0, 0.192, "mnist")):
        tidy.write(record, [], tmp_path)
    assert [each.seed for each in otgan.timed(three[0], tmp_path)] == [0, 1, 2]
    assert otgan.large_images(tmp_path) == "0.19 seconds an update, 0.05 hours an epoch"
    assert otgan.timed(three[0], tmp_path / "none") == three[:1] and otgan.large_images(tmp_path / "none") == "-"


def test_the_scatter_has_the_loss_across_and_fid_up(kept):
    figure = otgan.coherence_figure(kept)
    assert {(axis.get_xlabel(), axis.get_ylabel()) for axis in figure.axes} == {("mean of L", "FID")}
    ends = {line.get_label(): line for line in figure.axes[1].lines}
    for run in ("cnn", "mlp"):
        L, fid = otgan_statements.part(kept, run, "L", 3), otgan_statements.last(kept, run, "fid")
        assert ends[run].get_xdata() == pytest.approx(L.to_numpy())
        assert ends[run].get_ydata() == pytest.approx(fid.to_numpy())


def test_samples_of_a_run_follow_the_same_latents_and_end_with_its_generator(run):
    frames = otgan.frames_of(run.trainings["cnn"], 5)
    assert list(frames) == list(range(10, 121, 10)) and frames[120].shape == (5, 1, 8, 8)
    last = otgan_runs.samples(run.trainings["cnn"].G, 5, run.trainings["cnn"].settings, "pictures")
    assert np.array_equal(frames[120], otgan.images.to_uint8(last).numpy())
    with Image.open(io.BytesIO(otgan.film(run.trainings["cnn"]))) as film:
        assert film.n_frames == 12


def test_numbers_of_the_text_are_those_of_the_tables(filled):
    found = otgan.biases(otgan.settings_of("digits", "smoke"), 0)
    numbers = otgan.numbers(found, filled)
    assert numbers["hours_8"] == "0.36" and numbers["fell"] == "10 to 11" and numbers["batch"] == "4"
    error = filled.get("error", method="epsilon 0.01, released end", setting=8).value
    assert (
        float(numbers["error_released"]) == pytest.approx(error, rel=0.05)
        and numbers["error_of"] == "batch of 8, digits"
    )
    assert float(numbers["without"].split()[0]) < 0.7 and float(numbers["with"].split()[0]) > 0.9


# --- the recorded trainings -----------------------------------------------------------------------


def test_recorded_are_the_trainings_of_the_protocol(kept):
    seeds = kept.groupby("run")["seed"].unique().map(sorted).to_dict()
    compared = ("cnn", "mlp", "batch 8", "epsilon 0.01", "n_gen 1")
    runs = [run for run in otgan.RUNS if run != otgan.UNROLLED]
    assert seeds == {run: [*range(8 if run in compared else 3)] for run in runs}


def test_seeds_that_compare_gradients_are_in_no_statement(tmp_path):
    lines = [{"run": "cnn", "update": 9, "judge": "a", "quantity": "fid", "value": 3.0}]
    unrolled = lines[0] | {"run": otgan.UNROLLED}
    for seed, more in ((0, []), (8, [unrolled | {"value": 5.0}]), (9, [unrolled | {"value": 6.0}])):
        record = records.start("otgan", profile="laptop", dataset="mnist8", seed=seed, parameters={})
        tidy.write(record, [*lines, *more], tmp_path)
    assert set(otgan_statements.frames(tmp_path)["mnist8, laptop"]["seed"]) == {0}
    by_gradient = otgan_statements.frames(tmp_path, gradient=True)
    assert set(by_gradient["mnist8, laptop"]["seed"]) == {8, 9}
    assert "+2.5 [" in otgan_statements.changes_of_fid(by_gradient, otgan.UNROLLED, "cnn")


def test_one_training_a_run_judges_no_statement():
    bias = otgan.biases(otgan.settings_of("mnist8", "laptop"), 0)[otgan.JUDGED]
    whole = otgan_statements.frames()
    once = {label: frame[frame["seed"] == 0] for label, frame in whole.items()}
    assert otgan_statements.repeated(once) == {}
    assert list(otgan_statements.repeated(whole)) == ["mnist8, laptop", "fashion_mnist8, laptop"]
    words = otgan_statements.judged("mnist8, laptop", once["mnist8, laptop"], bias)
    assert {verdict.word for id, verdict in words.items() if id != "s3.unbiased"} == {otgan_statements.FEW}


def test_every_statement_has_a_verdict_on_the_page_and_its_words_are_of_the_vocabulary(kept):
    found = otgan.biases(otgan.settings_of("mnist8", "laptop"), 0)
    verdicts = otgan_statements.judged("mnist8, laptop", kept, found[otgan.JUDGED])
    table = otgan_statements.verdict_table(verdicts)
    stated = paper.statements("s3")
    assert len(table.splitlines()) == 2 + len(stated) and list(verdicts) == [statement.id for statement in stated]
    words = {paper.REPRODUCED, paper.CONTRADICTED, paper.UNDECIDED, paper.REPLICATED, paper.NOT_RESOLVED}
    for statement in stated:
        assert statement.says in table and verdicts[statement.id].word in words
    text = otgan_statements.answer({"mnist8, laptop": kept}, {"mnist8, laptop": verdicts})
    assert all(f"{word} (" in text for word in {verdict.word for verdict in verdicts.values()})


def test_the_opening_holds_of_the_recorded_trainings(kept):
    """Loss and FID fall together along one run; over the runs the lowest loss has the worst images."""
    assert (otgan_statements.coherence(kept) > 0).all()
    L = {run: otgan_statements.part(kept, run, "L", 3).mean() for run in set(kept["run"])}
    fid = {run: otgan_statements.last(kept, run, "fid").mean() for run in set(kept["run"])}
    assert max(fid, key=fid.__getitem__) == min(L, key=L.__getitem__) == "critic untrained"
    assert L["mlp"] < L["cnn"] and fid["mlp"] > 2 * fid["cnn"]
    untrained, trained = (otgan_statements.last(kept, run, "directions") for run in ("critic untrained", "cnn"))
    assert untrained.mean() < 2 and untrained.max() < trained.min() / 2


def test_one_run_carries_the_correlation_over_runs(kept):
    """As the page says: with it the interval excludes 0, without it it does not."""
    whole, rest = (otgan_statements.across(frame).dropna() for frame in (kept, kept[kept["run"] != "critic untrained"]))
    assert len(whole) == len(rest) == 3 and intervals.t_interval(whole)[1][1] < 0 < intervals.t_interval(rest)[1][1]


def test_the_sentence_on_settings_has_the_intervals_that_hold_0(kept):
    recorded = otgan_statements.repeated(otgan_statements.frames())
    text = otgan_statements.without(recorded, "critic untrained")
    assert text.startswith("mnist8 -0.43 [-1.00, +0.25] (holds 0); fashion_mnist8 -0.41 [")
    assert text.count("(holds 0)") == 2
    every = otgan_statements.without({"mnist8, laptop": kept}, "no run")
    assert every == f"mnist8 {otgan_statements._interval(otgan_statements.across(kept))} (excludes 0)"
    assert otgan_statements.without({}, "cnn") == "not measured yet"


def test_the_added_seeds_stand_alone(kept):
    """FID at the end, epsilon 0.01 minus 1, of the seeds from 3 on; a dash where there are none."""
    added = kept[kept["seed"] >= 3]
    change = otgan_statements.last(added, "epsilon 0.01", "fid") - otgan_statements.last(added, "cnn", "fid")
    assert len(change) == 5 and otgan_statements.added(kept) == intervals.changed(change, 2)
    assert otgan_statements.added(kept[kept["seed"] < 3]) == "-"
    assert otgan_statements.added(kept[kept["run"] == "cnn"]) == "-"


def test_no_two_numbers_of_the_text_have_one_name(filled):
    """The scale of the toy and the correlation once had one: the later number stood in both sentences."""
    page = (records.KEPT.parent / "notebooks" / "otgan.md").read_text(encoding="utf-8")
    numbers = otgan.numbers(otgan.biases(otgan.settings_of("digits", "smoke"), 0), filled)
    later = re.findall(r'numbers\["(\w+)"\] =', page)
    assert later == ["across", "added"] and not {*later, "large"} & set(numbers)


def test_the_campaign_makes_the_records_that_are_kept(kept):
    listed = yaml.safe_load((records.KEPT / "campaign.yml").read_text(encoding="utf-8"))
    for record in records.stored(records.KEPT, "otgan"):
        values = listed[f"otgan/{record.key}"]
        assert otgan.names_of(values["runs"]) == record.parameters["runs"] and values["dataset"] == record.dataset
