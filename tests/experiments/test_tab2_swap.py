"""Any G with any D: identities, invariances, closed forms, failures.

The pairs are small enough that D(G(.)) is known: one latent, G and D affine, so that every pair of
latents has the same slope and k_eff does not depend on which are drawn.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dotlib import transport
from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.judges import Judge, Panel, Scoring
from dotlib.experiments import tab2_swap
from dotlib.experiments.tab2_swap import Cell
from dotlib.metrics.scores import Collector, Reference
from dotlib.pairs import Pair, Uniform
from dotlib.results import paper, records
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import OBJECTIVES, ROWS, image_training
from dotlib.transport import lipschitz

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


class Looks(nn.Module):
    """A judge: three curved features and four logits."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(64, 7, generator=generator(seed, "judge")) / 4)

    def forward(self, x):
        seen = x.flatten(1) @ self.w
        return seen[:, :3].sin(), seen[:, 3:].cos()


@cache
def panel() -> Panel:
    """Two judges that differ by their weights, with 50 digits as the reference."""
    names = ["judge 0", "judge 1"]
    judged = {name: Judge(name, Looks(i).eval(), images.to_float, 3, 4, f"sha {i}") for i, name in enumerate(names)}
    real = images.image_set("digits", "test").images[:50]
    references, floor = {}, {}
    for name, judge in judged.items():
        references[name] = Reference(dim=3, total=50, kept=40, rng=generator(0, "reference"))
        references[name].add(judge(real)[0])
        collector = Collector(dim=3, classes=4, total=50, splits=2, kept=40)
        collector.add(*judge(real))
        floor[name] = collector.scores(real=references[name], rng=generator(0, name))
    return Panel(
        judged,
        references,
        floor,
        {n: f"sha {n}" for n in names} | {"test": "pixels"},
        {"test": "drawn here"},
    )


def trained(row: str, scale: float, tilt: float = 1.0, dataset: str = "digits") -> zoo.TrainedPair:
    """A pair whose D has this scale; nothing of it lies on disk."""
    pair = Pair(Affine(tilt).eval(), Plane(scale).eval(), Uniform(1))
    return zoo.TrainedPair(
        f"{dataset}-{row}",
        pair,
        image_training(dataset, row, "smoke"),
        Path(f"{row}-{scale}.safetensors"),
        f"{row} {scale} {tilt}",
        [],
        {},
    )


def run_of(trained_pair: zoo.TrainedPair, c: Scoring = C) -> image_pairs.Table1Row:
    """The row of Table 1 of such a pair."""
    pair, judged = image_pairs.ImagePair.of(trained_pair), panel().only_first()
    measured = image_pairs.measure(pair, image_pairs.table1_methods(c), judged, c, 0)
    return image_pairs.Table1Row(pair, trained_pair, judged, c, measured)


# --- cells ----------------------------------------------------------------------------------------


def test_the_own_cell_is_table_1_and_moves_nothing(monkeypatch):
    run = run_of(trained(A, 2.0))

    def refuse(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(image_pairs, "measure", refuse)
    cell = tab2_swap.row(run, {A: run.trained}, 0)[A]
    assert cell.k_eff is run.measured.k_eff
    for quantity in tab2_swap.QUANTITIES:
        assert cell.bare[quantity].tolist() == run.measured.of("dot", 0, quantity)
        assert cell.moved[quantity].tolist() == run.measured.of("dot", C.updates, quantity)


@pytest.mark.parametrize("scale", [2.0, 20.0, 0.05])
def test_a_foreign_D_on_another_scale_moves_the_samples_alike(scale):
    run = run_of(trained(A, 2.0))
    cells = tab2_swap.row(run, {A: run.trained, B: trained(B, scale)}, 0)
    assert cells[B].k_eff.value == pytest.approx(cells[A].k_eff.value * scale / 2, rel=1e-4)
    for quantity in ("fid", "is_mean"):
        assert (cells[B].bare[quantity] == cells[A].bare[quantity]).all()
        assert cells[B].moved[quantity] == pytest.approx(cells[A].moved[quantity], rel=2e-2)


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


def test_fewer_samples_are_the_first_ones_of_each_set():
    run = run_of(trained(A, 2.0))
    others = {A: run.trained, B: trained(B, -2.0)}
    cells = tab2_swap.row(run, others, 0, samples=25)
    small = run_of(run.trained, replace(C, samples=25))
    assert cells[A].moved["fid"].tolist() == small.measured.of("dot", C.updates, "fid")
    assert cells[A].k_eff.value == run.measured.k_eff.value
    assert (cells[B].bare["fid"] == cells[A].bare["fid"]).all()
    assert (cells[A].bare["fid"] != run.measured.of("dot", 0, "fid")).all()
    whole = [tab2_swap.row(run, others, 0, samples=n)[B].moved["fid"] for n in (40, 5_000, None)]
    assert (whole[0] == whole[1]).all() and (whole[0] == whole[2]).all()


def test_a_second_run_measures_nothing(monkeypatch):
    run, others = run_of(trained(A, 2.0)), {B: trained(B, -2.0)}
    first = tab2_swap.row(run, others, 0)[B]
    monkeypatch.setattr(transport, "latent_dot", lambda *_: pytest.fail("moved again"))
    again = tab2_swap.row(run, others, 0)[B]
    assert (again.moved["fid"] == first.moved["fid"]).all()


@pytest.mark.parametrize(("row", "samples"), [(tab2_swap.PAPER_G, None), (B, 100)])
def test_a_row_by_name_is_the_row_of_the_page(monkeypatch, row, samples):
    monkeypatch.setattr(image_pairs, "table1_row", lambda name, **_: name)
    monkeypatch.setattr(zoo, "pair", lambda name, **_: name)
    monkeypatch.setattr(tab2_swap, "row", lambda *arguments: arguments)
    run, others, seed, most = tab2_swap.row_of(f"digits-{row}", profile="smoke", seed=3)
    assert (run, seed, most) == (f"digits-{row}", 3, samples)
    assert others == {row: f"digits-{row}" for row in ROWS}


def test_only_the_first_judge_is_asked():
    whole = panel()
    first = whole.only_first()
    assert list(first.judges) == list(first.references) == [whole.first]
    assert first.digests == {whole.first: f"sha {whole.first}", "test": "pixels"}
    assert len(whole.judges) == 2


# --- ranks ----------------------------------------------------------------------------------------


def cell(moved, bare=None, k=1.0):
    """A cell with these FIDs, and IS of the opposite sign."""
    moved = np.asarray(moved, dtype=float)
    bare = np.zeros(len(moved)) if bare is None else np.asarray(bare, dtype=float)
    both = ({"fid": v, "is_mean": -v, "precision": v, "recall": v} for v in (bare, moved))
    return Cell(lipschitz.LipschitzEstimate(torch.tensor([k, k]), 10), *both)


OWN = np.array([3.0, 3.2, 2.9, 3.1])
NOISE = np.array([1.0, -1.0, 1.0, -0.9])


@pytest.mark.parametrize("quantity", ["fid", "is_mean"])
def test_ranks_count_what_is_separated(quantity):
    cells = {
        "better": cell(OWN - 1 + 0.01 * NOISE),
        "own": cell(OWN),
        "worse": cell(OWN + 1),
        "perhaps worse": cell(OWN + NOISE),
    }
    rank = tab2_swap.own_rank(cells, "own", quantity)
    assert (rank.rank, rank.low, rank.high, rank.of, rank.best) == (2, 2, 3, 4, "better")
    assert isinstance(rank.rank, int)


def test_equal_discriminators_share_the_first_rank():
    rank = tab2_swap.own_rank({"own": cell(OWN), "copy": cell(OWN)}, "own", "fid")
    assert (rank.rank, rank.low, rank.high) == (1, 1, 2)
    with pytest.raises(InputError, match="quantity: unknown 'recall'; known: fid, is_mean"):
        tab2_swap.own_rank({"own": cell(OWN)}, "own", "recall")


def test_a_change_is_that_of_pairs():
    mean, (low, high) = cell(OWN - 0.5, OWN).change("fid")
    assert mean == pytest.approx(-0.5) and low == pytest.approx(high)  # noise of OWN cancels


# --- the print ------------------------------------------------------------------------------------


def test_table_2_has_the_numbers_of_one_generator():
    assert tab2_swap.generators_by_numbers() == ["sagan-hi"]
    assert tab2_swap.PAPER_G in ROWS


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
        assert tab2_swap.printed_change(kind, "fid") < 0 < tab2_swap.printed_change(kind, "is_mean")
    assert tab2_swap.printed_change("wgan-gp", "fid") == pytest.approx(24.47 - 25.78)


# --- the page -------------------------------------------------------------------------------------


def test_a_printed_rank_counts_the_discriminators_ahead():
    scores = {kind: tab2_swap.printed(f"tab2.{kind}") for kind in OBJECTIVES}
    for quantity, better in (("fid", float.__lt__), ("is_mean", float.__gt__)):
        own = scores["sagan-hi"][quantity].value
        ahead = sum(better(other[quantity].value, own) for other in scores.values())
        assert tab2_swap.printed_rank("sagan-hi", quantity) == 1 + ahead


def matrix_of(shift):
    """One generator and every discriminator, two of whose changes hold 0."""
    line = {row: cell(OWN + shift, OWN) for row in ROWS}
    return {tab2_swap.PAPER_G: line | {"resnet-sagan-ns": cell(OWN + NOISE, OWN), "resnet-sagan-hi": cell(OWN, OWN)}}


@pytest.mark.parametrize(
    ("profile", "shift", "word"),
    [
        ("laptop", -1.0, paper.REPLICATED),
        ("laptop", 1.0, paper.CONTRADICTED),
        ("smoke", -1.0, paper.SMOKE),
    ],
)
def test_the_record_holds_every_cell_and_judges_every_printed_D(profile, shift, word):
    record = records.start("tab2_swap", profile=profile, dataset="digits", seed=0, parameters={})
    cells = matrix_of(shift)
    ranks = {A: {"fid": tab2_swap.own_rank(cells[A], A, "fid")}}
    tab2_swap.fill_record(record, cells, ranks)
    assert len(record.content) == len(ROWS) * (1 + len(tab2_swap.QUANTITIES)) + 1
    assert record.get("fid", pair=A, method=B, against="bare").value == pytest.approx(shift)
    assert record.get("k_eff", pair=A, method=B).value == 1
    rank = record.get("rank of own D", pair=A, setting="fid")
    assert (rank.value, *rank.interval) == (ranks[A]["fid"].rank, ranks[A]["fid"].low, ranks[A]["fid"].high)
    assert len(record.verdicts) == 2 * len(OBJECTIVES) and set(record.verdicts.values()) == {word}
    line = tab2_swap.claim_table(record).splitlines()[2].split("|")
    assert [part.strip() for part in line[1:4]] == ["wgan-gp", "+0.51", f"{-shift:+.2f} [{-shift:+.2f}, {-shift:+.2f}]"]


def test_a_heat_map_marks_what_excludes_0_and_directions_count_it():
    cells = matrix_of(-1.0)
    plotted = tab2_swap.heat_map(cells, "fid")
    assert plotted["marked"].tolist() == [[True] * 5 + [False] * 2]
    assert plotted["values"][0][0] == pytest.approx(-1.0) and plotted["centre"] == 0
    assert plotted["rows"] == [f"G of {A}"] and plotted["columns"][1] == f"D of {ROWS[1]}"
    assert tab2_swap.directions(cells, "fid") == [0, 2, 5] and tab2_swap.directions(cells, "is_mean") == [5, 2, 0]


def test_an_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setattr(image_pairs, "table1_row", lambda name, **_: name)
    monkeypatch.setattr(zoo, "pair", lambda name, **_: name)
    with pytest.raises(InputError, match="profile: unknown 'tiny'"):
        tab2_swap.row_of(f"digits-{B}", profile="tiny")
    assert tab2_swap.SAMPLES["smoke"] >= 100  # smoke's own cells are Table 1's
