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
from dotlib.evaluation.logit_checks import Checks, Refused, examine, read_logits, share_above
from dotlib.experiments import calibration
from dotlib.metrics import intervals
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.plots import samplers as sampler_plots
from dotlib.results import records
from dotlib.samplers import base as sampling
from dotlib.samplers import rejection
from dotlib.samplers.calibration import CALIBRATIONS, Logistic
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


def compared(pair, real, **changes):
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
    return sampling.generated(pair, n, generator(0, "real")) + shift


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


def test_the_digest_of_a_pair_does_not_depend_on_the_order_in_memory():
    def pair(layout):
        nets = (nn.Conv2d(3, 4, 2), nn.Conv2d(4, 1, 3))
        for net in nets:
            nn.init.constant_(net.bias, 0.5)
            net.weight.data.copy_(torch.arange(net.weight.numel()).view_as(net.weight))
        return Pair(*(net.eval().to(memory_format=layout) for net in nets), Normal(3))

    layouts = (torch.contiguous_format, torch.channels_last)
    assert len({calibration.state_digest(pair(layout)) for layout in layouts}) == 1


def test_no_network_moves_and_a_moved_one_would_be_seen():
    pair = networks()
    real = near(pair)
    before = calibration.state_digest(pair)
    logits = read_logits(pair, real, near(pair, 100), 200, 100, generator(0, "x"))
    examine(logits, generator(0, "y"))
    drawn = calibration.draw(compared(pair, real), 0)
    assert not any(point.refused for point in drawn.points.values())
    assert calibration.moved_by_training_mode(pair, 64, generator(0, "z")) == (4, 4)
    assert calibration.state_digest(pair) == before
    assert not any(part.training for net in (pair.generator, pair.discriminator) for part in net.modules())
    for change in (
        lambda: pair.generator.train()(torch.ones(4, 3)),
        lambda: pair.discriminator[0].bias.data[3].add_(1e-3),
        lambda: pair.generator[1].running_var[7].add_(1e-3),
    ):
        last = calibration.state_digest(pair)
        change()
        assert calibration.state_digest(pair) != last


def test_every_method_is_drawn_with_every_map_from_the_same_latents():
    pair = networks()
    points = calibration.draw(compared(pair, near(pair)), 0).points
    assert list(points) == [(method, name) for method in calibration.METHODS for name in CALIBRATIONS]
    for name in CALIBRATIONS:
        setup = [cost.generator for cost in points["OBRS", name].setup]
        assert setup == [200 + 200 * (name != "none")] * 2  # burn-in; samples of the fit
    assert points["DRS", "none"].scores != points["DRS", "logistic"].scores


def test_a_method_that_fails_is_in_the_table_as_such():
    """Data far beyond the samples, where no slope is the most likely; and ratios so far apart that
    DRS keeps nothing of what it proposes."""
    pair = Pair(lambda z: z, lambda x: 1e4 * x[:, 0], Uniform(2))
    drawn = calibration.draw(compared(pair, torch.full((50, 2), 3.0), percentiles=(100,)), 0)
    messages = calibration.refusals({}, {"row": drawn})
    assert set(messages) - {"row, DRS, isotonic"} == {
        "row, DRS, none",
        "row, DRS, logistic",
        "row, OBRS, logistic",
        "row, MH-GAN, logistic",
    }
    assert messages["row, DRS, none"].startswith("limit: ")
    assert "separable" in messages["row, OBRS, logistic"]
    for method in calibration.METHODS:
        assert calibration.point_cells(drawn.points[method, "logistic"], drawn.bare) == ["refused"] * 5
    marks = calibration.changes_of({"row": drawn}, "fid")
    assert marks["row"]["DRS"]["as trained"] == marks["row"]["OBRS"]["logistic"] == "refused"
    (axis,) = sampler_plots.changes(marks, unit="FID").axes
    assert [text.get_text() for text in axis.texts] == ["refused"] * len(messages)
    assert len(axis.containers) == 9 - len(messages)


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def measured(artifacts):
    """A pair of the zoo: its contest, its checks, its draws."""
    whole = calibration.load_comparison(NAME, profile="smoke")
    return whole, calibration.examine_pair(whole, 200, 0), calibration.draw(whole, 0)


def test_a_pair_is_judged_on_images_that_it_has_not_seen(measured):
    whole, examined, _ = measured
    settings, test = whole.settings, images.image_set("digits", "test")
    train = {row.numpy().tobytes() for row in settings.real}
    assert not train & {row.numpy().tobytes() for row in images.to_float(test.images)}
    assert len(examined.logits.fit_real) == len(settings.real) == 1_000
    assert len(examined.logits.fake) == len(examined.logits.real["held out"]) == 200
    expected = {float(x) for x in sampling.logits(whole.pair, images.to_float(test.images))}
    gaps = [min(abs(x - y) for y in expected) for x in examined.logits.real["held out"].tolist()]
    assert max(gaps) < 1e-4  # batches round otherwise
    x = near(whole.pair, 100, shift=0)
    above = share_above(examined.logits.real["held out"], sampling.logits(whole.pair, x))
    assert whole.score(x, 0)["above"] == above


def test_the_record_holds_the_checks_and_the_paired_differences(measured, tmp_path):
    whole, examined, drawn = measured
    record = records.start("calibration", profile="smoke", dataset="x", seed=0, parameters={})
    calibration.fill_record(record, {"row": whole}, {"row": examined}, {"row": drawn})
    kept = records.read(records.write(record, tmp_path / "records"))
    error = kept.get("ECE", pair="row", method="none", setting="held out")
    assert error.value == examined.checks["none"].ece["held out"]
    gap = kept.get("above samples", pair="row", setting="seen", against="held out")
    assert gap.interval == pytest.approx(examined.ranking.interval)
    obrs = drawn.points["OBRS", "isotonic"]
    mean, interval = intervals.interval(np.array(obrs.scores["fid"]), drawn.bare.scores["fid"])
    change = kept.get("fid", pair="row", method="OBRS", setting="isotonic", against="bare")
    assert (change.value, *change.interval) == pytest.approx((mean, *interval))
    assert kept.get("refused").value == len(kept.made["refused"])
    assert kept.made["pairs"][NAME]["sha256"] == whole.trained.sha256
    cells = calibration.point_cells(obrs, drawn.bare)
    assert cells[0] == f"{np.mean(obrs.acceptance):.3f}" and f"{interval[0]:+.2f}" in cells[1]
    assert calibration.point_cells(drawn.bare, drawn.bare)[0] == "-"


def answered(errors, bound, gaps):
    """A record of discriminators with these errors for each map, one bound for all, and gaps of ranking."""
    record = records.start("calibration", profile="laptop", dataset="x", seed=0, parameters={})
    for name, of_map in zip(calibration.MAPS, errors, strict=True):
        for row, error in enumerate(of_map):
            where = {"pair": f"D {row}", "method": name, "setting": "held out", "unit": "probability"}
            record.put("ECE", error, **where)
            record.put("ECE by chance", bound, **where)
    for row, gap in enumerate(gaps):
        where = {"pair": f"D {row}", "setting": "seen", "against": "held out", "unit": ""}
        record.put("above samples", gap, interval=(gap - 0.1, gap + 0.1), **where)
    return record


def test_the_answer_follows_the_record():
    errors = [(0.3, 0.4), (0.3, 0.01), (0.01, 0.02)]
    text = calibration.answer(answered(errors, 0.05, (0.2, 0.05)))
    assert "2 of 2 (as trained), 1 of 2 (logistic), 0 of 2 (isotonic); were all of them calibrated, 0.1 would" in text
    assert "By a 95 % interval 1 of 2 rank the images of their training above others" in text
    assert text.count(". ") == 2 and "*one training*" in text  # three sentences
    changed = calibration.answer(answered(errors, 0.015, (0.2, 0.3)))
    assert "1 of 2 (logistic), 1 of 2 (isotonic);" in changed and "2 of 2 rank the images" in changed


def cells_of(table, line):
    """Cells of one line of a Markdown table, 0 for its head."""
    return [cell.strip() for cell in table.splitlines()[line + (line > 0)].strip("|").split("|")]


def test_tables_show_the_checks_and_what_was_refused(measured):
    whole, examined, drawn = measured
    checks = examined.checks["none"]
    broken = replace(examined, checks=examined.checks | {"logistic": Refused("x")})
    pairs = {"row": replace(examined, checks=examined.checks | {"logistic": checks}), "broken": broken}
    shown = calibration.cells(broken, "{0.ece[held out]:.3f}, {0.z:+.1f}".format)
    assert shown[:2] == [f"{checks.ece['held out']:.3f}, {checks.z:+.1f}", "refused"] and len(shown) == 3
    ratio, isotonic = (calibration.shown_ratio(examined.checks[name]) for name in ("none", "isotonic"))
    assert calibration.cells(pairs["row"], calibration.shown_ratio) == [ratio, ratio, isotonic]
    assert calibration.cells(broken, calibration.shown_ratio) == [ratio, "refused", isotonic]
    for line, slope, intercept in ((Logistic(0.5, -1), "0.5", "-1"), (Refused("y"), "refused", "refused")):
        assert calibration.cell(line, "{0.slope:.3g}".format) == slope
        assert calibration.cell(line, "{0.intercept:+.3g}".format) == intercept
    table = calibration.draw_tables({"row": drawn}, {"row": whole})
    assert cells_of(table, 1) == ["real images", "-", *(cells_of(table, 1)[2:5]), "0.5"]
    assert len(table.splitlines()) == 2 + 2 + 9
    lines = calibration.panels(pairs, {"a": ("none", "seen"), "b": ("logistic", "held out")})
    assert {row: list(panel) for row, panel in lines.items()} == {"row": ["a", "b"], "broken": ["a"]}


def test_a_pair_that_has_seen_every_image_is_not_judged(monkeypatch):
    settings = replace(image_training("digits", "dcgan-sngan-ns", "smoke"), split="paper")
    monkeypatch.setattr(zoo, "pair", lambda name, **_: zoo.TrainedPair(name, networks(), settings, None, "", [], {}))
    with pytest.raises(InputError, match=f"^name: {NAME} leaves no image that its D has not seen"):
        calibration.load_comparison(NAME, profile="smoke")
    with pytest.raises(InputError, match="^profile: unknown 'huge'"):
        calibration.load_comparison(NAME, profile="huge")


@pytest.mark.parametrize(
    ("log_ratio", "text"),
    [(0.0, "1"), (np.log(1.0234), "1.02"), (np.log(250.0), "250"), (2e3, "$10^{869}$"), (-50.0, "$10^{-22}$")],
)
def test_ratios_of_any_size_are_printed(log_ratio, text):
    assert calibration.shown_ratio(Checks({}, {}, {}, 0.0, log_ratio)) == text
