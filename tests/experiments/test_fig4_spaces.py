"""Figure 4: what changed, how rough the change is, what lies near it, and what the page shows of it.

Kinds of test: identities (bare, copies), invariances (blocks, shifts, scale), second
method (naive loops), failures.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_images import rng, row_of

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import recording, table1_trainings
from dotlib.experiments import fig4_spaces
from dotlib.metrics import intervals
from dotlib.results import paper, records

SETTINGS = fig4_spaces.Settings(target_steps=(1, 3), looked=5)


@pytest.fixture
def run():
    return row_of()


# --- the nearest training image ------------------------------------------------------------------


def bank_of(n, shape=(3, 4, 4), seed=0):
    return torch.randint(256, (n, *shape), generator=rng(seed)).to(torch.uint8)


@pytest.mark.parametrize("block", [1, 7, 50, 5_000])
def test_nearest_is_that_of_a_naive_loop(block):
    bank, x = bank_of(50), 2 * torch.rand(9, 3, 4, 4, generator=rng(3)) - 1
    distance, where = fig4_spaces.nearest(x, bank, block=block)
    for i, image in enumerate(x.double()):
        to_all = [float((image - images.to_float(row).double()).square().sum().sqrt()) for row in bank]
        assert abs(float(distance[i]) - min(to_all)) < 1e-12
        assert int(where[i]) == int(np.argmin(to_all))


def test_a_copy_is_at_distance_zero_and_found_after_shuffling():
    bank = bank_of(40)
    order = torch.randperm(40, generator=rng(4))
    distance, where = fig4_spaces.nearest(images.to_float(bank), bank[order], block=11)
    assert (distance == 0).all()
    assert torch.equal(order[where], torch.arange(40)) is True


def test_a_larger_bank_is_never_farther():
    bank, x = bank_of(60), 2 * torch.rand(5, 3, 4, 4, generator=rng(6)) - 1
    assert (fig4_spaces.nearest(x, bank)[0] <= fig4_spaces.nearest(x, bank[:30])[0]).all()


@pytest.mark.parametrize("bank", [bank_of(5).float(), bank_of(5, (1, 4, 4)), bank_of(5)[:0]])
def test_nearest_refuses_a_bank_of_another_kind(bank):
    with pytest.raises(InputError, match="bank: found .* give uint8 images of one shape"):
        fig4_spaces.nearest(torch.zeros(2, 3, 4, 4), bank)


# --- two spaces ----------------------------------------------------------------------------------


def looked_at(logits):
    """As `look` gives it, with images that nobody reads."""
    return {key: (None, torch.tensor(values)) for key, values in logits.items()}


@pytest.mark.parametrize(("level", "step"), [(0.0, 1), (0.44, 1), (0.6, 3), (9.0, 7)])
def test_the_same_rise_is_the_nearest_step_by_D_alone(level, step):
    """Over two sets that differ by 1 in every logit, as by their latents."""
    sets = [
        looked_at(
            {
                ("dot", 0): [-1.0, 1.0],
                ("dot", 4): [level - 1, level + 1],
                ("target", 7): [2.0, 4.0],
                ("target", 1): [0.1, 0.1],
                ("target", 3): [0.8, 0.8],
            }
        )
    ]
    sets.append({key: (None, logit + 1) for key, (_, logit) in sets[0].items()})
    for some in (sets[:1], sets):
        assert fig4_spaces.columns(some, 4) == {
            "bare": ("dot", 0),
            "latent": ("dot", 4),
            "target, same rise": ("target", step),
            "target": ("target", 7),
        }


def test_columns_hold_the_images_that_are_judged(run):
    """Same latents, same constants: the mean of D over a whole set is what `measure` keeps."""
    methods = fig4_spaces.space_methods(run.settings, (1, 3))
    measured = image_pairs.measure(run.pair, methods, run.panel, run.settings, 0)
    whole = fig4_spaces.look(run, replace(SETTINGS, looked=run.settings.samples), 0, 1)
    assert set(whole) == set(measured.logits)
    for key, (x, logit) in whole.items():
        assert float(logit.mean()) == pytest.approx(measured.of(*key, "D")[1], abs=1e-6)
        assert len(x) == run.settings.samples and x.abs().max() <= 1
    few = fig4_spaces.look(run, SETTINGS, 0, 1)
    assert all((few[key][0] - whole[key][0][: SETTINGS.looked]).abs().max() < 1e-6 for key in few)
    assert (whole["target", 3][1] - whole["dot", 0][1]).mean() > 0  # it climbs


def test_features_of_bare_are_zero_and_the_move_is_a_distance(run):
    looked, bank = fig4_spaces.look(run, SETTINGS, 0, 0), bank_of(25, (1, 4, 4))
    shown = fig4_spaces.features(looked, {"bare": ("dot", 0), "far": ("target", 3)}, bank)
    bare, far = shown["bare"], shown["far"]
    assert (bare["moved"] == 0).all() and (bare["share"] == 0).all()
    step = looked["target", 3][0] - looked["dot", 0][0]
    for i in range(SETTINGS.looked):
        assert float(far["moved"][i]) == pytest.approx(float(step[i].norm()), rel=1e-5)
    assert (far["moved"] >= (far["nearest"] - bare["nearest"]).abs() - 1e-9).all()  # triangle inequality


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def page(run):
    """What the page holds for one pair: columns, measurements, features of both sets, values."""
    looked = [fig4_spaces.look(run, SETTINGS, 0, number) for number in range(2)]
    columns = fig4_spaces.columns(looked, run.settings.updates)
    methods = fig4_spaces.space_methods(run.settings, SETTINGS.target_steps)
    measured = image_pairs.measure(run.pair, methods, run.panel, run.settings, 0)
    sets = [fig4_spaces.features(of_set, columns, bank_of(25, (1, 4, 4))) for of_set in looked]
    return SimpleNamespace(
        columns={"tiny": columns},
        measured={"tiny": measured},
        sets=sets,
        values={"tiny": fig4_spaces.set_values(measured, columns, sets)},
    )


@pytest.fixture
def record(run, page, monkeypatch):
    monkeypatch.setattr(recording.zoo, "add_training_provenance", lambda *_: None)
    record = records.start("fig4_spaces", profile="laptop", dataset="digits", seed=0, parameters={})
    fig4_spaces.fill_record(record, page.columns, {"tiny": run}, page.values, 0.5)
    return record


def test_values_are_those_of_judges_and_of_single_images(page):
    latent = page.values["tiny"]["latent", ""]
    assert latent["fid"] == page.measured["tiny"].of("dot", 4, "fid")
    assert latent["moved"] == [float(shown["latent"]["moved"].mean()) for shown in page.sets]


def test_every_claim_is_judged_by_the_paired_difference_of_its_columns(record, page):
    assert len(record.verdicts) == len(fig4_spaces.CLAIMS)
    latent, bare = (np.array(page.values["tiny"][name, ""]["fid"]) for name in ("latent", "bare"))
    row = record.get("fid", pair="tiny", method="latent", against="bare")
    assert row.value == pytest.approx((latent - bare).mean())
    claims = {}
    for text, (first, second, quantity, sign) in fig4_spaces.CLAIMS.items():
        both = (page.values["tiny"][name, ""][quantity] for name in (first, second))
        claims[f"{text}, tiny"] = paper.comparison(sign, intervals.interval(*both)[1], row.n, own=False)
    adjusted = intervals.holm([claim.p for claim in claims.values()])
    words = {text: claim.word(p) for (text, claim), p in zip(claims.items(), adjusted, strict=True)}
    assert record.verdicts == words
    assert record.get("nearest", method="test images").value == 0.5
    assert record.get("update", pair="tiny", method="target, same rise").value in SETTINGS.target_steps


def test_the_claim_of_table_1_has_the_words_of_table_1():
    """Over the sets of one training it was "contradicted" here and "undecided" there, on one row."""
    assert not any(claim[:2] == ("latent", "bare") for claim in fig4_spaces.CLAIMS.values())
    of = table1_trainings.frames()
    text, words = fig4_spaces.latent_words(of, ("dcgan-sngan-ns",)), table1_trainings.verdicts(of["digits, laptop"])
    assert text.startswith("digits, laptop: dcgan-sngan-ns -0.") and words["dcgan-sngan-ns", "fid"] in text
    assert fig4_spaces.latent_words({}, ("dcgan-sngan-ns",)) == "no training is recorded yet"


def test_tables_show_the_record(record, page):
    lines = fig4_spaces.score_table(record, page.columns).splitlines()
    assert len(lines) == 2 + len(fig4_spaces.SHOWN)
    fid = [cell.strip() for cell in lines[3].strip("|").split("|")]
    latent = {"pair": "tiny", "method": "latent"}
    assert fid[:2] == ["tiny: FID", recording.score(record, "fid", pair="tiny", method="bare")]
    change = recording.change(record, "fid", **latent, against="bare")
    assert fid[2] == f"{recording.score(record, 'fid', **latent)} ({change})"


def test_grids_show_the_change_and_the_neighbours(page):
    shown, bank = page.sets[0], bank_of(25, (1, 4, 4))
    pixels, captions = fig4_spaces.amplified(shown, 3)
    assert len(pixels) == 3 and all(rows.shape == (3, 1, 4, 4) for rows in pixels.values())
    assert all(max(abs(rows.astype(int) - 127.5).max(), 0) == 127.5 for rows in pixels.values())  # black or white
    assert next(iter(captions.values()))[0] == f"{shown['latent']['share'][0]:.0%}"
    pixels, captions = fig4_spaces.neighbours(shown, bank, 3)
    assert (pixels["nearest to\nbare"][1] == bank[shown["bare"]["neighbour"][1]].numpy()).all()
    assert captions["nearest to\nbare"][1] == f"{shown['bare']['nearest'][1]:.2f}"


def test_test_images_are_nearer_than_noise():
    """Handwritten digits have other handwritten digits nearby, which white noise has not."""
    bank = images.image_set("digits", "train").images
    here = fig4_spaces.distance_of_test_images("digits", bank, 20, 0)
    noise = 2 * torch.rand(20, *bank.shape[1:], generator=rng(1)) - 1
    assert 0 < here < fig4_spaces.nearest(noise, bank)[0].mean()


def test_settings_of_every_profile():
    for settings in fig4_spaces.SETTINGS.values():
        assert list(settings.target_steps) == sorted(set(settings.target_steps)) and settings.target_steps[0] > 0
    assert fig4_spaces.SETTINGS["paper"].target_steps[-1] == 100  # B.1
