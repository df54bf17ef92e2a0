"""All samplers on one pair: paired, cached, priced, open to new methods.

Kinds: identities (counts, pairing), invariants (resumption, keys), claims (a better D gives better
samples), failures.
"""

import json
import math
import re
from dataclasses import replace

import pytest
import torch
from example_sampler import Best

from dotlib import steps
from dotlib.data import images
from dotlib.data import toy as toy_data
from dotlib.errors import InputError, NothingAcceptedError
from dotlib.evaluation import comparison, comparison_records, comparison_tables
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.comparison import Comparison
from dotlib.evaluation.points import Figure3
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.plots import samplers as sampler_plots
from dotlib.results import files, records
from dotlib.samplers import methods
from dotlib.seeding import generator, numpy_rng

SMALL = Figure3(trials=2, points=100, steps=4)


def pair_of(points=1_000):
    """A generator that fills the square of the Gaussians evenly, and a D that sees their centre."""
    pair = Pair(lambda z: 1.7 * z, lambda x: -x.square().sum(1), Uniform(2))
    return toy_pairs.ToyPair(
        **vars(pair),
        name="25gaussians-test",
        dataset="25gaussians",
        data=toy_data.toy("25gaussians", numpy_rng(0, "data"), size=points),
        origin="made here",
        digests={"weights": "none"},
    )


def compared(**changes):
    return replace(comparison.on_points(pair_of(), SMALL, profile="smoke", seed=0), **changes)


def test_every_method_is_measured_and_priced():
    points = comparison.measure(compared(), seed=0)
    assert [p.method for p in points] == list(methods.METHODS)
    by_name = {p.method: p for p in points}
    assert by_name["bare"].evaluations() == 1
    assert by_name["DOT"].evaluations() == 1 + 3 + 2 * 2  # G, D at each of 3 points, 2 steps back
    assert by_name["MH-GAN"].evaluations() == pytest.approx(2 * 5, rel=0.5)  # chains run again
    for point in points:
        assert set(point.scores) == {"emd_sqeuclidean", "emd_euclidean"}
        assert all(len(values) == 2 for values in point.scores.values())
        assert all(c.seconds > 0 for c in point.cost)
        rejects = point.method in ("DRS", "OBRS", "MH-GAN")
        assert len(point.acceptance) == 2 * rejects
    assert by_name["DRS"].setup[0].generator == 100 + 200  # calibration and burn-in
    assert by_name["bare"].setup[0].generator == 0


def test_a_new_method_is_one_class_and_one_line(monkeypatch):
    monkeypatch.setitem(methods.METHODS, "best of", lambda t: {n: Best(n) for n in (2, 4)})
    points = comparison.measure(compared(), seed=0)
    assert [(p.method, p.setting) for p in points][-2:] == [("best of", 2), ("best of", 4)]
    assert points[-1].evaluations() == 8 and points[-1].acceptance == [0.25, 0.25]
    rows = comparison_tables.frontier_table(points, ["emd_euclidean"]).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows[-2:]] == ["best of, 2", "best of, 4"]
    assert "| best of |" in comparison_tables.budget_table(points, "emd_euclidean", (4, 8))


def test_a_killed_measurement_continues_with_the_next_set():
    calls = []

    def dies_at_the_third(samples, number):
        calls.append(number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {"mean": float(samples.mean())}

    one = compared(score=dies_at_the_third, sets=4)
    with pytest.raises(KeyboardInterrupt):
        comparison.measure(one, 0, ["bare"])
    (point,) = comparison.measure(one, 0, ["bare"])
    assert calls == [0, 1, 2, 2, 3]
    assert len(set(point.scores["mean"])) == 4
    assert comparison.measure(one, 0, ["bare"]) == [point] and len(calls) == 5


def test_whatever_decides_a_set_names_its_file(tmp_path):
    calls = []

    def counted(samples, number):
        calls.append(number)
        return {"mean": float(samples.mean())}

    one = compared(score=counted, sets=1)
    others = [
        one,
        replace(one, n=50),
        replace(one, decides=["other weights"]),
        replace(one, settings=replace(one.settings, burn_in=150)),
        replace(one, settings=replace(one.settings, real=one.settings.real + 0.01)),
    ]
    for other in others:
        comparison.measure(other, 0, ["DRS"])
    comparison.measure(one, 1, ["DRS"])
    assert len(calls) == 6 == len(list(tmp_path.rglob("set0.json")))
    for other in others:
        comparison.measure(other, 0, ["DRS"])
    assert len(calls) == 6


def test_every_set_has_a_target_of_its_own_the_same_for_all_methods():
    one, points = compared(), torch.rand(100, 2, generator=generator(0, "points"))
    first, again, other = (one.score(points, number) for number in (0, 0, 1))
    assert first == again
    assert first.keys() == other.keys() and all(first[name] != other[name] for name in first), "sets share a target"


def test_methods_share_their_starting_latents():
    seen = {}
    for updates in (0, 2):
        one = compared(score=lambda samples, number: {"mean": float(samples.double().mean())})
        one = replace(one, settings=replace(one.settings, updates=(updates,)))
        for point in comparison.measure(one, 0, ["bare", "DOT"]):
            seen[point.method, updates] = point.scores["mean"]
    assert seen["bare", 0] == seen["bare", 2] == pytest.approx(seen["DOT", 0], abs=1e-7)
    assert seen["DOT", 2] != seen["DOT", 0]


def test_with_the_exact_ratio_rejection_finds_the_modes():
    exact = comparison.on_points(pair_of(5_000), replace(SMALL, points=500), profile="smoke", seed=0, exact=True)
    settings = replace(exact.settings, budgets=(0.05,), burn_in=2_000)
    bare, obrs = comparison.measure(replace(exact, settings=settings), 0, ["bare", "OBRS"])
    for worse, better in zip(bare.scores["emd_euclidean"], obrs.scores["emd_euclidean"], strict=True):
        assert better < 0.75 * worse
    assert obrs.setup[0].generator == 2_000  # an oracle is not calibrated


def test_the_quality_of_a_ratio_is_that_of_known_normals():
    """G = N(0, 1), data N(0, s^2) in two dimensions: E[r] = 1, E[r^2] = (s^4 (2/s^2 - 1))^-1."""
    variance = 0.8
    pair = Pair(lambda z: z, lambda x: x.square().sum(1) * (1 - 1 / variance) / 2 - math.log(variance), Normal(2))
    settings = methods.SamplerSettings(
        torch.randn(4_000, 2, generator=generator(1, "x")) * variance**0.5, calibration="none", fakes=4_000
    )
    one = Comparison("normals", pair, settings, lambda samples, number: {}, [], 10, 1)
    mean, share = comparison.ratio_quality(one, 50_000, 0)
    expected = variance**2 * (2 / variance - 1)
    assert mean == pytest.approx(1, abs=0.01) and share == pytest.approx(expected, abs=0.01)
    scaled = replace(pair, discriminator=lambda x: 3 * pair.logit(x) + 1)
    scaled = replace(one, pair=scaled, settings=replace(settings, calibration="logistic"))
    assert comparison.ratio_quality(scaled, 50_000, 0) == pytest.approx((mean, share), abs=0.05)


def test_settings_are_described_by_content():
    real = (torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(3, 2))
    one, same, other = (methods.family("MH-GAN", methods.SamplerSettings(x))[500] for x in real)
    assert files.described(one) == files.described(same) != files.described(other)
    assert json.loads(json.dumps(files.described(one))) == files.described(one)


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="^name: unknown 'MHGAN'; known: .*; nearest: MH-GAN"):
        comparison.measure(compared(), 0, ["MHGAN"])
    with pytest.raises(InputError, match="^n: expected an integer >= 1, found 0"):
        comparison.measure(compared(n=0), 0)
    with pytest.raises(InputError, match="^profile: unknown 'huge'"):
        comparison.on_points(pair_of(), SMALL, profile="huge", seed=0)


def test_a_method_that_accepts_nothing_leaves_no_file(tmp_path):
    pair = Pair(lambda z: z, lambda x: 1e4 * x[:, 0], Uniform(2))
    settings = methods.SamplerSettings(torch.zeros(3, 2), calibration="none", burn_in=100, percentiles=(100,))
    strict = Comparison("strict", pair, settings, lambda samples, number: {"x": 0.0}, [], 300, 1)
    rejecting = methods.family("DRS", settings)[100]
    with pytest.raises(NothingAcceptedError, match="^limit: "):
        replace(rejecting.inner, limit=1).draw(pair, 300, generator(0, "x"))
    (point,) = comparison.measure(strict, 0, ["DRS"])
    assert point.refused.startswith("limit: ") and not point.scores
    assert not list(tmp_path.rglob("*.json"))


def test_a_discriminator_that_parts_the_classes_is_refused_and_shown():
    """Data far from all samples: calibrated methods end, the others go on, and tables say so."""
    far = Pair(lambda z: z, lambda x: x[:, 0], Uniform(2))
    one = compared(pair=far)
    one = replace(one, settings=replace(one.settings, real=torch.full((50, 2), 9.0)))
    points = comparison.measure(one, 0)
    refused = [p.method for p in points if p.refused]
    assert refused == ["DRS", "OBRS", "MH-GAN", "DDLS", "DGflow KL", "DGflow JS", "DGflow logD"]
    assert all("separable" in p.refused for p in points if p.refused)
    record = records.start("frontier", profile="smoke", dataset="x", seed=0, parameters={})
    comparison_records.put_points(record, points)
    assert record.parameters["refused"].keys() == {comparison_tables.label_of(p) for p in points if p.refused}
    names = ["emd_euclidean"]
    assert "| OBRS, 0.5 | - | - | - | refused |" in comparison_tables.frontier_table(points, names)
    assert "| OBRS | - |" in comparison_tables.budget_table(points, *names, (1_000,))
    assert "| OBRS, 0.5 | - | refused |" in comparison_tables.difference_table(points, points[1], names)
    assert "OBRS" not in comparison_tables.cost_table(points)
    figure = sampler_plots.frontier({"": points}, [("evaluations", *names)], {})
    assert [c.get_label() for c in figure.axes[0].containers] == ["bare", "DOT", "DOT exact", "naive"]


def test_a_comparison_by_name_is_what_a_step_measures(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "METHODS", ("bare", "OBRS"))
    told = steps.run("sample", "swissroll-wgan-gp", profile="smoke", seed=0, judge="classifier", device="cpu")
    assert re.fullmatch("swissroll-d: [0-9]+ points of 2 sets, 0 refused", told)
    found = comparison.load("swissroll-wgan-gp", profile="smoke")
    assert found.floor.keys() == {"emd_sqeuclidean", "emd_euclidean"}
    bare, obrs = comparison.measure(found, 0, ["bare", "OBRS"], last=True)  # from the files
    assert obrs.setting == 0.5 and obrs.acceptance[0] == pytest.approx(0.5, abs=0.2)
    assert found.floor["emd_euclidean"] < min(bare.scores["emd_euclidean"])
    record = records.start("frontier", profile="smoke", dataset="x", seed=0, parameters={})
    comparison_records.fill_record(record, found, [bare, obrs])
    kept = records.read(records.write(record, tmp_path / "records"))
    assert kept.get("emd_euclidean", method="real").value == found.floor["emd_euclidean"]
    assert kept.parameters["sets"] == 2 and kept.parameters["settings"]["burn_in"] == 200
    assert kept.made["pairs"]["swissroll-wgan-gp"]["sha256"] == found.trained.sha256
    with pytest.raises(InputError, match="name: unknown 'OBRSS'"):
        comparison.measure(found, 0, ["OBRSS"])


def test_images_are_scored_by_the_first_judge():
    found = comparison.load("digits-dcgan-sngan-ns", profile="smoke")
    (bare,) = comparison.measure(found, 0, ["bare"])
    assert found.floor["fid"] < min(bare.scores["fid"])
    assert bare.scores["n"] == [100, 100]
    calibrating, reference = (
        {row.numpy().tobytes() for row in rows}
        for rows in (images.to_uint8(found.settings.real), images.image_set("digits", "test").images)
    )
    assert len(calibrating & reference) <= 3, "D is calibrated on images of the reference"  # twins among the digits
    assert found.settings.real.shape == (1_000, 1, 8, 8)
    assert -1 <= found.settings.real.min() < found.settings.real.max() <= 1
