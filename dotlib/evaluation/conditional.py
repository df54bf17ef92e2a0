"""A conditional pair measured: its samples moved by Algorithm 3 and by controls, set by set, judged class by class.

Every set has each label equally often, and all ways of moving start from its latents. The lines are those of
`one_training`, with class agreement and intra-class FID.
"""

import functools
import statistics
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from tqdm import tqdm

from dotlib import transport
from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import judges, one_training
from dotlib.evaluation.images import ImagePair
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.evaluation.moves import Move
from dotlib.evaluation.one_training import Line
from dotlib.metrics.classes import DIRECTIONS, ClassReference
from dotlib.metrics.scores import IMAGE_SCORES
from dotlib.pairs import Pair
from dotlib.results import files
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import ConditionalTraining, settings_of
from dotlib.transport import lipschitz

UPDATES = (4, 16, 32)  # [DOT19] Table 3
SETS = 4  # its trials
SAMPLES = {"digits": 600}  # of a set in "laptop"; elsewhere 1,000, and more than a public network has features
SHARES = (0.8, 0.9)  # of p_Z in each coordinate, for truncation
QUANTITIES = (*IMAGE_SCORES, "agreement", "intra_fid")
SMOKE_DIRECTIONS = 4  # of intra-class FID: a smoke set has ten images of a class


@dataclass(frozen=True)
class Run:
    """One conditional training with all that its measurement needs."""

    trained: zoo.TrainedPair
    pair: ImagePair  # no labels are bound
    panel: Panel
    classes: dict[str, ClassReference]  # by judge
    settings: Scoring
    seed: int
    k: dict[str, tuple[float, ...]]  # "D(x|y)": k_eff(y) of eq. (26), a mean over repeats; "D(x)": as released
    judge: str = "classifier"  # kind of judge, a key of judges.SPLITS

    @property
    def labels(self) -> Tensor:
        """Of the samples of each set, (samples,)."""
        return torch.arange(self.settings.samples) % len(self.k["D(x|y)"])

    @property
    def hinge(self) -> float:
        """Hinge loss of D, -V_D, mean over the last quarter of the training log."""
        last = self.trained.log[-max(1, len(self.trained.log) // 4) :]
        return -statistics.fmean(row["V_D"] for row in last)


def scoring(dataset: str, profile: str, judge: str = "classifier") -> Scoring:
    """Scores of a conditional pair: four sets, all rows kept for every score, Adam's step of Table 3."""
    settings = replace(
        judges.scoring_settings(dataset, "resnet", profile), sets=SETS, updates=UPDATES[-1], lr=0.01, pairs=50
    )
    if profile == "laptop" and judge == "classifier":
        settings = replace(settings, samples=SAMPLES.get(dataset, 1_000))
    return settings if profile == "paper" else replace(settings, kept=settings.samples)


def load(name: str, *, profile: str, seed: int = 0, judge: str = "classifier", device: str = "cpu") -> Run:
    """A conditional pair, trained first if need be, with judges and constants.

    Raises InputError for another pair, and what `judges.load_panel` raises.
    """
    training = settings_of(name, profile, seed)
    if not isinstance(training, ConditionalTraining):
        raise InputError(f"name: {name!r} takes no labels; name a conditional pair, digits-cond-hi")
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    pair, settings = ImagePair.of(trained, device), scoring(training.dataset, profile, judge)
    panel = judges.load_panel(training.dataset, settings, profile=profile, judge=judge, device=device)
    directions = SMOKE_DIRECTIONS if profile == "smoke" else DIRECTIONS
    classes = _class_references(training.dataset, panel, judge, directions)
    k = constants(pair, training.classes, settings, seed)
    return Run(trained, pair, panel, classes, settings, seed, k, judge)


def constants(pair: ImagePair, classes: int, settings: Scoring, seed: int) -> dict[str, tuple[float, ...]]:
    """k_eff(y) of eq. (26), mean over repeats, and the released one: a single maximum of D without the label."""

    def measured() -> dict[str, list[float]]:
        of_heads = {}
        for name, repeats in (("D(x|y)", settings.repeats), ("D(x)", 1)):
            options = {"n_pairs": settings.pairs, "repeats": repeats, "unconditional": name == "D(x)"}
            maxima = lipschitz.class_constants(pair, classes, rng=generator(seed, "k_eff(y)", name), **options)
            of_heads[name] = maxima.mean(1).tolist()
        return of_heads

    decides = [pair.digests, classes, settings.pairs, settings.repeats, seed, pair.device.type]
    values = files.cached(f"conditional/{pair.name}", "constants", measured, decides=decides)
    return {name: tuple(of) for name, of in values.items()}


def ways(k: dict[str, tuple[float, ...]]) -> tuple[Move, ...]:
    """All ways of moving: DOT with both constants of Table 3, its variants, and two controls without the distance."""
    dot = Move("DOT", "descent", UPDATES, k["D(x|y)"], adam=True)
    return (
        one_training.BARE,
        dot,
        replace(dot, name="DOT, k = 1", k=1.0),
        replace(dot, name="official", k=k["D(x)"], variant="official"),
        replace(dot, name="exact", variant="exact"),
        replace(dot, name="naive", cost="none"),
        Move("truncation", "truncation", SHARES),
    )


def measure(run: Run) -> list[Line]:
    """The tidy table: a line for each way, setting, set and judge. Each way and set is measured once."""
    work = [(way, number) for number in range(run.settings.sets) for way in ways(run.k)]
    shared = [replace(run.settings, sets=1), run.seed, run.pair.digests, run.panel.digests, run.pair.device.type]
    shared += [len(run.classes[run.panel.first].directions[0])]
    lines = floor(run)
    for way, number in tqdm(work, run.pair.name, disable=None):
        lines += files.cached(
            f"conditional/{run.pair.name}",
            f"{way.name.replace(' ', '_')}-set{number}",
            functools.partial(_measure_set, run, way, number),
            decides=[way, number, *shared],
        )
    return lines


def _measure_set(run: Run, way: Move, number: int) -> list[Line]:
    options = {"panel": run.panel, "settings": run.settings, "seed": run.seed, "classes": run.classes}
    bound = run.pair.conditioned_on(run.labels)
    return one_training.measured_set(bound, bound, way, number, **options)


def floor(run: Run) -> list[Line]:
    """The lines of real images in the place of samples; their class agreement is the ceiling of every generator."""
    real = images.image_set(run.trained.settings.dataset, judges.SPLITS[run.judge][1])
    drawn = real.take(min(run.settings.samples, len(real)), generator(0, "floor rows", real.name, real.split))
    of_classes = {}
    for name, reference in run.classes.items():
        collector = reference.collector()
        judge = run.panel.judges[name]
        features, logits = judge(drawn.images)
        collector.add(features, judge.named(logits), _labels_of(drawn))
        of_classes[name] = collector.scores() | {"D": _mean_logit(run.pair, real)}
    lines = one_training.floor(run.pair, run.panel, run.judge)
    return [line | of_classes[str(line["judge"])] for line in lines]


@torch.no_grad()
def _mean_logit(pair: Pair, real: images.ImageSet) -> float:
    """Mean of D(x|y) over real images with their labels."""
    x, bound = images.to_float(real.images), pair.conditioned_on(_labels_of(real))
    parts = zip(x.split(lipschitz.BLOCK), bound.split(len(x), lipschitz.BLOCK), strict=True)
    return float(torch.cat([part.logit(rows.to(pair.device)) for rows, part in parts]).double().mean())


def _class_references(dataset: str, panel: Panel, judge: str, directions: int) -> dict[str, ClassReference]:
    real = images.image_set(dataset, judges.SPLITS[judge][0])
    labels = _labels_of(real)
    return {
        name: ClassReference(member(real.images)[0], labels, directions=directions)
        for name, member in panel.judges.items()
    }


def _labels_of(real: images.ImageSet) -> Tensor:
    if real.labels is None:
        raise InputError(f"dataset: {real.name} {real.split} has no labels; a conditional pair needs them")
    return real.labels


# --- pictures -------------------------------------------------------------------------------------


def path(pair: Pair, z: Tensor, labels: Tensor, k: float | Tensor, updates: int) -> tuple[Tensor, Tensor]:
    """Images (updates + 1, B, C, H, W) along Algorithm 3, and D of the first and the last, (2, B), on the CPU."""
    bound = pair.conditioned_on(labels)
    options = {"optimizer": transport.Adam(0.01), "snapshots": range(updates + 1)}
    descent = transport.latent_dot(bound, z, k, steps=updates, **options)
    with torch.no_grad():
        shown = torch.stack([bound.generate(each) for each in descent.points])
        D = torch.stack([bound.logit(shown[step]) for step in (0, -1)])
    return shown.cpu(), D.cpu()


def first_latents(run: Run, each: int) -> tuple[Tensor, Tensor]:
    """Latents (classes * each, d) of the first set, `each` of every class, class by class, and their labels."""
    z, labels = image_pairs.latents(run.pair, run.settings, run.seed, 0), run.labels
    rows = torch.cat([torch.nonzero(labels == y)[:each, 0] for y in range(len(run.k["D(x|y)"]))])
    return z[rows].to(run.pair.device), labels[rows]
