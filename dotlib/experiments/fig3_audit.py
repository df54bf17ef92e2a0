"""What Figure 3's numbers can show: the same transport under other readings and settings."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dotlib import transport
from dotlib.errors import check_option
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.points import Figure3, ToyPair
from dotlib.metrics import intervals, optimal_transport
from dotlib.profiles import PROFILES
from dotlib.results import paper, records
from dotlib.transport import lipschitz

STEPS = (("move", "25gaussians"), ("move", "swissroll"), ("record", "fig3_toy"))


@dataclass(frozen=True)
class Audit:
    """How much work the audit of Figure 3 puts into its extra measurements."""

    trials: int  # for each changed setting
    readings: int  # trials of each reading that Figure 3 does not print
    pair_counts: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
    pair_repeats: int = 10  # pairs drawn, in multiples of the largest count
    gradient_points: int = 10_000


AUDIT = {
    "smoke": Audit(trials=2, readings=4, pair_counts=(100, 300, 1_000), gradient_points=500),
    "laptop": Audit(trials=5, readings=30),
    "paper": Audit(trials=10, readings=100),
}


def audit_settings(profile: str) -> Audit:
    """Settings of the audit. Raises InputError for an unknown profile."""
    check_option("profile", profile, PROFILES)
    return AUDIT[profile]


READINGS = (("sqeuclidean", "random"), ("sqeuclidean", "balanced"), ("euclidean", "random"), ("euclidean", "balanced"))
PUBLISHED = READINGS[0]
READING_NAMES = {"sqeuclidean": "squared cost", "euclidean": "W1 cost"}
CLIP = 2.0  # the released code confines each coordinate to [-2, 2] after every update


def readings(
    pair: ToyPair, sets: dict[str, Tensor], c: Figure3, seed: int, trials: int
) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """EMDs of one set of moved points under every reading of the text, with a floor.

    Cost squared (as POT's default in the released code) or not (as in the theory); target drawn at
    random (as the text says) or with equal counts for every mode (as the notebook does; only for
    sets with modes). "real" is a second draw of training points: what a perfect sampler would get.

    trials:  of each reading but the published one, which has all; the first ones.
    Returns (cost, sampling) -> method -> (trials,).
    """
    possible = [r for r in READINGS if r[1] == "random" or pair.data.modes is not None]
    some = {method: points[:trials] for method, points in sets.items()}, replace(c, trials=trials)
    return {
        (cost, sampling): toy_pairs.distances(
            pair,
            *((sets, c) if (cost, sampling) == PUBLISHED else some),
            seed,
            cost=cost,
            sampling=sampling,
            floor=True,
        )
        for cost, sampling in possible
    }


def compare(emd: dict[str, np.ndarray], first: str, second: str, *, profile: str) -> str:
    """How a reading ranks two methods: "better", "worse" or "not separated", first to second.

    They are separated when the paired 95 % interval of their difference excludes 0 and its mean
    exceeds the standard deviation of the floor. A smoke run compares nothing.
    """
    if profile == "smoke":
        return paper.SMOKE
    mean, (low, high) = intervals.interval(emd[first], emd[second])
    if low <= 0 <= high or abs(mean) <= float(emd["real"].std(ddof=1)):
        return "not separated"
    return "better" if mean < 0 else "worse"


def settings_of_descent(
    K_eff: float, c: Figure3, *, K_paper: float, K_notebook: float
) -> dict[str, tuple[float, dict]]:
    """Label -> (constant, changed options of `transport.target_dot`), each one change away.

    K_paper and K_notebook are the two published constants; they belong to the authors' critic, so
    on another critic they only show how much the constant matters.
    """
    return {
        "as published": (K_eff, {}),
        f"K_eff of the paper, {K_paper:g}": (K_paper, {}),
        f"K_eff of the notebook, {K_notebook:g}": (K_notebook, {}),
        "K_eff doubled": (2 * K_eff, {}),
        f"SGD, lr {c.lr:g}": (K_eff, {"optimizer": transport.SGD(c.lr)}),
        f"{2 * c.steps} updates": (K_eff, {"steps": 2 * c.steps}),
        f"delta {c.delta / 1000:g}": (K_eff, {"delta": c.delta / 1000}),
        "smooth norm": (K_eff, {"variant": "exact"}),
        f"clip at {CLIP:g}": (K_eff, {"clip": CLIP}),
        "squared cost": (K_eff, {"cost": "sqeuclidean"}),
    }


def sensitivity(
    pair: ToyPair, y: Tensor, c: Figure3, seed: int, settings: dict[str, tuple[float, dict]]
) -> dict[str, dict[str, np.ndarray]]:
    """Each setting on the same generated points y, (trials, points, 2).

    Returns label -> {"emd": W1 to the training points (trials,), "length": mean distance moved
    (trials,), "outside": share of points that any update, the start included, has beyond CLIP in
    a coordinate (trials,)}.
    """
    few = replace(c, trials=len(y))
    results = {}
    for label, (K, changes) in settings.items():
        steps = range(changes.get("steps", c.steps) + 1)
        paths = [
            toy_pairs.move(pair, part, K, c, "dot", snapshots=steps, **changes).points for part in y
        ]  # (steps + 1, points, 2) each
        moved = torch.stack([path[-1] for path in paths])
        emd = toy_pairs.distances(pair, {"dot": moved}, few, seed, cost="euclidean", sampling=best_sampling(pair))
        results[label] = {
            "emd": emd["dot"],
            "length": (moved - y).norm(dim=2).mean(1).numpy(),
            "outside": np.array([(path.abs() > CLIP).any(2).any(0).float().mean() for path in paths]),
        }
    return results


def monge_gaps(sets: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Mean length of the moves minus W1(before, after), per trial and method, in data units.

    0 for a map that is optimal for the l2 cost: DOT claims to approximate one, the naive ascent
    does not.
    """
    y = sets["g"]
    return {
        method: np.array([optimal_transport.monge_gap(a, b) for a, b in zip(y, sets[method], strict=True)])
        for method in ("dot", "naive")
    }


def best_sampling(pair: ToyPair) -> str:
    """The sampling with less noise: balanced where the set has modes."""
    return "random" if pair.data.modes is None else "balanced"


def fill_record(
    run: records.Record,
    *,
    K_eff: float,
    emds: dict[tuple[str, str], dict[str, np.ndarray]],
    gaps: dict[str, np.ndarray],
    few: dict[str, dict[str, np.ndarray]],
    curve: lipschitz.LipschitzCurve,
) -> None:
    """Put everything that the audit measures on one pair into its record.

    emds:   from `readings`; gaps: from `monge_gaps`; few: from `sensitivity`.
    curve:  K_eff against the number of pairs.
    """
    run.put("K_eff", K_eff, unit=toy_pairs.SLOPE)
    for (cost, sampling), values in emds.items():
        unit = toy_pairs.SQUARED if cost == "sqeuclidean" else toy_pairs.PLAIN
        for method, per_trial in values.items():
            _put(run, f"emd_{cost}_{sampling}_{method}", per_trial, unit)
        for first, second, _ in toy_pairs.CLAIMS:
            mean, interval = intervals.interval(values[first], values[second])
            run.put(
                f"{first}_minus_{second}_{cost}_{sampling}", mean, interval=interval, n=len(values[first]), unit=unit
            )
            claim = f"{toy_pairs.NAMES[first]} against {toy_pairs.NAMES[second]}"
            run.verdicts[f"{READING_NAMES[cost]}, {sampling}: {claim}"] = compare(
                values, first, second, profile=run.profile
            )
    for method, per_trial in gaps.items():
        _put(run, f"monge_gap_{method}", per_trial, toy_pairs.PLAIN)
    for label, values in few.items():
        _put(run, f"W1, {label}", values["emd"], toy_pairs.PLAIN)
    run.put("pairs", list(curve.n_pairs), unit="pairs")
    run.put("K_eff_by_pairs", curve.mean.tolist(), unit=toy_pairs.SLOPE)
    run.put("K_eff_by_pairs_sd", curve.std.tolist(), unit=toy_pairs.SLOPE)


def _put(run: records.Record, name: str, per_trial: np.ndarray, unit: str) -> None:
    run.put(name, float(per_trial.mean()), sd=float(per_trial.std(ddof=1)), n=len(per_trial), unit=unit)
