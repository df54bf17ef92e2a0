"""What Figure 3's numbers can show: the same transport under other readings and settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dotlib import transport
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation import recording
from dotlib.evaluation.points import Figure3, ToyPair
from dotlib.metrics import intervals, optimal_transport
from dotlib.results import paper, tables
from dotlib.results.records import KEPT, Record, Row, Where, find
from dotlib.transport.lipschitz import LipschitzCurve

STEPS = (("move", "25gaussians"), ("move", "swissroll"), ("record", "fig3_toy"))


@dataclass(frozen=True)
class Settings:
    """How much work the audit puts into its extra measurements."""

    trials: int  # for each changed setting
    readings: int  # trials of each reading that Figure 3 does not print
    pair_counts: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
    pair_repeats: int = 10  # pairs drawn, in multiples of the largest count
    gradient_points: int = 10_000


SETTINGS = {
    "smoke": Settings(trials=2, readings=4, pair_counts=(100, 300, 1_000), gradient_points=500),
    "laptop": Settings(trials=5, readings=30),
    "paper": Settings(trials=10, readings=100),
}
READINGS = (("sqeuclidean", "random"), ("sqeuclidean", "balanced"), ("euclidean", "random"), ("euclidean", "balanced"))
COSTS = {"emd_sqeuclidean": ("squared cost", toy_pairs.SQUARED), "emd_euclidean": ("W1 cost", toy_pairs.PLAIN)}
RANKED = (("dot", "g"), ("naive", "g"), ("dot", "naive"))
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


def put_readings(record: Record, emds: Mapping[tuple[str, str], Trials]) -> None:
    """Put the EMDs of every reading into the record, their paired differences, and how the methods rank."""
    for (cost, sampling), emd in emds.items():
        quantity = f"emd_{cost}"
        name, unit = COSTS[quantity]
        for method, trials in emd.items():
            record.put_trials(quantity, trials, method=method, setting=sampling, unit=unit)
        for first, second in RANKED:
            where: Where = {"method": first, "setting": sampling, "against": second}
            intervals.put_difference(record, quantity, emd[first], emd[second], unit=unit, **where)
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


def _readings(runs: Runs) -> Iterator[tuple[str, Record, str, Row]]:
    """Name of a pair, its record, the name of a reading, and the row of its floor."""
    for name, record in runs.items():
        for floor in record.rows(method="real"):
            yield name, record, f"{COSTS[floor.quantity][0]}, {floor.setting}", floor


def readings_table(runs: Runs) -> str:
    """Markdown: the EMDs of each reading."""
    rows = []
    for name, record, reading, floor in _readings(runs):
        of_methods = (record.get(floor.quantity, method=method, setting=floor.setting) for method in toy_pairs.METHODS)
        texts = (tables.plus_minus(row.value, row.sd) for row in (floor, *of_methods))
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
    """Markdown: how each reading ranks the methods."""
    claims = [f"{toy_pairs.NAMES[first]} against {toy_pairs.NAMES[second]}" for first, second in RANKED]
    rows = [
        [f"{name}, {reading}", *(record.verdicts[f"{reading}: {claim}"] for claim in claims)]
        for name, record, reading, _ in _readings(runs)
    ]
    return tables.markdown(["reading", *claims], rows)


def floor_share(runs: Runs, sampling: str) -> str:
    """Floor over EMD of G on the 25 Gaussians with the squared cost, in words; a dash without that set."""
    for name, record, _, floor in _readings(runs):
        if name.startswith("25gaussians") and (floor.quantity, floor.setting) == ("emd_sqeuclidean", sampling):
            return f"{floor.value / record.get(floor.quantity, method='g', setting=sampling).value:.0%}"
    return "-"


def put_constants(record: Record, K_eff: float, curve: LipschitzCurve, steepest: float) -> None:
    """Put K_eff by the recipe, its growth with the number of pairs, and the largest gradient norm into the record."""
    record.put("K_eff", K_eff, unit=toy_pairs.SLOPE)
    for n, mean, sd in zip(curve.n_pairs, curve.mean.tolist(), curve.std.tolist(), strict=True):
        record.put("K_eff_by_pairs", mean, setting=n, sd=sd, unit=toy_pairs.SLOPE)
    record.put("gradient_norm", steepest, unit=toy_pairs.SLOPE)


def constants_table(runs: Runs, pairs: Mapping[str, ToyPair]) -> str:
    """Markdown: the published constants beside ours."""
    rows, most = [], 0
    for name, record in runs.items():
        dataset = pairs[name].dataset
        *_, last = record.rows(quantity="K_eff_by_pairs")
        most = int(last.setting)
        printed = paper.value(f"fig3.{dataset}.K_eff").value, paper.NOTEBOOK_K[dataset]
        authors = find("fig3_toy", profile="paper", dataset=f"{dataset}-authors", folder=KEPT)
        recipe = f"{authors.get('K_eff').value:.2f}" if authors else "-"
        ours = record.get("K_eff").value, last.value, record.get("gradient_norm").value
        rows.append([name, *(f"{K:.2f}" for K in printed), recipe, *(f"{K:.2f}" for K in ours)])
    heads = ["set", "paper", "released notebook", "recipe, authors' weights", "recipe, here"]
    return tables.markdown([*heads, f"{most:,} pairs, here", "gradient norm, here"], rows)


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
