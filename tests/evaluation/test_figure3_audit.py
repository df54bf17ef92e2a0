"""The audit of one 2-D pair: what is put into its record, and when a committed one stands in.

Kinds of test: identities (the same points, what was put), units, failures to separate.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dotlib import seeding
from dotlib.data import toy as toy_data
from dotlib.evaluation import figure3_audit, point_quality, recording
from dotlib.evaluation import points as toy_pairs
from dotlib.metrics import optimal_transport
from dotlib.metrics.energy import energy_distance
from dotlib.pairs import Pair, Uniform
from dotlib.results import paper, records
from dotlib.transport import lipschitz

SETTINGS = replace(toy_pairs.FIGURE3["smoke"], trials=7, points=50, steps=3, pairs=20, repeats=4)


@pytest.fixture
def pair():
    """G stretches latents, D prefers the origin."""
    networks = Pair(lambda z: 1.5 * z, lambda x: -x.square().sum(1), Uniform(2))
    points = toy_data.toy("25gaussians", seeding.numpy_rng(0, "d"), size=5_000)
    return toy_pairs.ToyPair(
        **vars(networks), name="25gaussians", dataset="25gaussians", data=points, origin="by hand", digests={"G": "00"}
    )


@pytest.fixture
def record(pair):
    return recording.open_toy_record("fig3_audit", pair, SETTINGS, "laptop", 0)


def test_every_number_grows_with_the_data_as_its_unit_says(pair):
    """All points twice as far apart, and D the same function of them: lengths double, their squares are four times."""

    def measured(scale):
        data = replace(pair.data, points=scale * pair.data.points)
        networks = {"generator": lambda z: scale * pair.generate(z), "discriminator": lambda x: pair.logit(x / scale)}
        scaled = replace(pair, data=data, **networks)
        sets = {method: scale * points for method, points in toy_pairs.moved(pair, SETTINGS, 2.0, seed=0).items()}
        record = recording.open_toy_record("fig3_audit", scaled, SETTINGS, "laptop", 0)
        energy = {method: np.array([energy_distance(y, data.points[:50]) for y in of]) for method, of in sets.items()}
        emds = figure3_audit.readings(scaled, sets, SETTINGS, 0, 3)
        figure3_audit.put_readings(record, emds, energy)
        figure3_audit.put_monge_gaps(record, sets, 3)
        rng = seeding.generator(0, "curve")
        curve = lipschitz.curve(scaled.logit, scaled.draw, n_pairs=(10, 100), repeats=2, rng=rng)
        steepest = float(lipschitz.gradient_norms(scaled.logit, sets["g"][0]).max())
        K_eff = toy_pairs.constant(scaled, SETTINGS, 0).value
        figure3_audit.put_constants(record, K_eff, curve, steepest, np.random.default_rng(0))
        return list(record.rows())

    power = {"data units": 1, "squared data units": 2, "logits per data distance": -1}
    rows, doubled = measured(1.0), measured(2.0)
    for one, two in zip(rows, doubled, strict=True):
        grown = pytest.approx(2.0 ** power[one.unit] * one.value, rel=1e-5, abs=1e-6)
        assert two.value == grown, f"{one.quantity} of {one.method} is not in {one.unit}"
    assert {row.unit for row in rows} == set(power)


def test_a_set_without_modes_has_two_readings(pair):
    pair = replace(pair, data=toy_data.toy("swissroll", seeding.numpy_rng(0, "d"), size=5_000))
    sets = toy_pairs.moved(pair, SETTINGS, 2.0, seed=0)
    emds = figure3_audit.readings(pair, sets, SETTINGS, 0, 2)
    assert {sampling for _, sampling in emds} == {"random"}
    assert [len(emd["dot"]) for emd in emds.values()] == [SETTINGS.trials, 2]


def test_a_rank_needs_an_interval_without_0(record):
    """A small shift counts as well as a large one, if the trials show it; the floor's scatter does not matter."""
    noise = np.random.default_rng(0).normal(scale=0.01, size=50)
    real, g = 0.1 + np.random.default_rng(1).normal(scale=0.05, size=50), np.full(50, 1.0)
    shifts = {-0.2: "better", 0.2: "worse", -0.02: "better", 0.02: "worse"}
    shifted = {str(shift): g + shift + noise for shift in shifts} | {"wild": g + 0.2 + np.tile([3, -3], 25)}
    words = {str(shift): word for shift, word in shifts.items()} | {"wild": "undecided"}
    for name, dot in shifted.items():
        emd = {"dot": dot, "g": g, "naive": g + 1, "real": real}
        smoke = replace(record, profile="smoke", content={}, verdicts={})
        laptop = replace(record, content={}, verdicts={})
        for run in (smoke, laptop):
            figure3_audit.put_readings(run, {("euclidean", "random"): emd})
        assert laptop.verdicts["W1 cost, random: DOT against G"] == words[name]
        assert laptop.verdicts["W1 cost, random: naive against G"] == "worse"
        assert set(smoke.verdicts.values()) == {"smoke: not comparable"}


def test_more_trials_separate_the_same_difference_and_other_readings_do_not_matter(record):
    """A third of the sd of one trial: the p-value of ten is 0.37, of a thousand 1e-20; Holm at most trebles it."""

    def emd(n):
        noise = np.random.default_rng(0).normal(size=n)
        dot = (noise - noise.mean()) / noise.std(ddof=1) - 0.3
        return {"dot": dot, "g": np.zeros(n), "naive": np.full(n, 9.0), "real": np.zeros(n)}

    words = {}
    for n in (10, 1_000):
        alone, among = (replace(record, content={}, verdicts={}) for _ in range(2))
        figure3_audit.put_readings(alone, {("sqeuclidean", "random"): emd(n)})
        figure3_audit.put_readings(among, {reading: emd(n) for reading in figure3_audit.READINGS}, emd(n))
        assert {claim: among.verdicts[claim] for claim in alone.verdicts} == alone.verdicts
        assert len(among.verdicts) == 15
        assert among.verdicts["energy distance, random: naive against G"] == "worse"
        words[n] = {among.verdicts[claim] for claim in among.verdicts if claim.endswith("DOT against G")}
    assert words == {10: {"undecided"}, 1_000: {"better"}}


def test_gaps_and_lengths_are_those_of_the_first_trials(record):
    y = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]] * 2)
    crossed = y.flip(1)  # the two points change places: each moves by 1, and W1 is 0
    figure3_audit.put_monge_gaps(record, {"g": y, "dot": y + 0.5, "naive": torch.cat([crossed, 9 * y])}, 2)
    assert record.get("monge_gap", method="dot").value == pytest.approx(0, abs=1e-12)
    assert (
        record.get("monge_gap", method="naive").value == pytest.approx(1)
        and record.get("monge_gap", method="naive").n == 2
    )
    assert optimal_transport.monge_gap(y[0], crossed[0]) == pytest.approx(1)
    assert record.get("length", method="naive").value == pytest.approx(1)


def test_a_constant_of_the_law_itself_is_not_far_out(pair, record, monkeypatch):
    curve = lipschitz.curve(pair.logit, pair.draw, n_pairs=(10, 2_000), repeats=2, rng=seeding.generator(0, "curve"))
    middle = float(curve.slopes.reshape(200, 20).amax(1).mean())
    monkeypatch.setitem(paper.NOTEBOOK_K, "25gaussians", middle)
    record.dataset += "-authors"
    figure3_audit.put_constants(record, 2.0, curve, 4.25, np.random.default_rng(0))
    assert record.get("K_eff_tail", method="notebook").value > 0.8


def test_a_committed_record_stands_in_for_its_own_pair_and_settings_alone(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BUILT", tmp_path / "built")
    monkeypatch.setattr(records, "KEPT", tmp_path / "kept")
    sizes = {"pair_counts": (10, 100), "pair_repeats": 2, "gradient_points": 20}
    audit = figure3_audit.Audit(pair, SETTINGS, figure3_audit.Settings(trials=2, readings=5, changed=4, **sizes), 0)
    first, source = figure3_audit.record_of(audit, "laptop", anew=False)
    assert source == recording.MEASURED
    assert first.get("emd_euclidean", method="g", setting="random").n == 5
    assert first.get("W1", method="dot", setting="as published").n == 2 == first.get("monge_gap", method="dot").n
    onto = {"method": point_quality.ONTO_MODES, "setting": "random", "against": "g"}
    assert first.get("emd_sqeuclidean", **onto).n == 4
    table = next((tmp_path / "built/fig3_audit").glob("*.csv")).read_bytes()
    (tmp_path / "built").rename(tmp_path / "kept")
    shown, source = figure3_audit.record_of(audit, "laptop", anew=False)
    assert source == f"recorded at commit {first.made['commit'][:12]}" and shown == records.read(
        tmp_path / "kept/fig3_audit/laptop-25gaussians-s0.json"
    )
    assert next((tmp_path / "built/fig3_audit").glob("*.csv")).read_bytes() == table
    for changed in (
        replace(audit, pair=replace(pair, digests={"G": "01"})),
        replace(audit, settings=replace(audit.settings, readings=6)),
        replace(audit, figure3=replace(SETTINGS, steps=2)),
        replace(audit, seed=1),
    ):
        assert figure3_audit.record_of(changed, "laptop", anew=False)[1] == recording.MEASURED
    for name in ("DOTLIB_TRAIN", "DOTLIB_MEASURE"):
        monkeypatch.setenv(name, "1")
        assert figure3_audit.record_of(audit, "laptop", anew=False)[1] == recording.MEASURED
        monkeypatch.setenv(name, "0")
    again, source = figure3_audit.record_of(audit, "laptop", anew=True)
    assert source == recording.MEASURED and again.content == first.content, "the same numbers a second time"


def test_the_trials_of_figure_3_are_those_of_the_audit(pair, tmp_path, monkeypatch):
    """Measured, and read from a committed audit: the same numbers, up to the digits of a table."""
    monkeypatch.setattr(records, "BUILT", tmp_path / "built")
    monkeypatch.setattr(records, "KEPT", tmp_path / "kept")
    sizes = {"pair_counts": (10, 100), "pair_repeats": 2, "gradient_points": 20}
    audit = figure3_audit.Audit(pair, SETTINGS, figure3_audit.Settings(trials=2, readings=3, changed=2, **sizes), 0)
    measured = figure3_audit.published(audit, "laptop", anew=False)
    assert measured.source == recording.MEASURED and set(measured.emd) == {"real", "g", "dot", "naive"}
    figure3_audit.record_of(audit, "laptop", anew=False)
    (tmp_path / "built").rename(tmp_path / "kept")
    read = figure3_audit.published(audit, "laptop", anew=False)
    assert read.source.startswith("recorded at commit ")
    for quantity in ("emd", "near"):
        ours, theirs = getattr(read, quantity), getattr(measured, quantity)
        for method in toy_pairs.METHODS:
            assert len(ours[method]) == 7 and ours[method] == pytest.approx(theirs[method], rel=1e-6)
    assert read.emd["real"] == pytest.approx(measured.emd["real"], rel=1e-6)
    assert figure3_audit.published(audit, "laptop", anew=True).source == recording.MEASURED
    other = replace(audit, pair=replace(pair, digests={"G": "01"}))
    assert figure3_audit.published(other, "laptop", anew=False).source == recording.MEASURED


def test_a_set_without_modes_has_no_shares_near_them(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "KEPT", tmp_path)
    pair = replace(pair, data=toy_data.toy("swissroll", seeding.numpy_rng(0, "d"), size=5_000))
    audit = figure3_audit.Audit(pair, SETTINGS, figure3_audit.SETTINGS["smoke"], 0)
    assert figure3_audit.published(audit, "laptop", anew=False).near == {}
