"""One fully connected WGAN, moved in every way of the report and judged.

Kinds of test: identities (a way is the transport with its options), invariances, closed forms (labels, the printed
divisor, the saved range), failures.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dotlib import transport
from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import wgan
from dotlib.evaluation.coupled import coupled_dot
from dotlib.metrics.frechet import Moments, fid
from dotlib.metrics.frequencies import high_share
from dotlib.metrics.scores import IMAGE_SCORES
from dotlib.training import zoo
from dotlib.transport import SGD, Adam, lipschitz

NAME = "digits-mlp-wgan-gp"


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def run(artifacts):
    return wgan.load(NAME, profile="smoke", whole=False)


@pytest.fixture
def z(run):
    return wgan.image_pairs.latents(run.pair, run.settings, 0, 0)[:20]


def test_the_ways_of_a_record_have_each_cost_and_step_size_once():
    all_ways = wgan.ways(whole=True)
    assert len({(way.name, way.setting) for way in all_ways}) == len(all_ways) == 32
    for family, released in (("printed", False), ("program", True)):
        swept = [way for way in all_ways if way.name.startswith(f"{family}, ")]
        assert {(way.cost, way.lr) for way in swept} == {(c, lr) for c in wgan.COSTS.values() for lr in wgan.LRS}
        assert {(way.released, way.updates, way.k) for way in swept} == {(released, 25, None)}
        assert all(way.setting == way.lr for way in swept)
    few = {(way.name, way.setting): way for way in wgan.ways(whole=False)}
    assert few.items() <= {(way.name, way.setting): way for way in all_ways}.items() and len(few) == 9


def test_the_best_setting_and_the_target_settings_are_the_reports():
    by_name = {way.name: way for way in wgan.ways(whole=True)}
    best = by_name["best"]
    assert (best.lr, best.k, best.updates, best.cost, best.released) == (0.05, 0.47, 25, "sqeuclidean", False)
    (low, n), (high, more) = wgan.TARGET
    assert more == n + 2 and high == pytest.approx(low + 0.05) and low == 0.08


def test_a_way_is_the_transport_with_its_options(run, z):
    pair, k, K = run.pair, run.constant("k_eff"), run.constant("K_eff")
    released = replace(pair, prior=wgan.Released(100))
    by_key = {(way.name, way.setting): way for way in wgan.ways(whole=True)}
    y = pair.generate(z)
    latent = {
        ("printed, squared", 0.5): transport.latent_dot(
            pair, z, k, steps=25, optimizer=SGD(0.5), cost="sqeuclidean", variant="exact"
        ).final,
        ("program, none", 0.05): transport.latent_dot(
            released, z, k, steps=25, optimizer=Adam(0.05), cost="none", variant=wgan.MOVED_ALONE
        ).final,
        ("best", 1.0): transport.latent_dot(
            pair, z, 0.47, steps=25, optimizer=SGD(0.05), cost="sqeuclidean", variant="exact"
        ).final,
        ("coupled", 8): coupled_dot(released, z, k, steps=25, optimizer=Adam(0.05), batch_size=8),
        ("bare", 1.0): z,
    }
    for key, moved in latent.items():
        x, distance = wgan.moved(by_key[key], run, z)
        torch.testing.assert_close(x, pair.generate(moved), rtol=0, atol=1e-6)
        torch.testing.assert_close(distance, (moved - z).norm(dim=1), rtol=0, atol=1e-6)
    for word, cost, optimizer in (("printed", "sqeuclidean", SGD), ("program", "l2", Adam)):
        x, distance = wgan.moved(by_key[f"target, {word}", 0.13], run, z)
        path = transport.target_dot(pair.logit, y, K, steps=15, optimizer=optimizer(0.13), cost=cost, clip=1.0)
        torch.testing.assert_close(x, path.final, rtol=0, atol=1e-6)
        torch.testing.assert_close(distance, (path.final - y).flatten(1).norm(dim=1), rtol=0, atol=1e-5)


def test_every_way_but_the_coupled_one_moves_a_row_as_if_it_were_alone(run, z):
    for way in wgan.ways(whole=True):
        whole, alone = wgan.moved(way, run, z)[0], torch.cat([wgan.moved(way, run, row[None])[0] for row in z[:3]])
        near = float((whole[:3] - alone).abs().max())
        assert near > 1e-4 if way.kind == "coupled" else near < 1e-4, way


def test_the_programs_support_is_a_cube_of_three():
    prior = wgan.Released(4)
    assert torch.equal(prior.constrain(torch.tensor([[-5.0, 0.5, 2.5, 3.5]])), torch.tensor([[-3.0, 0.5, 2.5, 3.0]]))
    assert not prior.spherical


def test_what_is_saved_without_rescaling_is_black_below_0():
    x = torch.tensor([-1.0, -0.2, 0.0, 0.5, 1.0])
    assert wgan.as_saved(x).tolist() == [-1.0, -1.0, -1.0, 0.0, 1.0]
    pixels = [images.to_uint8(of).double().mean() for of in (x, wgan.as_saved(x))]
    assert pixels[1] < pixels[0], "what is saved so is darker"
    with pytest.raises(InputError, match=r"expected values in \[-1, 1\], found \|x\| up to 3"):
        images.to_uint8(2 * torch.tensor([2.0]) - 1)


def test_the_mean_of_the_images_tells_a_wrong_range():
    """Digits are dark: the mean of a set in [-1, 1] is below 0, and images in [0, 1] would be above."""
    x = images.to_float(images.image_set("digits", "test").images)
    assert -1 < float(x.mean()) < -0.2 and float(x.min()) == -1
    assert float(((x + 1) / 2).mean()) > 0 > float(wgan.as_saved(x).mean()) - float(x.mean())


def test_constants_grow_with_the_pairs_and_a_constant_is_that_of_the_most(run):
    for name in ("K_eff", "k_eff"):
        means = run.curves[name]["mean"]
        assert means == sorted(means) and len(means) == len(run.pairs) == 2 and run.constant(name) == means[-1]


def test_both_norms_are_those_of_lipschitz(run):
    norms = wgan.norms(run.pair, 0)
    assert 0 < norms["slope"] < norms["largest slope"] and 0 < norms["K_eff"] <= 1.2 * norms["largest slope"]
    twice = replace(run.pair, discriminator=lambda x: 2 * run.pair.discriminator(x))
    assert wgan.norms(twice, 0) == pytest.approx({name: 2 * value for name, value in norms.items()}, rel=1e-4)


def test_norms_along_a_training_are_those_of_its_milestones(run):
    along = wgan.norms_along(run)
    assert list(along) == [update for update, _ in zoo.milestones(run.trained)] and len(along) == 12
    assert along[40] == pytest.approx(wgan.norms(run.pair, 0), rel=1e-4)
    shipped = replace(run, trained=replace(run.trained, path=run.trained.path.with_name("none.safetensors")))
    assert list(wgan.norms_along(shipped)) == [40]


def test_only_spectral_norm_makes_the_product_of_the_layers_1(artifacts):
    products = [
        wgan.product_of_norms(wgan.load(f"digits-mlp-wgan-{kind}", profile="smoke", whole=False))
        for kind in ("sn", "gp", "gp-code")
    ]
    assert (
        products[0] == pytest.approx(1, abs=1e-4) and products[1] != pytest.approx(1, abs=1e-2) and products[2] is None
    )


def test_the_printed_divisor_drives_latents_away_and_a_tangent_projection_keeps_their_norm(run, z):
    """With a flat D and the squared cost, a printed step takes a radial deviation times 1 + 2 lr (|z|^2 / 10 - 1)."""
    flat = replace(run, pair=replace(run.pair, discriminator=lambda x: 0 * x.flatten(1).sum(1)))
    start = torch.full((1, 100), 1.0)
    start[0, :50] *= -1  # norm 10: the factor is 1 + 2 * 0.05 * 9
    pushed = 1.001 * start
    options = {"optimizer": SGD(0.05), "cost": "sqeuclidean", "steps": 1, "anchor": start}
    variant = transport.Variant("fixed", "sqrt_dim", "shifted")
    after = transport.latent_dot(flat.pair, pushed, 1.0, variant=variant, **options).final
    factor = float((after - start).norm() / (pushed - start).norm())
    assert factor == pytest.approx(1.9, rel=0.01)
    along = {word: wgan.radii(run, z, word, "sqeuclidean", 0.05) for word in ("sqrt_dim", "norm", "none")}
    assert len(along["norm"]) == len(along["none"]) == 26 and max(along["norm"]) < 1.2 * along["norm"][0]
    assert len(along["sqrt_dim"]) < 26 or max(along["sqrt_dim"]) > 2 * along["sqrt_dim"][0]
    assert all(np.isfinite(radius) for radius in along["sqrt_dim"])


@pytest.mark.parametrize(("share", "end"), [(1.02, "outward"), (0.98, "inward")])
def test_the_printed_divisor_drives_outward_without_end_and_inward_to_the_norm_that_it_is_right_for(run, share, end):
    """A latent of norm 10 in 100 dimensions, pushed along itself: the fixed point inside is |z|^2 = 10."""
    start = torch.full((1, 100), 1.0)
    flat, z = replace(run.pair, discriminator=lambda x: 0 * x.flatten(1).sum(1)), share * start
    variant, norms = transport.Variant("fixed", "sqrt_dim", "shifted"), []
    for _ in range(25):
        options = {"steps": 1, "optimizer": SGD(0.05), "cost": "sqeuclidean", "variant": variant, "anchor": start}
        try:
            z = transport.latent_dot(flat, z, 1.0, **options).final
        except InputError:
            break
        norms.append(float(z.norm()))
    if end == "outward":
        assert len(norms) < 25 and max(norms) > 1e3
    else:
        assert len(norms) == 25 and norms[-1] == pytest.approx(10**0.5, rel=0.02)


def test_every_column_is_that_of_a_plain_computation(run):
    """Two sets, by hand: moved in both spaces, truncated, and saved in another range. `moved` has its own test."""
    two, (judge,) = replace(run, settings=replace(run.settings, sets=2)), run.panel.judges.values()
    asked = [("bare", 1.0), ("printed, squared", 0.5), ("target, program", 0.13), ("best, saved in [-1, 1]", 1.0)]
    ways = {(way.name, way.setting): way for way in wgan.ways(whole=True)}
    lines = wgan.measure(two, [ways[key] for key in (*asked, ("truncation", 0.8))])[1:]
    assert [line["set"] for line in lines] == [0] * 5 + [1] * 5
    for line in lines:
        way = ways[line["method"], line["setting"]]
        z = image_pairs.latents(run.pair, run.settings, 0, line["set"])
        y, (x, _) = run.pair.generate(z).detach(), wgan.moved(way, run, z)
        written, half = (wgan.as_saved(x) if way.saved else x).detach(), len(x) // 2
        pixels, seen = images.to_uint8(written), judge(images.to_uint8(written))[1].argmax(1)
        expected = {
            "D": float(run.pair.logit(x).detach().double().mean()),
            "rough": float(high_share((x - y).detach()).mean()),
            "changed": float((seen != judge(images.to_uint8(y))[1].argmax(1)).double().mean()),
            "labels": wgan.kinds(seen),
            "apart": sum(float((written[i] - written[half + i]).norm()) for i in range(half)) / half,
            "fid": fid(real=run.panel.references["classifier 0"].moments, fake=Moments.of(judge(pixels)[0])),
        }
        assert {name: line[name] for name in expected} == pytest.approx(expected, rel=1e-3, abs=1e-6), line["method"]


def test_truncation_keeps_the_middle_of_the_prior(run, z):
    """80 % of N(0, 1) lie within 1.2816; a coordinate inside keeps its order."""
    (way,) = (way for way in wgan.ways(whole=True) if (way.name, way.setting) == ("truncation", 0.8))
    latents = wgan._latents(way, run, z, SGD(0.1))
    assert 1.2 < float(latents.abs().max()) <= 1.28156
    assert torch.equal(latents[:, 0].argsort(), z[:, 0].argsort())
    x, distance = wgan.moved(way, run, z)
    assert torch.equal(x, run.pair.generate(latents)) and torch.equal(distance, (latents - z).norm(dim=1))


def test_labels_count_the_kinds():
    assert wgan.kinds(torch.arange(10).repeat(7)) == pytest.approx(10)
    assert wgan.kinds(torch.zeros(5, dtype=torch.int64)) == 1
    assert wgan.kinds(torch.tensor([0, 0, 0, 1])) == pytest.approx(np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25))))


def test_a_measurement_has_a_line_for_each_way_set_and_judge_and_bare_is_unmoved(run):
    chosen = (wgan.BARE, wgan.SAVED, *wgan.ways(whole=False)[2:4])
    lines = wgan.measure(run, chosen)
    assert [line["method"] for line in lines] == ["real", *(way.name for way in chosen)]
    columns = {"method", "setting", "set", "judge", "evaluations", "D", "moved", *wgan.EXTRA, *IMAGE_SCORES}
    assert all(line.keys() == columns for line in lines)
    bare, saved, printed = lines[1:4]
    assert bare["moved"] == bare["changed"] == bare["rough"] == 0 and bare["labels"] <= 10
    assert saved["D"] == bare["D"] and saved["moved"] == 0 and saved["fid"] != bare["fid"], "only the file differs"
    assert printed["moved"] > 0 and printed["evaluations"] == 76
    assert lines == wgan.measure(run, chosen), "read back"


def test_a_pair_of_another_kind_is_refused(artifacts):
    with pytest.raises(InputError, match="name: 'digits-dcgan-wgan-gp' is no fully connected WGAN"):
        wgan.load("digits-dcgan-wgan-gp", profile="smoke")


def test_a_record_has_all_judges_and_a_page_the_first(run):
    assert len(run.panel.judges) == 1 and run.settings.sets == 1
    assert lipschitz.CHUNK >= 2 * wgan.SLOPE_PAIRS
    settings = wgan.scoring("mnist", "laptop")
    assert (settings.sets, settings.samples, settings.kept) == (2, 2_500, 2_500)
