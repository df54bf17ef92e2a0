"""Figure 2: closed forms of the verdict, identities of the two constants, milestones, failures."""

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dotlib.errors import InputError, SettingsDifferError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.experiments import fig2_training
from dotlib.experiments.fig2_training import Milestone, Settings
from dotlib.metrics.scores import Reference
from dotlib.pairs import Pair, Uniform
from dotlib.results import paper, records
from dotlib.training import zoo
from dotlib.training.settings import image_training
from dotlib.transport import lipschitz

SMALL = Settings(
    Scoring(sets=2, samples=40, splits=2, batch=16, kept=20, pairs=5, repeats=1),
    n_pairs=8,
    repeats=6,
    pool=50,
    gradients=10,
)


def identity_pair(slope: float = 1.0) -> Pair:
    """G: four latents as an image of 2 x 2; D: linear."""
    dense = nn.Linear(4, 4, bias=False)
    dense.weight.data = torch.eye(4)
    D = nn.Linear(4, 1, bias=False)
    D.weight.data = slope * torch.tensor([[1.0, -2.0, 0.5, 0.0]])
    return Pair(
        nn.Sequential(dense, nn.Unflatten(1, (1, 2, 2))).eval(), nn.Sequential(nn.Flatten(), D).eval(), Uniform(4)
    )


def pair_of(slope: float = 1.0) -> image_pairs.ImagePair:
    return image_pairs.ImagePair(**vars(identity_pair(slope)), name="x", digests={"x": "0"})


class StubJudge:
    """A judge whose features are the pixels; it counts what it sees."""

    dim, classes, sha256 = 4, 3, "0"

    def __init__(self):
        self.seen = 0

    def __call__(self, images):
        self.seen += len(images)
        features = images.flatten(1).float() / 255
        return features, features[:, :3]


def stub_jury(*names: str) -> Panel:
    found = {name: StubJudge() for name in names}
    reference = Reference(dim=4, total=50, kept=20, rng=torch.Generator().manual_seed(1))
    reference.add(torch.rand(50, 4, generator=torch.Generator().manual_seed(0)))
    return Panel(found, dict.fromkeys(names, reference), dict.fromkeys(names), {"stub": "0"}, {})


def trained(path: Path = Path("x.safetensors")) -> zoo.TrainedPair:
    return zoo.TrainedPair(
        "digits-x", identity_pair(), image_training("digits", "dcgan-sngan-hi", "smoke"), path, "0", [], {}
    )


def history(updates, means, spread=0.1, repeats=9) -> list[Milestone]:
    """Milestones whose maxima are means times the same log-normal draws, for both constants."""
    noise = np.exp(spread * np.random.default_rng(0).standard_normal(repeats))
    return [
        Milestone(update, *[lipschitz.LipschitzEstimate(torch.from_numpy(mean * noise), 5)] * 2, [1.0, 2.0], [3.0, 4.0])
        for update, mean in zip(updates, means, strict=True)
    ]


# The verdict: closed forms


def test_growth_is_the_ratio_of_end_to_middle():
    """The repeats share their draws, so the ratio is 3 in each, and the interval has no width."""
    found = history([10, 20, 30, 40], [9.0, 0.5, 7.0, 1.5])
    ratio, (low, high) = fig2_training.growth(found, "K_eff")
    assert ratio == pytest.approx(3, rel=1e-12)
    assert low == pytest.approx(3, rel=1e-9) and high == pytest.approx(3, rel=1e-9)


def test_growth_of_unpaired_draws_is_a_t_interval_of_logs():
    first, second = np.array([1.0, 2.0, 4.0]), np.array([8.0, 4.0, 2.0])
    found = [
        Milestone(update, *[lipschitz.LipschitzEstimate(torch.from_numpy(maxima), 5)] * 2, [], [])
        for update, maxima in ((1, first), (2, second))
    ]
    ratio, (low, high) = fig2_training.growth(found, "k_eff")
    # log2 of the ratios: 3, 1, -1; mean 1, sd 2, t(0.975, 2) = 4.302653
    half = 4.302653 * 2 / math.sqrt(3)
    assert ratio == pytest.approx(2)
    assert math.log2(low) == pytest.approx(1 - half, rel=1e-6)
    assert math.log2(high) == pytest.approx(1 + half, rel=1e-6)


@pytest.mark.parametrize(
    ("updates", "middle"),
    [
        ([10, 20, 30, 40], 20),
        ([13, 26, 40], 26),
        ([1, 2], 1),
        ([125 * i for i in range(1, 13)], 750),
        ([5], 5),
        ([10, 30, 40], 10),
    ],
)
def test_the_middle_is_nearest_to_half_of_the_updates(updates, middle):
    assert updates[fig2_training.middle(updates)] == middle


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.5, 1.9), paper.REPRODUCED),
        ((0.1, 0.2), paper.REPRODUCED),
        ((1.5, 2.5), paper.UNDECIDED),  # log-middle below 2
        ((1.9, 2.5), paper.UNDECIDED),
        ((2.1, 2.5), paper.CONTRADICTED),
    ],
)
def test_the_verdict_is_about_a_doubling(interval, verdict):
    claim = fig2_training.not_drastic(interval, 500, own=True)
    assert claim.word(claim.p) == verdict
    claim = fig2_training.not_drastic(interval, 500, own=False)
    assert claim.word(claim.p) == (paper.REPLICATED if verdict == paper.REPRODUCED else verdict)


def test_growth_ignores_the_unit():
    small, large = (fig2_training.growth(history([1, 2], [scale, 1.4 * scale]), "K_eff") for scale in (1e-6, 1e3))
    assert small[0] == pytest.approx(large[0], rel=1e-12)


def test_a_flat_discriminator_and_an_unknown_constant_are_refused():
    with pytest.raises(InputError, match="history: K_eff is 0 at update 1, D is constant"):
        fig2_training.growth(history([1, 2], [0.0, 1.0]), "K_eff")
    with pytest.raises(InputError, match="name: unknown 'keff'; known: K_eff, k_eff"):
        fig2_training.growth(history([1, 2], [1.0, 1.0]), "keff")


# The constants: identities


def test_both_constants_agree_where_G_keeps_distances():
    """G only reshapes, and both constants take the same pairs of the same pool."""
    K_eff, k_eff = fig2_training.pool_constants(pair_of(), SMALL, 0)
    torch.testing.assert_close(K_eff.maxima, k_eff.maxima, rtol=1e-12, atol=0)
    assert K_eff.n_pairs == SMALL.n_pairs and len(K_eff.maxima) == SMALL.repeats


def test_milestones_share_their_pairs():
    """A D of three times the slope has three times every maximum: the repeats are paired."""
    one, three = (fig2_training.pool_constants(pair_of(slope), SMALL, 0)[0] for slope in (1, 3))
    torch.testing.assert_close(three.maxima, 3 * one.maxima, rtol=1e-6, atol=0)
    other, _ = fig2_training.pool_constants(pair_of(), SMALL, 1)
    assert not torch.equal(other.maxima, one.maxima)


def test_batches_change_no_constant():
    whole = replace(SMALL, scoring=replace(SMALL.scoring, batch=1_000))
    for ours, theirs in zip(*(fig2_training.pool_constants(pair_of(), s, 0) for s in (SMALL, whole)), strict=True):
        torch.testing.assert_close(ours.maxima, theirs.maxima)


def test_bounds_of_a_linear_discriminator_are_its_slope():
    """One layer: gradient, matrix norm and map norm are all ||w|| = sqrt(1 + 4 + 1/4)."""
    gradient, top = fig2_training.bounds(pair_of(), SMALL, 0)
    expected = pytest.approx(math.sqrt(5.25), rel=1e-6)
    assert (gradient, top.matrices, top.maps, top.layers) == (expected, expected, expected, 1)


# Milestones


def test_along_a_training(monkeypatch):
    monkeypatch.setattr(zoo, "milestones", lambda _: ((update, identity_pair(float(update))) for update in range(1, 8)))
    judged = stub_jury("first")
    found = fig2_training.along_training(trained(), judged, replace(SMALL, every=3), 0)
    assert [at.update for at in found] == [1, 4, 7]  # one of three, the last included
    assert all(len(at.fid) == len(at.is_mean) == 2 for at in found)
    assert len({tuple(at.fid) for at in found}) == 1  # the same G and latents at each milestone
    torch.testing.assert_close(found[2].K_eff.maxima, 7 * found[0].K_eff.maxima)
    seen = judged.judges["first"].seen
    assert seen == 3 * 2 * 40
    again = fig2_training.along_training(trained(), judged, replace(SMALL, every=3), 0)
    assert judged.judges["first"].seen == seen  # scores are read from their files
    assert [at.fid for at in again] == [at.fid for at in found]
    assert torch.equal(again[0].k_eff.maxima, found[0].k_eff.maxima)
    elsewhere = replace(trained(), sha256="1")
    fig2_training.along_training(elsewhere, judged, replace(SMALL, every=3), 0)
    assert judged.judges["first"].seen == 2 * seen  # another training is judged anew


def test_a_pair_without_milestones_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"trained: no milestones beside .*; delete the pair"):
        fig2_training.along_training(trained(tmp_path / "x"), stub_jury("a"), SMALL, 0)
    shipped = replace(trained(tmp_path / "x"), origin=zoo.SHIPPED)
    with pytest.raises(InputError, match=r"beside .*; set DOTLIB_TRAIN=1 and train it again"):
        fig2_training.along_training(shipped, stub_jury("a"), SMALL, 0)


def test_the_first_judge_alone():
    judged = stub_jury("a", "b")
    alone = judged.only_first()
    assert list(alone.judges) == list(alone.collectors(SMALL.scoring)) == ["a"] and alone.first == "a"
    assert list(judged.judges) == ["a", "b"]
    assert alone.digests == judged.digests


# Settings and records


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10", "stl10"])
def test_laptop_and_paper_have_the_published_pairs(dataset):
    for profile in ("laptop", "paper"):
        c = fig2_training.settings_of(dataset, profile)
        assert (c.n_pairs, c.repeats) == (500, 500)
        assert c.every == {"laptop": 2, "paper": 1}[profile]
        assert c.pool >= 20 * c.n_pairs and c.scoring.sets >= 5
    smoke = fig2_training.settings_of(dataset, "smoke")
    assert smoke.pool <= 500 and smoke.scoring.sets == 2
    with pytest.raises(InputError, match="profile"):
        fig2_training.settings_of(dataset, "smok")


HISTORIES = {"steady": history([1, 2, 4], [1.0, 2.0, 2.5]), "steep": history([1, 2, 4], [1.0, 2.0, 9.0])}


@pytest.fixture
def record():
    record = records.start("fig2_training", profile="laptop", dataset="digits", seed=0, parameters={})
    fig2_training.fill_record(record, HISTORIES)
    return record


def test_the_record_has_every_curve_and_two_verdicts_a_row(record):
    assert record.get("growth", pair="steep", method="k_eff").value == pytest.approx(4.5)
    assert record.verdicts == {
        f"{row}: {name} does not increase drastically": verdict
        for row, verdict in (("steady", paper.REPLICATED), ("steep", paper.CONTRADICTED))
        for name in ("K_eff", "k_eff")
    }


def test_curves_are_those_of_the_milestones(record):
    updates, means, spreads = fig2_training.curves(record, "K_eff")["steep"]
    assert updates == [1, 2, 4]
    assert means == pytest.approx([at.K_eff.value for at in HISTORIES["steep"]])
    assert spreads == pytest.approx([at.K_eff.std for at in HISTORIES["steep"]])
    _, means, spreads = fig2_training.curves(record, "fid")["steady"]
    assert means == [3.5] * 3 and spreads == pytest.approx([math.sqrt(0.5)] * 3)  # 3 and 4


def test_tables_show_ratios_and_verdicts(record):
    cells = [cell.strip() for cell in fig2_training.ratio_table(record).splitlines()[3].strip("|").split("|")]
    assert cells == ["steep", *["4.50 [4.50, 4.50]", "2.00"] * 2]
    cells = fig2_training.verdict_table(record, list(HISTORIES)).splitlines()[2].split("|")
    assert cells[2].strip() == f"1.25, {paper.REPLICATED}"


def test_bounds_stand_around_the_constant_and_a_slope_above_them_is_refused(record):
    fig2_training.fill_bounds(record, {"steady": pair_of()}, SMALL, 0)
    with pytest.raises(AssertionError):  # the product is sqrt(5.25) = 2.29, K_eff of "steady" ends at about 2.5
        fig2_training.bounds_table(record)
    record.content.clear()
    record.put_trials("K_eff", np.array([1.0, 2.0]), pair="steady", setting=4, unit="")
    fig2_training.fill_bounds(record, {"steady": pair_of()}, SMALL, 0)
    cells = [cell.strip() for cell in fig2_training.bounds_table(record).splitlines()[2].strip("|").split("|")]
    assert cells == ["steady", "1.500", "2.291", "2.29", "2.29"]


def test_fences_of_every_training_stand_with_their_interval(record):
    """D is linear, so both fences are its slope, sqrt(5.25) times 1, 2 and 3."""
    fig2_training.fill_trainings(record, {"steady": {4: pair_of(1), 0: pair_of(2), 2: pair_of(3)}}, SMALL, 0)
    name = fig2_training.OF_TRAINING.format("product of maps")
    found = {row.setting: row.value for row in record.rows(quantity=name, pair="steady")}
    assert found == {seed: pytest.approx(k * math.sqrt(5.25), rel=1e-5) for seed, k in ((4, 1), (0, 2), (2, 3))}
    cells = [cell.strip() for cell in fig2_training.trainings_table(record).splitlines()[2].strip("|").split("|")]
    logs = np.log(math.sqrt(5.25) * np.array([1.0, 2.0, 3.0]))
    half = 4.302653 * logs.std(ddof=1) / math.sqrt(3)
    mean, low, high = (math.exp(logs.mean() + shift) for shift in (0, -half, half))
    shown = f"{mean:.2f} [{low:.2f}, {high:.2f}]"
    assert cells == ["steady", "3", shown, shown]


# Shipped pairs: their committed record


@pytest.fixture
def kept(record, tmp_path, monkeypatch):
    """The record, committed; it is of the pair `trained`."""
    monkeypatch.setattr(records, "KEPT", tmp_path / "results")
    zoo.add_training_provenance(record, replace(trained(), made=dict.fromkeys(MADE, 0)))
    records.write(record, tmp_path / "results")
    return record


MADE = ("commit", "dirty", "device", "seconds_since_resume")


def fresh(**changes) -> records.Record:
    return replace(
        records.start("fig2_training", profile="laptop", dataset="digits", seed=0, parameters={}), content={}, **changes
    )


def test_the_committed_record_stands_for_shipped_pairs_and_is_written_as_it_is(kept, tmp_path):
    found = fig2_training.committed(fresh(), {"sngan-hi": trained()})
    assert found == kept
    records.write(found, tmp_path / "build")
    assert records.text_of(found) == records.text_of(kept)


def test_a_record_of_other_parameters_or_trainings_is_refused(kept):
    with pytest.raises(SettingsDifferError, match="pool: stored None, wanted 50"):
        fig2_training.committed(fresh(parameters={"pool": 50}), {"sngan-hi": trained()})
    with pytest.raises(SettingsDifferError, match="digits-x: stored '0', wanted '1'"):
        fig2_training.committed(fresh(), {"sngan-hi": replace(trained(), sha256="1")})


def test_shipped_pairs_without_a_record_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "KEPT", tmp_path)
    with pytest.raises(InputError, match=r"^pairs: .*fig2_training has no laptop-digits-s0; .*make book TRAIN=1$"):
        fig2_training.committed(fresh(), {"sngan-hi": trained()})


def test_the_committed_record_is_that_of_the_shipped_pairs(monkeypatch):
    """The page of the book shows it. After a change of its settings: DOTLIB_TRAIN=1 dotlib record fig2_training/..."""
    monkeypatch.setattr(records, "KEPT", Path(__file__).parents[2] / "results")
    settings = fig2_training.settings_of("digits", "laptop")
    where = {"profile": "laptop", "dataset": "digits", "seed": 0}
    new = records.start("fig2_training", **where, judge="classifier", parameters=asdict(settings))
    pairs = {row: zoo.pair(f"digits-{row}", profile="laptop") for row in settings.rows}
    assert {trained.origin for trained in pairs.values()} == {"shipped"}
    kept = fig2_training.committed(new, pairs)
    assert {row.pair for row in kept.rows(quantity="growth")} == {*settings.rows}
    assert len(fig2_training.bounds_table(kept).splitlines()) == 2 + 3  # the rows without attention
