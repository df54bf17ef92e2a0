"""The record and the tables of Figure 3.

Kinds of test: identities (what was measured is put and shown), invariants (verdicts, smoke).
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dotlib import seeding
from dotlib.data import toy as toy_data
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation import recording
from dotlib.experiments import fig3_toy
from dotlib.pairs import Pair, Uniform
from dotlib.results import records
from dotlib.transport import LipschitzEstimate

SETTINGS = replace(toy_pairs.FIGURE3["smoke"], trials=7, points=50, steps=3, pairs=20, repeats=4)
K_EFF = LipschitzEstimate(torch.tensor([1.0, 3.0], dtype=torch.float64), 100)


@pytest.fixture
def pair():
    """G stretches latents, D prefers the origin."""
    networks = Pair(lambda z: 1.5 * z, lambda x: -x.square().sum(1), Uniform(2))
    points = toy_data.toy("25gaussians", seeding.numpy_rng(0, "d"), size=500)
    return toy_pairs.ToyPair(
        **vars(networks), name="25gaussians", dataset="25gaussians", data=points, origin="by hand", digests={"G": "00"}
    )


@pytest.fixture(autouse=True)
def _no_committed_records(tmp_path, monkeypatch):
    monkeypatch.setattr(fig3_toy, "KEPT", tmp_path)


def filled(pair, profile="laptop"):
    record = recording.open_toy_record("fig3_toy", pair, SETTINGS, profile, 0)
    emd = {method: np.linspace(1, 2, 7) + shift for shift, method in enumerate(("real", "g", "dot", "naive"))}
    fig3_toy.fill_record(record, pair, K_EFF, emd)
    return record


def test_the_record_holds_every_value_and_a_verdict_for_each_claim(pair):
    record = filled(pair)
    assert record.parameters["origin"] == "by hand" and record.parameters["trials"] == 7
    assert record.get("K_eff").value == 2 and record.get("K_eff").sd == pytest.approx(2**0.5)
    assert record.get("emd", method="dot").value == pytest.approx(3.5)
    change = record.get("emd", method="dot", against="naive")
    assert change.value == -1 and change.interval == pytest.approx((-1, -1))
    assert record.get("emd", method="naive", against="g").value == 2
    assert set(record.verdicts) == {f"EMD of {name}" for name in ("G", "DOT", "naive")} | {
        claim for *_, claim in toy_pairs.CLAIMS
    }
    assert set(filled(pair, "smoke").verdicts.values()) == {"smoke: not comparable"}


def test_a_table_has_a_column_for_each_run_and_dashes_where_there_is_none(pair):
    built = {"25gaussians": filled(pair)}
    header, _, *rows = fig3_toy.table(built, "25gaussians").splitlines()
    assert header == "| EMD | paper | authors' weights | paper schedule | this build |"
    assert rows[0] == "| 25gaussians, real points | - | - | - | 1.500\u00a0±\u00a00.360 |"
    assert rows[1].startswith("| 25gaussians, G | 0.0") and rows[1].endswith("| - | - | 2.500\u00a0±\u00a00.360 |")
    text = fig3_toy.verdict_table(built, "25gaussians")
    assert text.splitlines()[0] == "| claim | 25gaussians, this build |" and "| naive against G | " in text


def test_a_committed_record_has_its_column(pair, tmp_path):
    records.write(filled(replace(pair, name="25gaussians-authors"), "paper"), tmp_path)
    runs = fig3_toy.runs_of("25gaussians", {})
    assert runs["authors' weights"].dataset == "25gaussians-authors"
    assert runs["paper schedule"] is runs["this build"] is None
    assert "| 25gaussians, authors' weights |" in fig3_toy.verdict_table({}, "25gaussians")


def test_the_first_trial_begins_with_training_points(pair):
    moved = {"g": torch.arange(12.0).reshape(3, 2, 2)}
    shown = fig3_toy.first_trial(pair, moved, SETTINGS, 0)
    assert list(shown) == ["real", "g"] and torch.equal(shown["g"], moved["g"][0])
    assert torch.equal(shown["real"], toy_pairs.target(pair, SETTINGS, 0, 0, "random"))
