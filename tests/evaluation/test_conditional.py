"""A conditional pair measured: what its lines hold.

Kinds of test: identities (bare is unmoved, scores are the judge's), second method (one class alone, one set by hand),
closed forms of the labels, failures.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from dotlib import transport
from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import conditional, judges
from dotlib.evaluation import images as image_pairs
from dotlib.metrics.classes import ClassReference
from dotlib.transport import lipschitz

NAME = "digits-cond-hi"


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged(NAME, "conditional")


@pytest.fixture
def run(artifacts):
    return conditional.load(NAME, profile="smoke")


@pytest.fixture
def lines(run):
    return pd.DataFrame(conditional.measure(run))


def test_every_way_setting_set_and_judge_has_one_line(run, lines):
    settings = sum(len(way.settings) for way in conditional.ways(run.k))
    assert len(lines) == len(judges.SEEDS) * (run.settings.sets * settings + 1)  # + 1: real images
    assert not lines.duplicated(["method", "setting", "set", "judge"]).any()
    assert np.isfinite(lines.select_dtypes("number")).all().all()
    assert set(conditional.QUANTITIES) <= set(lines.columns) and run.settings.sets == 4


def test_labels_are_balanced_and_in_every_batch(run):
    assert run.labels.bincount().tolist() == [10] * 10 and run.labels[:10].tolist() == list(range(10))


def test_a_line_is_what_plain_calls_give(run, lines):
    """Second method: 32 updates of one set with k = 1, moved, looked at and judged by hand."""
    z, y = image_pairs.latents(run.pair, run.settings, 0, 1), run.labels
    bound = run.pair.conditioned_on(y)
    moved = transport.latent_dot(bound, z, 1.0, steps=32, optimizer=transport.Adam(0.01)).final
    with torch.no_grad():
        x = bound.generate(moved)
        D = float(bound.logit(x).double().mean())
    judge = run.panel.judges["classifier 2"]
    _, logits = judge(images.to_uint8(x))
    chosen = lines.query("method == 'DOT, k = 1' and setting == 32 and set == 1 and judge == 'classifier 2'")
    assert chosen["D"].item() == pytest.approx(D, rel=1e-5)
    assert chosen["moved"].item() == pytest.approx(float((moved - z).norm(dim=1).mean()), rel=1e-5)
    assert chosen["agreement"].item() == float((logits.argmax(1) == y).double().mean())


def test_each_row_moves_with_the_constant_of_its_label_as_it_does_alone(run):
    """1e-5: another batch size reorders the sums of float32 convolutions."""
    z, y = image_pairs.latents(run.pair, run.settings, 0, 0)[:20], run.labels[:20]
    dot = next(way for way in conditional.ways(run.k) if way.name == "DOT")
    bound = run.pair.conditioned_on(y)
    found = dict(conditional.one_training.moves.path(dot, bound, bound, z, 0.01, torch.Generator()))[32]
    for label in (0, 7):
        own, options = y == label, {"steps": 32, "optimizer": transport.Adam(0.01)}
        alone = transport.latent_dot(run.pair.conditioned_on(label), z[own], run.k["D(x|y)"][label], **options).final
        assert torch.allclose(found[own], alone, atol=1e-5)
    other = transport.latent_dot(bound, z, 1.0, steps=32, optimizer=transport.Adam(0.01)).final
    assert not torch.allclose(found, other, atol=1e-3), "k_eff(y) is not used"


def test_bare_is_unmoved_and_real_images_are_the_ceiling(run, lines):
    bare, real = (lines[lines["method"] == method] for method in ("bare", "real"))
    assert (bare["moved"] == 0).all() and len(real) == len(judges.SEEDS)
    whole = images.image_set("digits", "floor")
    x = images.to_float(whole.images)
    with torch.no_grad():
        D = float(run.pair.conditioned_on(whole.labels).logit(x).double().mean())
    assert real["D"].to_numpy() == pytest.approx(D, rel=1e-5), "D of real images is not that of their labels"
    assert (real["agreement"] > 2 * bare.groupby("judge")["agreement"].mean().to_numpy()).all()
    assert (real["intra_fid"] < bare["intra_fid"].min()).all()


def test_wrong_labels_leave_the_fid_and_are_seen_by_the_scores_of_classes(run):
    real = images.image_set("digits", "floor")
    reference, judge = run.classes[run.panel.first], run.panel.judges[run.panel.first]
    found = []
    for labels in (real.labels, (real.labels + 1) % 10):
        collector = reference.collector()
        collector.add(*judge(real.images), labels)
        found.append(collector.scores())
    assert found[0]["agreement"] > 2 * found[1]["agreement"] and found[1]["intra_fid"] > 2 * found[0]["intra_fid"]


def test_the_reference_of_a_class_is_of_other_images_than_the_floor(run):
    """By hand: features of the split "reference"; the floor's own images would score 0 against themselves."""
    reference, judge = run.classes[run.panel.first], run.panel.judges[run.panel.first]
    own = images.image_set("digits", judges.SPLITS["classifier"][0])
    assert own.split == "test"
    direct = ClassReference(judge(own.images)[0], own.labels, directions=conditional.SMOKE_DIRECTIONS)
    floor = images.image_set("digits", "floor")
    scores = []
    for each in (reference, direct):
        collector = each.collector()
        collector.add(*judge(floor.images), floor.labels)
        scores.append(collector.scores()["intra_fid"])
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


def test_constants_are_the_mean_of_repeats_with_the_label_and_one_maximum_without(run):
    settings = run.settings
    for name, repeats in (("D(x|y)", settings.repeats), ("D(x)", 1)):
        rng = conditional.generator(0, "k_eff(y)", name)
        options = {"n_pairs": 50, "repeats": repeats, "unconditional": name == "D(x)"}
        expected = lipschitz.class_constants(run.pair, 10, rng=rng, **options).mean(1)
        assert run.k[name] == pytest.approx(expected.tolist())
    assert settings.pairs == 50 and run.k["D(x|y)"] != run.k["D(x)"]


def test_ways_take_their_constants_and_variants(run):
    ways = {way.name: way for way in conditional.ways(run.k)}
    assert ways["official"].k == run.k["D(x)"] and ways["official"].variant == "official"
    assert ways["DOT"].k == ways["exact"].k == run.k["D(x|y)"] and ways["DOT, k = 1"].k == 1.0
    assert {way.variant for way in ways.values()} == {"paper", "official", "exact"}
    assert ways["naive"].cost == "none" and ways["DOT"].adam and ways["DOT"].settings == (4, 16, 32)


def test_the_hinge_loss_is_that_of_the_last_quarter_of_the_log(run):
    log = [{"update": i, "V_D": -2.0} for i in range(6)] + [{"update": 6, "V_D": -1.0}, {"update": 7, "V_D": -0.5}]
    assert replace(run, trained=replace(run.trained, log=log)).hinge == 0.75
    assert 0 < run.hinge < 2.5


def test_a_path_begins_at_the_bare_sample_and_ends_where_the_descent_does(run):
    z, y = conditional.first_latents(run, 2)
    assert y.tolist() == [label for label in range(10) for _ in range(2)]
    shown, D = conditional.path(run.pair, z, y, 1.0, 3)
    bound = run.pair.conditioned_on(y)
    end = transport.latent_dot(bound, z, 1.0, steps=3, optimizer=transport.Adam(0.01)).final
    assert shown.shape == (4, 20, 1, 8, 8) and torch.equal(shown[0], bound.generate(z))
    assert torch.equal(shown[-1], bound.generate(end))
    assert all(torch.allclose(D[i], bound.logit(bound.generate(each))) for i, each in enumerate((z, end)))


def test_sizes_by_profile():
    laptop, paper = (conditional.scoring("mnist", profile) for profile in ("laptop", "paper"))
    assert (laptop.sets, laptop.samples, laptop.updates, laptop.pairs, laptop.kept) == (4, 1_000, 32, 50, 1_000)
    assert (paper.samples, paper.lr) == (50_000, 0.01) and conditional.scoring("digits", "laptop").samples == 600
    with pytest.raises(InputError, match="^name: 'digits-dcgan-sngan-hi' takes no labels; name a conditional pair"):
        conditional.load("digits-dcgan-sngan-hi", profile="smoke")


def test_a_network_of_other_classes_judges_apart_and_without_agreement(artifacts, run, lines, monkeypatch):
    """Second method: the first classifier, which nobody tells the classes of the data, gives its own distances."""
    known = run.panel.judges[run.panel.first]
    other = replace(known, name="efficientnet", accuracy=None)
    monkeypatch.setattr(judges, "public", lambda name: other)
    kept = conditional.ways(run.k)[:2]  # bare, DOT
    monkeypatch.setattr(conditional, "ways", lambda k: kept)
    of = conditional.load(NAME, profile="smoke", judge="efficientnet")
    assert set(of.panel.judges) == {"efficientnet"} and of.k == run.k
    there = pd.DataFrame(conditional.measure(of))
    assert "agreement" not in there and set(there["judge"]) == {"efficientnet"} and len(there) == 4 * (1 + 3) + 1
    ours = lines[(lines["judge"] == run.panel.first) & lines["method"].isin(["bare", "DOT"])].reset_index(drop=True)
    theirs = there[there["method"] != "real"].reset_index(drop=True)
    assert (ours["is_mean"] == theirs["is_mean"]).all()
    assert (ours["intra_fid"] != theirs["intra_fid"]).all(), "their reference is another split"
    real = images.image_set("digits", "train")
    reference = ClassReference(known(real.images)[0], real.labels, directions=conditional.SMOKE_DIRECTIONS)
    assert torch.equal(of.classes["efficientnet"].directions, reference.directions)


def test_a_network_with_more_features_than_samples_is_refused_before_the_work(artifacts, run, monkeypatch):
    other = replace(run.panel.judges[run.panel.first], name="efficientnet", accuracy=None, dim=1_280)
    monkeypatch.setattr(judges, "public", lambda name: other)
    judges._load_panel.cache_clear()
    with pytest.raises(InputError, match="'efficientnet' has 1,280 features and a set only 100 samples"):
        conditional.load(NAME, profile="smoke", judge="efficientnet")
    assert conditional.scoring("cifar10", "laptop", "efficientnet").samples == 2_500
    assert conditional.scoring("cifar10", "laptop").samples == 1_000
