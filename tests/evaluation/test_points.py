"""The measurement behind Figure 3 and its audit.

Holds: identities (same seed, same points), invariances (blocks, cache, kill and resume),
failures.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dotlib import cli, seeding
from dotlib.data import toy as toy_data
from dotlib.errors import InputError
from dotlib.evaluation import points as toy_pairs
from dotlib.experiments import fig3_audit, fig3_toy
from dotlib.pairs import Pair, Uniform
from dotlib.results import files, records
from dotlib.training import checkpoints
from dotlib.transport import lipschitz

C = replace(toy_pairs.FIGURE3["smoke"], trials=7, points=50, steps=3, pairs=20, repeats=4)


def bump(x):
    """A smooth critic with its top at the origin."""
    return -x.square().sum(1)


@pytest.fixture
def pair():
    """G stretches latents, D prefers the origin."""
    networks = Pair(lambda z: 1.5 * z, bump, Uniform(2))
    points = toy_data.toy("25gaussians", seeding.numpy_rng(0, "d"), size=5_000)
    return toy_pairs.ToyPair(
        **vars(networks), name="25gaussians", dataset="25gaussians", data=points, origin="by hand", digests={"G": "00"}
    )


def test_moved_is_one_descent_of_each_trials_own_latents(pair):
    sets = toy_pairs.moved(pair, C, 2.0, seed=0)
    for trial in (0, 6):
        y = pair.generate(toy_pairs.latents(pair, C, 0, trial))
        assert torch.equal(sets["g"][trial], y)
        alone = toy_pairs.move(pair, y, 2.0, C, "dot").final
        assert torch.equal(sets["dot"][trial], alone)
        climbed = toy_pairs.move(pair, y, 2.0, C, "naive").final
        assert torch.equal(sets["naive"][trial], climbed)
    assert not torch.equal(sets["dot"], sets["naive"])


def test_moved_continues_from_the_blocks_that_a_killed_run_left(pair, monkeypatch):
    whole = toy_pairs.moved(pair, C, 2.0, seed=0)
    blocks = sorted(files.artifacts().glob("figure3/*/*.safetensors"))
    assert len(blocks) == 2  # 7 trials in blocks of 5
    blocks[1].unlink()
    made = []
    original = checkpoints.save
    monkeypatch.setattr(checkpoints, "save", lambda path, *a: made.append(path.name) or original(path, *a))
    again = toy_pairs.moved(pair, C, 2.0, seed=0)
    assert made == ["trial5-6.safetensors"]
    for method in toy_pairs.METHODS:
        assert torch.equal(whole[method], again[method])


@pytest.mark.parametrize(
    "change", [{"K_eff": 3.0}, {"seed": 1}, {"settings": replace(C, lr=0.02)}, {"settings": replace(C, delta=0.1)}]
)
def test_the_cache_is_not_used_for_other_settings(pair, change):
    options = {"settings": C, "K_eff": 2.0, "seed": 0}
    first = toy_pairs.moved(pair, **options)
    assert not torch.equal(first["dot"], toy_pairs.moved(pair, **(options | change))["dot"])


def test_more_trials_keep_the_first_ones(pair):
    few = toy_pairs.moved(pair, replace(C, trials=5), 2.0, seed=0)
    more = toy_pairs.moved(pair, replace(C, trials=7), 2.0, seed=0)
    assert torch.equal(few["dot"], more["dot"][:5])


def test_the_floor_is_an_independent_draw_and_targets_are_shared(pair):
    sets = {"g": torch.stack([toy_pairs.target(pair, C, 0, t, "balanced") for t in range(7)])}
    emd = toy_pairs.distances(pair, sets, C, 0, cost="euclidean", sampling="balanced", floor=True)
    assert np.array_equal(emd["g"], np.zeros(7))  # the target against itself
    assert (emd["real"] > 0).all()


def test_the_record_holds_every_value_and_a_verdict_for_each_claim(pair):
    K_eff = toy_pairs.constant(pair, C, 0)
    sets = toy_pairs.moved(pair, C, K_eff.value, seed=0)
    emd = toy_pairs.distances(pair, sets, C, 0, cost="sqeuclidean", sampling="random")
    emd["real"] = emd["g"] / 2
    run = fig3_toy.open_record("fig3_toy", pair, C, "laptop", 0)
    fig3_toy.fill_record(run, pair, K_eff, emd)
    assert run.get("emd", method="dot").value == pytest.approx(emd["dot"].mean())
    change = run.get("emd", method="dot", against="naive")
    assert change.value == pytest.approx((emd["dot"] - emd["naive"]).mean())
    assert len(run.verdicts) == 6
    assert "DOT" in fig3_toy.table({"25gaussians": {"here": run, "missing": None}})
    assert "naive against G" in fig3_toy.verdict_table({"here": run})
    smoke = fig3_toy.open_record("fig3_toy", pair, C, "smoke", 0)
    fig3_toy.fill_record(smoke, pair, K_eff, emd)
    assert set(smoke.verdicts.values()) == {"smoke: not comparable"}


def test_unknown_weights_are_refused():
    with pytest.raises(InputError, match=r"weights: unknown 'autors'.*nearest: authors"):
        toy_pairs.load("25gaussians", weights="autors", profile="smoke", seed=0)


def test_audit_measures_every_reading_setting_and_gap(pair):
    sets = toy_pairs.moved(pair, C, 2.0, seed=0)
    emds = fig3_audit.readings(pair, sets, C, 0, C.trials)
    assert set(emds) == set(fig3_audit.READINGS)
    assert set(emds["euclidean", "random"]) == {"g", "dot", "naive", "real"}
    gaps = fig3_audit.monge_gaps(sets)
    assert all((gap > -1e-6).all() for gap in gaps.values())
    changed = fig3_audit.settings_of_descent(2.0, C, K_paper=1.0, K_notebook=3.0)
    few = fig3_audit.sensitivity(pair, sets["g"][:2], C, 0, changed)
    published = few.pop("as published")
    moved = torch.stack([toy_pairs.move(pair, y, 2.0, C, "dot").final for y in sets["g"][:2]])
    assert published["length"] == pytest.approx((moved - sets["g"][:2]).norm(dim=2).mean(1))
    same = [label for label, v in few.items() if np.array_equal(v["emd"], published["emd"])]
    assert same == ["clip at 2"]  # no point gets there; every other setting changes the result
    curve = lipschitz.curve(bump, pair.draw, n_pairs=(10, 20), repeats=2, rng=seeding.generator(0, "curve"))
    run = fig3_toy.open_record("fig3_audit", pair, C, "laptop", 0)
    fig3_audit.fill_record(run, K_eff=2.0, emds=emds, gaps=gaps, few=few, curve=curve)
    assert run["K_eff_by_pairs"] == curve.mean.tolist()
    assert len(run.verdicts) == 12  # four readings, three pairs of methods
    records.write(run, files.artifacts())


def test_a_comparison_needs_the_interval_and_the_floor():
    noise = np.random.default_rng(0).normal(scale=0.01, size=50)
    real = 0.1 + np.random.default_rng(1).normal(scale=0.05, size=50)
    b = np.full(50, 1.0)
    for shift, word in (
        (-0.2, "better"),
        (0.2, "worse"),
        (-0.02, "not separated"),
        (0.02, "not separated"),
    ):  # 0.02: the interval excludes 0, the floor not
        emd = {"a": b + shift + noise, "b": b, "real": real}
        assert fig3_audit.compare(emd, "a", "b", profile="laptop") == word
        assert fig3_audit.compare(emd, "a", "b", profile="smoke") == "smoke: not comparable"
    wild = {"a": b + 0.2 + np.tile([3, -3], 25), "b": b, "real": real}  # the interval holds 0
    assert fig3_audit.compare(wild, "a", "b", profile="laptop") == "not separated"


def test_a_set_without_modes_has_two_readings(pair):
    roll = toy_data.toy("swissroll", seeding.numpy_rng(0, "d"), size=5_000)
    pair = replace(pair, data=roll)
    sets = toy_pairs.moved(pair, C, 2.0, seed=0)
    found = fig3_audit.readings(pair, sets, C, 0, 2)
    assert {sampling for _, sampling in found} == {"random"}
    assert [len(values["dot"]) for values in found.values()] == [C.trials, 2]
    assert fig3_audit.best_sampling(pair) == "random"


def test_the_command_line_moves_points_and_draws_the_picture(artifacts, tmp_path, capsys):
    assert cli.main(["move", "swissroll", "--profile", "smoke"]) == 0
    assert "swissroll: 4 trials of 100 points moved" in capsys.readouterr().out
    assert list(artifacts.glob("figure3/swissroll-*/trial0-3.safetensors"))
    assert cli.main(["picture", str(tmp_path / "a.png"), "--profile", "smoke"]) == 0
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 1.5 * image.size[1]  # four columns, two rows
    assert cli.main(["move", "swisroll", "--profile", "smoke"]) == 2
    assert "nearest: swissroll" in capsys.readouterr().err
