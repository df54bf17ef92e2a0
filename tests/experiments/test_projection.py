"""Three readings of latent DOT: radial factors, paths, and what the page shows of them.

Kinds of test: closed forms (the runaway of the printed projection), identities (descents and judged images), failures.
"""

import itertools
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from tiny_images import D_LATENT, pair_of, rng, row_of

from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import Method
from dotlib.experiments import projection
from dotlib.metrics import intervals
from dotlib.pairs import Normal, Pair
from dotlib.results import paper, records
from dotlib.transport import VARIANTS, Variant

ENDS = (4, 20)


@pytest.fixture
def run():
    return row_of(Normal(D_LATENT))


def test_measured_radial_factors_are_the_predicted_ones():
    z = torch.randn(8, 20, generator=rng(7), dtype=torch.float64)
    pair = pair_of(Normal(20))
    pair = Pair(pair.generator.double(), pair.discriminator.double(), pair.prior)
    factors = projection.radial_factors(pair, z, 0.7)
    assert set(factors) == {"none", "sqrt_dim", "constant", "norm"}
    length = z.square().sum(1)
    for name, expected in (
        ("none", torch.ones(8)),
        ("sqrt_dim", 1 - length / 20**0.5),
        ("constant", 1 - length / 11.31),
        ("norm", torch.zeros(8)),
    ):
        assert (factors[name][0] - expected).abs().max() < 1e-8, name
        assert (factors[name][1] - expected).abs().max() < 1e-12, name


def test_shares_of_a_linear_pair_are_those_of_its_weight():
    """The gradient of a linear D o G is one vector w; a share is |cos(w, z)|, or that of w - (w . z) z / divisor."""

    class Linear(torch.nn.Module):
        def forward(self, z):
            return (z @ w)[:, None]

    w, z = torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64), torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 5.0]]).double()
    shares = projection.radial_shares(Pair(torch.nn.Identity().eval(), Linear().eval(), Normal(3)), z)
    turned = 3 * (1 - 4 / 3**0.5)
    assert shares["none"].tolist() == pytest.approx([0.6, 0.0])
    assert shares["sqrt_dim"].tolist() == pytest.approx([abs(turned) / math.hypot(turned, 4), 0.0])
    assert shares["norm"].tolist() == pytest.approx([0.0, 0.0])


def test_shares_of_every_training_are_put_by_its_seed_and_factors_once(run):
    """The factor belongs to the latents: its ends are those of 1 - z . z / sqrt(d). The share belongs to the pair."""
    record = records.start("projection", profile="smoke", dataset="digits", seed=0, parameters={})
    z = image_pairs.latents(run.pair, run.settings, 0, 0)
    other = pair_of(Normal(D_LATENT))
    with torch.no_grad():
        other.generator[0].weight.mul_(torch.linspace(0.1, 3, D_LATENT))
    projection.put_factors(record, projection.radial_factors(run.pair, z, 0.3), {0: run.pair, 3: other}, run.settings)
    factor = 1 - z.double().square().sum(1) / D_LATENT**0.5
    assert record.get("radial factor", method="sqrt_dim").value == pytest.approx(factor.median().item(), rel=1e-3)
    for share in projection.ENDS:
        found = record.get("radial factor, quantile", method="sqrt_dim", setting=share).value
        assert found == pytest.approx(factor.quantile(share).item())
    for seed, pair in ((0, run.pair), (3, other)):
        own = image_pairs.latents(pair, run.settings, seed, 0)
        expected = projection.radial_shares(pair, own)["sqrt_dim"].median().item()
        assert record.get(projection.BY_TRAINING, method="sqrt_dim", setting=seed).value == expected, f"seed {seed}"
    before = [row.value for row in record.rows(quantity=projection.BY_TRAINING, method="none")]
    assert len(set(before)) == 2 and all(0 < share < 1 for share in before)
    assert projection.trainings_table(record).splitlines()[2].split("|")[1:3] == [" none ", " 2 "]


def flat_pair(d):
    """D does not depend on z, though autograd connects it."""
    pair = pair_of(Normal(d))
    pair.discriminator[3].weight.data.zero_()
    return Pair(pair.generator.double(), pair.discriminator.double(), pair.prior)


def test_without_a_gradient_a_factor_is_nan():
    z = torch.randn(3, 4, generator=rng(8), dtype=torch.float64)
    assert projection.radial_factors(flat_pair(4), z, 1.0)["norm"][0].isnan().all()


def test_the_printed_projection_drives_latents_away_from_their_anchor():
    """D flat, z along (1, ..., 1): the printed cost is |r + delta sqrt(d)| for a radial move r, its
    gradient z/|z|, and one update gives |z| + lr (|z|^2 / sqrt(d) - 1). The exact variant has
    nothing to do and stays."""
    d, lr = 16, 0.01
    z = torch.ones(1, d, dtype=torch.float64)
    printed = projection.descent(flat_pair(d), Method("m", (30,), lr), z, 1.0, 30)
    radius = math.sqrt(d)
    for point in printed.points[1:, 0]:
        radius += lr * (radius**2 / math.sqrt(d) - 1)
        assert float(point.norm()) == pytest.approx(radius, rel=1e-9)
    assert radius > math.sqrt(d) + 30 * lr * (math.sqrt(d) - 1)
    still = projection.descent(flat_pair(d), Method("m", (30,), lr, variant="exact"), z, 1.0, 30)
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
    pair, z = pair_of(Normal(D_LATENT)), torch.randn(5, D_LATENT, generator=rng(9))
    path = projection.descent(pair, method, z, 0.4, 6)
    assert path.steps == tuple(range(7)) and torch.equal(path.points[0], z) is True
    for step, x in image_pairs.moved(pair, method, z, 0.4):
        assert (pair.generate(path.at(step)) - x).abs().max() < 1e-6


def test_along_starts_at_rest():
    pair, z = pair_of(Normal(D_LATENT)), torch.randn(5, D_LATENT, generator=rng(9))
    curves = projection.along(pair, projection.descent(pair, Method("m", (3,), 0.1), z, 0.4, 3))
    assert all(curve.shape == (4, 5) for curve in curves.values())
    assert (curves["moved"][0] == 0).all() and (curves["moved"][1:] > 0).all()
    assert (curves["rise"][0] == 0).all() and (curves["radial"][0] == 0).all()
    assert (curves["radial"] <= curves["moved"] + 1e-6).all()  # triangle inequality
    assert np.abs(curves["radius"][0] - z.norm(dim=1).numpy() / D_LATENT**0.5).max() < 1e-6


def test_an_aliased_anchor_under_the_smooth_norm_is_the_naive_ascent():
    pair, z = pair_of(Normal(D_LATENT)), torch.randn(5, D_LATENT, generator=rng(9))
    aliased = Method("a", (8,), 0.1, variant=Variant("aliased", "norm", "smooth"))
    naive = Method("n", (8,), 0.1, cost="none", variant="exact")
    ends = [projection.descent(pair, method, z, 0.4, 8).final for method in (aliased, naive)]
    assert (ends[0] - z).norm(dim=1).min() > 0.05 and (ends[0] - ends[1]).abs().max() < 1e-6


def test_each_ingredient_is_changed_alone():
    printed = VARIANTS["paper"]
    for name, (variant, _) in projection.ALONE.items():
        differing = [f.name for f in fields(Variant) if getattr(variant, f.name) != getattr(printed, f.name)]
        assert len(differing) == 1, name
    assert len({variant for variant, _ in projection.ALONE.values()} | {printed}) == len(projection.ALONE) + 1


def test_methods_have_names_of_their_own_and_the_published_updates():
    methods = projection.variant_methods(0.01, ENDS)
    assert all(method.name == name for name, method in methods.items())
    assert set(methods) == set(VARIANTS) | set(projection.ALONE) | {"naive"}
    assert [name for name, method in methods.items() if 0 in method.steps] == ["paper"]
    assert all(4 in method.steps for method in methods.values())
    assert [name for name, method in methods.items() if 20 in method.steps] == [*VARIANTS, "naive"]


@pytest.mark.parametrize(("samples", "splits"), [(20, 1), (250, 2)])
def test_sets_are_smaller_but_above_the_width_of_the_features(run, samples, splits):
    other = replace(run, settings=replace(run.settings, samples=1_000))
    panel, scoring = projection.smaller_sets(other, samples)
    assert (scoring.samples, scoring.splits) == (samples, splits) and list(panel.judges) == ["pixels"]
    assert panel.digests == {"pixels": "0", "test": "2"}
    assert projection.smaller_sets(other, 1)[1].samples == 2 * 3
    assert projection.smaller_sets(run, 999)[1].samples == run.settings.samples


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((0.1, 0.2), "differ"),
        ((-0.2, -0.1), "differ"),
        ((-0.1, 0.2), "undecided"),
        ((0.001, -0.2), "undecided"),
    ],
)
def test_variants_differ_where_the_interval_excludes_zero(interval, word):
    claim = projection.apart(interval, 5)
    assert claim.word(claim.p) == word
    assert claim.word(1.0) == "undecided"


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def page(run):
    """Record, measurements, descents and paths of the tiny pair."""
    panel, scoring = projection.smaller_sets(run, 12)
    methods = projection.variant_methods(scoring.lr, ENDS)
    z, k_eff = image_pairs.latents(run.pair, scoring, 0, 0)[:5], run.measured.k_eff.value
    descents = {name: projection.descent(run.pair, method, z, k_eff, 20) for name, method in methods.items()}
    paths = {name: projection.along(run.pair, descents[name]) for name in projection.DRAWN}
    measured = image_pairs.measure(run.pair, tuple(methods.values()), panel, scoring, 0)
    record = records.start("projection", profile="laptop", dataset="digits", seed=0, parameters={})
    projection.fill_scores(record, measured, ENDS)
    projection.fill_paths(record, descents, paths, ENDS[0])
    return record, measured, descents, paths, (run.pair, methods, z, k_eff)


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_record_holds_every_difference_and_verdict(page):
    record, measured, descents, paths, _ = page
    assert len(record.verdicts) == len(projection.CLAIMS) + 2 * 6 * 4
    row = record.get("fid", method="exact", setting=20, against="naive")
    gap = np.array(measured.of("exact", 20, "fid")) - np.array(measured.of("naive", 20, "fid"))
    assert row.value == pytest.approx(gap.mean())
    table = {
        projection.compared(a, b, quantity, end): record.get(quantity, method=a, setting=end, against=b)
        for end, (a, b), quantity in itertools.product(ENDS, projection.COMPARED, projection.JUDGED)
    }
    adjusted = intervals.holm([paper.p_of_interval(row.interval, row.n) for row in table.values()])
    for (text, _), p in zip(table.items(), adjusted, strict=True):
        assert record.verdicts[text] == ("differ" if p < 0.05 else "undecided"), text
    ends = {q: record.get(q, method="unprojected", setting=4, against="paper").interval for q in ("is_mean", "fid")}
    claims = [paper.comparison(sign, ends[q], row.n, own=False) for q, sign in (("is_mean", -1), ("fid", 1))]
    words = [c.word(p) for c, p in zip(claims, intervals.holm([c.p for c in claims]), strict=True)]
    assert [record.verdicts[text] for text in projection.CLAIMS] == words
    apart = (descents["smooth"].at(4) - descents["paper"].at(4)).norm(dim=1).mean()
    assert record.get("distance to paper", method="smooth", setting=4).value == pytest.approx(float(apart))
    curve = [row.value for row in record.rows(quantity="radius", method="paper")]
    assert curve == pytest.approx(paths["paper"]["radius"].mean(1).tolist())


def test_tables_show_the_record(page):
    record, measured, *_ = page
    lines = projection.score_table(record, measured).splitlines()
    assert [cells_of(line)[0] for line in lines[2:]] == [
        "bare, the value",
        *(f"{name}, {end} updates" for name in ("paper", "official", "exact", "naive") for end in ENDS),
        "unprojected, 4 updates",
    ]
    lines = projection.difference_table(record, ENDS).splitlines()
    assert len(lines) == 2 + 2 * 6
    for line, (end, (a, b)) in zip(
        lines[2:], [(end, pair) for end in ENDS for pair in projection.COMPARED], strict=True
    ):
        assert cells_of(line)[0] == f"{a} minus {b}, {end} updates"
        differ = record.verdicts[f"{a} and {b}, FID, {end} updates"] == "differ"
        assert cells_of(line)[1].startswith("**") == differ


def test_the_table_of_ingredients_has_each_change_against_the_print(page):
    record, measured, descents, *_ = page
    lines = [cells_of(line) for line in projection.ingredient_table(record, ENDS[0]).splitlines()]
    assert [line[0] for line in lines[2:]] == [label for _, label in projection.ALONE.values()]
    row = dict(zip(projection.ALONE, lines[2:], strict=True))["aliased"]
    apart = (descents["aliased"].at(4) - descents["paper"].at(4)).norm(dim=1).mean()
    gap = np.mean(measured.of("aliased", 4, "D")) - np.mean(measured.of("paper", 4, "D"))
    assert row[1] == f"{apart:.4f}" and row[2].startswith(f"{gap:+.2f} [")


def test_factors_are_shown_with_those_on_the_sphere(run):
    z = torch.randn(8, D_LATENT, generator=rng(7))
    lines = projection.factor_table(projection.radial_factors(run.pair, z, 1.0), D_LATENT).splitlines()
    assert cells_of(lines[2]) == ["none", *["1.00"] * 5]
    assert cells_of(lines[3])[-1] == f"{1 - 6**0.5:.2f}" and cells_of(lines[5])[-1] == "0.00"


def test_figures_get_means_over_latents_and_images_after_their_updates(page):
    _, _, _, paths, (pair, methods, z, k_eff) = page
    unit, lines = projection.panels(paths)["distance moved"]
    updates, mean, band = lines["exact"]
    assert unit == "latent units" and list(updates) == list(range(21))
    assert mean[20] == pytest.approx(paths["exact"]["moved"][20].mean()) and band[0] == 0
    pixels, captions = projection.grid(pair, methods, z, k_eff, 4)
    assert list(pixels) == list(captions) == ["bare", *projection.DRAWN]
    assert all(rows.shape == (5, 1, 4, 4) for rows in pixels.values())
    assert captions["paper"][0] == f"{paths['paper']['rise'][4, 0]:+.2f}"
