"""What calibration does to the discriminators of the image pairs, and to each rejection method."""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from dotlib import contests, frontier, image_scores, images, sampling, score_files, zoo
from dotlib.calibration import CALIBRATIONS
from dotlib.contests import Match
from dotlib.errors import BadInput, check_option
from dotlib.frontier import Contest, Point
from dotlib.image_config import scoring
from dotlib.jury import summon
from dotlib.pairs import Pair
from dotlib.ratio_checks import Examined, examine, read_logits, share_above
from dotlib.seeding import generator

METHODS = ("DRS", "OBRS", "MH-GAN")  # read the value of a logit, and choose among samples
DRAWN = ("dcgan-wgan-gp", "dcgan-sngan-ns", "dcgan-sngan-hi")  # a row for each objective


@dataclass(frozen=True)
class Sizes:
    """How much work the page is.

    judged:   images of each kind, and samples of G, on which maps are judged; at most.
    samples:  images in a set of draws; sets: number of sets.
    burn_in, percentile, budget, chain:  the one setting of each method.
    """

    judged: int
    samples: int
    burn_in: int
    chain: int
    sets: int = 5
    percentile: float = 60.0  # reference program of DRS
    budget: float = 0.4


SIZES = {
    "smoke": Sizes(200, 100, 200, 5, sets=2),
    "laptop": Sizes(1_000, 300, 1_000, 20),
    "paper": Sizes(1_000, 10_000, 10_000, 100),
}


@dataclass(frozen=True)
class Draws:
    """Samples of G as they are, and (method, map) -> those that the method chose with that map."""

    bare: Point
    points: dict[tuple[str, str], Point]


def sizes(profile: str) -> Sizes:
    """Sizes of a profile. Raises BadInput for an unknown one."""
    check_option("profile", profile, SIZES)
    return SIZES[profile]


def match(name: str, *, profile: str, seed: int = 0, judge: str = "classifier", device: str = "cpu") -> Match:
    """The contest of a named image pair, "<dataset>-<row of Table 1>", in the sizes of the page.

    Its scores have "above" besides: how often the logit of an image held out lies above that of a
    sample, 1/2 where both have one law.
    Raises BadInput for a pair that has seen every image, and what `zoo.pair` and `summon` raise.
    """
    s = sizes(profile)
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    t = trained.settings
    if getattr(t, "split", None) != "train":
        raise BadInput(
            f"name: {name} leaves no image that its D has not seen; name an image pair trained on the split 'train'"
        )
    c = replace(scoring(t.dataset, t.architecture, profile), samples=s.samples, sets=s.sets)
    jury = summon(t.dataset, c, profile=profile, judge=judge, device=device)
    whole = contests.on_images(
        image_scores.subject(trained, device), jury, c, images.image_set(t.dataset, t.split), profile=profile, seed=seed
    )
    terms = replace(whole.terms, burn_in=s.burn_in, percentiles=(s.percentile,), budgets=(s.budget,), chains=(s.chain,))
    held_out = _held_out(t.dataset, s.judged, seed)
    real = sampling.logits(whole.pair, held_out.to(device))

    def score(x: Tensor, number: int) -> dict[str, float]:
        return whole.score(x, number) | {"above": share_above(real, sampling.logits(whole.pair, x))}

    decides = [
        *whole.decides,
        s.judged,
        score_files.code_of("ratio_checks"),
        score_files.code_of_functions(_held_out, match),
    ]
    return Match(replace(whole, terms=terms, score=score, decides=decides), trained, asdict(jury.floor[jury.first]))


def examine_pair(found: Match, judged: int, seed: int) -> Examined:
    """`ratio_checks.examine`: fit on the training images of the contest, judged on split "test".

    judged:  images of each kind at most.
    """
    terms, label = found.contest.terms, found.contest.label
    held_out = _held_out(found.trained.settings.dataset, judged, seed)
    logits = read_logits(
        found.contest.pair, terms.real, held_out, terms.fakes, judged, generator(seed, "reliability", label)
    )
    return examine(logits, generator(seed, "chance", label))


def draw(contest: Contest, seed: int, methods: Sequence[str] = METHODS) -> Draws:
    """Draw by each method with each map, at the one setting that the contest's terms have.

    A method that cannot work with a map gives a point that says so. Raises BadInput for an unknown
    method.
    """
    for method in methods:
        check_option("methods", method, METHODS)
    (bare,) = frontier.measure(contest, seed, ["bare"])
    points = {}
    for method in methods:
        for how in CALIBRATIONS:
            one = replace(contest, terms=replace(contest.terms, how=how))
            (points[method, how],) = frontier.measure(one, seed, [method], last=True)
    return Draws(bare, points)


def state_digest(pair: Pair) -> str:
    """SHA-256 over every parameter and buffer of G and D."""
    digest = hashlib.sha256()
    for network in (pair.generator, pair.discriminator):
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def moved_by_training_mode(pair: Pair, n: int, rng: torch.Generator) -> tuple[int, int]:
    """(statistics that n samples change in training mode, statistics that G and D keep).

    Copies are run; the pair stays as it is. Counters of batches are no statistics.
    """
    G, D = (copy.deepcopy(net).train() for net in (pair.generator, pair.discriminator))
    kept = [b for net in (G, D) for b in net.buffers() if b.is_floating_point()]
    before = [b.clone() for b in kept]
    with torch.no_grad():
        D(G(sampling.latents(pair, n, rng)))
    return sum(not torch.equal(a, b) for a, b in zip(before, kept, strict=True)), len(kept)


def _held_out(dataset: str, n: int, seed: int) -> Tensor:
    """n images of the split "test", or all of them, in the units of G."""
    test = images.image_set(dataset, "test")
    rows = test.take(min(n, len(test)), generator(seed, "held out", dataset))
    return images.to_float(rows.images)
