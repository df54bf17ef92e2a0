"""The page on embedded DOT: its statements and tables over planted trainings, the record of a run, and the pictures.

Kinds of test: identities, planted effects, failures.
"""

import functools
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from embedded_tables import NAME, as_reported, changed, table

from dotlib.data import images
from dotlib.evaluation import embedded_moves, embedded_statements, recording
from dotlib.evaluation import images as image_pairs
from dotlib.experiments import embedded
from dotlib.metrics import intervals
from dotlib.results import paper, records, tidy

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def run(artifacts):
    return embedded_moves.load(NAME, profile="smoke")


def cells(line):
    return [cell.strip() for cell in line.split(" | ")]


def mark(method, setting, quantity):
    """A number that no other way, setting or quantity has."""
    return zlib.crc32(f"{method} {setting:g} {quantity}".encode()) / 2**32


# --- over trainings


def test_every_statement_of_the_report_has_a_line_with_its_verdict():
    rows = embedded.statement_table(table()).splitlines()[2:]
    assert [cells(row)[0].strip("| ") for row in rows] == [each.says for each in paper.statements("s1")]
    words = [cells(row)[3].rstrip("| ").partition("; ") for row in rows]
    assert {word for word, *_ in words} == {paper.REPLICATED, paper.REPRODUCED}
    notes = {each.id: note for each, (_, _, note) in zip(paper.statements("s1"), words, strict=True) if note}
    assert notes == {"s1.target.replaced": "own anchor", "s1.target.curve": "own anchor",
                     "s1.embedded.sensitive": "a cost beside next to none"}  # fmt: skip
    alone = embedded.statement_table(table(seeds=1))
    assert "own anchor" not in alone, "a note is of a verdict"
    assert cells(rows[4])[1] == "1.3, Figure 2" and "[" in cells(rows[4])[2]


def test_the_committed_records_give_every_statement_a_word_of_the_vocabulary():
    """The page over its own records: no statement is without a verdict, and the words are those of the protocol."""
    known = {paper.REPRODUCED, paper.REPLICATED, paper.CONTRADICTED, paper.UNDECIDED, embedded_statements.FEW}
    recorded = embedded_statements.frames()
    assert recorded, "no training is recorded"
    for frame in recorded.values():
        found = embedded_statements.verdicts(frame)
        assert list(found) == [statement.id for statement in paper.statements("s1")]
        assert {verdict.word for verdict in found.values()} <= known


def test_the_answer_tells_both_peaks_and_counts_the_words():
    text = embedded.answer({"digits, laptop": table(noise=0.0)})
    assert "goes from 18.0 [18.0, 18.0] to 71.0 [71.0, 71.0] with $D$, and to 71.0" in text
    assert "by +0.200 [+0.200, +0.200] after 20 updates with another anchor" in text
    assert f"17 statements of the report: {paper.REPRODUCED} (1), {paper.REPLICATED} (16)" in text
    assert "no answer yet" in embedded.answer({"digits, laptop": table(seeds=1)}) and "no answer" in embedded.answer({})


def test_changes_are_from_bare_and_what_is_no_score_is_not():
    rows = embedded.way_table(table(noise=0.0), [("bare", 1.0), ("plain", 100)], ("fid", "changed", "D")).splitlines()
    assert rows[0] == "| way | updates | FID | another class | D |"
    assert cells(rows[2])[2:] == ["18.00 [18.00, 18.00]", "0.000 [0.000, 0.000]", "0.00 [0.00, 0.00] |"]
    assert cells(rows[3])[1:] == ["100", "+0.00 [+0.00, +0.00]", "0.200 [0.200, 0.200]", "+2.00 [+2.00, +2.00] |"]
    (*_, alone) = embedded.way_table(table(noise=0.0, seeds=1), [("embedded", 100)], ("fid",)).splitlines()
    assert alone == "| embedded | 100 | +20.00 |"


def test_the_audit_stands_beside_the_printed_curve():
    levels = {"target, as printed": 30.0, "target, unrelated anchor": 40.0, "target, unrelated anchor, no D": 50.0}
    rows = embedded.audit_table(table(lambda m, s, q: levels.get(m, as_reported(m, s, q)), noise=0.0)).splitlines()
    heads = ["FID, other anchor, with D", "FID, other anchor, no D", "FID, own anchor, with D"]
    heads += ["precision, other anchor, with D", "recall, other anchor, with D"]
    assert rows[0] == f"| updates | report, FID of Figure 4 | {' | '.join(heads)} |"
    assert cells(rows[2])[:3] == ["| 0", "18", "18.0 [18.0, 18.0]"]
    assert [cells(row)[1] for row in rows[3:]] == ["14", "41", "71", "27", "15", "14"]
    assert cells(rows[5])[2:5] == ["40.0 [40.0, 40.0]", "50.0 [50.0, 50.0]", "30.0 [30.0, 30.0]"]
    marked = embedded.audit_table(table(lambda *cell: 100 * mark(*cell), noise=0.0, seeds=2)).splitlines()
    for row, step in zip(marked[3:], embedded_statements.CURVE, strict=True):
        values = (100 * mark("target, unrelated anchor", step, q) for q in ("precision", "recall"))
        assert cells(row)[5:] == [f"{v:.3f} [{v:.3f}, {v:.3f}]{end}" for v, end in zip(values, ("", " |"), strict=True)]
    bare = embedded.way_table(table(noise=0.0), [("bare", 1.0), ("plain", 100)]).splitlines()
    assert [cells(row)[1] for row in bare[2:]] == ["-", "100"], "bare samples have no update"
    texts = embedded.audit_texts(table(noise=0.0))
    assert texts["replaced"] == "0.90 [0.90, 0.90]" and texts.keys() == {"replaced", "share", "correlation"}


def test_what_the_page_says_in_words_holds_of_the_recorded_digits():
    """The text around the tables: what D adds to the rise, what truncation and another anchor do, what moves."""
    frame = embedded_statements.frames()["digits-resnet-sagan-hi, laptop"]
    at = functools.partial(embedded_statements.at, frame)
    audit = embedded_statements.audit(frame)
    assert intervals.t_interval(audit.share)[1][0] > 0.9 and (audit.own < audit.bare + 1).all()
    last, bare = embedded_moves.LATENT[-1], embedded_statements.BARE
    for scale in embedded_moves.SCALES:
        lost = at("recall", ("latents shrunk", scale)) - at("recall", bare)
        gained = at("precision", ("latents shrunk", scale)) - at("precision", bare)
        assert intervals.t_interval(lost)[1][1] < 0 and gained.mean() < -lost.mean()
    on, off, own = (
        {q: at(q, (way, last)) - at(q, bare) for q in ("precision", "recall")} for way in embedded.SHRINKING.values()
    )
    assert intervals.t_interval(off["precision"])[1][0] > 0 > intervals.t_interval(off["recall"])[1][1]
    assert intervals.t_interval(on["precision"] - off["precision"])[1][0] > 0
    assert intervals.t_interval(on["recall"] - off["recall"])[1][1] < 0
    for change in own.values():
        low, high = intervals.t_interval(change)[1]
        assert low < 0 < high
    plain, felt = (at("moved", (way, 100)) for way in ("plain", "embedded"))
    assert (felt / plain).mean() == pytest.approx(1, abs=0.15)
    assert (at("features", ("embedded", 100)) < 0.25 * at("features", ("plain", 100))).all()
    assert abs(at("fid", ("naive", 100)) - at("fid", ("embedded, untrained E", 100))).max() < 0.5


def test_what_the_page_says_of_mnist_and_of_the_unseen_share_holds_of_the_records():
    recorded = embedded_statements.frames()
    digits, mnist = (recorded[f"{pair}, laptop"] for pair in ("digits-resnet-sagan-hi", "mnist-dcgan-sngan-ns"))
    at = functools.partial(embedded_statements.at, mnist)
    assert (at("fid", ("target, K_eff", 50)) > at("fid", ("bare", 1.0)) + 50).all() and mnist["seed"].nunique() == 3
    low, high = intervals.t_interval(at("fid", ("target, K_eff", 50)) - at("fid", ("bare", 1.0)))[1]
    assert low < 0 < high
    sentences = embedded.moves({"mnist": mnist})
    assert "not resolved; samples run farther in 2 of 3 trainings." in sentences
    assert "(not resolved) beside the cost of pixels" in (found := embedded.unseen({"mnist": mnist}))
    assert found.endswith("(smaller) beside the naive ascent.")
    assert embedded.unseen({"digits": digits}).count("(larger)") == 2
    naive = embedded._minus(mnist, "unseen", "embedded", "naive", 100)
    assert intervals.t_interval(naive)[1][1] < 0
    assert [round(end) for end in (at("fid", ("bare", 1.0)).min(), at("fid", ("bare", 1.0)).max())] == [42, 92]
    for frame, found in ((digits, True), (mnist, False)):
        gap = embedded._minus(frame, "unseen", "embedded", "plain", 100)
        assert (intervals.t_interval(gap)[1][0] > 0) is found


def test_sentences_of_each_pair_take_their_ways():
    """Planted: the estimated constant moves by 2 and raises FID by 5, saving by 3; E misses a tenth more."""

    def story(method, setting, quantity):
        planted = {("target, K_eff", "moved"): 2.0, ("target, K_eff", "fid"): 23.0, ("embedded", "unseen"): 0.4,
                   ("plain", "unseen"): 0.3, ("naive", "unseen"): 0.5, (embedded.SAVED, "fid"): 21.0,
                   ("embedded", "changed"): 0.2, ("plain", "changed"): 0.3}  # fmt: skip
        return planted.get((method, quantity), as_reported(method, setting, quantity))

    of = {"x": table(story, noise=0.0)}
    moves = embedded.moves(of)
    assert "by 2.00 [2.00, 2.00] with the logit" in moves and "changes FID by +5.00 [+5.00, +5.00]" in moves
    assert embedded.saving(of) == "On *x* it changes FID by +3.00 [+3.00, +3.00], resolved."
    assert "+0.100 [+0.100, +0.100] (larger) beside the cost of pixels, and -0.100" in embedded.unseen(of)
    assert embedded.unseen(of).endswith("(smaller) beside the naive ascent.")
    assert "another class by -0.100 [-0.100, -0.100] at one $K$" in embedded.answer(of)
    noisy = {"x": table(changed("fid", (embedded.SAVED, "bare"), lambda setting: 18.0), noise=0.5)}
    assert embedded.saving(noisy).endswith(", not resolved.")
    for words in (embedded.moves, embedded.saving, embedded.unseen):
        assert words({"x": table(seeds=1)}) == embedded.NOTHING
    rows = embedded.printed_table(of).splitlines()
    assert rows[2] == "| Table 1, vanilla | 49.87 / 0.15 / 0.47 | 18.0 / 0.40 / 0.50 |"
    assert rows[3].startswith("| Table 1, latent | 24.25 / 0.22 / 0.52 | 11.0 /")
    assert rows[4] == "| Figure 2, 0 updates | 17.9 / 0.38 / 0.5 | 18.0 / 0.40 / 0.50 |"
    assert rows[6] == "| Figure 2, 5 updates | 11.3 / - / - | 11.0 / 0.55 / 0.55 |"
    assert rows[7].startswith("| Figure 2, 19 updates | 12.2 / 0.52 / 0.81 | 12.0 /")


def test_each_printed_number_stands_beside_its_own_way():
    """Planted: numbers that differ by way, update and score, so that a row of another way is seen."""
    ways = {
        "Table 1, vanilla": ("bare", 1), "Table 1, latent": ("latent, as printed", 5),
        "Figure 2, 0 updates": ("bare", 1), "Figure 2, 1 updates": ("latent, as printed", 1),
        "Figure 2, 5 updates": ("latent, as printed", 5), "Figure 2, 19 updates": ("latent, as printed", 20),
        "Figure 6, embedded, 20 updates": ("embedded", 20), "Figure 6, embedded, 70 updates": ("embedded", 100),
        "Figure 7, its samples": ("bare", 1), "Figure 7, embedded, 20 updates": ("latent, embedded", 20),
        "Figure 7, embedded, at its end": ("latent, embedded", 20),
    }  # fmt: skip
    of = {"x": table(lambda *cell: 100 * mark(*cell), noise=0.0, seeds=2)}
    rows = [cells(row) for row in embedded.printed_table(of).splitlines()[2:]]
    assert [row[0].strip("| ") for row in rows] == list(ways)
    for place, _, ours in rows:
        fid, recall, precision = (100 * mark(*ways[place.strip("| ")], q) for q in ("fid", "recall", "precision"))
        assert ours.rstrip("| ") == f"{fid:.1f} / {recall:.2f} / {precision:.2f}", place


def test_every_printed_number_of_the_report_is_on_the_page(monkeypatch):
    asked, value = set(), paper.value
    monkeypatch.setattr(paper, "value", lambda name: asked.add(name) or value(name))
    judge = table().query("method == 'in E'").assign(method="in judge")
    frame = pd.concat([table(), judge])
    for shown in (embedded.audit_table, embedded.space_table, lambda of: embedded.printed_table({"x": of})):
        shown(frame)
    assert asked == {each for each in paper._entries() if each.startswith("s1.")}


def test_spaces_stand_beside_the_print():
    frame = table(noise=0.0)
    judge = frame[frame["method"] == "in E"].assign(method="in judge")
    rows = embedded.space_table(pd.concat([frame, judge])).splitlines()
    assert cells(rows[2])[:3] == ["| pixels", "0.78 / 0.28", "0.600 [0.600, 0.600]"]
    assert cells(rows[3])[:3] == ["| E", "0.84 / 0.77", "0.800 [0.800, 0.800]"] and cells(rows[4])[1] == "-"


def test_tables_and_figures_have_all_their_ways():
    frame = table()
    shrunk = embedded.shrink_table(frame).splitlines()
    assert shrunk[0].startswith("| way | scale or updates |") and len(shrunk) == 2 + 1 + 3 + 3
    costs = embedded.embedded_table(frame).splitlines()
    assert [cells(row)[0].strip("| ") for row in costs[2:]] == ["bare", *embedded.EMBEDDED]
    assert "share unseen" in costs[0]
    audit, costs = embedded.audit_figure(frame), embedded.embedded_figure(frame)
    assert [len(axis.lines) for axis in audit.axes] == [3] * 3 and [len(axis.lines) for axis in costs.axes] == [5] * 4
    assert [axis.get_title() for axis in costs.axes] == ["FID", "precision", "recall", "another class"]
    for axis, quantity in zip(costs.axes, ("fid", "precision", "recall", "changed"), strict=True):
        curves = embedded_statements.curves(frame, quantity, {way: way for way in embedded.EMBEDDED})
        assert all(line.get_ydata() == pytest.approx(curves[line.get_label()][1]) for line in axis.lines)


def test_all_ways_that_tables_name_are_measured():
    measured = {way.name: way for way in embedded_moves.ways()}
    named = [*embedded.ALGORITHMS, (embedded.SAVED, 1.0), *((way, 100) for way in embedded.EMBEDDED)]
    named += [(way, step) for way in embedded.AUDITED.values() for step in embedded_statements.CURVE]
    named += [(way, 20) for way in embedded.SHRINKING.values()]
    assert all(setting in measured[way].settings for way, setting in named)


# --- one training


@pytest.fixture
def few(monkeypatch):
    """Two of the ways, so that a run takes no time."""
    ways = [each for each in embedded_moves.ways("smoke") if each.name in ("bare", "embedded", "plain")]
    monkeypatch.setattr(embedded_moves, "ways", lambda profile="laptop": tuple(ways))


def lines_of(run, record=None, *, anew=False):
    record = record or embedded.open_record(NAME, "smoke", 0)
    return recording.lines_of(record, run, embedded_moves.measure, embedded.fill_record, anew=anew)


@pytest.mark.usefixtures("few")
def test_a_run_leaves_a_record_with_its_table(run, tmp_path):
    record, lines, source = lines_of(run)
    tidy.write(record, lines, tmp_path)
    frame = embedded_statements.frame_of(record, pd.DataFrame(lines))
    assert source == "measured by this build" and record.verdicts == {}, "one training judges no statement"
    stored = records.read(tmp_path / "embedded" / f"{record.key}.json")
    assert stored.get("K_E").value == run.constants["K_E"] and stored.get("K_E").unit == "logits per feature distance"
    assert stored.get("k_eff").unit == "logits per latent distance"
    space = embedded_moves.by_extractor(run)["E"]
    assert stored.get("recall", method="in E").value == space.scores().recall
    assert stored.get("separation", method="in E").value == space.separation()
    assert stored.made["weights"]["extractor"] == run.extractor.sha256 == stored.parameters["extractor"]["sha256"]
    assert stored.parameters["extractor"]["width"] == 8
    assert set(tidy.of(stored, tmp_path)["method"]) == {"real", "bare", "embedded", "plain"}
    assert set(frame["method"]) == {"real", "bare", "embedded", "plain", "in pixels", "in E", "in judge"}


@pytest.mark.usefixtures("few")
def test_a_committed_record_is_shown_unless_asked_otherwise(run, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "KEPT", tmp_path)
    first, lines, _ = lines_of(run)
    first.made["commit"] = "0123456789abcdef"
    tidy.write(first, lines, tmp_path)
    opened = embedded.open_record(NAME, "smoke", 0)
    again, shown, source = lines_of(run, opened)
    assert source == "recorded at commit 0123456789ab" and again.content == first.content
    assert [line["fid"] for line in shown] == pytest.approx([line["fid"] for line in lines], rel=1e-6)
    table, made = tmp_path / "embedded" / f"{first.key}.csv", (tmp_path / "again")
    tidy.write(again, shown, made)
    assert (made / "embedded" / table.name).read_bytes() == table.read_bytes()
    assert lines_of(run, opened, anew=True)[0] is opened
    other = replace(run, pair=replace(run.pair, digests={"x": "0" * 64}))
    assert lines_of(other)[2] == "measured by this build", "the record is of another pair"
    changed = embedded.open_record(NAME, "smoke", 0)
    changed.parameters["sets"] = 7
    assert lines_of(run, changed)[2] == "measured by this build", "the record is of other settings"
    monkeypatch.setenv("DOTLIB_TRAIN", "1")
    assert lines_of(run)[2] == "measured by this build"


def test_strips_begin_at_the_bare_samples(run):
    pixels, steps = embedded.strip(run, "target, unrelated anchor, no D", rows=5)
    assert pixels.shape == (3, 5, 1, 8, 8) and pixels.dtype == np.uint8 and steps == [0, 1, 2]
    z = image_pairs.latents(run.pair, run.settings, 0, 0)[:5]
    with torch.no_grad():
        assert np.array_equal(pixels[0], images.to_uint8(run.pair.generate(z)).numpy())


def test_the_lengths_are_of_the_last_update(run):
    found = embedded.lengths(run, rows=4)
    assert list(found) == ["plain", "embedded"]
    z = image_pairs.latents(run.pair, run.settings, 0, 0)[:4]
    (way,) = (each for each in embedded_moves.ways("smoke") if each.name == "embedded")
    *_, (step, x) = embedded_moves.path(run, way, z)
    y = run.pair.generate(z).detach()
    assert step == 2
    assert found["embedded"][:, 0] == pytest.approx((x - y).flatten(1).norm(dim=1).numpy(), rel=1e-5)
    assert found["embedded"][:, 1] == pytest.approx((run.E(x) - run.E(y)).norm(dim=1).numpy(), rel=1e-3, abs=1e-5)
    figure = embedded.lengths_figure(run)
    assert [axis.get_title() for axis in figure.axes] == ["plain: pixels, features", "embedded: pixels, features"]


def test_the_planes_show_the_same_images_in_every_space(run):
    figure = embedded.planes_figure(run)
    assert [axis.get_title() for axis in figure.axes] == ["pixels", "E", "judge"]
    counts = [[len(part.get_offsets()) for part in axis.collections] for axis in figure.axes]
    assert counts[0] == counts[1] == counts[2] and sum(counts[0]) == 60


def test_the_campaign_has_every_committed_record():
    listed = yaml.safe_load((ROOT / "results" / "campaign.yml").read_text(encoding="utf-8"))
    kept = {f"embedded/{record.key}" for record in records.stored(records.KEPT, "embedded")}
    assert kept <= {key for key in listed if key.startswith("embedded/")}


def test_the_sentences_beside_the_table_of_shrunk_latents_hold_in_the_records():
    """What `notebooks/embedded.md` says in words below "latent space": on digits and on MNIST."""
    recorded, last = embedded_statements.frames(), embedded_moves.LATENT[-1]

    def ends(label, quantity, cell):
        frame = next(frame for pair, frame in recorded.items() if pair.startswith(label))
        change = embedded_statements.at(frame, quantity, cell) - embedded_statements.at(frame, quantity, ("bare", 1.0))
        return intervals.t_interval(change)[1]

    shrunk = [("latents shrunk", scale) for scale in embedded_moves.SCALES]
    with_D, without, own = ((way, last) for way in embedded.SHRINKING.values())
    assert all(ends("digits", "recall", cell)[1] < 0 for cell in (*shrunk, with_D, without))
    assert all(ends("digits", "precision", cell)[0] > 0 for cell in (with_D, without))
    assert all(ends("mnist", "recall", cell)[1] >= 0 for cell in shrunk)
    for quantity in ("precision", "recall"):
        low, high = ends("digits", quantity, own)
        assert low <= 0 <= high
        low, high = ends("mnist", quantity, without)
        assert low <= 0 <= high
    assert ends("mnist", "recall", own)[0] > 0
