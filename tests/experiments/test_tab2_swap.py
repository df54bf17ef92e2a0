"""Any G with any D: identities, invariances, planted tables, failures.

The pairs of the first part are small enough that D(G(.)) is known: one latent, G and D affine, so that every pair of
latents has the same slope and k_eff does not depend on which are drawn.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from swap_tables import NOISE, OTHERS, planted, table
from torch import nn

from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import moves, one_training, over_trainings, table2_trainings
from dotlib.evaluation.judges import SEEDS as JUDGES
from dotlib.evaluation.judges import Scoring
from dotlib.experiments import tab2_swap
from dotlib.pairs import Pair, Uniform
from dotlib.results import paper, records, tidy
from dotlib.training import zoo
from dotlib.training.settings import OBJECTIVES, ROWS, image_training

C = Scoring(sets=2, samples=40, updates=4, lr=0.02, pairs=20, repeats=2, splits=2, batch=16, kept=40)
A, B = "dcgan-sagan-hi", "dcgan-wgan-gp"


class Affine(nn.Module):
    """z (B, 1) -> images (B, 1, 8, 8) with values in (-1, 1)."""

    def __init__(self, tilt: float = 1.0) -> None:
        super().__init__()
        self.slope = nn.Parameter(tilt * torch.linspace(-0.4, 0.5, 64).reshape(1, 1, 8, 8))

    def forward(self, z):
        return 0.1 + z[:, :, None, None] * self.slope


class Plane(nn.Module):
    """Images -> logits (B, 1), the scale times their correlation with a ramp."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * torch.linspace(-0.1, 0.2, 64))

    def forward(self, x):
        return x.flatten(1) @ self.weight[:, None]


def trained(row: str, scale: float, tilt: float = 1.0, dataset: str = "digits", seed: int = 0) -> zoo.TrainedPair:
    """A pair whose D has this scale; nothing of it lies on disk."""
    pair = Pair(Affine(tilt).eval(), Plane(scale).eval(), Uniform(1))
    made = {"commit": "abc", "dirty": False, "device": "cpu", "seconds_since_resume": 1.0}
    return zoo.TrainedPair(
        f"{dataset}-{row}",
        pair,
        image_training(dataset, row, "smoke", seed),
        Path(f"{row}-{scale}-s{seed}.safetensors"),
        f"{row} {scale} {tilt} {seed}",
        [],
        made,
    )


# --- one training ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2.0, 20.0, 0.05])
def test_a_foreign_D_on_another_scale_moves_the_samples_alike(artifacts, scale):
    G = trained(A, 2.0)
    ends = []
    for pair in (image_pairs.ImagePair.of(G), tab2_swap.swapped(G, trained(B, scale))):
        k_eff = image_pairs.constants(pair, C, 0)[0].value
        move = moves.Move("D", "descent", (C.updates,), k_eff)
        ((_, end),) = moves.path(move, pair, pair, image_pairs.latents(pair, C, 0, 0), C.lr, torch.Generator())
        ends.append((k_eff, end))
    assert ends[1][0] == pytest.approx(ends[0][0] * scale / 2, rel=1e-4)
    assert torch.allclose(ends[0][1], ends[1][1], rtol=1e-4, atol=1e-4)  # float32, a few steps of 0.02


def test_the_sign_of_D_turns_the_motion_round():
    z, method = torch.zeros(1, 1), image_pairs.Method("dot", (0, 4), 0.02)
    steps = []
    for scale in (2.0, -2.0):
        pair = tab2_swap.swapped(trained(A, 7.0), trained(B, scale))
        (_, before), (_, after) = image_pairs.moved(pair, method, z, 0.1)
        steps.append((after - before) @ torch.ones(8, 8))
    assert (steps[0] * steps[1] < 0).all()


def test_a_swapped_pair_takes_prior_and_latents_of_G_and_only_D_of_the_other():
    a, b = trained(A, 2.0), trained(B, 3.0, tilt=0.5)
    pair, own = tab2_swap.swapped(a, b), image_pairs.ImagePair.of(a)
    assert pair.generator is a.pair.generator and pair.prior is a.pair.prior
    assert pair.discriminator is b.pair.discriminator
    assert pair.name == f"{A}+{B}"
    assert torch.equal(image_pairs.latents(pair, C, 0, 1), image_pairs.latents(own, C, 0, 1))
    assert set(pair.digests.values()) == {a.sha256, b.sha256}
    back = tab2_swap.swapped(b, a)
    assert back.digests != pair.digests and back.name != pair.name


def test_pairs_of_two_data_sets_do_not_swap():
    with pytest.raises(InputError, match="of_D: mnist-dcgan-wgan-gp.*other images.*pair of digits"):
        tab2_swap.swapped(trained(A, 1.0), trained(B, 1.0, dataset="mnist"))


def scale_of(row, seed):
    """Of D: another for each row and seed; that of B falls where the others rise."""
    return (1.0 + seed + ROWS.index(row)) * (-1 if row == B else 1)


@pytest.fixture
def asked(monkeypatch):
    """Pairs that were asked for, as (row, seed); each is made here."""
    seen = []

    def pair(name, *, seed, **_):
        row = name.partition("-")[2]
        seen.append((row, seed))
        return trained(row, scale_of(row, seed), seed=seed)

    monkeypatch.setattr(zoo, "pair", pair)
    return seen


@pytest.mark.parametrize(("seed", "shift", "other"), [(0, 1, 1), (4, 1, 0), (3, 2, 0), (2, 0, 2)])
def test_the_discriminators_are_those_of_the_next_seed(asked, artifacts, seed, shift, other):
    """Typed from book/protocol: the seed + 1 modulo 5, the discriminator of the own row among them."""
    run = tab2_swap.load(f"digits-{A}", profile="smoke", seed=seed, shift=shift)
    rows = [row for row in ROWS if shift or row != A]
    assert asked == [(A, seed), *((row, other) for row in rows)]
    labels = ["own D", *(f"D of {row}" + ("" if shift else ", same seed") for row in rows)]
    assert list(run.critics) == list(run.k_eff) == labels
    for label, (row, its_seed) in zip(labels, asked, strict=True):
        critic = run.critics[label]
        assert critic.generator is run.pair.generator
        ramp = scale_of(row, its_seed) * torch.linspace(-0.1, 0.2, 64)
        assert torch.allclose(critic.discriminator.weight, ramp), f"{label} climbs another D"
    assert tab2_swap.SEEDS == 5 and table2_trainings.PAPER_G == A


@pytest.fixture
def run(asked, artifacts):
    return tab2_swap.load(f"digits-{A}", profile="smoke", seed=4)


def test_every_discriminator_set_and_judge_has_one_line(run, tmp_path):
    tenth = {label: replace(k, maxima=k.maxima / 10) for label, k in run.k_eff.items()}  # the exact one moves nothing
    run = replace(run, k_eff=tenth)
    lines = tab2_swap.measure(run)
    frame = pd.DataFrame(lines)
    assert set(frame["method"]) == {"bare", "real", *run.critics}
    assert len(frame) == len(JUDGES) * (run.settings.sets * (1 + len(run.critics)) + 1)
    D = frame.groupby("method")["D"].mean()
    assert D[f"D of {B}"] < D["bare"] < D["own D"], "a discriminator that falls where G's rises was not climbed"
    record = tab2_swap.open_record(f"digits-{A}", "smoke", 4)
    tab2_swap.fill_record(record, run, lines)
    again = records.read(tidy.write(record, lines, tmp_path))
    assert again.key == f"smoke-digits-{A}-s4" and again.parameters["shift"] == 1
    assert again.get("k_eff", method=f"D of {B}").value == pytest.approx(run.k_eff[f"D of {B}"].value)
    assert set(again.made["pairs"]) == {f"digits-{A}", *(f"digits-{row}, seed 0" for row in ROWS)}
    assert again.verdicts == {}, "one training has no verdict"
    assert len(tab2_swap.training_table(lines).splitlines()) == 2 + len(run.critics)


def test_a_second_run_measures_nothing(run, monkeypatch):
    first = tab2_swap.measure(run)
    monkeypatch.setattr(moves, "path", lambda *_: pytest.fail("moved again"))
    assert tab2_swap.measure(run) == first


def test_a_2d_pair_and_a_negative_shift_are_refused():
    with pytest.raises(InputError, match="is a 2-D pair"):
        tab2_swap.load("25gaussians-wgan-gp", profile="smoke")
    with pytest.raises(InputError, match="shift"):
        tab2_swap.load(f"digits-{A}", profile="smoke", shift=-1)


# --- the print ------------------------------------------------------------------------------------


def test_table_2_has_the_numbers_of_one_generator():
    assert tab2_swap.generators_by_numbers() == ["sagan-hi"]
    assert table2_trainings.PAPER_G in ROWS


@pytest.mark.parametrize(
    "changed", ["tab2.none.fid", "tab2.none.is", "tab2.sagan-hi.is", "tab1.cifar10.dcgan.sagan-hi.bare.fid"]
)
def test_one_other_number_would_leave_no_generator(monkeypatch, changed):
    real = paper.value

    def altered(name):
        found = real(name)
        return replace(found, value=found.value + 0.01) if name == changed else found

    monkeypatch.setattr(paper, "value", altered)
    assert tab2_swap.generators_by_numbers() == []


def test_every_printed_D_improves_the_scores():
    for kind in OBJECTIVES:
        assert table2_trainings.printed_change(kind, "fid") < 0 < table2_trainings.printed_change(kind, "is_mean")
    assert table2_trainings.printed_change("wgan-gp", "fid") == pytest.approx(24.47 - 25.78)


def test_a_printed_rank_counts_the_discriminators_ahead():
    scores = {kind: table2_trainings.printed(f"tab2.{kind}") for kind in OBJECTIVES}
    for quantity, better in (("fid", float.__lt__), ("is_mean", float.__gt__)):
        own = scores["sagan-hi"][quantity].value
        ahead = sum(better(other[quantity].value, own) for other in scores.values())
        assert tab2_swap.printed_rank("sagan-hi", quantity) == 1 + ahead


# --- over trainings -------------------------------------------------------------------------------


def test_the_whole_matrix_is_counted_for_every_score():
    frame = table(planted)
    for quantity in table2_trainings.QUANTITIES:
        cells = table2_trainings.matrix(frame, quantity)
        assert list(cells) == [B, A] and all(len(line) == 1 + len(ROWS) for line in cells.values())
        assert table2_trainings.counts(cells) == {"better": 6, "worse": 2, "undecided": 6}
        assert cells[A]["own D"].word == "better" and cells[B]["own D"].word == "undecided"
    cell = table2_trainings.matrix(frame, "fid")[A]["own D"]
    assert cell.change.mean() == pytest.approx(-2.0) and cell.share.mean() == pytest.approx(0.2)
    text = tab2_swap.answer({"digits, laptop": frame})
    assert "7 discriminators of another seed move samples of the generator of Table 2" in text
    assert "By FID 6 better, 0 worse, 1 undecided; its own D changes FID by -2.00" in text
    assert "All 14 combinations of 2 generators with such a discriminator: by FID 6 better, 2 worse" in text
    assert "; by IS 6 better" in text


def test_fewer_than_three_trainings_have_no_verdict():
    frame = table(planted, noise=NOISE[:2])
    assert table2_trainings.matrix(frame, "fid") == {}
    assert "fewer than 3 trainings" in tab2_swap.answer({"digits, laptop": frame})
    assert table2_trainings.verdicts(frame, own=False) == {}
    assert "no answer" in tab2_swap.answer({})


def test_the_claim_table_shows_print_change_share_and_verdict():
    rows = tab2_swap.claim_table(table(planted), own=False).splitlines()[2:]
    cells = {row.split("|")[1].strip(): [cell.strip() for cell in row.strip("| ").split("|")] for row in rows}
    assert len(cells) == 8 and cells["own D"][1:3] == ["5", "-"] and cells["own D"][-1] == "-"
    sngan = cells["D of dcgan-sngan-ns, another seed"]
    assert sngan[6] == "-4.33" and sngan[7].startswith("-2.00 [") and sngan[8:] == ["0.20", paper.REPLICATED]
    assert cells["D of resnet-sagan-ns, another seed"][-1] == "-"


def test_the_own_D_stands_against_its_row_of_another_seed():
    frame = table(lambda row, m: -3.0 if m == "own D" else -1.0 if m == f"D of {row}" else -2.0)
    frame.loc[frame["method"] == "own D", "fid"] += 0.01 * frame["seed"]  # else the gap has no scatter
    rows = tab2_swap.own_table(frame).splitlines()[2:]
    assert len(rows) == 2
    for row in rows:
        _, n, gap, word, rank, best = (cell.strip() for cell in row.strip("| ").split("|"))
        assert gap.startswith("-1.98 [") and (n, word, rank, best) == ("5", "better", "1 of 8", "own D")


def test_a_heat_map_marks_what_is_decided():
    plotted = tab2_swap.heat_map(table2_trainings.matrix(table(planted), "fid"))
    assert plotted["rows"] == [f"G of {B}", f"G of {A}"] and plotted["columns"] == ["own D", *OTHERS]
    assert plotted["marked"].sum() == 6 + 2 + 1 and plotted["centre"] == 0
    assert plotted["values"][1][1] == pytest.approx(0.0) and plotted["values"][1][0] == pytest.approx(-2.0)


def test_records_with_the_discriminators_of_the_same_seed_are_not_pooled(tmp_path):
    frame = table(planted)
    for shift, pair_seed in ((0, 0), (1, 1)):
        record = records.start(
            "tab2_swap", profile="laptop", dataset=f"digits-{A}", seed=pair_seed, parameters={"shift": shift}
        )
        record.put("k_eff", 2.0, method="own D", unit="")
        for row in ROWS:
            record.put("k_eff", 3.0, method=table2_trainings.method(row, same_seed=not shift), unit="")
        lines = frame[(frame["dataset"] == f"digits-{A}") & (frame["seed"] == 0)].drop(columns=["dataset", "seed"])
        if not shift:
            lines = lines[~lines["method"].isin(OTHERS)]
        tidy.write(record, lines.to_dict("records"), tmp_path / str(shift))
        tidy.write(record, lines.to_dict("records"), tmp_path / "both")
    assert table2_trainings.frames(tmp_path / "0") == {}
    assert list(table2_trainings.frames(tmp_path / "1")) == ["digits, laptop"]
    assert set(table2_trainings.frames(tmp_path / "both")["digits, laptop"]["seed"]) == {1}  # a label holds both kinds
    plotted = tab2_swap.k_eff_map("digits, laptop", tmp_path / "both")
    assert plotted["values"] == [[2.0] + [3.0] * 7] and plotted["rows"] == [f"G of {A}"]
    with pytest.raises(InputError, match="no recorded training"):
        tab2_swap.fullest({})


def test_committed_generators_have_the_scores_of_their_own_trainings():
    """Bare samples and the own D were measured before, for another page: the same numbers, to the digits of a table."""
    frames = [over_trainings.frames(stem)["digits, laptop"] for stem in ("tab2_swap", "transport_matters")]
    for quantity in table2_trainings.QUANTITIES:
        for names in (("bare", "bare"), ("own D", "DOT"), ("real", "real")):
            here, there = (over_trainings.cells(f, n, quantity) for f, n in zip(frames, names, strict=True))
            assert len(here) > 0 and set(here.index) <= set(there.index)
            assert here.to_numpy() == pytest.approx(there[here.index].to_numpy(), rel=1e-6)


def test_the_rules_are_those_of_the_protocol():
    """Typed from book/protocol, where they stood before the runs."""
    assert table2_trainings.QUANTITIES == ("fid", "is_mean", "precision", "recall", "coverage")
    assert one_training.SETS["digits"] == (2, 600) and over_trainings.LEVEL == 0.05 and over_trainings.LEAST == 3
