"""One training measured for statements over trainings: a tidy line for each way of moving, setting, set and judge.

Every way starts from the same latents, and all judges look at the same images. `results.tidy` keeps the lines, and
`evaluation.over_trainings` makes statements of those of many trainings.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import judges, moves
from dotlib.evaluation.images import ImagePair
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.evaluation.moves import Move
from dotlib.metrics.classes import ClassReference
from dotlib.metrics.scores import IMAGE_SCORES, Collector, Reference
from dotlib.pairs import Pair
from dotlib.samplers import base as sampling
from dotlib.seeding import generator
from dotlib.training.settings import PairName

SETS = {"digits": (2, 600)}  # sets and samples of each; elsewhere two of 2,500
QUANTITIES = (*IMAGE_SCORES[:3], "mind", *IMAGE_SCORES[3:])
BARE = Move("bare", "truncation", (1.0,))

Line = dict[str, float | str]  # of the tidy table


def image_pair_name(name: str) -> PairName:
    """The parts of an image pair's name. Raises InputError for a 2-D pair."""
    parts = PairName.parse(name)
    if not parts.architecture:
        raise InputError(f"name: {name!r} is a 2-D pair; name an image pair, digits-dcgan-sngan-ns")
    return parts


def scoring(name: PairName, profile: str) -> Scoring:
    """Scores of a pair: two sets, all rows kept for every score; large batches, which are faster without attention."""
    settings = judges.scoring_settings(name.dataset, name.architecture, profile)
    if "sagan" not in name.row:
        settings = replace(settings, batch=Scoring.batch)
    if profile == "smoke":
        return replace(settings, sets=1, kept=settings.samples, kid_subsets=5)
    sets, samples = SETS.get(name.dataset, (2, 2_500))
    return replace(settings, sets=sets, samples=samples, kept=samples)


def measured_set(
    pair: ImagePair,
    critic: Pair,
    move: Move,
    number: int,
    *,
    panel: Panel,
    settings: Scoring,
    seed: int,
    classes: Mapping[str, ClassReference] | None = None,
) -> list[Line]:
    """Lines of one set of latents, moved by the D of the critic; the column D is that of the pair itself.

    `classes` has the real images of each class as each judge sees them: with it, for a pair whose labels are bound, the
    lines have class agreement and intra-class FID, too.
    """
    collectors = {setting: panel.collectors(settings) for setting in move.settings}
    both = [(setting, judge) for setting in move.settings for judge in classes or {}]
    of_classes = {(setting, judge): (classes or {})[judge].collector() for setting, judge in both}
    D, moved = dict.fromkeys(move.settings, 0.0), dict.fromkeys(move.settings, 0.0)
    rng = generator(seed, "moves", move.name, str(number))
    whole = image_pairs.latents(pair, settings, seed, number).to(pair.device)
    parts = (each.split(len(whole), settings.batch) for each in (pair, critic))  # with the labels of their rows
    for z, own, other in zip(whole.split(settings.batch), *parts, strict=True):
        for setting, changed in moves.path(move, own, other, z, settings.lr, rng):
            with torch.no_grad():
                x = own.generate(changed)
                D[setting] += float(own.logit(x).double().sum()) / settings.samples
                moved[setting] += float((changed - z).norm(dim=1).double().sum()) / settings.samples
            pixels = images.to_uint8(x.cpu())
            for judge, collector in collectors[setting].items():
                answer = panel.judges[judge](pixels)
                collector.add(*answer)
                if (of_class := of_classes.get((setting, judge))) is not None:
                    of_class.add(answer[0], panel.judges[judge].named(answer[1]), own.labels)
    rows = [(setting, judge, collector) for setting, of in collectors.items() for judge, collector in of.items()]
    return [
        {"method": move.name, "setting": setting, "set": number, "judge": judge}
        | {"evaluations": moves.evaluations(move, setting), "D": D[setting], "moved": moved[setting]}
        | scores_of(collector, panel.references[judge], number)
        | (of_classes[setting, judge].scores() if classes else {})
        for setting, judge, collector in rows
    ]


def scores_of(collector: Collector, real: Reference, number: int) -> Line:
    """The columns of QUANTITIES of one set, whose number decides the random subsets of KID."""
    scores = collector.scores(real=real, rng=generator(0, "subsets", str(number)))
    return {quantity: getattr(scores, quantity) for quantity in QUANTITIES}


def floor(pair: ImagePair, panel: Panel, judge: str = "classifier") -> list[Line]:
    """The lines of real images in the place of samples, with D of them."""
    real = images.image_set(PairName.parse(pair.name).dataset, judges.SPLITS[judge][1]).images
    D = sampling.logits(pair, images.to_float(real).to(pair.device))
    line = {"method": "real", "setting": 1.0, "set": 0}
    return [
        line
        | {"judge": judge, "evaluations": 0, "D": float(D.mean()), "moved": 0.0}
        | {quantity: getattr(scores, quantity) for quantity in QUANTITIES}
        for judge, scores in panel.floor.items()
    ]
