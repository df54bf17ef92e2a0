"""Calibration of image pairs and what it does to rejection. Kinds: identities (the constant
cancels, networks untouched, numbers of record and table), failures that are shown as such.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation.comparison import Comparison
from dotlib.experiments import calibration as calibration_page
from dotlib.experiments.calibration import METHODS
from dotlib.metrics import intervals
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.plots import samplers as sampler_plots
from dotlib.results import records
from dotlib.samplers import base as sampling
from dotlib.samplers import rejection
from dotlib.samplers.calibration import CALIBRATIONS, Reliability
from dotlib.samplers.methods import SamplerSettings
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import image_training

NAME = "digits-dcgan-sngan-ns"


def networks(slope=1.0):
    """A pair with batch norms whose running statistics are not 0 and 1."""
    rng = generator(0, "weights")
    G, D = (nn.Sequential(nn.Linear(i, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, o)) for i, o in ((3, 2), (2, 1)))
    with torch.no_grad():
        for value in (*G.parameters(), *D.parameters()):
            value.copy_(torch.randn(value.shape, generator=rng))
        D[-1].weight.mul_(slope)
        D(G(torch.randn(64, 3, generator=rng)))
    return Pair(G.eval(), D.eval(), Normal(3))


def contest(pair, real, **changes):
    terms = SamplerSettings(real, fakes=200, burn_in=200, percentiles=(60,), budgets=(0.4,), chains=(8,))
    return Comparison(
        "test",
        pair,
        replace(terms, **changes),
        lambda x, number: {
            "fid": float(x.mean()),
            "precision": float(x.std()),
            "recall": float(x.abs().max()),
            "above": 0.5,
        },
        [],
        50,
        2,
    )


def near(pair, n=300, shift=0.3):
    """Real data: samples of G, shifted by less than their spread."""
    return sampling.generate(pair, sampling.latents(pair, n, generator(0, "real"))) + shift


@pytest.mark.parametrize(
    "sampler",
    [
        rejection.DRS(60, burn_in=300),
        rejection.DRS(budget=0.3, burn_in=300),
        rejection.OBRS(0.4, burn_in=300),
        rejection.MHGAN(6),
        "from data",
    ],
    ids=str,
)
@pytest.mark.parametrize("constant", [-3.0, 256.0])
def test_a_constant_of_the_logit_changes_no_sample(sampler, constant):
    pair = networks()
    if sampler == "from data":
        sampler = rejection.MHGAN(6, near(pair))
    shifted = sampling.with_logits(pair, lambda logits: logits.double() + constant)
    doubled = sampling.with_logits(pair, lambda logits: 2 * logits.double())
    one, other, steeper = (sampler.draw(p, 80, generator(1, "draw")) for p in (pair, shifted, doubled))
    assert torch.equal(one.latents, other.latents) and one.acceptance == other.acceptance
    assert not torch.equal(one.latents, steeper.latents)


def test_no_network_moves_and_a_moved_one_would_be_seen():
    pair = networks()
    real = near(pair)
    before = calibration_page.state_digest(pair)
    logits = calibration_page.read_logits(pair, real, near(pair, 100), 200, 100, generator(0, "x"))
    calibration_page.examine(logits, generator(0, "y"))
    drawn = calibration_page.draw(contest(pair, real), 0)
    assert not any(point.refused for point in drawn.points.values())
    assert calibration_page.moved_by_training_mode(pair, 64, generator(0, "z")) == (4, 4)
    assert calibration_page.state_digest(pair) == before
    assert not any(part.training for net in (pair.generator, pair.discriminator) for part in net.modules())
    for change in (
        lambda: pair.generator.train()(torch.ones(4, 3)),
        lambda: pair.discriminator[0].bias.data[3].add_(1e-3),
        lambda: pair.generator[1].running_var[7].add_(1e-3),
    ):
        last = calibration_page.state_digest(pair)
        change()
        assert calibration_page.state_digest(pair) != last


def test_every_method_is_drawn_with_every_map_from_the_same_latents():
    pair = networks()
    found = calibration_page.draw(contest(pair, near(pair)), 0)
    assert list(found.points) == [(method, how) for method in METHODS for how in CALIBRATIONS]
    for how in CALIBRATIONS:
        setup = [cost.generator for cost in found.points["OBRS", how].setup]
        assert setup == [200 + 200 * (how != "none")] * 2  # burn-in; samples of the fit
    assert found.points["DRS", "none"].scores != found.points["DRS", "logistic"].scores
    with pytest.raises(InputError, match="^methods: unknown 'DOT'"):
        calibration_page.draw(contest(pair, near(pair)), 0, ["DOT"])


def test_a_method_that_fails_is_in_the_table_as_such():
    """Data far beyond the samples, where no slope is the most likely; and ratios so far apart that
    DRS keeps nothing of what it proposes."""
    pair = Pair(lambda z: z, lambda x: 1e4 * x[:, 0], Uniform(2))
    drawn = calibration_page.draw(contest(pair, torch.full((50, 2), 3.0), percentiles=(100,)), 0)
    found = calibration_page.refusals({}, {"row": drawn})
    assert set(found) - {"row, DRS, isotonic"} == {
        "row, DRS, none",
        "row, DRS, logistic",
        "row, OBRS, logistic",
        "row, MH-GAN, logistic",
    }
    assert found["row, DRS, none"].startswith("limit: ")
    assert "separable" in found["row, OBRS, logistic"]
    for method in METHODS:
        assert calibration_page.point_cells(drawn.points[method, "logistic"], drawn.bare) == ["refused"] * 5
    marks = calibration_page.changes_of({"row": drawn}, "fid")
    assert marks["row"]["DRS"]["as trained"] == marks["row"]["OBRS"]["logistic"] == "refused"
    (axis,) = sampler_plots.changes(marks, unit="FID").axes
    assert [text.get_text() for text in axis.texts] == ["refused"] * len(found)
    assert len(axis.containers) == 9 - len(found)


def test_a_pair_is_judged_on_images_that_it_has_not_seen_and_recorded(tmp_path):
    found = calibration_page.match(NAME, profile="smoke")
    terms, test = found.contest.terms, images.image_set("digits", "test")
    train = {row.numpy().tobytes() for row in terms.real}
    assert not train & {row.numpy().tobytes() for row in images.to_float(test.images)}
    one = calibration_page.examine_pair(found, 200, 0)
    assert len(one.logits.fit_real) == len(terms.real) == 1_000
    assert len(one.logits.fake) == len(one.logits.real["held out"]) == 200
    expected = {float(x) for x in sampling.logits(found.contest.pair, images.to_float(test.images))}
    gaps = [min(abs(x - y) for y in expected) for x in one.logits.real["held out"].tolist()]
    assert max(gaps) < 1e-4  # batches round otherwise
    drawn = calibration_page.draw(found.contest, 0)
    x = near(found.contest.pair, 100, shift=0)
    assert found.contest.score(x, 0)["above"] == calibration_page.share_above(
        one.logits.real["held out"], sampling.logits(found.contest.pair, x)
    )
    record = records.start("calibration", profile="smoke", dataset="x", seed=0, parameters={})
    calibration_page.fill_record(record, {"row": found}, {"row": one}, {"row": drawn})
    kept = records.read(records.write(record, tmp_path / "records"))
    assert kept["row, none, ECE held out"] == one.checks["none"].ece["held out"]
    assert kept.interval("row, seen minus held out") == pytest.approx(one.ranking.interval)
    obrs = drawn.points["OBRS", "isotonic"]
    mean, interval = intervals.interval(np.array(obrs.scores["fid"]), drawn.bare.scores["fid"])
    assert kept["row, OBRS, isotonic, change of fid"] == pytest.approx(mean)
    assert kept.interval("row, OBRS, isotonic, change of fid") == pytest.approx(interval)
    assert kept["refused"] == len(kept.made["refused"])
    assert kept.made["pairs"][NAME]["sha256"] == found.trained.sha256
    cells = calibration_page.point_cells(obrs, drawn.bare)
    assert cells[0] == f"{np.mean(obrs.acceptance):.3f}" and f"{interval[0]:+.2f}" in cells[1]
    assert calibration_page.point_cells(drawn.bare, drawn.bare)[0] == "-"


def test_a_pair_that_has_seen_every_image_is_not_judged(monkeypatch):
    settings = replace(image_training("digits", "dcgan-sngan-ns", "smoke"), split="paper")
    monkeypatch.setattr(zoo, "pair", lambda name, **_: zoo.TrainedPair(name, networks(), settings, None, "", [], {}))
    with pytest.raises(InputError, match=f"^name: {NAME} leaves no image that its D has not seen"):
        calibration_page.match(NAME, profile="smoke")
    with pytest.raises(InputError, match="^profile: unknown 'huge'"):
        calibration_page.match(NAME, profile="huge")


@pytest.mark.parametrize(
    ("log_ratio", "text"),
    [(0.0, "1"), (np.log(1.0234), "1.02"), (np.log(250.0), "250"), (2e3, "$10^{869}$"), (-50.0, "$10^{-22}$")],
)
def test_ratios_of_any_size_are_printed(log_ratio, text):
    assert calibration_page.shown_ratio(log_ratio) == text


def test_a_map_that_is_missing_in_one_panel_keeps_its_colour_in_the_others():
    bins = Reliability(*(np.array([0.25, 0.75]) for _ in range(3)), np.array([5, 5]))
    figure = sampler_plots.reliability(
        {"A": {"raw": bins, "isotonic": bins}, "B": {"raw": bins, "logistic": bins, "isotonic": bins}}
    )
    colours = [{line.get_label(): line.get_color() for line in axis.lines[1:]} for axis in figure.axes]
    assert colours[0].items() <= colours[1].items() and len(set(colours[1].values())) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["raw", "isotonic", "logistic"]
