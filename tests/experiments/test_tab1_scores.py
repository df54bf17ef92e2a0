"""Table 1: the record of a row, and its tables.

Kinds of test: identities (what was measured is recorded, what is recorded is shown), truth tables.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from dotlib.data import downloads
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import recording, table1_trainings
from dotlib.evaluation.recording import MEAN
from dotlib.experiments import tab1_scores
from dotlib.metrics import intervals
from dotlib.metrics.frechet import FidInfinity
from dotlib.metrics.scores import IMAGE_SCORES
from dotlib.results import paper, records, tables
from dotlib.training import zoo
from dotlib.training.settings import ROWS

NAME = "digits-dcgan-sngan-hi"


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def run(artifacts):
    return image_pairs.table1_row(NAME, profile="smoke")


@pytest.fixture
def record(run):
    record = tab1_scores.open_record(NAME, "smoke", 0)
    tab1_scores.fill_record(record, run)
    tab1_scores.put_verdicts({"dcgan-sngan-hi": record})
    return record


def test_a_record_holds_what_was_measured(run, record, tmp_path):
    again = records.read(records.write(record, tmp_path))
    fid = run.measured.of("dot", 4, "fid")
    assert again.get("fid", method="dot", setting=4).value == pytest.approx(np.mean(fid))
    row = again.get("fid", method="dot", setting=4, against="bare")
    assert row.value == pytest.approx(np.mean(fid) - np.mean(run.measured.of("dot", 0, "fid")))
    assert tab1_scores.change(again, "fid", judge="") == tables.change(row.value, row.interval)
    other = again.get("fid", method="dot", setting=4, against="bare", judge="classifier 2")
    moved, bare = (run.measured.of("dot", step, "fid", "classifier 2") for step in (4, 0))
    assert other.value == pytest.approx(np.mean(moved) - np.mean(bare))
    assert again.get("k_eff").value == run.measured.k_eff.value
    assert again.get("fid", method="real").value == run.panel.floor[run.panel.first].fid
    assert set(again.verdicts.values()) == {paper.SMOKE}
    assert again.made["weights"].keys() >= {run.trained.path.name, "classifier 0", "test"}
    assert again.made["images"] == {"test": "built into scikit-learn", "floor": "built into scikit-learn"}
    json.dumps(again.parameters)


def test_the_tables_show_the_mean_over_the_judges(run, record):
    """The mean is taken set by set, so that its interval is that of means; no single judge speaks for a row."""
    changes = [
        np.subtract(run.measured.of("dot", 4, "fid", judge), run.measured.of("dot", 0, "fid", judge))
        for judge in run.panel.judges
    ]
    mean, ends = intervals.t_interval(np.mean(changes, axis=0))
    assert tab1_scores.change(record, "fid") == tables.change(mean, ends) != tab1_scores.change(record, "fid", judge="")
    floors = [floor.fid for floor in run.panel.floor.values()]
    assert tab1_scores.floor_of(record, "fid") == f"{np.mean(floors):.2f}"
    bare, dot = (np.mean([run.measured.of("dot", n, "fid", judge) for judge in run.panel.judges]) for n in (0, 4))
    text = tab1_scores.score_table("fid", {"this build": {"dcgan-sngan-hi": record}})
    assert f"{bare:.2f} → {dot:.2f} ({tables.change(mean, ends)})" in text
    assert tables.change(mean, ends) in tab1_scores.naive_table({"SNGAN": record})


def test_a_verdict_is_on_the_mean_over_the_judges(run):
    """The first judge alone says the opposite of all five together."""
    first, last = run.panel.first, ("dot", run.settings.updates)
    judged = {}
    for judge, of in run.measured.rows["dot", 0].items():
        up = 1.0 if judge == first else -1.0
        judged[judge] = [replace(bare, fid=bare.fid + up * (3 + 0.02 * i)) for i, bare in enumerate(of)]
    changed = replace(run, measured=replace(run.measured, rows=run.measured.rows | {last: judged}))
    record = filled("dcgan-sngan-hi", changed)
    tab1_scores.put_verdicts({"dcgan-sngan-hi": record})
    assert record.verdicts["DOT lowers FID"] == paper.REPLICATED
    assert recording.direction_of_change(record, "fid") == "better"
    assert tab1_scores.change(record, "fid", judge="").startswith("+3.01")


def scored(run, fid, is_mean):
    """The run with DOT's scores at its last update changed by these numbers in each set, under every judge."""
    last = "dot", run.settings.updates
    changed = {
        judge: [
            replace(bare, fid=bare.fid + a, is_mean=bare.is_mean + b)
            for bare, a, b in zip(run.measured.rows["dot", 0][judge], fid, is_mean, strict=True)
        ]
        for judge in run.panel.judges
    }
    return replace(run, measured=replace(run.measured, rows=run.measured.rows | {last: changed}))


def filled(row, run):
    """A record of the profile laptop, since smoke compares nothing, with the run's own number of updates."""
    record = tab1_scores.open_record(f"digits-{row}", "laptop", 0)
    record.parameters["updates"] = run.settings.updates
    tab1_scores.fill_record(record, run)
    return record


@pytest.mark.parametrize(
    ("fid", "is_mean", "words"),
    [
        ((-3.0, -3.1), (0.5, 0.52), (paper.REPLICATED, paper.REPLICATED)),
        ((3.0, 3.1), (-0.5, -0.52), (paper.CONTRADICTED, paper.CONTRADICTED)),
        ((-3.0, -3.1), (-0.5, -0.52), (paper.REPLICATED, paper.CONTRADICTED)),
        ((-3.0, 1.0), (0.5, -0.1), (paper.UNDECIDED, paper.UNDECIDED)),
    ],
    ids=["as printed", "mirrored", "one each", "within the noise"],
)
def test_each_claim_has_the_verdict_of_its_own_score(run, fid, is_mean, words):
    """Printed of this row: FID falls from 20.47 to 17.12, and the inception score rises."""
    record = filled("dcgan-sngan-hi", scored(run, fid, is_mean))
    tab1_scores.put_verdicts({"dcgan-sngan-hi": record})
    of_fid, of_is = record.verdicts["DOT lowers FID"], record.verdicts["DOT raises the inception score"]
    assert len(record.verdicts) == 2
    assert (of_fid, of_is) == words, f"FID changed by {fid}: {of_fid!r}; IS by {is_mean}: {of_is!r}"


def test_the_rows_of_a_column_share_one_correction(run):
    """Two sets leave p-values of 0.010 and 0.012: small for one row, not among the fourteen claims of seven."""
    rows = {row: filled(row, scored(run, (-3.0, -3.1), (0.5, 0.52))) for row in ROWS}
    tab1_scores.put_verdicts({"dcgan-sngan-hi": rows["dcgan-sngan-hi"]})
    assert set(rows["dcgan-sngan-hi"].verdicts.values()) == {paper.REPLICATED}
    tab1_scores.put_verdicts(rows)
    assert {word for record in rows.values() for word in record.verdicts.values()} == {paper.UNDECIDED}


def test_every_number_has_the_unit_of_the_print(record):
    """The paper's values are typed with their units, apart from the code."""
    printed = {
        "k_eff": "b2.cifar10.dcgan.sngan-hi.k_eff",
        "K_eff": "fig3.25gaussians.K_eff",
        "fid": "tab1.cifar10.dcgan.sngan-hi.dot.fid",
        "is_mean": "tab1.cifar10.dcgan.sngan-hi.dot.is",
    }
    for quantity, name in printed.items():
        units = {row.unit for row in record.rows(quantity=quantity)}
        assert units == {paper.value(name).unit}, f"{quantity} is recorded in {units}"


def test_tables_show_the_paper_and_every_run(record):
    columns = {"this build": {"dcgan-sngan-hi": record}, "recorded": {}}
    table = tab1_scores.score_table("fid", columns)
    rows = [line for line in table.splitlines() if "dcgan-sngan-hi" in line]
    assert len(rows) == 1 and "20.47 → 17.12" in rows[0] and rows[0].rstrip().endswith("- |")
    bare, dot = (record.get("fid", **of, judge=MEAN) for of in ({"method": "bare"}, {"method": "dot", "setting": 4}))
    assert f"{bare.value:.2f} → {dot.value:.2f}" in rows[0]
    assert len(table.splitlines()) == 2 + len(ROWS) + 1
    verdicts = tab1_scores.verdict_table(columns)
    assert f"{paper.SMOKE} (1 of 1)" in verdicts


@pytest.mark.parametrize(
    ("name", "quantity", "expected"),
    [
        ("mnist-dcgan-sngan-ns", "fid", 15.78 - 20.74),
        ("mnist-dcgan-sngan-ns", "is_mean", 0.52),
        ("stl10-dcgan-sngan-ns", "fid", 34.84 - 41.18),
        ("stl10-resnet-sagan-hi", "fid", -1.0),
        ("stl10-resnet-sagan-hi", "is_mean", 1.0),
    ],
)
def test_printed_differences(name, quantity, expected):
    """Typed from Table 1; the row that is not printed keeps the claim's direction."""
    assert recording.printed_difference(name, quantity) == pytest.approx(expected)


def test_the_grid_shows_the_same_latents(run):
    shown, captions = tab1_scores.grid(run, 4, 0)
    assert list(shown) == list(captions) == ["bare", "DOT"]
    assert all(rows.shape == (4, 1, 8, 8) and rows.dtype == np.uint8 for rows in shown.values())
    assert all(text.startswith("+") for text in captions["DOT"])  # D rises


def test_the_floor_says_its_number_where_it_is_another(record):
    columns = {"this build": {"dcgan-sngan-hi": record}}
    assert "(N =" not in tab1_scores.score_table("fid", columns)
    record.parameters["samples"] = 50_000
    assert f"{record.get('fid', method='real', judge=MEAN).value:.2f} (N = 100)" in tab1_scores.score_table(
        "fid", columns
    )
    assert "N = 50,000" in tab1_scores.label_of(record, "recorded")


@pytest.mark.parametrize(
    ("dataset", "origin", "shown"),
    [
        ("cifar10", "CIFAR-10 (JPEG copy)", "recorded, cifar10, CIFAR-10 (JPEG copy), laptop, N = 9"),
        ("mnist", downloads.OFFICIAL, "recorded, mnist, laptop, N = 9"),
        ("cifar10", downloads.UNKNOWN, f"recorded, cifar10, {downloads.UNKNOWN}, laptop, N = 9"),
        ("digits", "built into scikit-learn", "recorded, digits, laptop, N = 9"),
    ],
)
def test_a_column_says_which_copy_its_images_are(dataset, origin, shown):
    record = records.start(
        "tab1_scores",
        profile="laptop",
        dataset=f"{dataset}-dcgan-sngan-hi",
        seed=0,
        parameters={"samples": 9, "judge": "classifier"},
    )
    record.made["images"] = {"floor": origin, "test": origin}
    assert tab1_scores.label_of(record, "recorded") == shown


def test_a_pair_from_changed_source_cannot_be_kept(run, record):
    assert record.made["pairs"][NAME]["sha256"] == run.trained.sha256
    other = replace(run.trained, made=run.trained.made | {"dirty": True})
    record.made["dirty"] = False
    zoo.add_training_provenance(record, other)
    assert record.made["dirty"] is True


def test_the_table_of_directions_has_a_dash_where_a_score_is_undecided():
    record = records.start("tab1_scores", profile="smoke", dataset="digits", seed=0, parameters={"updates": 20})
    for name in IMAGE_SCORES:
        ends = {"fid": (-2.0, -1.0), "precision": (-0.2, -0.1)}.get(name, (-1.0, 1.0))
        record.put(name, sum(ends) / 2, method="dot", setting=20, against="bare", interval=ends, unit="", n=5)
    row = tab1_scores.direction_table({"SNGAN": record}).splitlines()[-1]
    assert row == "| SNGAN | - | better | - | worse | - | - | - |"


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_naive_ascent_stands_beside_dot(record):
    k_eff = record.get("k_eff")
    assert cells_of(tab1_scores.naive_table({"SNGAN": record}).splitlines()[2]) == [
        "SNGAN",
        f"{k_eff.value:.2f} ± {k_eff.sd:.2f}",
        *(tab1_scores.change(record, "fid", method) for method in ("dot", "k1", "naive")),
    ]


def test_the_other_scores_stand_beside_those_of_real_images(record):
    head, _, line, real = tab1_scores.other_table({"SNGAN": record}, {"real images": record}).splitlines()
    assert cells_of(head) == ["bare → DOT", "KID", "precision", "recall", "density", "coverage"]
    kid = [record.get("kid", **of, judge=MEAN).value for of in ({"method": "bare"}, {"method": "dot", "setting": 4})]
    assert cells_of(line)[1] == f"{kid[0]:.3g} → {kid[1]:.3g}"
    recall = record.get("recall", method="real", judge=MEAN).value
    assert cells_of(real)[0] == "real images" and cells_of(real)[3] == f"{recall:.3f}"


def test_the_committed_rows_are_shown_with_their_provenance():
    kept = tab1_scores.kept_runs()
    committed = [record for column in kept.values() for record in column.values()]
    assert len(committed) == len(list((records.KEPT / "tab1_scores").glob("*.json"))) > 0
    for line, record in zip(tab1_scores.kept_table(kept).splitlines()[2:], committed, strict=True):
        assert cells_of(line)[0] == f"{record.dataset}, {record.profile}"
        assert cells_of(line)[-1] == record.made["commit"][:12]
    assert tab1_scores.kept_table({}) == "No run is recorded yet."


def test_the_recorded_runs_say_how_old_they_are():
    """Typed from their provenance: older pairs, three judges, one day."""
    text = tab1_scores.before_today(tab1_scores.kept_runs())
    assert text.startswith("The 6 here were made on 22 November 2026 from the commits e5134fc, f14559a: 6 of pairs")
    assert "by 3 judges, where a build of today has 5; 6 of them show their first judge alone." in text
    assert tab1_scores.before_today({}) == ""


def test_a_build_stands_beside_the_trainings_of_its_own_data(record):
    of = table1_trainings.frames()
    change = tab1_scores.change(record, "fid")
    assert change not in tab1_scores.training_tables(of, "fid", {"dcgan-sngan-hi": record})  # smoke is no laptop
    record.profile = "laptop"
    text = tab1_scores.training_tables(of, "fid", {"dcgan-sngan-hi": record})
    (line,) = (line for line in text.splitlines() if line.startswith("| dcgan-sngan-hi ") and change in line)
    assert line.rstrip("| ").endswith(change) and "over its 2 sets" in text


def test_the_limit_of_fid_ends_at_the_whole_set(run):
    limits = tab1_scores.extrapolated(run, 0)
    assert list(limits) == ["bare", "DOT"]
    for label, step in (("bare", 0), ("DOT", run.settings.updates)):
        assert limits[label].counts[-1] == run.settings.samples
        assert limits[label].fids[-1] == pytest.approx(run.measured.of("dot", step, "fid")[0], rel=1e-3)


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ((3.0, 2.5), "by -1.00 to -1.00 at the numbers of the table and -1.00 in the limit: one sign everywhere. The "),
        ((5.0, 3.0), "by -0.50 to +1.00 at the numbers of the table and -2.00 in the limit: not one sign, so the "),
    ],
)
def test_the_change_of_fid_is_compared_at_every_number_and_in_the_limit(moved, words):
    fake = {"bare": (4.0, 3.5), "DOT": moved}  # at N = 100 and 200: a line through two points has no error
    limits = {
        label: FidInfinity(2 * fids[1] - fids[0], 200 * (fids[0] - fids[1]), (100, 200), fids)
        for label, fids in fake.items()
    }
    assert words in tab1_scores.limit_words(limits)
    assert tab1_scores.limit_words(limits).endswith(
        "The points lie up to 0.00 from their lines, less than that change."
    )
    bent = limits | {"DOT": FidInfinity(limits["DOT"].value, limits["DOT"].slope + 900, (100, 200), moved)}
    assert tab1_scores.limit_words(bent).endswith("the limit of this pair is no evidence.")


def test_judges_have_their_own_records():
    record = tab1_scores.open_record("mnist-dcgan-sngan-ns", "laptop", 0, "inception")
    assert record.key == "laptop-mnist-dcgan-sngan-ns-inception-s0"
    assert record.parameters["row"] == "dcgan-sngan-ns"


def test_a_picture_lies_beside_a_record_and_is_kept_with_it(run, record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tab1_scores.write(record, run)
    picture = path.with_suffix(".png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    changed = json.loads(path.read_text()) | {"profile": "laptop"}
    changed["made"]["dirty"] = False
    path.write_text(json.dumps(changed))
    assert records.keep(path, tmp_path / "kept").with_suffix(".png").read_bytes() == picture
