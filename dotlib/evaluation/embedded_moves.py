"""One training measured for the page on embedded DOT: every way of the report, and of its audit, from the same samples.

A `Way` is a descent in one of the two spaces with a cost, a form of D, an anchor and a constant. Its lines are those of
`one_training`, with four columns more: the share of samples that a judge takes for another digit than before, how sure
it is, how far the features of E have moved, and the share of the move that E does not see.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from tqdm import tqdm

from dotlib.data import images
from dotlib.evaluation import extractors, judges, one_training
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.extractors import ExtractorTraining, Features
from dotlib.evaluation.images import ImagePair
from dotlib.evaluation.judges import Judge, Panel, Scoring
from dotlib.evaluation.one_training import Line
from dotlib.pairs import Pair
from dotlib.results import files
from dotlib.samplers import base as sampling
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import dataset_of
from dotlib.transport import Adam, RowSpace, Variant, embedded, latent_dot, lipschitz, target_dot

REPORTED = 0.05  # step size behind the report's curves: its program has it, whatever is asked for
PRINTED = 0.01  # the one that its text names
LATENT, TARGET, EMBEDDED = (1, 5, 10, 20), (1, 10, 20, 30, 40, 50), (10, 20, 50, 100)  # updates that are looked at
SHORT = (1, 2)
SPACES = ("latent", "target")
SCALES = (0.95, 0.9, 0.8)  # of latents: truncation, a control
SAMPLES = {"laptop": 1_000, "paper": 10_000}
KEPT = 5_000
SEEN = 50  # samples whose Jacobian of E is taken
AS_PRINTED = Variant(anchor="fixed", projection="none", norm="shifted")  # the report's algorithms project nothing


@dataclass(frozen=True)
class Way:
    """One way of moving samples."""

    name: str
    space: str  # "latent" or "target"
    settings: tuple[float, ...]  # updates, ascending; scales of latents where nothing is descended
    lr: float = REPORTED  # of Adam
    K: str = "one"  # name of the constant that D is divided by
    D: str = "logit"  # or "sigmoid", as the report's D ends, or "off": no discriminator
    cost: str = "l2"  # or "none", "embedded", "untrained": with an E of first weights
    anchor: str = "own"  # or "unrelated": that of another sample
    compared: str = "samples"  # by the cost of a latent descent; or "latents"


def ways(profile: str = "laptop") -> tuple[Way, ...]:
    """All ways, by space; the audit's have an unrelated anchor. In "smoke" every descent has two updates."""
    if profile == "smoke":
        return tuple(replace(each, settings=SHORT) if each.space in SPACES else each for each in ways())
    latent = functools.partial(Way, space="latent", settings=LATENT)
    target = functools.partial(Way, space="target", settings=TARGET)
    slow = functools.partial(Way, space="target", settings=EMBEDDED, lr=PRINTED)
    return (
        latent("latent, as printed", D="sigmoid"),
        latent("latent, k_eff", K="k_eff"),
        latent("latent, k = 1"),
        latent("latent, distance of latents", K="k_eff", compared="latents"),
        latent("latent, unrelated anchor", D="sigmoid", anchor="unrelated", compared="latents"),
        latent("latent, unrelated anchor, no D", D="off", anchor="unrelated", compared="latents"),
        latent("latent, embedded", K="k_eff", cost="embedded"),
        Way("latents shrunk", "shrunk", SCALES),
        target("target, as printed", D="sigmoid"),
        target("target, K_eff", K="K_eff"),
        target("target, unrelated anchor", D="sigmoid", anchor="unrelated"),
        target("target, unrelated anchor, no D", D="off", anchor="unrelated"),
        slow("plain", K="K_eff"),
        slow("embedded", K="K_eff", cost="embedded"),
        slow("embedded, K_E", K="K_E", cost="embedded"),
        slow("embedded, untrained E", K="K_eff", cost="untrained"),
        slow("naive", K="K_eff", cost="none"),
        Way("saved without (x + 1) / 2", "saved", (1.0,)),
        Way("bare", "shrunk", (1.0,)),
    )


@dataclass(frozen=True)
class Run:
    """One trained pair with all that its measurement needs."""

    trained: zoo.TrainedPair
    pair: ImagePair
    panel: Panel
    settings: Scoring
    seed: int
    extractor: Judge
    extractor_settings: ExtractorTraining
    untrained: nn.Module
    constants: dict[str, float]
    profile: str

    @property
    def E(self) -> Features:
        """The extractor as costs take it."""
        return Features(self.extractor.network)


def scoring(name: str, profile: str) -> Scoring:
    """One set of samples, of the report's 10,000 in the profile "paper"; all rows are kept, up to 5,000.

    The digits have as many as other pages, 600, in every profile but "smoke".
    """
    settings = replace(one_training.scoring(one_training.image_pair_name(name), profile), sets=1)
    if profile == "smoke" or dataset_of(name) == "digits":
        return settings
    samples = SAMPLES[profile]
    return replace(settings, samples=samples, kept=min(samples, KEPT))


def load(name: str, *, profile: str, seed: int = 0, device: str = "cpu") -> Run:
    """A pair, its judges and the extractor of the same seed, each made first if need be. Raises InputError."""
    settings, dataset = scoring(name, profile), dataset_of(name)
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    pair = ImagePair.of(trained, device)
    panel = judges.load_panel(dataset, settings, profile=profile, device=device)
    E = extractors.extractor(dataset, profile=profile, seed=seed)
    extractors.refuse_judge(E, panel)
    of_E = extractors.training(dataset, profile, seed)
    first = extractors.untrained(of_E).to(device)
    E.network.to(device)
    run = Run(trained, pair, panel, settings, seed, E, of_E, first, {}, profile)
    return replace(run, constants=_constants(run))


def _constants(run: Run) -> dict[str, float]:
    """Constants by name, each the mean of maxima over random pairs of samples; K_E over distances of features."""
    k_eff, K_eff = image_pairs.constants(run.pair, run.settings, run.seed)
    draw = functools.partial(sampling.generated, run.pair, block=lipschitz.BLOCK)
    n_pairs, repeats, rng = run.settings.pairs, run.settings.repeats, generator(run.seed, "K_E")
    K_E = lipschitz.target_constant(run.pair.logit, draw, n_pairs=n_pairs, repeats=repeats, embed=run.E, rng=rng)
    return {"one": 1.0, "k_eff": k_eff.value, "K_eff": K_eff.value, "K_E": K_E.value}


def path(run: Run, way: Way, z: Tensor) -> Iterator[tuple[float, Tensor]]:
    """(setting, images (B, C, H, W)) of every setting of a way, for latents z (B, d) on the pair's device."""
    if way.space in ("shrunk", "saved"):
        for setting in way.settings:
            with torch.no_grad():
                x = run.pair.generate(setting * z)
            yield setting, x if way.space == "shrunk" else unshifted(x)
        return
    steps = [int(step) for step in way.settings]
    costs = {"embedded": lambda: embedded(run.E), "untrained": lambda: embedded(Features(run.untrained))}
    cost = costs[way.cost]() if way.cost in costs else way.cost
    options = {"steps": steps[-1], "snapshots": steps, "optimizer": Adam(way.lr), "cost": cost, "variant": AS_PRINTED}
    D, K = _discriminator(run.pair, way.D), run.constants[way.K]
    if way.space == "target":
        with torch.no_grad():
            y = run.pair.generate(z)
        anchor = y.roll(1, 0) if way.anchor == "unrelated" else None  # the next sample: an independent draw
        descent = target_dot(D, y, K, anchor=anchor, clip=1.0, **options)
        yield from zip(steps, descent.points, strict=True)
        return
    anchor = z.roll(1, 0) if way.anchor == "unrelated" else None
    pair = Pair(run.pair.generator, D, run.pair.prior)
    descent = latent_dot(pair, z, K, anchor=anchor, compared=way.compared, **options)
    for step, point in zip(steps, descent.points, strict=True):
        with torch.no_grad():
            yield step, run.pair.generate(point)


def unshifted(x: Tensor) -> Tensor:
    """What is read back of images in [-1, 1] that were saved as if they lay in [0, 1]: negative values are black."""
    return 2 * x.clamp(0, 1) - 1


def _discriminator(pair: Pair, form: str) -> Callable[[Tensor], Tensor]:
    forms = {"logit": pair.logit, "sigmoid": lambda x: torch.sigmoid(pair.logit(x))}
    return forms.get(form, lambda x: 0 * x.flatten(1).sum(1))


def measure(run: Run) -> list[Line]:
    """The tidy table: a line for each way, setting and judge. Each way is measured once."""
    shared = [run.settings, run.seed, run.pair.digests, run.panel.digests, run.extractor.sha256, run.constants]
    floor = one_training.floor(run.pair, run.panel)
    lines = [{name: line.get(name, 0.0) for name in COLUMNS} for line in floor]  # real images are no moved ones
    for way in tqdm(ways(run.profile), run.pair.name, disable=None):
        lines += files.cached(
            f"embedded/{run.pair.name}",
            way.name.translate({ord(sign): "_" for sign in " ,/()+="}),
            functools.partial(_measure, run, way),
            decides=[way, *shared, SEEN],
        )
    return lines


OF_A_MOVE = ("D", "moved", "features", "unseen", "changed", "confidence")
COLUMNS = ("method", "setting", "set", "judge", *OF_A_MOVE, *one_training.QUANTITIES)


def _measure(run: Run, way: Way) -> list[Line]:
    collectors = {setting: run.panel.collectors(run.settings) for setting in way.settings}
    means: defaultdict[tuple, float] = defaultdict(float)  # (setting, column, judge, or "" for what all share)
    z_all = image_pairs.latents(run.pair, run.settings, run.seed, 0).to(run.pair.device)
    for number, z in enumerate(z_all.split(run.settings.batch)):
        with torch.no_grad():
            y = run.pair.generate(z)
        before = {name: judge(images.to_uint8(y.cpu()))[1].argmax(1) for name, judge in run.panel.judges.items()}
        for setting, x in path(run, way, z):
            if number == 0:
                means[setting, "unseen", ""] = _unseen(run, x, y)
            for column, total in _of_batch(run, x, y).items():
                means[setting, column, ""] += total / run.settings.samples
            for name, judge in run.panel.judges.items():
                features, logits = judge(images.to_uint8(x.cpu()))
                collectors[setting][name].add(features, logits)
                changed, sure = logits.argmax(1) != before[name], logits.double().softmax(1).amax(1)
                for column, each in (("changed", changed), ("confidence", sure)):
                    means[setting, column, name] += float(each.double().sum()) / run.settings.samples
    return [
        {"method": way.name, "setting": setting, "set": 0, "judge": judge}
        | {column: means[setting, column, ""] for column in ("D", "moved", "features", "unseen")}
        | {column: means[setting, column, judge] for column in ("changed", "confidence")}
        | one_training.scores_of(collector, run.panel.references[judge], 0)
        for setting, of in collectors.items()
        for judge, collector in of.items()
    ]


@torch.no_grad()
def _of_batch(run: Run, x: Tensor, y: Tensor) -> dict[str, float]:
    """Sums over a batch: D, distance moved in pixels, and in features of E."""
    return {
        "D": float(run.pair.logit(x).double().sum()),
        "moved": float((x - y).flatten(1).norm(dim=1).double().sum()),
        "features": float((run.E(x) - run.E(y)).norm(dim=1).double().sum()),
    }


def _unseen(run: Run, x: Tensor, y: Tensor) -> float:
    """Mean share of the move that E does not see, over the first samples that have moved; 0 where none has."""
    y, d = y[:SEEN], (x - y)[:SEEN]
    gone = d.flatten(1).norm(dim=1) > 0
    return float(RowSpace.of(run.E, y[gone]).null_share(d[gone]).share.mean()) if gone.any() else 0.0


def by_extractor(run: Run) -> dict[str, extractors.Space]:
    """The bare samples beside real images: in pixels, in features of E, and in those of the first judge."""
    z = image_pairs.latents(run.pair, run.settings, run.seed, 0).to(run.pair.device)
    fakes = images.to_uint8(sampling.generate(run.pair, z, run.settings.batch).cpu())
    networks = {"E": run.extractor, "judge": run.panel.judges[run.panel.first]}
    return extractors.spaces(dataset_of(run.pair.name), fakes, networks)
