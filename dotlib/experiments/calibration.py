"""What calibration does to the discriminators of the image pairs, and to each rejection method."""

import copy
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import comparison, recording
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.comparison import Comparison, Point
from dotlib.evaluation.judges import load_panel, scoring_settings
from dotlib.evaluation.logit_checks import REALS, Checks, Examined, Refused, examine, read_logits, share_above
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.pairs import Pair
from dotlib.profiles import sized
from dotlib.results import files, records, tables
from dotlib.samplers import base as sampling
from dotlib.samplers.calibration import CALIBRATIONS, Logistic, Reliability
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import ImageTraining

STEPS = (("score", "digits-*"),)

METHODS = ("DRS", "OBRS", "MH-GAN")  # read the value of a logit, and choose among samples
DRAWN = ("dcgan-wgan-gp", "dcgan-sngan-ns", "dcgan-sngan-hi")  # a row for each objective
MAPS = {"none": "as trained", "logistic": "logistic", "isotonic": "isotonic"}  # their names on the page
REFUSED = "refused"  # in tables
SHOWN = ("fid", "precision", "recall", "above")

Part = TypeVar("Part")  # of what was examined


@dataclass(frozen=True)
class Settings:
    """How much work the page is."""

    judged: int  # images of each kind, and samples of G, on which maps are judged; at most
    samples: int  # images in a set of draws
    burn_in: int  # of DRS and OBRS
    chain: int  # proposals of MH-GAN
    sets: int = 5  # of draws
    percentile: float = 60.0  # reference program of DRS
    budget: float = 0.4  # of OBRS


SETTINGS = {
    "smoke": Settings(200, 100, 200, 5, sets=2),
    "laptop": Settings(1_000, 300, 1_000, 20),
    "paper": Settings(1_000, 10_000, 10_000, 100),
}


@dataclass(frozen=True)
class Draws:
    """Samples of G as they are, and (method, map) -> those that the method chose with that map."""

    bare: Point
    points: dict[tuple[str, str], Point]


def load_comparison(
    name: str, *, profile: str, seed: int = 0, judge: str = "classifier", device: str = "cpu"
) -> Comparison:
    """The comparison on a named image pair, "<dataset>-<row of Table 1>", in the sizes of the page.

    Its scores have "above" besides: how often the logit of an image held out lies above that of a sample, 1/2 where
    both have one law. Raises InputError for a pair that has seen every image, and what `load_panel` raises.
    """
    settings = sized(SETTINGS, profile)
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    training = trained.settings
    if not isinstance(training, ImageTraining) or training.split != "train":
        remedy = "name an image pair trained on the split 'train'"
        raise InputError(f"name: {name} leaves no image that its D has not seen; {remedy}")
    scoring = scoring_settings(training.dataset, training.architecture, profile)
    scoring = replace(scoring, samples=settings.samples, sets=settings.sets)
    panel = load_panel(training.dataset, scoring, profile=profile, judge=judge, device=device)
    real_images = images.image_set(training.dataset, training.split)
    pair = image_pairs.ImagePair.of(trained, device)
    whole = comparison.on_images(pair, panel.only_first(), scoring, real_images, profile=profile, seed=seed)
    one_each = {"percentiles": (settings.percentile,), "budgets": (settings.budget,), "chains": (settings.chain,)}
    samplers = replace(whole.settings, burn_in=settings.burn_in, **one_each)
    real = sampling.logits(whole.pair, _held_out(training.dataset, settings.judged, seed).to(device))

    def score(x: Tensor, number: int) -> dict[str, float]:
        return whole.score(x, number) | {"above": share_above(real, sampling.logits(whole.pair, x))}

    decides = [*whole.decides, settings.judged]
    return replace(whole, settings=samplers, score=score, decides=decides, trained=trained)


def examine_pair(compared: Comparison, judged: int, seed: int) -> Examined:
    """`examine` a pair: fit on the training images of the comparison, judged on at most so many of the split "test"."""
    held_out = _held_out(compared.origin.settings.dataset, judged, seed)
    rng = generator(seed, "reliability", compared.label)
    logits = read_logits(compared.pair, compared.settings.real, held_out, compared.settings.fakes, judged, rng)
    return examine(logits, generator(seed, "chance", compared.label))


def draw(compared: Comparison, seed: int) -> Draws:
    """Draw by each method with each map; a method that cannot work with a map gives a point that says so."""
    (bare,) = comparison.measure(compared, seed, ["bare"])
    points = {}
    for method in METHODS:
        for calibration in CALIBRATIONS:
            with_map = replace(compared, settings=replace(compared.settings, calibration=calibration))
            (points[method, calibration],) = comparison.measure(with_map, seed, [method], last=True)
    return Draws(bare, points)


def state_digest(pair: Pair) -> str:
    """SHA-256 over every parameter and statistic of G and D."""
    states = {f"{role} {name}": x for role, net in _networks(pair).items() for name, x in net.state_dict().items()}
    in_order = {name: x.contiguous() for name, x in states.items()}  # not the channels last of a moved pair
    return hashlib.sha256(safetensors.torch.save(in_order)).hexdigest()


def moved_by_training_mode(pair: Pair, n: int, rng: torch.Generator) -> tuple[int, int]:
    """(statistics that n samples change in copies of G and D in training mode, statistics that these keep)."""
    G, D = (copy.deepcopy(net).train() for net in _networks(pair).values())
    kept = [b for net in (G, D) for b in net.buffers() if b.is_floating_point()]
    before = [b.clone() for b in kept]
    with torch.no_grad():
        D(G(sampling.latents(pair, n, rng)))
    return sum(not torch.equal(a, b) for a, b in zip(before, kept, strict=True)), len(kept)


def _networks(pair: Pair) -> dict[str, nn.Module]:
    return {role: net for role in ("generator", "discriminator") if isinstance(net := getattr(pair, role), nn.Module)}


def _held_out(dataset: str, n: int, seed: int) -> Tensor:
    return image_pairs.held_out(dataset, n, generator(seed, "held out", dataset))


def fill_record(
    record: records.Record,
    comparisons: Mapping[str, Comparison],
    examined: Mapping[str, Examined],
    drawn: Mapping[str, Draws],
) -> None:
    """Put every check, ranking and draw into the record; messages of refusals into `made`, their number as a value."""
    origins = [compared.origin for compared in comparisons.values()]
    zoo.add_training_provenance(record, *origins)
    record.made["weights"] = {trained.path.name: trained.sha256 for trained in origins}
    record.made["images"] = {
        f"{dataset}, {split}": images.image_set(dataset, split).origin
        for dataset in {trained.settings.dataset for trained in origins}
        for split in ("train", "test")
    }
    of_samplers = {row: files.described(compared.settings)[1] for row, compared in comparisons.items()}
    record.parameters["settings"] = of_samplers
    for row, pair in examined.items():
        _put_examined(record, row, pair)
    for row, draws in drawn.items():
        _put_draws(record, row, draws)
    record.made["refused"] = refusals(examined, drawn)
    record.put("refused", len(record.made["refused"]), unit="maps and methods")


def _put_examined(record: records.Record, row: str, pair: Examined) -> None:
    for name, checks in pair.checks.items():
        if isinstance(checks, Refused):
            continue
        for kind in REALS:
            record.put("ECE", checks.ece[kind], pair=row, method=name, setting=kind, unit="probability")
            record.put("ECE by chance", checks.chance[kind], pair=row, method=name, setting=kind, unit="probability")
        record.put("Z", checks.z, pair=row, method=name, unit="standard errors")
        record.put("log E_G[r]", checks.log_ratio, pair=row, method=name, unit="")
    for kind, line in zip(REALS, (pair.maps["logistic"], pair.on_held_out), strict=True):
        if isinstance(line, Logistic):
            record.put("slope", line.slope, pair=row, setting=kind, unit="log ratio per logit")
            record.put("intercept", line.intercept, pair=row, setting=kind, unit="log ratio")
    (seen, held_out), rank = REALS, pair.ranking
    record.put("above samples", rank.seen, pair=row, setting=seen, unit="")
    record.put("above samples", rank.held_out, pair=row, setting=held_out, unit="")
    record.put("above samples", rank.gap, pair=row, setting=seen, against=held_out, interval=rank.interval, unit="")


def _put_draws(record: records.Record, row: str, draws: Draws) -> None:
    chosen = {key: point for key, point in draws.points.items() if not point.refused}
    values: recording.Values = {
        key: {name: point.scores[name] for name in SHOWN}
        for key, point in [(("bare", ""), draws.bare), *chosen.items()]
    }
    recording.put_scores(record, values, pair=row)
    for (method, calibration), point in chosen.items():
        record.put_trials("accepted", point.acceptance, unit="", pair=row, method=method, setting=calibration)


def answer(record: records.Record) -> str:
    """How many discriminators are off by more than chance with each map, how they rank, and what that leaves open."""
    (seen, held_out), told, sizes = REALS, [], []
    for calibration, name in MAPS.items():
        errors = list(record.rows(quantity="ECE", method=calibration, setting=held_out))
        bounds = (record.get("ECE by chance", pair=e.pair, method=calibration, setting=held_out) for e in errors)
        off = sum(error.value > bound.value for error, bound in zip(errors, bounds, strict=True))
        told.append(f"{off} of {len(errors)} ({name})")
        sizes.append(len(errors))
    gaps = [row.interval for row in record.rows(quantity="above samples", setting=seen, against=held_out)]
    by_chance = 0.05 * max(sizes)
    return (
        "This many discriminators, each of *one training*, have a larger error than chance alone would leave: "
        f"{', '.join(told)}; were all of them calibrated, {by_chance:.2g} would be expected above such a bound. "
        f"By a 95 % interval {sum(low > 0 for low, _ in gaps)} of {len(gaps)} rank the images of their training above "
        "others, and the maps are fit on such images. A small error says that a logit is right on average at each of "
        "its values, and not that it tells good samples from bad ones."
    )


def refusals(examined: Mapping[str, Examined], drawn: Mapping[str, Draws]) -> dict[str, str]:
    """What could not be fit, checked or drawn: "<row>, <method or check>, <map>" -> the message."""
    messages = {}
    for row, pair in examined.items():
        parts = pair.checks | {"logistic, held out": pair.on_held_out}
        messages |= {f"{row}, checks, {name}": p.message for name, p in parts.items() if isinstance(p, Refused)}
    for row, draws in drawn.items():
        messages |= {f"{row}, {', '.join(key)}": point.refused for key, point in draws.points.items() if point.refused}
    return messages


def panels(examined: Mapping[str, Examined], lines: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, Reliability]]:
    """Row of Table 1 -> line -> its bins, without maps that were refused. lines: name -> (map, word of REALS)."""
    return {
        row: {
            name: checks.bins[kind]
            for name, (calibration, kind) in lines.items()
            if not isinstance(checks := pair.checks[calibration], Refused)
        }
        for row, pair in examined.items()
    }


def cell(part: Part | Refused, show: Callable[[Part], str]) -> str:
    """A part as `show` prints it, such as "{0.slope:.3g}".format of a line, or REFUSED."""
    return REFUSED if isinstance(part, Refused) else show(part)


def cells(pair: Examined, show: Callable[[Checks], str]) -> list[str]:
    """A `cell` for each map: its checks, such as "{0.z:+.1f}".format."""
    return [cell(checks, show) for checks in pair.checks.values()]


def shown_ratio(checks: Checks) -> str:
    """E_G[r] as pages print it: "1.02", or as a power of ten where it is far from 1."""
    power = checks.log_ratio / math.log(10)
    return f"{math.exp(checks.log_ratio):.3g}" if abs(power) < 3 else f"$10^{{{power:.0f}}}$"


def draw_tables(drawn: Mapping[str, Draws], comparisons: Mapping[str, Comparison]) -> str:
    """Markdown, a table a pair: real images, bare, and every method with every map."""
    heads, shown = ["accepted", *(SCORES[name].label for name in SHOWN)], []
    for row, draws in drawn.items():
        floor = comparisons[row].floor
        real = [f"{floor[name]:.{SCORES[name].digits}f}" if name in floor else "0.5" for name in SHOWN]
        lines = [["real images", "-", *real], ["bare", *point_cells(draws.bare, draws.bare)]]
        for (method, calibration), point in draws.points.items():
            lines.append([f"{method}, {MAPS[calibration]}", *point_cells(point, draws.bare)])
        shown.append(tables.markdown([row, *heads], lines))
    return "\n\n".join(shown)


def point_cells(point: Point, bare: Point) -> list[str]:
    """Accepted share, and SHOWN with the interval of the paired difference to bare; REFUSED where nothing was drawn."""
    if point.refused:
        return [REFUSED] * (1 + len(SHOWN))
    cells = [f"{np.mean(point.acceptance):.3f}" if point.acceptance else "-"]
    for name in SHOWN:
        digits, text = SCORES[name].digits, f"{np.mean(point.scores[name]):.{SCORES[name].digits}f}"
        if point is not bare:
            _, (low, high) = intervals.interval(point.scores[name], bare.scores[name])
            text += f" [{low:+.{digits}f}, {high:+.{digits}f}]"
        cells.append(text)
    return cells


def changes_of(drawn: Mapping[str, Draws], name: str) -> dict[str, dict]:
    """Each point's paired difference to bare, or REFUSED: row -> method -> name of the map on pages."""
    changes = {row: {method: {} for method in METHODS} for row in drawn}
    for row, draws in drawn.items():
        for (method, calibration), point in draws.points.items():
            change = None if point.refused else intervals.interval(point.scores[name], draws.bare.scores[name])
            changes[row][method][MAPS[calibration]] = change or REFUSED
    return changes
