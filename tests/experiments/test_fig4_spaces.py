"""Looking at moved images: what changed, how rough the change is, what lies near it; variants.

Kinds of test: identities (bare, copies), closed forms (a checkerboard, the runaway of the printed
projection), invariances (blocks, shifts, scale), second method (naive loops), failures.
"""

import itertools
import math
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import ImagePair, Measurement, Method
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.experiments import fig4_spaces
from dotlib.metrics.scores import Reference
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.results import paper, records
from dotlib.transport import VARIANTS, Variant

D_LATENT = 6


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny_pair(prior=None, seed=0):
    """A pair on 1 x 4 x 4 images with drawn weights, in evaluation mode."""
    prior = prior or Uniform(D_LATENT)
    G = nn.Sequential(nn.Linear(prior.dim, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Softplus(), nn.Linear(12, 1))
    for number, part in enumerate((*G.parameters(), *D.parameters())):
        part.data = 0.5 * torch.randn(part.shape, generator=rng(100 * seed + number))
    return Pair(G.eval(), D.eval(), prior)


class PixelJudge:
    """Features are pixels, logits two sums."""

    dim, classes = 3, 2

    def __call__(self, pixels):
        flat = pixels.flatten(1).float() / 255
        return flat[:, :3], flat[:, :2] * 4


@pytest.fixture
def run(monkeypatch):
    """A row of Table 1 without training: the tiny pair, one judge."""
    c = Scoring(sets=2, samples=30, updates=4, pairs=10, repeats=2, splits=2, batch=7, kept=30)
    pair = ImagePair(**vars(tiny_pair()), name="tiny", digests={"pair": "0"})
    reference = Reference(dim=3, total=40, kept=30, rng=rng(6))
    reference.add(torch.rand(40, 3, generator=rng(5)))
    judges = {"pixels": PixelJudge(), "second": PixelJudge()}
    panel = Panel(
        judges,
        dict.fromkeys(judges, reference),
        dict.fromkeys(judges),
        {"pixels": "0", "second": "1", "test": "2"},
        {},
        dict.fromkeys(judges, 30),
    )
    trained = SimpleNamespace(settings=SimpleNamespace(split="train"))
    constants = image_pairs.constants(pair, c, 0)
    return image_pairs.Table1Row(pair, trained, panel, c, Measurement(*constants, {}, {}))


V = fig4_spaces.Views(target_steps=(1, 3), looked=5, samples=20)


# --- roughness -----------------------------------------------------------------------------------


def checkerboard(height, width):
    return 1.0 - 2 * ((torch.arange(height)[:, None] + torch.arange(width)) % 2)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (32, 32), (48, 48), (6, 10), (5, 7)])
def test_a_constant_has_no_high_frequency_and_a_checkerboard_only_those(height, width):
    """An odd side has no exact checkerboard: its spectrum leaks, so only even sides are exact."""
    change = torch.stack([torch.full((height, width), 0.3), checkerboard(height, width), torch.zeros(height, width)])[
        :, None
    ]
    share = fig4_spaces.high_share(change)
    assert share[0] < 1e-12 and share[2] == 0
    assert share[1] > (1 - 1e-12 if height % 2 == 0 else 0.8)


@pytest.mark.parametrize("n", [8, 48])
def test_a_wave_is_high_beyond_a_quarter_of_a_cycle_a_pixel(n):
    """cos(2 pi k x / n) lies at k / n cycles a pixel; at exactly 1/4 it is not yet high."""
    x = torch.arange(n, dtype=torch.float64)
    for k in range(n // 2 + 1):
        wave = torch.cos(2 * math.pi * k * x / n).expand(n, n)
        for image in (wave, wave.T, wave * 0.01):
            share = float(fig4_spaces.high_share(image[None, None])[0])
            assert abs(share - (k / n > 0.25)) < 1e-12, k


def naive_share(image):
    """One image (C, H, W), frequency by frequency, from the definition of the transform."""
    channels, height, width = image.shape
    total = high = 0.0
    for c, k, m in itertools.product(range(channels), range(height), range(width)):
        phase = torch.arange(height).double()[:, None] * k / height + torch.arange(width).double() * m / width
        one = (image[c] * torch.exp(-2j * math.pi * phase)).sum().abs().item() ** 2
        total += one
        if max(min(k, height - k) / height, min(m, width - m) / width) > 0.25:
            high += one
    return high / total


def test_share_agrees_with_the_transform_written_out():
    change = torch.randn(3, 2, 6, 9, generator=rng(), dtype=torch.float64)
    change = change.cumsum(3)  # not white
    expected = torch.tensor([naive_share(one) for one in change], dtype=torch.float64)
    assert (fig4_spaces.high_share(change) - expected).abs().max() < 1e-12


def test_share_does_not_see_size_place_sign_or_orientation():
    change = torch.randn(4, 3, 8, 8, generator=rng(1)).cumsum(2)
    share = fig4_spaces.high_share(change)
    for other in (100 * change, -change, change.roll((3, 5), (2, 3)), change.transpose(2, 3), change.flip(1)):
        assert (fig4_spaces.high_share(other) - share).abs().max() < 1e-6
    assert torch.equal(fig4_spaces.high_share(change[2:3]), share[2:3]) is True


@pytest.mark.parametrize("side", [8, 32])
def test_white_noise_has_the_white_share(side):
    """Every frequency has the same mean energy; 400 images know the mean to about 0.002."""
    noise = torch.randn(400, 1, side, side, generator=rng(2))
    white = fig4_spaces.white_share(side, side)
    assert abs(float(fig4_spaces.high_share(noise).mean()) - white) < 0.01
    assert white == 1 - ((side // 2 + 1) / side) ** 2  # side / 2 + 1 of side are low, both ways


@pytest.mark.parametrize(
    "change", [torch.zeros(4, 8, 8), torch.full((1, 1, 2, 2), math.nan), torch.zeros(2, 1, 4, 4, dtype=torch.int64)]
)
def test_share_refuses_what_is_no_batch_of_changes(change):
    with pytest.raises(InputError, match="change: "):
        fig4_spaces.high_share(change)


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
        assert fig4_spaces.columns(some, Scoring(updates=4)) == {
            "bare": ("dot", 0),
            "latent": ("dot", 4),
            "target, same rise": ("target", step),
            "target": ("target", 7),
        }


def test_columns_hold_the_images_that_are_judged(run):
    """Same latents, same constants: the mean of D over a whole set is what `measure` keeps."""
    m = image_pairs.measure(run.pair, fig4_spaces.space_methods(run.settings, (1, 3)), run.panel, run.settings, 0)
    whole = fig4_spaces.look(run, replace(V, looked=run.settings.samples), 0, 1)
    assert set(whole) == set(m.logits)
    for key, (x, logit) in whole.items():
        assert float(logit.mean()) == pytest.approx(m.logits[key][1], abs=1e-6)
        assert len(x) == run.settings.samples and x.abs().max() <= 1
    few = fig4_spaces.look(run, V, 0, 1)
    assert all((few[key][0] - whole[key][0][: V.looked]).abs().max() < 1e-6 for key in few)
    assert (whole["target", 3][1] - whole["dot", 0][1]).mean() > 0  # it climbs


def test_features_of_bare_are_zero_and_the_move_is_a_distance(run):
    looked = fig4_spaces.look(run, V, 0, 0)
    where = {"bare": ("dot", 0), "far": ("target", 3)}
    found = fig4_spaces.features(looked, where, bank_of(25, (1, 4, 4)))
    assert list(found) == ["bare", "far"]
    assert (found["bare"]["moved"] == 0).all() and (found["bare"]["share"] == 0).all()
    step = looked["target", 3][0] - looked["dot", 0][0]
    for i in range(V.looked):
        assert float(found["far"]["moved"][i]) == pytest.approx(float(step[i].norm()), rel=1e-5)
    assert (
        found["far"]["moved"] >= (found["far"]["nearest"] - found["bare"]["nearest"]).abs() - 1e-9
    ).all()  # triangle inequality


# --- the normal prior ----------------------------------------------------------------------------


def pair_of(pair):
    return ImagePair(**vars(pair), name="tiny", digests={})


def test_measured_radial_factors_are_the_predicted_ones():
    z = torch.randn(8, 20, generator=rng(7), dtype=torch.float64)
    pair = tiny_pair(Normal(20))
    pair = Pair(pair.generator.double(), pair.discriminator.double(), pair.prior)
    found = fig4_spaces.radial_factors(pair_of(pair), z, 0.7)
    assert set(found) == {"none", "sqrt_dim", "constant", "norm"}
    length = z.square().sum(1)
    for name, expected in (
        ("none", torch.ones(8)),
        ("sqrt_dim", 1 - length / 20**0.5),
        ("constant", 1 - length / 11.31),
        ("norm", torch.zeros(8)),
    ):
        assert (found[name][0] - expected).abs().max() < 1e-8, name
        assert (found[name][1] - expected).abs().max() < 1e-12, name


def flat_pair(d):
    """D does not depend on z, though autograd connects it."""
    pair = tiny_pair(Normal(d))
    pair.discriminator[3].weight.data.zero_()
    return Pair(pair.generator.double(), pair.discriminator.double(), pair.prior)


def test_without_a_gradient_a_factor_is_nan():
    z = torch.randn(3, 4, generator=rng(8), dtype=torch.float64)
    assert fig4_spaces.radial_factors(pair_of(flat_pair(4)), z, 1.0)["norm"][0].isnan().all()


def test_the_printed_projection_drives_latents_away_from_their_anchor():
    """D flat, z along (1, ..., 1): the printed cost is |r + delta sqrt(d)| for a radial move r, its
    gradient z/|z|, and one update gives |z| + lr (|z|^2 / sqrt(d) - 1). The exact variant has
    nothing to do and stays."""
    d, lr = 16, 0.01
    z = torch.ones(1, d, dtype=torch.float64)
    printed = fig4_spaces.descent(pair_of(flat_pair(d)), Method("m", (30,), lr), z, 1.0)
    radius = math.sqrt(d)
    for point in printed.points[1:, 0]:
        radius += lr * (radius**2 / math.sqrt(d) - 1)
        assert float(point.norm()) == pytest.approx(radius, rel=1e-9)
    assert radius > math.sqrt(d) + 30 * lr * (math.sqrt(d) - 1)
    still = fig4_spaces.descent(pair_of(flat_pair(d)), Method("m", (30,), lr, variant="exact"), z, 1.0)
    assert torch.equal(still.final, z) is True


@pytest.mark.parametrize(
    "method",
    [
        Method("a", (1, 6), 0.05, variant="official"),
        Method("b", (6,), 0.05, cost="none"),
        Method("c", (3, 6), 0.05, variant=VARIANTS["exact"]),
    ],
)
def test_a_descent_ends_where_the_judged_images_are(method):
    pair, z = pair_of(tiny_pair(Normal(D_LATENT))), torch.randn(5, D_LATENT, generator=rng(9))
    path = fig4_spaces.descent(pair, method, z, 0.4)
    assert path.steps == tuple(range(7)) and torch.equal(path.points[0], z) is True
    for step, x in image_pairs.moved(pair, method, z, 0.4):
        assert (pair.generate(path.at(step)) - x).abs().max() < 1e-6


def test_along_starts_at_rest():
    pair, z = pair_of(tiny_pair(Normal(D_LATENT))), torch.randn(5, D_LATENT, generator=rng(9))
    found = fig4_spaces.along(pair, fig4_spaces.descent(pair, Method("m", (3,), 0.1), z, 0.4))
    assert all(value.shape == (4, 5) for value in found.values())
    assert (found["moved"][0] == 0).all() and (found["moved"][1:] > 0).all()
    assert np.abs(found["radius"][0] - z.norm(dim=1).numpy() / D_LATENT**0.5).max() < 1e-6
    assert np.abs(found["D"][0] - pair.latent_logit(z).detach().numpy()).max() < 1e-6


def test_an_aliased_anchor_under_the_smooth_norm_is_the_naive_ascent():
    pair, z = pair_of(tiny_pair(Normal(D_LATENT))), torch.randn(5, D_LATENT, generator=rng(9))
    aliased = Method("a", (8,), 0.1, variant=Variant("aliased", "norm", "smooth"))
    naive = Method("n", (8,), 0.1, cost="none", variant="exact")
    ends = [fig4_spaces.descent(pair, method, z, 0.4).final for method in (aliased, naive)]
    assert (ends[0] - z).norm(dim=1).min() > 0.05 and (ends[0] - ends[1]).abs().max() < 1e-6


def test_each_ingredient_is_changed_alone():
    printed = VARIANTS["paper"]
    for name, variant in fig4_spaces.ALONE.items():
        differing = [f.name for f in fields(Variant) if getattr(variant, f.name) != getattr(printed, f.name)]
        assert len(differing) == 1, name
    assert len(set(fig4_spaces.ALONE.values()) | {printed}) == len(fig4_spaces.ALONE) + 1


def test_methods_of_the_projection_page(run):
    methods = {m.name: m for m in fig4_spaces.variant_methods(run.settings, V)}
    assert len(methods) == len(fig4_spaces.variant_methods(run.settings, V))  # no name twice
    assert set(methods) == set(VARIANTS) | set(fig4_spaces.ALONE) | {"naive"}
    assert [name for name, m in methods.items() if 0 in m.steps] == ["paper"]
    assert all(run.settings.updates in m.steps for m in methods.values())
    assert methods["exact"].steps[-1] == 5 * run.settings.updates
    measured_ = image_pairs.measure(
        pair_of(tiny_pair(Normal(D_LATENT))), tuple(methods.values()), run.panel, replace(run.settings, samples=12), 0
    )
    assert len(measured_.rows) == sum(len(m.steps) for m in methods.values())


@pytest.mark.parametrize(("samples", "splits"), [(20, 1), (250, 2)])
def test_projection_sets_are_smaller_but_above_the_width_of_the_features(run, samples, splits):
    other = replace(run, settings=replace(run.settings, samples=1_000))
    panel, c = fig4_spaces.variant_jury(other, replace(V, samples=samples))
    assert (c.samples, c.splits) == (samples, splits) and list(panel.judges) == ["pixels"]
    assert panel.digests == {"pixels": "0", "test": "2"}
    assert fig4_spaces.variant_jury(other, replace(V, samples=1))[1].samples == 2 * 3
    assert fig4_spaces.variant_jury(run, replace(V, samples=999))[1].samples == run.settings.samples


# --- words and records ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((0.1, 0.2), "differ"),
        ((-0.2, -0.1), "differ"),
        ((-0.1, 0.2), "not separated"),
        ((0.0, 0.2), "not separated"),
        ((-0.2, 0.0), "not separated"),
    ],
)
def test_separated_where_the_interval_excludes_zero(interval, word):
    assert fig4_spaces.separated(interval, profile="laptop") == word
    assert fig4_spaces.separated(interval, profile="smoke") == paper.SMOKE


def test_put_keeps_the_mean_and_the_paired_difference():
    record = records.Record("stem", "smoke", "digits", 0, {})
    fig4_spaces.put(record, "moved", [1.0, 3.0], "logits", ("bare", [0.5, 2.5]))
    assert record["moved"] == 2 and record.sd("moved") == pytest.approx(math.sqrt(2))
    assert record["moved minus bare"] == 0.5
    assert record.interval("moved minus bare") == pytest.approx((0.5, 0.5))
    fig4_spaces.put(record, "alone", np.array([1.0, 2.0]), "")
    assert "alone minus bare" not in record.values


def test_settings_of_every_profile_and_no_other():
    for profile in ("smoke", "laptop", "paper"):
        v = fig4_spaces.view_settings(profile)
        assert list(v.target_steps) == sorted(set(v.target_steps)) and v.target_steps[0] > 0
    assert fig4_spaces.view_settings("paper").target_steps[-1] == 100  # B.1
    with pytest.raises(InputError, match="profile"):
        fig4_spaces.view_settings("tiny")
