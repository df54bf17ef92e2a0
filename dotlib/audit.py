"""What Figure 3's numbers can show: the same transport under other readings and settings."""

from dataclasses import asdict, replace

import numpy as np
import torch
from torch import Tensor

from dotlib import figure3, metrics, records, transport
from dotlib.config import Figure3
from dotlib.figure3 import Subject, paired_interval

READINGS = (("sqeuclidean", "random"), ("sqeuclidean", "balanced"),
            ("euclidean", "random"), ("euclidean", "balanced"))
READING_NAMES = {"sqeuclidean": "squared cost", "euclidean": "W1 cost"}
SQUARED, PLAIN = "squared data units", "data units"


def readings(what: Subject, sets: dict[str, Tensor], c: Figure3,
             seed: int) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """EMDs of one set of moved points under every reading of the text, with a floor.

    Cost squared (as POT's default in the released code) or not (as in the theory); target drawn at
    random (as the text says) or with equal counts for every mode (as the notebook does; only for
    sets with modes). "real" is a second draw of training points: what a perfect sampler would get.
    Returns (cost, sampling) -> method -> (trials,).
    """
    possible = [r for r in READINGS if r[1] == "random" or what.data.modes is not None]
    return {(cost, sampling): figure3.distances(what, sets, c, seed, cost=cost, sampling=sampling,
                                                floor=True)
            for cost, sampling in possible}


def separates(emd: dict[str, np.ndarray], better: str, worse: str) -> bool:
    """Whether a reading tells two methods apart: the paired 95 % interval of better - worse lies
    below 0, and the gain exceeds the standard deviation of the floor."""
    mean, (_, high) = paired_interval(emd[better], emd[worse])
    return high < 0 and -mean > float(emd["real"].std(ddof=1))


def settings_of_descent(K_eff: float, c: Figure3, *, K_paper: float,
                        K_notebook: float) -> dict[str, tuple[float, dict]]:
    """Label -> (constant, changed options of `transport.target_dot`), each one change away.

    K_paper and K_notebook are the two published constants; they belong to the authors' critic, so
    on another critic they only show how much the constant matters.
    """
    return {
        "as published": (K_eff, {}),
        f"K_eff of the paper, {K_paper:g}": (K_paper, {}),
        f"K_eff of the notebook, {K_notebook:g}": (K_notebook, {}),
        "K_eff doubled": (2 * K_eff, {}),
        "SGD, lr 0.01": (K_eff, {"optimizer": transport.SGD(c.lr)}),
        "200 updates": (K_eff, {"steps": 2 * c.steps}),
        "delta 1e-6": (K_eff, {"delta": 1e-6}),
        "smooth norm": (K_eff, {"variant": "exact"}),
        "clip at 2": (K_eff, {"clip": 2.0}),
        "squared cost": (K_eff, {"cost": "sqeuclidean"}),
    }


def sensitivity(what: Subject, y: Tensor, c: Figure3, seed: int,
                settings: dict[str, tuple[float, dict]]) -> dict[str, dict[str, np.ndarray]]:
    """Each setting on the same generated points y, (trials, points, 2).

    Returns label -> {"emd": W1 to the training points (trials,), "length": mean distance moved
    (trials,), "outside": share of points beyond 2 in a coordinate (trials,)}.
    """
    few = replace(c, trials=len(y))
    results = {}
    for label, (K, changes) in settings.items():
        moved = torch.stack([figure3.move(what, part, K, c, "dot", **changes).final for part in y])
        emd = figure3.distances(what, {"dot": moved}, few, seed, cost="euclidean",
                                sampling=best_sampling(what))
        results[label] = {
            "emd": emd["dot"],
            "length": (moved - y).norm(dim=2).mean(1).numpy(),
            "outside": (moved.abs() > 2).any(2).float().mean(1).numpy(),
        }
    return results


def monge_gaps(sets: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Mean length of the moves minus W1(before, after), per trial and method, in data units.

    0 for a map that is optimal for the l2 cost: DOT claims to approximate one, the naive ascent
    does not.
    """
    y = sets["g"]
    return {method: np.array([metrics.monge_gap(a, b)
                              for a, b in zip(y, sets[method], strict=True)])
            for method in ("dot", "naive")}


def best_sampling(what: Subject) -> str:
    """The sampling with less noise: balanced where the set has modes."""
    return "random" if what.data.modes is None else "balanced"


def record(what: Subject, c: Figure3, profile: str, seed: int, *, K_eff: float,
           emds: dict[tuple[str, str], dict[str, np.ndarray]],
           gaps: dict[str, np.ndarray], few: dict[str, dict[str, np.ndarray]],
           pairs: tuple[list[int], np.ndarray, np.ndarray]) -> records.Record:
    """Everything this page measures on one pair, in one record.

    pairs:  numbers of pairs, K_eff estimated from each, and the spread of one maximum.
    """
    run = records.start("fig3_audit", profile=profile, dataset=what.name, seed=seed,
                        parameters=asdict(c) | {"origin": what.origin},
                        weights=what.digests)
    run.put("K_eff", K_eff, unit="logits per data distance")
    for (cost, sampling), values in emds.items():
        unit = SQUARED if cost == "sqeuclidean" else PLAIN
        for method, per_trial in values.items():
            run.put(f"emd_{cost}_{sampling}_{method}", float(per_trial.mean()), n=c.trials,
                    sd=float(per_trial.std(ddof=1)), unit=unit)
        for better, worse, _ in figure3.CLAIMS:
            mean, interval = paired_interval(values[better], values[worse])
            run.put(f"{better}_minus_{worse}_{cost}_{sampling}", mean, interval=interval,
                    n=c.trials, unit=unit)
    for method, per_trial in gaps.items():
        run.put(f"monge_gap_{method}", float(per_trial.mean()), sd=float(per_trial.std(ddof=1)),
                n=len(per_trial), unit=PLAIN)
    for label, values in few.items():
        run.put(f"setting: {label}", float(values["emd"].mean()), n=len(values["emd"]),
                sd=float(values["emd"].std(ddof=1)), unit=PLAIN)
    counts, means, spreads = pairs
    run.put("pairs", counts, unit="pairs")
    run.put("K_eff_by_pairs", np.asarray(means).tolist(), unit="logits per data distance")
    run.put("K_eff_by_pairs_sd", np.asarray(spreads).tolist(), unit="logits per data distance")
    return run
