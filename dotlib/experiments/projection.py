"""Three readings of latent DOT under the normal prior: what the projection and the anchor do."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import recording
from dotlib.evaluation.images import Measurement, Method, Table1Row
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.pairs import Pair, rowwise_gradient
from dotlib.results import paper, tables
from dotlib.results.records import Record
from dotlib.transport import SGD, VARIANTS, Trajectory, latent_dot
from dotlib.transport.dot import OFFICIAL_DIVISOR, PROJECTIONS, divisor, project

STEPS = (("score", "digits-*"),)

CLAIMS = {  # about skipping the projection of the printed algorithm: quantity, sign of the change
    "without projection the inception score is lower": ("is_mean", -1),
    "without projection FID is higher": ("fid", 1),
}
ALONE = {  # the printed algorithm with one ingredient changed, and how the page calls it
    "unprojected": (replace(VARIANTS["paper"], projection="none"), "no projection"),
    "tangent": (replace(VARIANTS["paper"], projection="norm"), "divisor z . z"),
    "constant": (replace(VARIANTS["paper"], projection="constant"), "divisor 11.31"),
    "aliased": (replace(VARIANTS["paper"], anchor="aliased"), "anchor moves along"),
    "smooth": (replace(VARIANTS["paper"], norm="smooth"), "smooth norm"),
}
DRAWN = ("paper", "official", "exact", "unprojected", "naive")  # followed along their updates
COMPARED = [
    *(("official", "paper"), ("exact", "paper"), ("official", "exact")),
    *(("paper", "naive"), ("official", "naive"), ("exact", "naive")),
]
QUANTITIES = ("D", "fid", "is_mean", "precision", "recall")
JUDGED = QUANTITIES[1:]
DIVISORS = {"none": "none", "sqrt_dim": "sqrt(d), printed", "constant": "11.31, released", "norm": "z . z, exact"}
BY_TRAINING = "radial share, by training seed"
ENDS = (0.025, 0.975)  # between them lie 95 % of the latents
CURVES = {  # along the updates: title, unit
    "radius": ("radius", "|z| / sqrt(d)"),
    "moved": ("distance moved", "latent units"),
    "rise": ("change of D", "logits"),
}

Paths = Mapping[str, Mapping[str, np.ndarray]]  # variant -> what `along` gives


@dataclass(frozen=True)
class Settings:
    """How much work the page does. Nothing here was chosen by a score."""

    row: str = "resnet-sagan-hi"  # a pair with the normal prior
    samples: int = 160  # images of a set, or twice the judge's features
    longer: int = 5  # multiple of the published updates
    looked: int = 100  # latents that are followed
    shown: int = 8  # columns of the grids


SETTINGS = {
    "smoke": Settings(samples=100, looked=20, shown=5),
    "laptop": Settings(),
    "paper": Settings(samples=10_000, looked=500),
}


def smaller_sets(run: Table1Row, samples: int) -> tuple[Panel, Scoring]:
    """The first judge alone, and smaller sets with an inception score in parts of 100."""
    panel = run.panel.only_first()
    samples = min(run.settings.samples, max(samples, 2 * panel.judges[panel.first].dim))
    return panel, replace(run.settings, samples=samples, splits=min(run.settings.splits, max(1, samples // 100)))


def variant_methods(lr: float, ends: tuple[int, ...]) -> dict[str, Method]:
    """The variants and the naive ascent, judged after all `ends` ("paper" also before), and ALONE, after the first."""
    methods = {name: Method(name, ends, lr, variant=variant) for name, variant in VARIANTS.items()}
    methods["paper"] = replace(methods["paper"], steps=(0, *ends))
    alone = {name: Method(name, ends[:1], lr, variant=variant) for name, (variant, _) in ALONE.items()}
    return methods | {"naive": Method("naive", ends, lr, cost="none")} | alone


def radial_factors(pair: Pair, z: Tensor, K: float) -> dict[str, tuple[Tensor, Tensor]]:
    """What each projection makes of the radial part of the first gradient, for latents z (B, d).

    Returns projection -> (measured, predicted), (B,) float64 each: the quotient of g . z after and before, nan where g
    is 0, and 1 - z . z / divisor (book/theory).
    """
    z = z.to(pair.device)
    _, g = rowwise_gradient(lambda z: -pair.latent_logit(z) / K, z)  # the smooth norm has no slope at the anchor
    length = z.double().square().sum(1, keepdim=True)
    radial = {name: (project(g, z, name) * z).double().sum(1) for name in PROJECTIONS}
    return {
        name: ((part / radial["none"]).cpu(), (1 - length / divisor(z, name)).flatten().cpu())
        for name, part in radial.items()
    }


def radial_shares(pair: Pair, z: Tensor) -> dict[str, Tensor]:
    """Share of the first gradient that is radial, ``|g . z| / (||g|| ||z||)``, after each projection; "none" is before.

    Unlike the factor it depends on D. For latents z (B, d); (B,) float64 each, nan where g is 0.
    """
    z = z.to(pair.device)
    _, g = rowwise_gradient(lambda z: -pair.latent_logit(z), z)  # a constant would divide out
    projected = {name: project(g, z, name).double() for name in PROJECTIONS}
    return {
        name: ((h * z).sum(1).abs() / (h.norm(dim=1) * z.double().norm(dim=1))).cpu() for name, h in projected.items()
    }


def put_factors(
    record: Record, factors: Mapping[str, tuple[Tensor, Tensor]], trainings: Mapping[int, Pair], scoring: Scoring
) -> None:
    """Put the factors of each projection, median and ends of 95 % of the latents; by seed the shares of trainings.

    The factors belong to the prior alone; of a training, the share is the median over its latents.
    """
    for name, (measured, predicted) in factors.items():
        record.put("radial factor", measured.nanmedian().item(), method=name, unit="")
        for share in ENDS:
            record.put("radial factor, quantile", predicted.quantile(share).item(), method=name, setting=share, unit="")
    for seed, pair in trainings.items():
        for name, shares in radial_shares(pair, image_pairs.latents(pair, scoring, seed, 0)).items():
            record.put(BY_TRAINING, shares.nanmedian().item(), method=name, setting=seed, unit="")


def trainings_table(record: Record) -> str:
    """Markdown: for each divisor the radial share of the gradient, median over latents, with its 95 % interval."""
    rows = []
    for name, label in DIVISORS.items():
        values = [row.value for row in record.rows(quantity=BY_TRAINING, method=name)]
        rows.append([label, len(values), intervals.shown(values)])
    return tables.markdown(["divisor", "trainings", "radial share of the gradient, mean over trainings"], rows)


def descent(pair: Pair, method: Method, z: Tensor, K: float, steps: int) -> Trajectory:
    """Every update of a latent method from latents z (B, d), on the pair's device."""
    options = {"optimizer": SGD(method.lr), "cost": method.cost, "variant": method.variant}
    return latent_dot(pair, z.to(pair.device), K, steps=steps, snapshots=range(steps + 1), **options)


@torch.no_grad()
def along(pair: Pair, path: Trajectory) -> dict[str, np.ndarray]:
    """What happens to each latent at every update of a `descent`: name of a curve -> (steps + 1, B)."""
    z = path.points
    length, D = z.norm(dim=2), torch.stack([pair.latent_logit(point) for point in z])
    radial, moved = (length - length[0]).abs(), (z - z[0]).norm(dim=2)
    curves = {"radius": length / math.sqrt(z.shape[2]), "radial": radial, "moved": moved, "rise": D - D[0]}
    return {name: curve.cpu().numpy() for name, curve in curves.items()}


def apart(interval: tuple[float, float], n: int) -> paper.Claim:
    """Whether two variants, of which the paper says nothing, "differ" in the mean of n sets."""
    return paper.Claim(paper.p_of_interval(interval, n), "differ", paper.UNDECIDED)


def compared(a: str, b: str, quantity: str, end: int) -> str:
    """Name in records of the comparison of two variants."""
    return f"{a} and {b}, {SCORES[quantity].label}, {end} updates"


def fill_scores(record: Record, measured: Measurement, ends: Sequence[int]) -> None:
    """Put the scores of every method, its differences to bare and to the other methods, and the verdicts."""
    values = recording.values_of(measured, QUANTITIES)
    recording.put_scores(record, values)
    sets, claims = len(measured.of("paper", ends[0], "fid")), []
    for end, (a, b), quantity in itertools.product(ends, COMPARED, JUDGED):
        interval = recording.put_change(record, quantity, values, (a, end), (b, end))
        claims.append((record, compared(a, b, quantity, end), apart(interval, sets)))
    recording.put_verdicts(claims)
    for name, quantity in itertools.product(ALONE, QUANTITIES):
        recording.put_change(record, quantity, values, (name, ends[0]), ("paper", ends[0]))
    own, claims = recording.on_papers_data(record, "cifar10"), []
    for text, (quantity, sign) in CLAIMS.items():
        interval = record.get(quantity, method="unprojected", setting=ends[0], against="paper").interval
        claims.append((record, text, paper.comparison(sign, interval, sets, own=own)))
    recording.put_verdicts(claims)


def fill_paths(record: Record, descents: Mapping[str, Trajectory], paths: Paths, end: int) -> None:
    """Put the curves, and how far each changed ingredient ends from the printed algorithm."""
    for name in ALONE:
        gap = descents[name].at(end) - descents["paper"].at(end)
        record.put("distance to paper", gap.norm(dim=1).mean().item(), method=name, setting=end, unit="latent distance")
    for name, path in paths.items():
        for key, (_, unit) in CURVES.items():
            for step, value in enumerate(path[key].mean(1).tolist()):
                record.put(key, value, method=name, setting=step, unit=unit)


def factor_table(factors: Mapping[str, tuple[Tensor, Tensor]], d: int) -> str:
    """Markdown: the factor of the radial part for each divisor, measured, predicted, and on the sphere."""
    on_sphere = {"none": 1.0, "sqrt_dim": 1 - d**0.5, "constant": 1 - d / OFFICIAL_DIVISOR, "norm": 0.0}
    rows = []
    for name, (measured, predicted) in factors.items():
        shown = measured.nanmedian(), predicted.median(), predicted.min(), predicted.max(), on_sphere[name]
        rows.append([DIVISORS[name], *(f"{abs(x) if abs(x) < 0.005 else x:.2f}" for x in map(float, shown))])
    heads = ["measured, median", "predicted, median", "predicted, least", "predicted, greatest"]
    return tables.markdown(["divisor", *heads, "on the sphere, z . z = d"], rows)


def panels(paths: Paths) -> dict[str, tuple[str, dict]]:
    """Means of the curves over latents, with two standard errors, as `plots.curves.histories` takes them."""

    def line(curve: np.ndarray) -> tuple[range, np.ndarray, np.ndarray]:
        return range(len(curve)), curve.mean(1), 2 * curve.std(1) / curve.shape[1] ** 0.5

    return {
        title: (unit, {name: line(path[key]) for name, path in paths.items()}) for key, (title, unit) in CURVES.items()
    }


def grid(pair: Pair, methods: Mapping[str, Method], z: Tensor, K: float, end: int) -> tuple[dict, dict]:
    """Images of each variant after an update, with D below bare and its change below the rest."""
    looked = {name: image_pairs.looked_at(pair, replace(methods[name], steps=(0, end)), z, K) for name in DRAWN}
    return image_pairs.captioned({"bare": looked["paper"][0]} | {name: seen[end] for name, seen in looked.items()})


def score_table(record: Record, measured: Measurement) -> str:
    """Markdown: bare, then the difference to it of each variant that is followed."""
    rows = [["bare, the value", *(f"{record.get(quantity, method='bare').value:.2f}" for quantity in QUANTITIES)]]
    for name, step in measured.rows:
        if step and name in DRAWN:
            cells = (recording.change(record, q, method=name, setting=step, against="bare") for q in QUANTITIES)
            rows.append([f"{name}, {step} updates", *cells])
    return tables.markdown(["minus bare", *(SCORES[quantity].label for quantity in QUANTITIES)], rows)


def ingredient_table(record: Record, end: int) -> str:
    """Markdown: how far each changed ingredient ends from the printed algorithm, and its differences to it."""
    rows = []
    for name, (_, label) in ALONE.items():
        apart = record.get("distance to paper", method=name, setting=end).value
        cells = (recording.change(record, q, method=name, setting=end, against="paper") for q in QUANTITIES)
        rows.append([label, f"{apart:.4f}", *cells])
    heads = (SCORES[quantity].label for quantity in QUANTITIES)
    return tables.markdown(["paper, but", "latents apart", *heads], rows)


def difference_table(record: Record, ends: Sequence[int]) -> str:
    """Markdown: the differences between variants, in bold where they differ."""
    rows = []
    for end, (a, b) in itertools.product(ends, COMPARED):
        cells = []
        for quantity in JUDGED:
            text = recording.change(record, quantity, method=a, setting=end, against=b)
            cells.append(f"**{text}**" if record.verdicts[compared(a, b, quantity, end)] == "differ" else text)
        rows.append([f"{a} minus {b}, {end} updates", *cells])
    return tables.markdown(["variants", *(SCORES[quantity].label for quantity in JUDGED)], rows)
