"""Moving the samples of an image pair and judging them: one pass, cached set by set.

A set is one draw of latents. Every method starts from the same latents, so that differences
between methods are paired. A killed measurement continues with the next set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from dotlib import seeding, transport
from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import judges
from dotlib.evaluation.judges import Panel, Scoring, scoring, summon
from dotlib.metrics.scores import Scores
from dotlib.pairs import Pair
from dotlib.results import files
from dotlib.seeding import generator
from dotlib.training import settings as training_settings
from dotlib.training import zoo
from dotlib.training.settings import ImageTraining
from dotlib.transport import lipschitz

DECIDE = (
    "transport",
    "metrics.scores",
    "networks.freezing",
    "data.images",
    "evaluation.inception",
    "networks.dcgan",
    "networks.resnet",
    "networks.classifier",
)  # modules behind every number


@dataclass(frozen=True)
class Method:
    """One way of moving samples.

    name:     of the method on pages.
    steps:    update numbers whose samples are judged, ascending; the last ends the descent.
    lr:       of SGD, or of Adam where `adam`.
    k:        None: the estimate of the pair; a number replaces it.
    cost, variant:  as in `transport.latent_dot`.
    space:    "latent", or "target": images are moved, with K_eff.
    """

    name: str
    steps: tuple[int, ...]
    lr: float
    k: float | None = None
    cost: str = "l2"
    variant: str | transport.Variant = "paper"
    space: str = "latent"
    adam: bool = False


@dataclass(frozen=True)
class Subject:
    """A pair to be moved and judged.

    label:    names the pair in files and latents' streams.
    digests:  file -> SHA-256 of the weights.
    """

    label: str
    pair: Pair
    digests: dict[str, str]


@dataclass(frozen=True)
class Measured:
    """What `measure` gives.

    k_eff, K_eff:  the estimates that the methods used.
    rows:          (method, step) -> judge -> Scores of each set.
    logits:        (method, step) -> mean of D in each set.
    """

    k_eff: lipschitz.LipschitzEstimate
    K_eff: lipschitz.LipschitzEstimate
    rows: dict[tuple[str, int], dict[str, list[Scores]]]
    logits: dict[tuple[str, int], list[float]]

    def of(self, method: str, step: int, quantity: str, judge: str | None = None) -> list[float]:
        """One quantity ("fid", "is_mean", ...) of every set; the first judge unless named."""
        row = self.rows[method, step]
        return [getattr(one, quantity) for one in row[judge or next(iter(row))]]


@dataclass(frozen=True)
class Run:
    """One row of Table 1: a trained pair, its judges, and what they said."""

    what: Subject
    trained: zoo.TrainedPair
    panel: Panel
    c: Scoring
    measured: Measured


def table1(name: str, *, profile: str, seed: int = 0, judge: str = "classifier", device: str = "cpu") -> Run:
    """The row of an image pair: trained, moved and judged, each only if no run has left it.

    name:  "<dataset>-<row of Table 1>".
    Raises InputError, and what `zoo.pair` and `panel.summon` raise.
    """
    s = training_settings.settings_of(name, profile, seed)
    if not isinstance(s, ImageTraining):
        raise InputError(f"name: {name!r} is a 2-D pair; name an image pair, digits-dcgan-sngan-ns")
    if profile == "paper":
        seeding.strict()
    c = scoring(s.dataset, s.architecture, profile)
    judged = summon(s.dataset, c, profile=profile, judge=judge, device=device)
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    what = subject(trained, device)
    return Run(what, trained, judged, c, measure(what, table1_methods(c), judged, c, seed))


def subject(trained: zoo.TrainedPair, device: str = "cpu") -> Subject:
    """A trained pair with its own discriminator, on a device."""
    pair = trained.pair
    for network in (pair.generator, pair.discriminator):
        network.to(device)
    return Subject(trained.name, pair, {trained.path.name: trained.sha256})


def table1_methods(c: Scoring) -> tuple[Method, ...]:
    """DOT as published, DOT with k = 1, and the naive ascent with the same steps."""
    steps = (0, c.updates // 2, c.updates)
    return (
        Method("dot", steps, c.lr),
        Method("k1", steps[1:], c.lr, k=1.0),
        Method("naive", steps[1:], c.lr, cost="none"),
    )


def constants(what: Subject, c: Scoring, seed: int) -> tuple[lipschitz.LipschitzEstimate, lipschitz.LipschitzEstimate]:
    """k_eff, eq. (21), and K_eff, eq. (20), of a pair, estimated once and then read back.

    The pairs of latents are the same for every D and every G of one prior.
    """
    path = files.path_of(
        "scores",
        what.label,
        [
            what.digests,
            c.pairs,
            c.repeats,
            seed,
            what.pair.device.type,
            torch.__version__,
            files.code_of(*DECIDE),
            files.code_of_functions(_maxima),
        ],
        "constants",
    )
    maxima = files.made_once(path, lambda: _maxima(what.pair, c, seed))
    return tuple(lipschitz.LipschitzEstimate(torch.tensor(values, dtype=torch.float64), c.pairs) for values in maxima)


def _maxima(pair: Pair, c: Scoring, seed: int) -> list[list[float]]:
    @torch.no_grad()
    def generate(n: int, rng: torch.Generator) -> Tensor:
        z = pair.prior.sample(n, rng).to(pair.device)
        return torch.cat([pair.generate(rows) for rows in z.split(lipschitz.BLOCK)])

    how = {"n_pairs": c.pairs, "repeats": c.repeats}
    names = (type(pair.prior).__name__, str(pair.prior.dim))
    latent = lipschitz.latent_constant(pair, rng=generator(seed, "k_eff", *names), **how)
    target = lipschitz.target_constant(pair.logit, generate, rng=generator(seed, "K_eff", *names), **how)
    return [latent.maxima.tolist(), target.maxima.tolist()]


def measure(what: Subject, methods: Sequence[Method], panel: Panel, c: Scoring, seed: int) -> Measured:
    """Scores of every method after each of its steps, for each set of latents and each judge."""
    k_eff, K_eff = constants(what, c, seed)
    rows: dict[tuple[str, int], dict[str, list[Scores]]] = {}
    logits: dict[tuple[str, int], list[float]] = {}
    for method in methods:
        K = (k_eff if method.space == "latent" else K_eff).value if method.k is None else method.k
        for number in tqdm(range(c.sets), f"{what.label} {method.name}", disable=None):
            path = _path(what, method, K, panel, c, seed, number)
            sets = files.made_once(
                path, lambda method=method, K=K, number=number: _score_set(what, method, K, panel, c, seed, number)
            )
            for step, entry in sets.items():
                key = method.name, int(step)
                logits.setdefault(key, []).append(entry["logit"])
                for judge, values in entry["scores"].items():
                    rows.setdefault(key, {}).setdefault(judge, []).append(Scores(**values))
    return Measured(k_eff, K_eff, rows, logits)


def latents(what: Subject, c: Scoring, seed: int, number: int) -> Tensor:
    """Latents of one set, (samples, d): the same for every method and every discriminator."""
    prior = what.pair.prior
    kind = "normal" if prior.spherical else "uniform"
    return prior.sample(c.samples, generator(seed, "latents", kind, str(prior.dim), str(number)))


def moved(what: Subject, method: Method, z: Tensor, K: float) -> Iterator[tuple[int, Tensor]]:
    """(step, images (B, C, H, W) on the pair's device) of every kept step, for latents z (B, d)."""
    pair, z = what.pair, z.to(what.pair.device)
    options = {
        "steps": method.steps[-1],
        "snapshots": method.steps,
        "cost": method.cost,
        "variant": method.variant,
        "optimizer": transport.Adam(method.lr) if method.adam else transport.SGD(method.lr),
    }
    if method.space == "target":
        with torch.no_grad():
            y = pair.generate(z)
        path = transport.target_dot(pair.logit, y, K, clip=1.0, **options)
        yield from zip(path.steps, path.points, strict=True)
        return
    path = transport.latent_dot(pair, z, K, **options)
    for step, point in zip(path.steps, path.points, strict=True):
        with torch.no_grad():
            yield step, pair.generate(point)


def _score_set(what: Subject, method: Method, K: float, panel: Panel, c: Scoring, seed: int, number: int) -> dict:
    """Step -> scores of every judge and the mean logit, for one set; memory is that of a batch."""
    collectors = {step: panel.collectors(c.samples, c.splits) for step in method.steps}
    total = dict.fromkeys(method.steps, 0.0)
    for z in latents(what, c, seed, number).split(c.batch):
        for step, x in moved(what, method, z, K):
            with torch.no_grad():
                total[step] += float(what.pair.logit(x).double().sum())
            pixels = images.to_uint8(x.cpu())
            for judge, collector in collectors[step].items():
                collector.add(*panel.judges[judge](pixels))
    return {
        str(step): {
            "logit": total[step] / c.samples,
            "scores": {
                judge: asdict(
                    collector.scores(real=panel.references[judge], rng=generator(seed, "subsets", str(number)))
                )
                for judge, collector in found.items()
            },
        }
        for step, found in collectors.items()
    }


def _path(what: Subject, method: Method, K: float, panel: Panel, c: Scoring, seed: int, number: int) -> Path:
    """File of one set: its name hashes everything that decides the numbers, the code included."""
    settings = {k: v for k, v in asdict(c).items() if k != "sets"}
    return files.path_of(
        "scores",
        f"{what.label}-{method.name}",
        [
            what.digests,
            asdict(method),
            K,
            panel.digests,
            panel.kept,
            settings,
            seed,
            what.pair.device.type,
            torch.__version__,
            files.code_of(*DECIDE),
            files.code_of_functions(moved, latents, _score_set, judges.Judge),
        ],
        f"set{number}",
    )
