"""Moving and judging the samples of an image pair: paired, cached, resumable.

Kinds of test: identities (step 0 is bare, the methods share it), invariances (batch size), second
method (scores of a set computed whole), failures (kills, damage).
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_images import PixelJudge, row_of

from dotlib import steps, transport
from dotlib.data import images
from dotlib.errors import InputError, SettingsDifferError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import judges
from dotlib.experiments import tab1_scores
from dotlib.seeding import generator
from dotlib.training import checkpoints, recipes, zoo
from dotlib.training import settings as training_settings

NAME = "digits-dcgan-sngan-hi"
METHODS = (image_pairs.Method("dot", (0, 2, 4), 0.01), image_pairs.Method("naive", (2, 4), 0.01, cost="none"))


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def run(artifacts):
    return image_pairs.table1_row(NAME, profile="smoke")


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_a_sorted_test_file_has_the_reference_and_floor_of_a_shuffled_one(order):
    """Real images of one law, in files sorted by brightness or not: KID is 0 up to its noise."""
    rng = generator(0, "a sorted file")
    c = replace(judges.scoring_settings("digits", "dcgan", "smoke"), kept=150, samples=250)

    def split(name, part):
        bright = torch.rand(1_000, generator=rng)
        bright = bright.sort().values if order == "sorted" else bright
        pixels = torch.rand(1_000, 1, 8, 8, generator=rng) * bright[:, None, None, None]
        rows = images.to_uint8(2 * pixels - 1), torch.zeros(1_000, dtype=torch.int64), "drawn here"
        return images._build(name, part, rows)

    class Looks:
        dim, classes, name, network = 4, 2, "looks", torch.nn.Identity()

        def __call__(self, x):
            x = x.flatten(1).double() / 255
            return torch.stack([q.mean(1) for q in x.chunk(4, 1)], 1), x[:, :2]

    reference, floor = split("digits", "test"), split("digits", "floor")
    real = judges._reference(Looks(), reference, c)
    found = judges._floor(Looks(), floor, real, c)
    everything = Looks()(reference.images)[0]
    error = everything.std(0) / c.kept**0.5
    assert ((real.rows().mean(0) - everything.mean(0)).abs() < 4 * error).all()
    assert abs(found.kid) < 0.01 and found.recall > 0.7 and found.coverage > 0.7


# --- pairs of images in the zoo ------------------------------------------------------------------


def test_an_image_pair_is_ready_for_transport(run):
    pair = run.trained.pair
    x = pair.generate(pair.prior.sample(3, generator(0, "z")))
    assert x.shape == (3, 1, 8, 8) and x.abs().max() <= 1
    for network in (pair.generator, pair.discriminator):
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        assert not any("parametrizations" in name for name, _ in network.named_modules())


def test_milestones_lead_to_the_pair_itself(run):
    kept = dict(zoo.milestones(run.trained))
    total = run.trained.settings.generator_updates
    assert len(kept) == recipes.ImageRecipe.milestones and list(kept) == sorted(kept)
    assert max(kept) == total
    for role in ("generator", "discriminator"):
        last, own = (getattr(pair, role).state_dict() for pair in (kept[total], run.trained.pair))
        assert last.keys() == own.keys() and all(torch.equal(last[name], own[name]) for name in own)
    z, first = run.trained.pair.prior.sample(4, generator(0, "z")), min(kept)
    assert not torch.equal(kept[first].generate(z), kept[total].generate(z))


def test_a_file_of_other_settings_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(tmp_path))
    other = replace(run.trained.settings, seed=1)
    path = training_settings.pair_path(NAME, other, "smoke")
    path.parent.mkdir(parents=True)
    path.write_bytes(run.trained.path.read_bytes())
    with pytest.raises(SettingsDifferError, match="seed: stored 0, wanted 1"):
        zoo.candidate(NAME, other, "smoke")


# --- measuring -----------------------------------------------------------------------------------


def test_every_method_starts_from_the_same_bare_samples(run):
    z = image_pairs.latents(run.pair, run.settings, 0, 0)
    bare = dict(image_pairs.moved(run.pair, METHODS[0], z, 1.0))[0]
    assert torch.equal(bare, run.pair.generate(z))
    assert not torch.equal(z, image_pairs.latents(run.pair, run.settings, 0, 1))
    assert not torch.equal(z, image_pairs.latents(run.pair, run.settings, 1, 0))
    other = replace(run.pair, name="another pair")  # with the same prior
    assert torch.equal(z, image_pairs.latents(other, run.settings, 0, 0))


def test_a_set_is_scored_as_the_whole_at_once(run):
    """Batches are an economy of memory: the same numbers as from all images of the set together."""
    method, c = METHODS[0], replace(run.settings, batch=7)
    found = image_pairs._score_set(run.pair, method, 0.5, run.panel, c, 0, 0)
    z = image_pairs.latents(run.pair, c, 0, 0)
    end = transport.latent_dot(run.pair, z, 0.5, steps=4, optimizer=transport.SGD(0.01))
    x = run.pair.generate(end.final)
    collector = run.panel.collectors(c)[run.panel.first]
    collector.add(*run.panel.judges[run.panel.first](images.to_uint8(x)))
    whole = collector.scores(real=run.panel.references[run.panel.first], rng=generator(0, "x"))
    here = found["4"]["scores"][run.panel.first]
    # a pixel may round to its neighbour where float32 sums differ by the batch
    assert here["fid"] == pytest.approx(whole.fid, rel=1e-3)
    assert here["is_mean"] == pytest.approx(whole.is_mean, rel=1e-4)
    assert found["4"]["logit"] == pytest.approx(float(run.pair.logit(x).mean()), abs=1e-5)


def test_the_inception_score_of_a_set_is_the_mean_over_its_parts():
    """exp of the mean KL divergence of p(y|x) from p(y), by hand, for each of two halves of the set."""
    tiny = row_of()
    found = image_pairs._score_set(tiny.pair, METHODS[0], 1.0, tiny.panel, tiny.settings, 0, 0)
    x = tiny.pair.generate(image_pairs.latents(tiny.pair, tiny.settings, 0, 0))
    p = PixelJudge()(images.to_uint8(x))[1].double().softmax(1)
    halves = [float((q * (q / q.mean(0)).log()).sum(1).mean().exp()) for q in p.split(15)]
    for scores in found["0"]["scores"].values():
        assert scores["is_mean"] == pytest.approx(np.mean(halves), rel=1e-9), "not the mean over `splits` parts"
        assert scores["is_sd"] == pytest.approx(np.std(halves), rel=1e-6) and scores["is_sd"] > 1e-4


def test_a_method_that_moves_nothing_scores_as_bare_by_every_score():
    """Latents, images and random subsets are paired: with steps of length 0 no difference is left, not even of KID."""
    tiny, still = row_of(), image_pairs.Method("dot", (0, 2, 4), 0.0)
    found = image_pairs._score_set(tiny.pair, still, 1.0, tiny.panel, tiny.settings, 0, 0)
    assert found["0"] == found["2"] == found["4"], "scores differ where nothing has moved"
    other = image_pairs._score_set(tiny.pair, still, 1.0, tiny.panel, tiny.settings, 0, 1)
    assert other["0"] != found["0"]


def test_every_space_has_the_constant_of_its_own_distance(monkeypatch):
    """k_eff is per latent distance, eq. (21), K_eff per data distance, eq. (20); a method's own k goes before both."""
    tiny, used = row_of(), {}
    monkeypatch.setattr(image_pairs, "_scored_set", lambda pair, method, K, *_: used.update({method.name: K}) or {})
    methods = {
        "latent": image_pairs.Method("latent", (0, 1), 0.1),
        "target": image_pairs.Method("target", (0, 1), 0.1, space="target"),
        "given": image_pairs.Method("given", (0, 1), 0.1, k=3.0),
    }
    image_pairs.measure(tiny.pair, list(methods.values()), tiny.panel, tiny.settings, 0)
    k_eff, K_eff = (estimate.value for estimate in image_pairs.constants(tiny.pair, tiny.settings, 0))
    assert k_eff != K_eff
    assert used == {"latent": k_eff, "target": K_eff, "given": 3.0}, f"k_eff is {k_eff}, K_eff {K_eff}"


def test_dot_raises_what_it_climbs_and_step_0_is_shared(run):
    m = run.measured
    assert set(m.rows) == {("dot", 0), ("dot", 2), ("dot", 4), ("k1", 2), ("k1", 4), ("naive", 2), ("naive", 4)}
    for bare, moved in zip(m.logits["dot", 0], m.logits["dot", 4], strict=True):
        assert moved > bare
    assert len(m.of("dot", 4, "fid")) == run.settings.sets
    assert m.of("dot", 4, "fid", run.panel.first) == m.of("dot", 4, "fid")
    assert m.of("dot", 4, "fid", "classifier 2") != m.of("dot", 4, "fid")


def test_what_is_looked_at_is_what_is_moved_and_its_captions_are_those_of_D(run):
    z = image_pairs.latents(run.pair, run.settings, 0, 0)[:5]
    looked = image_pairs.looked_at(run.pair, METHODS[0], z, 0.5)
    moved = dict(image_pairs.moved(run.pair, METHODS[0], z, 0.5))
    assert list(looked) == [0, 2, 4]
    for step, (x, logit) in looked.items():
        assert torch.equal(x, moved[step]) and torch.equal(logit, run.pair.logit(x))
    pixels, captions = image_pairs.captioned({"bare": looked[0], "DOT": looked[4]})
    assert pixels["DOT"].shape == (5, 1, 8, 8) and pixels["DOT"].dtype == np.uint8
    assert captions["bare"][2] == f"{looked[0][1][2]:.2f}"
    assert captions["DOT"][2] == f"{looked[4][1][2] - looked[0][1][2]:+.2f}"
    assert run.measured.of("dot", 4, "D") == run.measured.logits["dot", 4]


def test_target_space_stays_in_the_range_of_images(run):
    z = image_pairs.latents(run.pair, run.settings, 0, 0)[:5]
    method = image_pairs.Method("target", (0, 3), 5.0, space="target")
    found = dict(image_pairs.moved(run.pair, method, z, 0.01))
    assert found[3].abs().max() <= 1 and not torch.equal(found[0], found[3])
    images.to_uint8(found[3])


def test_sets_are_measured_once_and_a_killed_run_goes_on(run, monkeypatch):
    pair = replace(run.pair, name="counted")
    real, calls = image_pairs._score_set, []

    def counted(*arguments):
        calls.append(arguments[-1])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(image_pairs, "_score_set", counted)
    with pytest.raises(KeyboardInterrupt):
        image_pairs.measure(pair, METHODS[:1], run.panel, run.settings, 0)
    first = image_pairs.measure(pair, METHODS[:1], run.panel, run.settings, 0)
    again = image_pairs.measure(pair, METHODS[:1], run.panel, run.settings, 0)
    assert calls == [0, 1, 1]  # set 0 was kept, set 1 was interrupted, then done
    assert first.rows == again.rows


@pytest.fixture
def scored_anew(monkeypatch):
    """Whether a set with these arguments is scored, and not found in a file."""
    calls = []
    monkeypatch.setattr(image_pairs, "_score_set", lambda *arguments: calls.append(arguments) or {})

    def anew(*arguments) -> bool:
        before = len(calls)
        image_pairs._scored_set(*arguments)
        return len(calls) > before

    return anew


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.02},
        {"cost": "none"},
        {"variant": "exact"},
        {"k": 0.5},
        {"steps": (0, 2, 5)},
        {"adam": True},
        {"space": "target"},
        {"name": "other"},
    ],
)
def test_every_setting_of_a_method_has_files_of_its_own(run, scored_anew, change):
    pair = replace(run.pair, name=f"with {change}")
    assert scored_anew(pair, METHODS[0], 1.0, run.panel, run.settings, 0, 0)
    assert scored_anew(pair, replace(METHODS[0], **change), 1.0, run.panel, run.settings, 0, 0)


def test_other_weights_judges_constants_and_seeds_too(run, scored_anew):
    def anew(pair=run.pair, judged=run.panel, settings=run.settings, K=1.0, seed=0):
        return scored_anew(replace(pair, name="counted"), METHODS[0], K, judged, settings, seed, 0)

    assert anew() and not anew()
    assert anew(pair=replace(run.pair, digests={"a": "b"}))
    assert anew(K=2.0)
    assert anew(seed=1)
    assert anew(judged=replace(run.panel, digests={"classifier 0": "x"}))
    assert anew(settings=replace(run.settings, samples=99))
    assert anew(settings=replace(run.settings, splits=1))
    assert not anew(settings=replace(run.settings, sets=9))  # more sets continue the same files


def test_a_pair_of_points_is_refused():
    with pytest.raises(InputError, match="name: '25gaussians-wgan-gp' is a 2-D pair"):
        image_pairs.table1_row("25gaussians-wgan-gp", profile="smoke")


# --- judges and floors ---------------------------------------------------------------------------


def test_the_floor_is_below_the_samples(run):
    """Real images that are not in the reference beat an untrained generator under every judge."""
    for name, floor in run.panel.floor.items():
        assert floor.fid < min(run.measured.of("dot", 0, "fid", name))
        assert (floor.n, floor.n_real) == (run.settings.samples, 600)
    assert set(run.panel.digests) == {*run.panel.judges, "test", "floor"}
    assert judges.SPLITS["classifier"] == ("test", "floor")


def test_an_unknown_judge_is_refused(run):
    with pytest.raises(InputError, match="judge: unknown 'inceptoin'.*nearest: inception"):
        judges.load_panel("digits", run.settings, profile="smoke", judge="inceptoin")


def test_a_device_that_is_not_there_is_refused_before_any_work(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(tmp_path))
    for call in (
        lambda: judges.load_panel("digits", run.settings, profile="smoke", device="cuda:99"),
        lambda: tab1_scores.open_record(NAME, "smoke", 0, device="cuda:99"),
        lambda: steps.run("score", NAME, profile="smoke", seed=0, judge="classifier", device="cuda:99"),
    ):
        with pytest.raises(InputError, match="^device: cannot use 'cuda:99' .*; use cpu"):
            call()
    assert not list(tmp_path.iterdir())


def test_steps_score_and_judge():
    told = steps.run("judge", "digits", profile="smoke")
    assert told.count("accuracy") == 5
    settings = {"profile": "smoke", "seed": 0, "judge": "classifier", "device": "cpu"}
    assert steps.run("score", NAME, **settings).startswith(f"{NAME}: 7 rows of 2 sets")
    with pytest.raises(InputError, match="nearest: digits-dcgan-sngan-ns"):
        steps.run("score", "digits-dcgan-sngan", **settings)


def test_milestones_survive_without_their_state(run):
    """They are whole files of their own, each with its digest."""
    for path in sorted(run.trained.path.with_suffix(".along").glob("*.safetensors")):
        assert len(checkpoints.digest(path)) == 64
