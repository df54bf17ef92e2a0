"""What Figure 3's numbers can show: the same transport under other readings and settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dotlib import transport
from dotlib.evaluation import point_quality, recording
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.points import Figure3, ToyPair
from dotlib.metrics import intervals, optimal_transport, resampling
from dotlib.results import paper, tables
from dotlib.results.records import KEPT, Record, Row, Where, find
from dotlib.training.settings import toy_datasets
from dotlib.transport.lipschitz import LipschitzCurve

STEPS = (("move", "25gaussians"), ("move", "swissroll"), ("record", "fig3_toy"))


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
CLAIMED = ("not worse", "worse", "better")  # what Figure 3 says of them
SHARES = (0.05, 0.1, 0.2)  # of real points, put between modes
PUBLISHED = "as published"  # setting of the descent
CLIP = 2.0  # the released code confines each coordinate to [-2, 2] after every update

Trials = dict[str, np.ndarray]  # method or quantity -> (trials,)
Runs = Mapping[str, Record]  # name of a pair -> its record


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


def with_kept(runs: Runs, dataset: str) -> dict[str, Record]:
    """Runs of this build, and the committed ones of the authors' weights that it has not made: name -> record."""
    names = (f"{name}-authors" for name in toy_datasets(dataset))
    kept = {name: find("fig3_audit", profile="paper", dataset=name, folder=KEPT) for name in names if name not in runs}
    return {**runs, **{f"{name}, recorded": record for name, record in kept.items() if record}}


def _readings(runs: Runs) -> Iterator[tuple[str, Record, str, Row]]:
    """Name of a pair, its record, the name of a reading, and the row of its floor."""
    for name, record in runs.items():
        for floor in record.rows(method="real", against=""):
            if floor.quantity in COSTS:
                yield name, record, f"{COSTS[floor.quantity][0]}, {floor.setting}", floor


def readings_table(runs: Runs) -> str:
    """Markdown: the EMDs of each reading."""
    rows = []
    for name, record, reading, floor in _readings(runs):
        of_methods = (record.get(floor.quantity, method=method, setting=floor.setting) for method in toy_pairs.METHODS)
        digits = 4 if floor.quantity == "energy_distance" else 3
        texts = (tables.plus_minus(row.value, row.sd, digits) for row in (floor, *of_methods))
        rows.append([f"{name}, {reading}", floor.n, *texts])
    return tables.markdown(["reading", "trials", "real points", "G", "DOT", "naive"], rows)


def differences(runs: Runs) -> dict[str, tuple[float, float, float]]:
    """Low end, mean and high end of each difference of EMD to G's, by its label."""
    ends = {}
    for name, record, reading, floor in _readings(runs):
        for method in ("dot", "naive"):
            row = record.get(floor.quantity, method=method, setting=floor.setting, against="g")
            ends[f"{name}, {toy_pairs.NAMES[method]}: {reading}"] = row.interval[0], row.value, row.interval[1]
    return ends


def verdict_table(runs: Runs) -> str:
    """Markdown: how each reading ranks the methods, below what Figure 3 claims."""
    claims = [f"{toy_pairs.NAMES[first]} against {toy_pairs.NAMES[second]}" for first, second in RANKED]
    rows = [
        [f"{name}, {reading}", floor.n, *(record.verdicts[f"{reading}: {claim}"] for claim in claims)]
        for name, record, reading, floor in _readings(runs)
    ]
    return tables.markdown(["reading", "trials", *claims], [["*Figure 3 claims*", "", *CLAIMED], *rows])


def floor_share(runs: Runs, sampling: str) -> str:
    """Floor over EMD of G on the 25 Gaussians with the squared cost, in words; a dash without that set."""
    for name, record, _, floor in _readings(runs):
        if name.startswith("25gaussians") and (floor.quantity, floor.setting) == ("emd_sqeuclidean", sampling):
            return f"{floor.value / record.get(floor.quantity, method='g', setting=sampling).value:.0%}"
    return "-"


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


def quality_table(runs: Runs) -> str:
    """Markdown: the measures of the points themselves."""
    digits = {"near": 3, "covered": 1, "spread": 2, "log_density": 1}
    rows = []
    for name, record in runs.items():
        for method in ("real", *toy_pairs.METHODS):
            measured = {row.quantity: row for row in record.rows(method=method, against="") if row.quantity in digits}
            cells = [
                tables.plus_minus(measured[key].value, measured[key].sd, places) if key in measured else "-"
                for key, places in digits.items()
            ]
            rows.append([f"{name}, {toy_pairs.NAMES[method]}", *cells])
    heads = ["points", "share within 4 sigma", "modes covered", "spread, in sigma", "mean log density, nats"]
    return tables.markdown(heads, rows)


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


def _interventions(record: Record) -> dict[str, list[Row]]:
    """Label of an intervention -> its differences in the order of READINGS."""
    labels = [*map(point_quality.real_between, SHARES), point_quality.ONTO_MODES]
    compared = {label: [row for row in record.rows(method=label) if row.against] for label in labels}
    return {label: rows for label, rows in compared.items() if rows}


def intervention_table(runs: Runs) -> str:
    """Markdown: what each intervention adds to the EMD of every reading."""
    rows = [
        [f"{name}, {label}", *(tables.change(row.value, row.interval, 4) for row in differences)]
        for name, record in runs.items()
        for label, differences in _interventions(record).items()
    ]
    heads = [f"{COSTS[f'emd_{cost}'][0]}, {sampling}" for cost, sampling in READINGS]
    return tables.markdown(["change", *heads], rows)


def mechanism(runs: Runs) -> str:
    """What the interventions show, a sentence for each pair with modes; a dash without one."""
    sentences = []
    for name, record in runs.items():
        for label, rows in _interventions(record).items():
            if label in (point_quality.real_between(SHARES[-1]), point_quality.ONTO_MODES):
                of = {(row.quantity, row.setting): row for row in rows}
                told = (
                    f"{COSTS[key[0]][0]}, {key[1]}: {_moves(of[key])}"
                    for key in (("emd_sqeuclidean", "random"), ("emd_euclidean", "random"))
                )
                sentences.append(f"- {name}, {label}: {'; '.join(told)}.")
    return "\n".join(sentences) or "-"


def _moves(row: Row) -> str:
    low, high = row.interval
    word = "does not move beyond its interval" if low <= 0 <= high else "falls" if high < 0 else "rises"
    return f"{word}, {tables.change(row.value, row.interval, 4)}"


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
        for source, K in zip(("paper", "notebook"), _printed(record), strict=True):
            record.put("K_eff_tail", resampling.tail(means, K), method=source, unit="")
    for n, mean, sd in zip(curve.n_pairs, curve.mean.tolist(), curve.std.tolist(), strict=True):
        record.put("K_eff_by_pairs", mean, setting=n, sd=sd, unit=toy_pairs.SLOPE)
    record.put("gradient_norm", steepest, unit=toy_pairs.SLOPE)


def _printed(record: Record) -> tuple[float, float]:
    """K_eff of the paper's text and of the released notebook."""
    dataset = record.dataset.removesuffix("-authors")
    return paper.value(f"fig3.{dataset}.K_eff").value, paper.NOTEBOOK_K[dataset]


def law_table(runs: Runs) -> str:
    """Markdown: the law of K_eff by the recipe, and where the printed constants lie in it."""
    rows = []
    for name, record in runs.items():
        maximum, law = record.get("K_eff_maximum"), record.get("K_eff_law")
        cells = [f"{maximum.n:,}", tables.plus_minus(maximum.value, maximum.sd, 2)]
        cells.append(f"{law.interval[0]:.2f} to {law.interval[1]:.2f}")
        tails = {row.method: f"{row.value:.2g}" for row in record.rows(quantity="K_eff_tail")}
        for source, K in zip(("paper", "notebook"), _printed(record), strict=True):
            cells.append(f"{K:.2f}: {tails[source]}" if source in tails else "-")
        rows.append([name, *cells])
    heads = ["set", "repeats", "one maximum", "mean of ten, 95 % of its law", "paper: tail", "released notebook: tail"]
    return tables.markdown(heads, rows)


def constants_table(runs: Runs) -> str:
    """Markdown: the published constants beside ours."""
    rows, most = [], 0
    for name, record in runs.items():
        *_, last = record.rows(quantity="K_eff_by_pairs")
        most = int(last.setting)
        numbers = *_printed(record), record.get("K_eff").value, last.value, record.get("gradient_norm").value
        rows.append([name, *(f"{K:.2f}" for K in numbers)])
    heads = ["set", "paper", "released notebook", "recipe, here", f"{most:,} pairs, here", "gradient norm, here"]
    return tables.markdown(heads, rows)


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


def settings_table(runs: Runs) -> str:
    """Markdown: W1 of each setting, its paired difference to the published one, and its moves."""
    rows = []
    for name, record in runs.items():
        for row in record.rows(quantity="W1", against=""):
            label, change = row.setting, "-"
            if label != PUBLISHED:
                difference = record.get("W1", method="dot", setting=label, against=PUBLISHED)
                low, high = difference.interval
                change = f"{difference.value:+.4f} ({low:+.4f}, {high:+.4f})"
            length, outside = (record.get(key, method="dot", setting=label).value for key in ("length", "outside"))
            cells = [tables.plus_minus(row.value, row.sd), change, f"{length:.3f}", f"{outside:.4f}"]
            rows.append([f"{name}, {label}", *cells])
    heads = ["setting", "W1 to the data", "minus as published (95 %)", "mean move", "share beyond 2"]
    return tables.markdown(heads, rows)


def put_monge_gaps(record: Record, sets: Mapping[str, Tensor], trials: int) -> None:
    """Put the Monge gap, mean length of the moves minus W1(before, after), and this length, over the first trials."""
    y = sets["g"][:trials]
    for method in ("dot", "naive"):
        x = sets[method][:trials]
        gaps = [optimal_transport.monge_gap(before, after) for before, after in zip(y, x, strict=True)]
        record.put_trials("monge_gap", gaps, method=method, unit=toy_pairs.PLAIN)
        record.put("length", (x - y).norm(dim=2).mean().item(), method=method, unit=toy_pairs.PLAIN)
