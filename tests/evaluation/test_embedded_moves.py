"""One training of the page on embedded DOT: its ways, their anchors, and the columns of their lines.

Kinds of test: identities (no step, bare), closed forms (linear pairs), invariances (batches), failures.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import embedded_moves, extractors
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.embedded_moves import Way
from dotlib.metrics.frechet import Moments, fid
from dotlib.pairs import Pair
from dotlib.transport import Adam, embedded, latent_dot, target_dot

NAME = "digits-resnet-sagan-hi"


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def run(artifacts):
    return embedded_moves.load(NAME, profile="smoke")


@pytest.fixture
def z(run):
    return image_pairs.latents(run.pair, run.settings, run.seed, 0)[:6]


def way(name):
    (found,) = (each for each in embedded_moves.ways() if each.name == name)
    return found


def images_of(run, name, z):
    return dict(embedded_moves.path(run, way(name), z))


def test_the_ways_are_those_of_the_report_and_of_its_audit():
    ways = {each.name: each for each in embedded_moves.ways()}
    short = embedded_moves.ways("smoke")
    assert [each.name for each in short] == list(ways), "a way is missing in the small run"
    assert {each.settings for each in short if each.space in ("latent", "target")} == {(1, 2)}
    assert len(ways) == len(embedded_moves.ways()) == 19
    on, off = ways["target, unrelated anchor"], ways["target, unrelated anchor, no D"]
    assert replace(off, name=on.name, D="sigmoid") == on, "the audit's two ways differ in D alone"
    assert replace(on, name="target, as printed", anchor="own") == ways["target, as printed"]
    plain, other = ways["plain"], ways["embedded"]
    assert replace(other, name="plain", cost="l2") == plain
    assert {each.lr for each in ways.values() if each.settings == embedded_moves.EMBEDDED} == {0.01}
    printed = ways["latent, as printed"]
    assert (printed.K, printed.D, printed.compared, printed.lr) == ("one", "sigmoid", "samples", 0.05)


def test_algorithm_1_as_printed_has_a_sigmoid_and_the_constant_1(run, z):
    with torch.no_grad():
        y = run.pair.generate(z)
    options = {"steps": 50, "snapshots": [10], "optimizer": Adam(0.05, (0.0, 0.9)), "clip": 1.0}
    expected = target_dot(lambda x: run.pair.logit(x).sigmoid(), y, 1.0, **options).at(10)
    assert torch.equal(images_of(run, "target, as printed", z)[10], expected)


def test_algorithm_4_compares_features_of_samples_and_projects_nothing(run, z):
    pair, k = Pair(run.pair.generator, run.pair.logit, run.pair.prior), run.constants["k_eff"]
    options = {"cost": embedded(run.E), "compared": "samples", "variant": embedded_moves.AS_PRINTED}
    path = latent_dot(pair, z, k, steps=20, snapshots=[5], optimizer=Adam(0.05), **options)
    with torch.no_grad():
        expected = run.pair.generate(path.at(5))
    assert torch.equal(images_of(run, "latent, embedded", z)[5], expected)
    assert embedded_moves.AS_PRINTED.projection == "none"


def test_an_unrelated_anchor_is_the_next_sample_and_without_d_the_end(run, z):
    with torch.no_grad():
        y = run.pair.generate(z)
    end = images_of(run, "target, unrelated anchor, no D", z)[50]
    near, own = ((end - other).flatten(1).norm(dim=1) for other in (y.roll(1, 0), y))
    assert (near < own).float().mean() > 0.9 and float(near.mean()) < 0.3 * float(own.mean())


def test_an_unrelated_anchor_of_latents_is_the_next_latent(run, z):
    nothing = Pair(run.pair.generator, lambda x: 0 * x.flatten(1).sum(1), run.pair.prior)
    options = {"steps": 20, "optimizer": Adam(0.05), "variant": embedded_moves.AS_PRINTED}
    end = latent_dot(nothing, z, 1.0, anchor=z.roll(1, 0), **options).final
    with torch.no_grad():
        expected = run.pair.generate(end)
    assert torch.equal(images_of(run, "latent, unrelated anchor, no D", z)[20], expected)
    before, after = ((latents - z.roll(1, 0)).norm(dim=1) for latents in (z, end))
    assert (after < 0.6 * before).all()


def test_without_the_shift_negative_values_are_black(run, z):
    with torch.no_grad():
        x = run.pair.generate(z)
    (saved,) = images_of(run, "saved without (x + 1) / 2", z).values()
    expected = (255 * x.clamp(0, 1)).round().to(torch.uint8)
    assert (images.to_uint8(saved).int() - expected.int()).abs().max() <= 1
    assert torch.equal(saved == -1, x <= 0)


def test_shrunk_latents_are_scaled(run, z):
    found = images_of(run, "latents shrunk", z)
    with torch.no_grad():
        assert torch.equal(found[0.8], run.pair.generate(0.8 * z))
    assert torch.equal(images_of(run, "bare", z)[1.0], run.pair.generate(z).detach())


def test_the_constant_of_features_is_over_distances_of_features(run):
    """Twice as long features halve it; the constants of the pair are those of the other pages."""
    doubled = replace(run, extractor=replace(run.extractor, network=_Doubled(run.extractor.network)))
    assert embedded_moves._constants(doubled)["K_E"] == pytest.approx(run.constants["K_E"] / 2, rel=1e-5)
    k_eff, K_eff = image_pairs.constants(run.pair, run.settings, run.seed)
    assert (run.constants["k_eff"], run.constants["K_eff"]) == (k_eff.value, K_eff.value)


class _Doubled(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        features, logits = self.network(x)
        return 2 * features, logits


@pytest.fixture
def measured(run, monkeypatch):
    few = (way("bare"), replace(way("embedded"), settings=(1, 2)))
    monkeypatch.setattr(embedded_moves, "ways", lambda profile: few)
    return pd.DataFrame(embedded_moves.measure(run))


def test_a_line_for_each_way_setting_and_judge(run, measured):
    assert list(measured.columns) == list(embedded_moves.COLUMNS)
    assert len(measured) == 5 * (1 + 1 + 2) and not measured.duplicated(["method", "setting", "judge"]).any()
    bare = measured[measured["method"] == "bare"]
    assert (bare[["moved", "features", "unseen", "changed"]] == 0).all().all()


def test_columns_are_those_of_a_plain_computation(run, measured):
    z = image_pairs.latents(run.pair, run.settings, 0, 0)
    with torch.no_grad():
        y = run.pair.generate(z)
    x = target_dot(run.pair.logit, y, run.constants["K_eff"], cost=embedded(run.E), steps=2, optimizer=Adam(0.01),
                   clip=1.0, variant=embedded_moves.AS_PRINTED).final  # fmt: skip
    line = (
        measured[(measured["method"] == "embedded") & (measured["setting"] == 2)].set_index("judge").loc["classifier 2"]
    )
    judge, px = run.panel.judges["classifier 2"], images.to_uint8(x)
    changed = (judge(px)[1].argmax(1) != judge(images.to_uint8(y))[1].argmax(1)).double().mean()
    assert line["changed"] == pytest.approx(float(changed), abs=1e-9)
    assert line["confidence"] == pytest.approx(float(judge(px)[1].double().softmax(1).amax(1).mean()), rel=1e-6)
    with torch.no_grad():
        assert line["D"] == pytest.approx(float(run.pair.logit(x).double().mean()), rel=1e-5)
        assert abs(line["D"] - float(run.pair.logit(y).double().mean())) > 1e-3
    assert line["moved"] == pytest.approx(float((x - y).flatten(1).norm(dim=1).mean()), rel=1e-4)
    assert line["features"] == pytest.approx(float((run.E(x) - run.E(y)).norm(dim=1).mean()), rel=1e-3)
    real = Moments.of(judge(images.image_set("digits", "test").images)[0])
    assert line["fid"] == pytest.approx(fid(real=real, fake=Moments.of(judge(px)[0])), rel=1e-3)
    assert 0 < line["unseen"] <= 1


def test_real_images_have_no_move(measured):
    real = measured[measured["method"] == "real"]
    assert len(real) == 5 and (real[["moved", "features", "unseen", "changed", "confidence"]] == 0).all().all()
    assert np.isfinite(measured.select_dtypes("number")).all().all()


def test_unmoved_rows_are_left_out_of_the_share(run, z):
    y = run.pair.generate(z).detach()
    x = y.clone()
    assert embedded_moves._unseen(run, x, y) == 0.0
    x[0] += 0.01
    assert 0 < embedded_moves._unseen(run, x, y) <= 1


class _First(torch.nn.Module):
    """Features are the squares of the first four pixels: at y the Jacobian sees these, but for a pixel that is 0."""

    def forward(self, x):
        flat = x.flatten(1)
        return flat[:, :4].square(), flat[:, :10]


def test_what_e_does_not_see_is_measured_at_the_start_of_the_move(run):
    """In closed form: of a move by (3, 4) in a seen and an unseen pixel 16/25 of the square is unseen."""
    known = replace(run, extractor=replace(run.extractor, network=_First()))
    y = torch.full((3, 1, 8, 8), 0.5)
    x = y.clone()
    x[:, 0, 0, 0] += 0.3
    x[:, 0, 7, 7] += 0.4
    assert embedded_moves._unseen(known, x, y) == pytest.approx(0.64, abs=1e-4)
    y[:, 0, 0, 0] = 0.0  # there the slope is 0 at the start, and not at the end
    assert embedded_moves._unseen(known, x, y) == pytest.approx(1.0, abs=1e-4)


def test_an_untrained_extractor_is_the_one_with_first_weights(run, z):
    with torch.no_grad():
        y = run.pair.generate(z)
    cost = embedded(embedded_moves.Features(run.untrained))
    options = {"steps": 10, "optimizer": Adam(0.01), "clip": 1.0, "variant": embedded_moves.AS_PRINTED}
    expected = target_dot(run.pair.logit, y, run.constants["K_eff"], cost=cost, **options).final
    found = images_of(run, "embedded, untrained E", z)[10]
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.allclose(found, images_of(run, "embedded", z)[10], atol=1e-3)


def test_every_space_has_the_bare_samples(run):
    found = embedded_moves.by_extractor(run)
    assert list(found) == ["pixels", "E", "judge"]
    assert {len(space.fake) for space in found.values()} == {run.settings.samples}
    assert found["E"].fake.shape[1] == run.extractor.dim


def test_a_judge_as_extractor_is_refused(run, monkeypatch):
    judge = run.panel.judges["classifier 0"]
    monkeypatch.setattr(extractors, "extractor", lambda *args, **options: judge)
    with pytest.raises(InputError, match="is the judge 'classifier 0'"):
        embedded_moves.load(NAME, profile="smoke")


def test_a_set_has_as_many_samples_as_the_reports_in_the_profile_paper():
    found = {profile: embedded_moves.scoring("mnist-dcgan-sngan-ns", profile) for profile in ("laptop", "paper")}
    assert [(each.sets, each.samples, each.kept) for each in found.values()] == [(1, 1_000, 1_000), (1, 10_000, 5_000)]
    digits = {embedded_moves.scoring(NAME, profile) for profile in ("laptop", "paper")}
    assert {(each.sets, each.samples, each.kept) for each in digits} == {(1, 600, 600)}
    assert embedded_moves.scoring("mnist-dcgan-sngan-ns", "smoke").samples == 100


def test_a_way_names_its_cache():
    names = {each.name.translate({ord(sign): "_" for sign in " ,/()+="}) for each in embedded_moves.ways()}
    assert len(names) == len(embedded_moves.ways()) and all(name.replace("_", "").isalnum() for name in names)
    assert Way("x", "latent", (1,)).K == "one"
