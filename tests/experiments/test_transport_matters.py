"""When the transport matters: the measurement of a pair, and what the page says of planted effects.

Kinds of test: identities (bare is unmoved, the floor is the panel's), resuming, second method, words, failures.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from training_tables import PAIRS, table

from dotlib import transport
from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import judges, moves, one_training, over_trainings
from dotlib.experiments import transport_matters
from dotlib.metrics.frechet import Moments, fid
from dotlib.results import paper, records, tidy
from dotlib.seeding import generator
from dotlib.training import zoo

NAME = "digits-dcgan-sngan-hi"


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def run(artifacts):
    return transport_matters.load(NAME, profile="smoke")


@pytest.fixture
def lines(run):
    return pd.DataFrame(transport_matters.measure(run))


def test_each_set_has_latents_and_draws_of_its_own(run, monkeypatch):
    """Two sets that were one would halve every interval over sets; equal latents leave the draws of a random move."""
    options = {"panel": run.panel, "settings": run.settings, "seed": 0}
    (random,) = (move for move in moves.moves(run.slopes) if move.kind == "random")

    def D_of(move, number, seed=0):
        return one_training.measured_set(run.pair, run.pair, move, number, **options | {"seed": seed})[0]["D"]

    assert D_of(one_training.BARE, 0) != D_of(one_training.BARE, 1)
    assert D_of(one_training.BARE, 1) == D_of(one_training.BARE, 1)
    fixed = image_pairs.latents(run.pair, run.settings, 0, 0)
    monkeypatch.setattr(image_pairs, "latents", lambda *_: fixed)
    assert D_of(one_training.BARE, 0) == D_of(one_training.BARE, 1)
    assert len({D_of(random, 0), D_of(random, 1), D_of(random, 0, seed=1)}) == 3


def test_every_way_setting_set_and_judge_has_one_line(run, lines):
    ways = moves.moves(run.slopes)
    assert "DOT, early D" in {move.name for move in ways}  # a fresh training has milestones
    settings = 1 + sum(len(move.settings) for move in ways)  # 1: bare
    assert len(lines) == len(judges.SEEDS) * (run.settings.sets * settings + 1)  # + 1: real images
    assert not lines.duplicated(["method", "setting", "set", "judge"]).any()
    assert np.isfinite(lines.select_dtypes("number")).all().all()


def test_bare_is_unmoved_and_every_way_begins_at_it(run, lines):
    bare = lines[lines["method"] == "bare"]
    assert (bare["moved"] == 0).all() and (bare["evaluations"] == 1).all()
    z = image_pairs.latents(run.pair, run.settings, 0, 0)
    with torch.no_grad():
        x = run.pair.generate(z)
    assert bare["D"].iloc[0] == pytest.approx(float(run.pair.logit(x).mean()), rel=1e-5)
    judge = run.panel.judges["classifier 3"]
    real = Moments.of(judge(images.image_set("digits", "test").images)[0])
    found = bare[bare["judge"] == "classifier 3"]["fid"].item()
    assert found == pytest.approx(fid(real=real, fake=Moments.of(judge(images.to_uint8(x))[0])), rel=1e-4)


@pytest.mark.parametrize("critic", ["shuffled", "early"])
def test_a_control_climbs_the_d_of_its_critic(run, lines, critic):
    """Else the control is the method itself, and finds that nothing depends on D."""
    (move,) = (each for each in moves.moves(run.slopes) if each.critic == critic)
    z, ends = image_pairs.latents(run.pair, run.settings, 0, 0), {}
    for name in (critic, "own"):
        options = {"steps": 40, "optimizer": transport.SGD(run.settings.lr)}
        ends[name] = transport.latent_dot(run.critics[name], z, move.k, **options).final
    D = {name: float(run.pair.logit(run.pair.generate(end)).double().mean()) for name, end in ends.items()}
    found = lines[(lines["method"] == move.name) & (lines["setting"] == 40) & (lines["set"] == 0)]["D"].iloc[0]
    assert abs(D[critic] - D["own"]) > 1e-3 * abs(D["own"])
    assert found == pytest.approx(D[critic], rel=1e-4), f"{move.name} climbs another D"


def test_the_early_critic_is_that_of_the_first_milestone(run):
    first, *_, last = zoo.milestones(run.trained)
    x = run.pair.generate(run.pair.prior.sample(5, generator(0, "z")))
    assert torch.equal(run.critics["early"].logit(x), first[1].logit(x)), "the early D is of another milestone"
    assert first[0] < last[0] and not torch.equal(first[1].logit(x), last[1].logit(x))


def test_a_way_that_moves_nothing_scores_as_bare_by_every_score(run):
    """Latents, images and the random subsets of KID are paired, whatever a way is called."""
    still = replace(run, settings=replace(run.settings, lr=0.0))
    bare, naive, dot = (
        transport_matters._measure_set(still, moves.Move(name, kind, settings), 0)
        for name, kind, settings in (
            ("bare", "truncation", (1.0,)),
            ("naive", "descent", (3,)),
            ("DOT", "descent", (3,)),
        )
    )
    for lines_of in zip(bare, naive, dot, strict=True):
        scores = [{quantity: line[quantity] for quantity in transport_matters.QUANTITIES} for line in lines_of]
        assert scores[0] == scores[1] == scores[2], "scores differ where nothing has moved"


def test_d_rises_along_its_own_ascent_and_by_choice(lines):
    means = lines.groupby(["method", "setting"])["D"].mean()
    assert means["naive"].is_monotonic_increasing and means["best of m"].is_monotonic_increasing
    assert means["naive", 40] > means["bare", 1] and means["best of m", 61] > means["best of m", 2]
    moved = lines.groupby(["method", "setting"])["moved"].mean()
    assert moved["random direction"].to_numpy() == pytest.approx(
        moved["naive"].to_numpy(), rel=0.05
    )  # less what is clipped
    assert moved["DOT, 30 k_eff", 40] < moved["DOT", 40] < moved["naive", 40]


def test_real_images_stand_in_every_judge_as_the_panel_has_them(run, lines):
    real = lines[lines["method"] == "real"].set_index("judge")
    assert real["fid"].to_dict() == {name: pytest.approx(floor.fid) for name, floor in run.panel.floor.items()}
    x = images.to_float(images.image_set("digits", "floor").images)
    with torch.no_grad():
        D = float(run.pair.logit(x).double().mean())
    assert real["D"].to_numpy() == pytest.approx(D, rel=1e-5), "D is not that of the floor's images"


def test_a_run_continues_with_the_sets_that_are_missing(run, lines, artifacts, monkeypatch):
    """Each way and set is a file of its own: what a killed run has finished is read, the rest is measured."""
    (missing,) = artifacts.glob("matters/*/DOT,_10_k_eff-set0.json")
    missing.unlink()
    seen, path = [], moves.path
    monkeypatch.setattr(moves, "path", lambda move, *rest: seen.append(move.name) or path(move, *rest))
    assert pd.DataFrame(transport_matters.measure(run)).equals(lines)
    assert set(seen) == {"DOT, 10 k_eff"}


def test_a_record_has_constants_and_its_table(run, lines, tmp_path):
    record = transport_matters.open_record(NAME, "smoke", 0)
    transport_matters.fill_record(record, run, lines.to_dict("records"))
    path = tidy.write(record, lines.to_dict("records"), tmp_path)
    frame = tidy.of(records.read(path), tmp_path)
    assert len(frame) == record.get("lines").value == len(lines)
    assert record.get("gradient norm", method="max").value >= record.get("gradient norm", method="q50").value > 0
    assert record.get("k_eff", method="own").value == run.slopes["own"]
    slopes = {row.unit for name in ("k_eff", "gradient norm") for row in record.rows(quantity=name)}
    assert slopes == {paper.value("b2.cifar10.dcgan.sngan-hi.k_eff").unit}, "not the unit of the print"
    assert {row.judge for row in record.rows(quantity="accuracy")} == set(run.panel.judges)
    assert "DOT" in transport_matters.slope_table(tmp_path) or NAME in transport_matters.slope_table(tmp_path)


def test_the_figure_of_k_has_the_scores_of_the_table_and_each_k_once(run, lines):
    shown = transport_matters.along_k(run, lines)
    k = np.asarray(shown.table.rows["k"][0].values)
    assert np.all(np.diff(k) >= 0)
    assert k[shown.controls[0].options.index("k_eff")] == run.slopes["own"]
    assert k[shown.controls[0].options.index("30 k_eff")] == pytest.approx(30 * run.slopes["own"], rel=1e-12)
    frame = pd.DataFrame(lines)
    step = over_trainings.published(run.pair.name)
    fid_of = {"DOT": frame[(frame["method"] == "DOT") & (frame["setting"] == step)]["fid"].mean()}
    fid_of["bare"] = frame[frame["method"] == "bare"]["fid"].mean()
    dot, _, bare = (np.asarray(number.values) for number in shown.table.rows["FID"])
    assert dot[shown.controls[0].start] == pytest.approx(fid_of["DOT"], rel=1e-12)
    assert bare == pytest.approx(fid_of["bare"], rel=1e-12)


def test_a_2d_pair_is_refused():
    with pytest.raises(InputError, match="is a 2-D pair"):
        transport_matters.load("25gaussians-wgan-gp", profile="smoke")


# --- what the page says ---------------------------------------------------------------------------


def full(naive, dot, **options):
    """A synthetic table with every score: each is FID, or falls with it where higher is better."""
    frame = table(naive, dot, **options)
    for quantity in transport_matters.QUANTITIES:
        lower = transport_matters.SCORES[quantity].lower_is_better
        frame[quantity] = frame["fid"] if lower else 50 - frame["fid"]
    return frame


@pytest.mark.parametrize(
    ("naive", "dot", "noise", "word"),
    [
        (5.0, 8.0, 0.05, "DOT lower"),
        (8.0, 5.0, 0.05, "naive lower"),
        (5.0, 5.2, 0.05, "equivalent"),
        (5.0, 5.5, 4.0, "undecided"),
    ],
)
def test_the_answer_says_what_was_planted(naive, dot, noise, word):
    frame = full(naive, dot, noise=noise)
    text = transport_matters.answer({"digits, laptop": frame})
    assert f": **{word}**. FID of DOT" in text and "2 pairs, 5 training seeds" in text
    rows = transport_matters.primary_table(frame).splitlines()[2:]
    assert [[cell.strip() for cell in row.split("|")[-3:-1]] for row in rows] == [[word, word]] * 2


def test_a_word_needs_both_readings_of_the_rule():
    """The naive ascent changes FID by -4 or +4, by -0.8 on average; DOT is 0.4 lower: a tenth of 4, and half of 0.8."""
    frame = full(0.0, 0.0)
    sign, moved = 1 - 2 * (frame["seed"] % 2), frame["method"].isin(["naive", "DOT"])
    frame["fid"] -= 4.0 * sign * moved + 0.4 * (frame["method"] == "DOT")
    frame["fid"] += 0.001 * frame["seed"] * (frame["method"] == "DOT")  # a spread, for a test
    text = transport_matters.answer({"digits, laptop": frame})
    assert "**undecided** (equivalent by one reading of the rule, DOT lower by the other)" in text
    rows = transport_matters.primary_table(frame).splitlines()[2:]
    assert [[cell.strip() for cell in row.split("|")[-5:-1]] for row in rows] == [
        ["0.80", "0.16", "equivalent", "DOT lower"]
    ] * 2
    lines = transport_matters.pooled_table(frame).splitlines()[2:]
    assert all("equivalent" in line and "DOT lower" in line for line in lines)


def test_the_rules_are_those_of_the_protocol():
    """Typed from book/protocol, where they stood before the runs."""
    assert transport_matters.MARGIN == 0.2 and over_trainings.LEVEL == 0.05
    assert transport_matters.QUANTILES == {"q50": 0.5, "q90": 0.9, "max": 1.0}
    assert moves.TIMES == (1, 3, 10, 30)


def test_no_bar_in_a_cell_cuts_a_table():
    """With |naive - bare| in its header the table of the pool stood on the page as a paragraph of bars."""
    frame = full(8.0, 5.0, noise=0.05)
    for of in (transport_matters.pooled_table, transport_matters.primary_table, transport_matters.control_table):
        assert len({line.count("|") for line in of(frame).splitlines()}) == 1


def test_the_pool_is_shown_whole_and_without_each_pair():
    rows = transport_matters.pooled_table(full(8.0, 5.0, noise=0.05)).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [
        "all pairs",
        *(f"without {p.partition('-')[2]}" for p in PAIRS),
    ]
    assert {row.split("|")[-2].strip() for row in rows} == {"naive lower"}  # each pair says so by itself


def test_the_answer_names_what_its_word_hangs_on():
    """One pair says equivalent by so much that it carries the pool, and the other says so of itself alone."""
    frame = full(8.0, 8.0, noise=0.01)
    other = (frame["dataset"] == PAIRS[1]) & (frame["method"] == "DOT")
    frame.loc[other, "fid"] += 2.4  # 0.15 of the pool, 0.3 of its own pair
    text = transport_matters.answer({"digits, laptop": frame})
    assert "The word depends on single pairs: naive lower without" in text
    assert f"without {PAIRS[0].partition('-')[2]}" in text
    assert "hangs" not in transport_matters.answer({"digits, laptop": full(8.0, 8.0, noise=0.01)})


def test_gains_are_paired_and_each_pair_is_left_out():
    """Gains of 0.5 and 0.8 of a way of 10 at the published settings; a pair that loses is named by its line."""
    frame = full(8.0, 5.0)
    lost = (frame["dataset"] == PAIRS[1]) & (frame["method"] == "DOT")
    frame.loc[lost, "fid"] += 10.0
    lines = {line.split("|")[1].strip(): line for line in transport_matters.gain_table(frame).splitlines()[2:]}
    rows = [pair.partition("-")[2] for pair in PAIRS]
    assert set(lines) == {"all pairs", *rows, *(f"all but {row}" for row in rows)}
    last = {name: line.split("|")[-2].strip().split()[0] for name, line in lines.items()}
    assert last == {"all pairs": "-0.80", rows[0]: "-0.30", rows[1]: "-1.30"} | {
        f"all but {rows[0]}": "-1.30",
        f"all but {rows[1]}": "-0.30",
    }
    assert transport_matters.gain_table(full(6.0, 5.0, seeds=1)) == "One training a pair is no answer."


def test_without_trainings_there_is_no_answer(tmp_path):
    assert transport_matters.frames(tmp_path) == {}
    assert "no answer" in transport_matters.answer({})
    assert "no answer" in transport_matters.answer({"digits, laptop": full(5.0, 8.0, seeds=1)})


def test_one_training_a_pair_shows_numbers_and_no_interval():
    """FID falls by 6 and by 5: the naive ascent is ahead by 1, a fifth of what it changes is 1.2."""
    frame = full(6.0, 5.0, seeds=1)
    rows = [line.split("|")[1:-1] for line in transport_matters.primary_table(frame).splitlines()[2:]]
    assert [[cell.strip() for cell in row] for row in rows] == [
        [pair.partition("-")[2], "1", "13.15", "-6.00", "+1.00", "1.20", "1.20", "one training", "one training"]
        for pair in PAIRS
    ]
    for text in (transport_matters.pooled_table(frame), transport_matters.count_table(frame)):
        assert text == "One training a pair is no answer."
    matched, control = transport_matters.matched_table(frame), transport_matters.control_table(frame)
    assert matched.count("| -2.00 |") == 4 and "nan" not in matched + control  # FID at half of naive's fall: 3 - 5
    gains = {"naive": (0.6 + 1.2) / 2, "DOT": (0.5 + 1.0) / 2}  # of 10; the ResNet, twice as far
    assert all(f"| {name} | 20 |" in control and f"| {gain:+.2f} |" in control for name, gain in gains.items())
    assert "[" not in matched + control
    assert transport_matters.figure({"digits, laptop": frame}).axes


def test_counts_are_of_all_scores_in_the_direction_of_each():
    rows = transport_matters.count_table(full(5.0, 8.0, noise=0.05)).splitlines()[2:]
    assert len(rows) == len(transport_matters.QUANTITIES)
    assert {tuple(cell.strip() for cell in row.split("|")[2:-1]) for row in rows} == {("2", "0", "2", "0", "2")}


def test_matched_and_control_tables_have_their_closed_forms():
    frame = full(6.0, 5.0)
    matched = transport_matters.matched_table(frame)
    assert matched.count("−2.00") + matched.count("-2.00") >= 2 * len(PAIRS)  # FID at half of naive's fall: 3 - 5
    control = transport_matters.control_table(frame)
    assert "naive" in control and "DOT" in control and "bare" not in control
    assert over_trainings.published(PAIRS[0]) in transport_matters.SHOWN_SETTINGS


def test_the_advice_on_k_eff_is_what_the_recorded_trainings_of_the_digits_show():
    """notebooks/use_your_own_gan: the estimate lets samples go too far for FID, and its multiples do no such harm."""
    frame = transport_matters.frames()["digits, laptop"]
    curves = over_trainings.curves(over_trainings.shares(frame, "fid")).query("setting == 20").set_index("method")
    assert curves.loc["DOT", "high"] < 0
    for multiple in ("DOT, 3 k_eff", "DOT, 10 k_eff", "DOT, 30 k_eff"):
        assert curves.loc[multiple, "low"] > curves.loc["DOT", "high"], multiple


def test_what_try_it_says_of_the_recorded_trainings_holds():
    """k at the largest slope moves hardly anything; a flat D is climbed farther than another one, and to no effect."""

    def of(row, seed):
        stored = tidy.read("transport_matters", profile="laptop", dataset=row, seed=seed, folder=records.KEPT)
        ends = stored[stored["setting"].isin([1, 20])].groupby("method")[["moved", "D", "fid"]].mean()
        return ends.loc["bare"], ends.loc["DOT"], ends

    bare, dot, ends = of("digits-dcgan-sngan-ns", 0)
    assert ends.loc["DOT, k = max", "moved"] < 0.05 * dot["moved"]
    assert abs(ends.loc["DOT, k = max", "fid"] - bare["fid"]) < 0.01
    assert 0.9 < dot["D"] - bare["D"] < 1.1
    flat, moved, _ = of("digits-dcgan-sngan-hi", 1)
    assert moved["moved"] > dot["moved"] and 0.00005 < moved["D"] - flat["D"] < 0.00015
    assert abs(moved["fid"] - flat["fid"]) < flat["fid"] / 1_000


def test_slopes_are_printed_without_exponents():
    assert [transport_matters._short(value) for value in (0.853, 5.84, 112.0)] == ["0.85", "5.8", "110"]
