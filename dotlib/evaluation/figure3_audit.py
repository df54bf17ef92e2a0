"""Figure 3 measured again: one pair under other readings of its text, other settings, and with changed points.

`record_of` has all of it for one pair; the functions below it are its parts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dotlib import transport
from dotlib.evaluation import point_quality, recording
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.points import Figure3, ToyPair
from dotlib.metrics import intervals, optimal_transport, resampling
from dotlib.results import paper, tidy
from dotlib.results.records import Record, Row, Where
from dotlib.seeding import generator, numpy_rng
from dotlib.transport import lipschitz
from dotlib.transport.lipschitz import LipschitzCurve


@dataclass(frozen=True)
class Settings:
    """How much work the audit puts into its extra measurements."""

    trials: int  # for each changed setting
    readings: int  # trials of each reading that Figure 3 does not print
    changed: int  # trials in which points are put between modes, or onto them
    pair_counts: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
    pair_repeats: int = 10  # pairs drawn, in multiples of the largest count
    gradient_points: int = 10_000


SETTINGS = {
    "smoke": Settings(trials=2, readings=4, changed=2, pair_counts=(100, 300, 1_000), gradient_points=500),
    "laptop": Settings(trials=5, readings=20, changed=5),
    "paper": Settings(trials=10, readings=100, changed=30),
}
READINGS = (("sqeuclidean", "random"), ("sqeuclidean", "balanced"), ("euclidean", "random"), ("euclidean", "balanced"))
COSTS = {
    "emd_sqeuclidean": ("squared cost", toy_pairs.SQUARED),
    "emd_euclidean": ("W1 cost", toy_pairs.PLAIN),
    "energy_distance": ("energy distance", toy_pairs.PLAIN),
}
RANKED = (("dot", "g"), ("naive", "g"), ("dot", "naive"))
SHARES = (0.05, 0.1, 0.2)  # of real points, put between modes
PUBLISHED = "as published"  # setting of the descent
CLIP = 2.0  # the released code confines each coordinate to [-2, 2] after every update

Trials = dict[str, np.ndarray]  # method or quantity -> (trials,)


@dataclass(frozen=True)
class Audit:
    """One pair, and how it is measured."""

    pair: ToyPair
    figure3: Figure3
    settings: Settings
    seed: int


def open_record(audit: Audit, profile: str) -> Record:
    """Start the record of one pair; to be called before the work, which it times."""
    record = recording.open_toy_record("fig3_audit", audit.pair, audit.figure3, profile, audit.seed)
    record.parameters |= {"audit": asdict(audit.settings) | {"pair_counts": list(audit.settings.pair_counts)}}
    return record


def record_of(audit: Audit, profile: str, *, anew: bool) -> tuple[Record, str]:
    """The record of one pair, written with its table, and where it comes from: committed, else measured now.

    When the committed record stands in is said at `recording.committed`.
    """
    record = open_record(audit, profile)
    kept = recording.committed(record, audit.pair.digests, anew=anew)
    if kept is None:
        tidy.write(record, fill_record(record, audit))
        return record, recording.MEASURED
    tidy.write(kept, recording.lines_beside(kept))
    return kept, recording.recorded_at(kept)


@dataclass(frozen=True)
class Published:
    """Trials of one pair as Figure 3 reads them: squared cost, random targets."""

    emd: Trials  # method, and "real" -> (trials,)
    near: Trials  # method -> (trials,), share of points within four sigma of a mode; empty for a set without modes
    source: str  # where they come from


def published(audit: Audit, profile: str, *, anew: bool) -> Published:
    """The trials that Figure 3's page shows: those of the committed audit of this very pair, else measured now."""
    kept = recording.committed(open_record(audit, profile), audit.pair.digests, anew=anew)
    if kept:
        frame = pd.DataFrame(recording.lines_beside(kept)).query("setting == 'random'").sort_values("trial")
        of = {name: dict(iter(lines.groupby("method")["value"])) for name, lines in frame.groupby("quantity")}
        emd = {method: of["emd_sqeuclidean"][method].to_numpy() for method in ("real", *toy_pairs.METHODS)}
        near = {method: of["near"][method].to_numpy() for method in toy_pairs.METHODS} if "near" in of else {}
        return Published(emd, near, recording.recorded_at(kept))
    pair, figure3, seed = audit.pair, audit.figure3, audit.seed
    sets = toy_pairs.moved(pair, figure3, toy_pairs.constant(pair, figure3, seed).value, seed)
    emd = toy_pairs.distances(pair, sets, figure3, seed, cost="sqeuclidean", sampling="random", floor=True)
    near = (
        {method: point_quality.near(trials) for method, trials in sets.items()} if pair.data.modes is not None else {}
    )
    return Published(emd, near, recording.MEASURED)


def fill_record(record: Record, audit: Audit) -> list[recording.Line]:
    """Measure a pair, put all of it into its record, and return the lines of the table beside it."""
    pair, figure3, settings, seed = audit.pair, audit.figure3, audit.settings, audit.seed
    K_eff = toy_pairs.constant(pair, figure3, seed).value
    sets = toy_pairs.moved(pair, figure3, K_eff, seed)
    emds = readings(pair, sets, figure3, seed, settings.readings)
    quality = point_quality.measure(pair, sets, figure3, seed)
    put_readings(record, emds, quality["energy_distance"])
    put_quality(record, quality)
    put_interventions(record, pair, sets["g"][: settings.changed], emds, figure3, seed)
    put_constants(record, K_eff, *_slopes(audit), numpy_rng(seed, "law", pair.name))
    changed = changed_settings(pair, K_eff, figure3)
    put_settings(record, sensitivity(pair, sets["g"][: settings.trials], figure3, seed, changed))
    put_monge_gaps(record, sets, settings.trials)
    return list(point_quality.trial_rows(emds, quality))


def _slopes(audit: Audit) -> tuple[LipschitzCurve, float]:
    """K_eff against the number of pairs, and the largest gradient norm of D, both at points of p_G."""
    pair, settings, seed = audit.pair, audit.settings, audit.seed
    rng, options = generator(seed, "pairs", pair.name), {"repeats": settings.pair_repeats}
    curve = lipschitz.curve(pair.logit, pair.draw, n_pairs=settings.pair_counts, rng=rng, **options)
    y = pair.draw(settings.gradient_points, generator(seed, "gradients", pair.name))
    return curve, lipschitz.gradient_norms(pair.logit, y).max().item()


def readings(
    pair: ToyPair, sets: dict[str, Tensor], settings: Figure3, seed: int, trials: int
) -> dict[tuple[str, str], Trials]:
    """EMDs of one set of moved points under every reading of the text, with a floor: (cost, sampling) -> trials.

    The cost is squared (as POT's default in the released code) or not (as in the theory). Targets are drawn at random
    (as the text says) or with equal counts for every mode (as the notebook does; only for sets with modes). "real" is a
    second draw of training points: what a perfect sampler would get. The published reading has all trials, the others
    have the first ones.
    """
    few = {method: points[:trials] for method, points in sets.items()}, replace(settings, trials=trials)
    return {
        (cost, sampling): toy_pairs.distances(
            pair, *((sets, settings) if at == 0 else few), seed, cost=cost, sampling=sampling, floor=True
        )
        for at, (cost, sampling) in enumerate(READINGS)
        if sampling == "random" or pair.data.modes is not None
    }


def put_readings(record: Record, emds: Mapping[tuple[str, str], Trials], energy: Trials | None = None) -> None:
    """Put the EMDs of every reading into the record, their paired differences, and how the methods rank.

    The energy distances are a reading, too.
    """
    distances = {(f"emd_{cost}", sampling): emd for (cost, sampling), emd in emds.items()}
    if energy is not None:
        distances["energy_distance", "random"] = energy
    for (quantity, sampling), of_methods in distances.items():
        name, unit = COSTS[quantity]
        for method, trials in of_methods.items():
            record.put_trials(quantity, trials, method=method, setting=sampling, unit=unit)
        for first, second in RANKED:
            where: Where = {"method": first, "setting": sampling, "against": second}
            intervals.put_difference(record, quantity, of_methods[first], of_methods[second], unit=unit, **where)
        recording.put_verdicts(
            (
                record,
                f"{name}, {sampling}: {toy_pairs.NAMES[first]} against {toy_pairs.NAMES[second]}",
                rank(record.get(quantity, method=first, setting=sampling, against=second)),
            )
            for first, second in RANKED
        )


def rank(difference: Row) -> paper.Claim:
    """How a reading ranks two methods: first "better" or "worse" than second, by their paired difference.

    The test, and the three comparisons of a reading as one table, are those of Figure 3's page: the same trials cannot
    be apart on one page and together on the other.
    """
    word = "better" if difference.value < 0 else "worse"
    return paper.Claim(paper.p_of_interval(difference.interval, difference.n or 0), word, paper.UNDECIDED)


def put_quality(record: Record, quality: point_quality.Quality) -> None:
    """Put what is measured beside the EMDs, and the paired difference of each method to real points.

    A trial without a point near a mode has no spread, and is left out of that row.
    """
    for quantity, of_methods in quality.items():
        if quantity in COSTS:  # a reading of its own
            continue
        unit = point_quality.UNITS[quantity]
        for method, trials in of_methods.items():
            known = np.isfinite(trials)
            if known.any():
                record.put_trials(quantity, trials[known], method=method, unit=unit)
            both = known & np.isfinite(of_methods["real"])
            if method != "real" and both.sum() > 1:
                where: Where = {"method": method, "against": "real"}
                intervals.put_difference(record, quantity, trials[both], of_methods["real"][both], unit=unit, **where)


def put_interventions(
    record: Record, pair: ToyPair, g: Tensor, emds: Mapping[tuple[str, str], Trials], settings: Figure3, seed: int
) -> None:
    """Put the EMDs of changed points of the trials of g, and their paired differences to the same points unchanged.

    Real points of which a share lies between modes are compared with real points, generated ones of which those far
    from a mode are put onto it with G's. Only for a set with modes.
    """
    few = replace(settings, trials=len(g))
    for (cost, sampling), emd in emds.items() if pair.data.modes is not None else ():
        changed = point_quality.interventions(pair, g, few, seed, SHARES, sampling)
        measured = toy_pairs.distances(pair, changed, few, seed, cost=cost, sampling=sampling)
        quantity = f"emd_{cost}"
        for label, trials in measured.items():
            before = "g" if label == point_quality.ONTO_MODES else "real"
            unit = COSTS[quantity][1]
            record.put_trials(quantity, trials, method=label, setting=sampling, unit=unit)
            where: Where = {"method": label, "setting": sampling, "against": before}
            intervals.put_difference(record, quantity, trials, emd[before][: len(g)], unit=unit, **where)


def put_constants(
    record: Record, K_eff: float, curve: LipschitzCurve, steepest: float, rng: np.random.Generator
) -> None:
    """Put K_eff by the recipe, its law, its growth with the number of pairs, and the largest gradient norm.

    The recipe is a mean of ten maxima over 100 pairs. Its law follows from all maxima of 100 that the pairs of the
    curve give, ten drawn at a time. With the authors' weights, the printed constants have a place in it.
    """
    record.put("K_eff", K_eff, unit=toy_pairs.SLOPE)
    pairs, repeats = record.parameters["pairs"], record.parameters["repeats"]
    maxima = curve.slopes[: curve.total // pairs * pairs].reshape(-1, pairs).amax(1).numpy()
    record.put_trials("K_eff_maximum", maxima, unit=toy_pairs.SLOPE)
    means = resampling.means(maxima, repeats, rng)
    ends = tuple(np.quantile(means, (0.025, 0.975)).tolist())
    record.put("K_eff_law", float(means.mean()), interval=ends, n=len(maxima), unit=toy_pairs.SLOPE)
    if record.dataset.endswith("-authors"):
        for source, K in zip(("paper", "notebook"), printed_constants(record), strict=True):
            record.put("K_eff_tail", resampling.tail(means, K), method=source, unit="")
    for n, mean, sd in zip(curve.n_pairs, curve.mean.tolist(), curve.std.tolist(), strict=True):
        record.put("K_eff_by_pairs", mean, setting=n, sd=sd, unit=toy_pairs.SLOPE)
    record.put("gradient_norm", steepest, unit=toy_pairs.SLOPE)


def changed_settings(pair: ToyPair, K_eff: float, settings: Figure3) -> dict[str, tuple[float, dict[str, Any]]]:
    """Label -> (constant, options of `transport.target_dot`), one change each; printed constants are the authors'."""
    K_paper, K_notebook = paper.value(f"fig3.{pair.dataset}.K_eff").value, paper.NOTEBOOK_K[pair.dataset]
    return {
        PUBLISHED: (K_eff, {}),
        f"K_eff of the paper, {K_paper:g}": (K_paper, {}),
        f"K_eff of the notebook, {K_notebook:g}": (K_notebook, {}),
        "K_eff doubled": (2 * K_eff, {}),
        f"SGD, lr {settings.lr:g}": (K_eff, {"optimizer": transport.SGD(settings.lr)}),
        f"{2 * settings.steps} updates": (K_eff, {"steps": 2 * settings.steps}),
        f"delta {settings.delta / 1000:g}": (K_eff, {"delta": settings.delta / 1000}),
        "smooth norm": (K_eff, {"variant": "exact"}),
        f"clip at {CLIP:g}": (K_eff, {"clip": CLIP}),
        "squared cost": (K_eff, {"cost": "sqeuclidean"}),
    }


def sensitivity(
    pair: ToyPair, y: Tensor, settings: Figure3, seed: int, changed: Mapping[str, tuple[float, dict[str, Any]]]
) -> dict[str, Trials]:
    """Each setting on the same generated points y, (trials, points, 2): label -> W1, length, outside.

    "W1" is the distance to the training points, "length" the mean move, "outside" the share of points that any update,
    the start included, has beyond CLIP in a coordinate.
    """
    few, results = replace(settings, trials=len(y)), {}
    for label, (K, changes) in changed.items():
        steps = range(changes.get("steps", settings.steps) + 1)
        descents = (toy_pairs.move(pair, part, K, settings, "dot", snapshots=steps, **changes) for part in y)
        paths = [descent.points for descent in descents]  # (steps + 1, points, 2) each
        moved = torch.stack([path[-1] for path in paths])
        emd = toy_pairs.distances(pair, {"dot": moved}, few, seed, cost="euclidean", sampling=pair.sampling)["dot"]
        outside = np.array([(path.abs() > CLIP).any(2).any(0).float().mean() for path in paths])
        results[label] = {"W1": emd, "length": (moved - y).norm(dim=2).mean(1).numpy(), "outside": outside}
    return results


def put_settings(record: Record, results: Mapping[str, Trials]) -> None:
    """Put what each setting gives into the record, and the paired difference of W1 to the published one."""
    units = {"W1": toy_pairs.PLAIN, "length": toy_pairs.PLAIN, "outside": ""}
    for label, trials in results.items():
        for quantity, unit in units.items():
            record.put_trials(quantity, trials[quantity], method="dot", setting=label, unit=unit)
        if label != PUBLISHED:
            where: Where = {"method": "dot", "setting": label, "against": PUBLISHED}
            intervals.put_difference(record, "W1", trials["W1"], results[PUBLISHED]["W1"], unit=units["W1"], **where)


def put_monge_gaps(record: Record, sets: Mapping[str, Tensor], trials: int) -> None:
    """Put the Monge gap, mean length of the moves minus W1(before, after), and this length, over the first trials."""
    y = sets["g"][:trials]
    for method in ("dot", "naive"):
        x = sets[method][:trials]
        gaps = [optimal_transport.monge_gap(before, after) for before, after in zip(y, x, strict=True)]
        record.put_trials("monge_gap", gaps, method=method, unit=toy_pairs.PLAIN)
        record.put("length", (x - y).norm(dim=2).mean().item(), method=method, unit=toy_pairs.PLAIN)


def printed_constants(record: Record) -> tuple[float, float]:
    """K_eff of the paper's text and of the released notebook."""
    dataset = record.dataset.removesuffix("-authors")
    return paper.value(f"fig3.{dataset}.K_eff").value, paper.NOTEBOOK_K[dataset]
