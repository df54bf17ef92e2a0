"""One OT-GAN measured. Kinds of test: closed forms, identities, second methods, resuming."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from dotlib.data import images
from dotlib.evaluation import judges, otgan_runs
from dotlib.evaluation.judges import Scoring
from dotlib.evaluation.otgan_runs import NONE
from dotlib.metrics.frechet import Moments, fid
from dotlib.metrics.sinkhorn import Plans, cosine_costs, plans
from dotlib.seeding import generator
from dotlib.training import otgan
from dotlib.training.otgan import OTGANTraining

SCORING = Scoring(sets=1, samples=100, kept=100, kid_subsets=5, splits=2)
TRAINING = OTGANTraining("digits", generator_updates=120, batch_size=4, width_G=8, width_D=8, lr_G=1e-3, lr_D=1e-3)


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def panel(artifacts):
    return judges.load_panel("digits", SCORING, profile="smoke")


@pytest.fixture
def training(artifacts):
    return otgan.trained(TRAINING)


@pytest.fixture
def lines(training, panel):
    return pd.DataFrame(otgan_runs.measure({"cnn": training}, panel, SCORING))


def test_every_window_and_milestone_has_its_lines(lines):
    counts = lines.groupby("quantity").size()
    whole = 12 + 1 + len(judges.SEEDS) - 1  # milestones and the start by one judge; all judges at the end
    expected = dict.fromkeys(otgan_runs.QUANTITIES, whole) | dict.fromkeys(("L", "sd of L"), otgan_runs.WINDOWS)
    expected |= dict.fromkeys(("high frequencies", "directions", "entropy"), 13)
    assert counts.to_dict() == expected and set(lines["run"]) == {"cnn"}
    assert not lines.duplicated(["update", "judge", "quantity"]).any() and np.isfinite(lines["value"]).all()
    assert set(lines.loc[lines["judge"] == NONE, "quantity"]) == expected.keys() - {*otgan_runs.QUANTITIES}
    assert sorted(set(lines.loc[lines["quantity"] == "fid", "update"])) == [10 * i for i in range(13)]


def test_windows_have_their_closed_form_and_no_trend_in_their_spread():
    """L = t, in windows of two: mean t + 1/2, sd 1 / sqrt 2, whatever the trend over the training."""
    found = pd.DataFrame(otgan_runs.losses([{"L": float(t)} for t in range(8)], windows=4))
    L, sd = (found[found["quantity"] == name].set_index("update")["value"] for name in ("L", "sd of L"))
    assert L.to_dict() == {2: 0.5, 4: 2.5, 6: 4.5, 8: 6.5}
    assert sd.to_numpy() == pytest.approx([1 / math.sqrt(2)] * 4)


def test_scores_are_those_of_the_samples(lines, training, panel):
    """FID at the end by a judge that is not the first, from the images themselves."""
    x = otgan_runs.samples(training.G, 100, TRAINING, "scores")
    judge = panel.judges["classifier 3"]
    real = Moments.of(judge(images.image_set("digits", "test").images)[0])
    found = lines.query("judge == 'classifier 3' and quantity == 'fid'")
    assert found["update"].tolist() == [120]
    assert found["value"].item() == pytest.approx(
        fid(real=real, fake=Moments.of(judge(images.to_uint8(x))[0])), rel=1e-4
    )


def test_samples_do_not_depend_on_batches_and_are_one_law_for_all_runs(training):
    whole, parts = (otgan_runs.samples(training.G, 30, TRAINING, "scores", batch) for batch in (30, 7))
    torch.testing.assert_close(whole, parts)
    again = otgan_runs.samples(training.G, 30, replace(TRAINING, epsilon=0.01), "scores")
    assert torch.equal(whole, again) and not torch.equal(whole, otgan_runs.samples(training.G, 30, TRAINING, "plans"))


def test_directions_of_a_line_a_basis_and_an_uneven_cross():
    assert otgan_runs.directions(torch.tensor([[1.0, 2.0], [-3.0, -6.0], [0.5, 1.0]])) == pytest.approx(1)
    assert otgan_runs.directions(torch.eye(7)) == pytest.approx(7)
    cross = torch.tensor([[1.0, 0], [5, 0], [-2, 0], [0, 1]])  # 3/4 and 1/4: 1 / (9/16 + 1/16)
    assert otgan_runs.directions(cross) == pytest.approx(1.6)


def test_roughness_does_not_see_brightness():
    board = 1.0 - 2 * ((torch.arange(8)[:, None] + torch.arange(8)) % 2)
    assert otgan_runs.roughness(0.3 * board[None, None] + 0.5) == pytest.approx(1)
    wave = torch.cos(2 * math.pi * torch.arange(8) / 8).expand(8, 8)[None, None]
    assert otgan_runs.roughness(0.5 * wave - 0.4) == pytest.approx(0, abs=1e-9)


def test_a_training_is_measured_once(training, panel, lines, monkeypatch):
    monkeypatch.setattr(otgan_runs, "losses", None)
    assert pd.DataFrame(otgan_runs.measure({"cnn": training}, panel, SCORING)).equals(lines)


def test_more_iterations_come_nearer_and_the_released_end_does_fewer(training):
    frame = pd.DataFrame(otgan_runs.audit(training, [(1.0, 4), (0.01, 8)], long=2_000))
    of = frame.set_index(["epsilon", "end"])
    for epsilon in (1.0, 0.01):
        assert of.loc[(epsilon, "50 iterations"), "iterations"] == 50
        assert of.loc[(epsilon, "released end"), "iterations"] < 50
        assert of.loc[(epsilon, "converged"), "error"] <= of.loc[(epsilon, "50 iterations"), "error"] + 1e-12
        assert of.loc[(epsilon, "converged"), "mass"] == pytest.approx(1, abs=1e-9)
    assert of.loc[(0.01, "released end"), "error"] > of.loc[(1.0, "released end"), "error"]


def test_real_images_of_plans_are_not_those_of_the_judges(training, panel, monkeypatch):
    """They are the floor, which no judge has seen and no score is a distance to."""
    asked, whole = [], images.image_set
    monkeypatch.setattr(images, "image_set", lambda *names: asked.append(names) or whole(*names))
    otgan_runs.audit(training, [(1.0, 4)], long=2)
    otgan_runs._lines(training, panel, SCORING)
    assert set(asked) == {("digits", "floor")}


def test_the_entropy_is_that_of_the_plans_of_the_training(training, monkeypatch):
    """By plain calls: epsilon, iterations and rule of the settings decide, and the directions are the critic's."""
    real = images.image_set("digits", "floor")
    for change in ({"epsilon": 0.01}, {"epsilon": 0.01, "rule": "released"}, {"epsilon": 1.0, "iterations": 3}):
        settings = replace(TRAINING, **change)
        found = {line["quantity"]: line["value"] for line in otgan_runs.critic(training.G, training.D, real, settings)}
        options = {"epsilon": settings.epsilon, "iterations": settings.iterations, "rule": settings.rule}
        C = otgan_runs._costs(training.G, training.D, real, settings, settings.batch_size)
        assert found["entropy"] == pytest.approx(float(plans(C, **options).entropy.mean()), rel=1e-5)
        with torch.no_grad():
            features = training.D(images.to_float(real.images[: otgan_runs.LOOKED]))
        assert found["directions"] == pytest.approx(otgan_runs.directions(features))


def test_the_marginal_error_is_the_larger_of_rows_and_columns():
    plan = torch.tensor([[[0.5, 0.1], [0.0, 0.4]]], dtype=torch.float64)
    found = Plans(plan, plan[:, :, 0], plan[:, 0], torch.tensor([3]))
    line = otgan_runs._of_plans(found, torch.ones_like(plan))
    assert line["error"] == pytest.approx(float(max(found.row_error.item(), found.column_error.item())))
    assert found.row_error.item() != found.column_error.item()


def test_plans_are_of_the_batch_and_between_real_images_and_samples(training):
    real = images.image_set("digits", "floor")
    C = otgan_runs._costs(training.G, training.D, real, TRAINING, 5)
    assert C.shape == (otgan_runs.PROBLEMS, 5, 5)
    x = real.draw(otgan_runs.PROBLEMS * 5, generator(0, "plans", "digits"))
    y = otgan_runs.samples(training.G, otgan_runs.PROBLEMS * 5, TRAINING, "plans")
    with torch.no_grad():
        torch.testing.assert_close(C[3], cosine_costs(training.D(x[15:20]), training.D(y[15:20])))
