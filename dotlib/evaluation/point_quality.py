"""What the EMD of Figure 3 does not tell of its points, and what it rewards.

The measures look at each point or have no bias, so they need no floor. The interventions change real or generated
points in one way only, so that a change of EMD has one cause.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dotlib.data.toy import mode_centres
from dotlib.errors import check_points
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.comparison import LOG_DENSITIES
from dotlib.evaluation.points import Clouds, Figure3, ToyPair
from dotlib.metrics.energy import energy_distance
from dotlib.metrics.modes import WITHIN, mode_quality
from dotlib.results import files
from dotlib.samplers.density_ratio import MODE_STD
from dotlib.seeding import generator

UNITS = {
    "energy_distance": toy_pairs.PLAIN,
    "near": "",
    "covered": "modes",
    "spread": "standard deviations of a mode",
    "log_density": "nats",
}

Quality = dict[str, dict[str, np.ndarray]]  # quantity -> method -> (trials,)


def measure(pair: ToyPair, sets: Clouds, settings: Figure3, seed: int) -> Quality:
    """Every quantity of `UNITS` for each set of points and for "real", of every trial; computed once.

    Targets and real points are those of the reading with random targets, as in `points.distances`. Quantities of modes
    are left out for a set without them; a spread is nan where no point is near a mode.
    """

    def measured() -> dict[str, dict[str, list[float | None]]]:
        result: dict[str, dict[str, list[float | None]]] = {}
        for trial in range(settings.trials):
            x = toy_pairs.target(pair, settings, seed, trial, "random")
            real = toy_pairs.target(pair, settings, seed, trial, "random", part="floor")
            for method, y in {"real": real, **{name: of_trials[trial] for name, of_trials in sets.items()}}.items():
                values = {"energy_distance": energy_distance(y, x)}
                values["log_density"] = float(LOG_DENSITIES[pair.dataset](y.double()).mean())
                if pair.data.modes is not None:
                    values |= asdict(mode_quality(y, mode_centres(), MODE_STD))
                for quantity, value in values.items():
                    result.setdefault(quantity, {}).setdefault(method, []).append(value)
        return result

    decides = [sets, pair.data.points, pair.dataset, settings.trials, settings.points, seed]
    values = files.cached(f"quality/{pair.name}", "values", measured, decides=decides)
    return {
        quantity: {method: np.array(trials, dtype=float) for method, trials in values[quantity].items()}
        for quantity in UNITS
        if quantity in values
    }


def near(trials: Tensor) -> np.ndarray:
    """Share of the points (trials, N, 2) of each trial within four sigma of a mode of the 25 Gaussians, (trials,)."""
    return np.array([mode_quality(y, mode_centres(), MODE_STD).near for y in trials])


def trial_rows(emds: Mapping[tuple[str, str], Mapping[str, np.ndarray]], quality: Quality) -> Iterator[dict[str, Any]]:
    """The table beside a record, from EMDs by cost and sampling: a line for each quantity, method and trial."""
    everything = {(f"emd_{cost}", sampling): emd for (cost, sampling), emd in emds.items()}
    everything |= {(quantity, "random"): of_methods for quantity, of_methods in quality.items()}
    for (quantity, sampling), of_methods in everything.items():
        for method, trials in of_methods.items():
            for trial in np.flatnonzero(np.isfinite(trials)).tolist():
                key = {"quantity": quantity, "setting": sampling, "method": method, "trial": trial}
                yield key | {"value": float(trials[trial])}


def between(x: Tensor, centres: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Points x (N, d) of which a random share goes half the way from its mode to a neighbouring one.

    A point belongs to the nearest of the centres (M, d); its neighbour is one of those that lie nearest to that, drawn
    at random. Raises InputError naming the argument.
    """
    check_points("x", x)
    check_points("centres", centres, width=x.shape[1])
    apart = torch.cdist(centres.double(), centres.double()).fill_diagonal_(torch.inf)  # (M, M)
    neighbours = (apart < apart.amin(1, keepdim=True) * 1.001).double()  # equal up to rounding
    moving = torch.randperm(len(x), generator=rng)[: round(share * len(x))]
    mode = torch.cdist(x[moving], centres.to(x)).argmin(1)
    other = torch.multinomial(neighbours[mode], 1, generator=rng)[:, 0] if len(moving) else mode
    moved = x.clone()
    moved[moving] += ((centres[other] - centres[mode]) / 2).to(x)
    return moved


def onto_modes(y: Tensor, centres: Tensor, std: float) -> Tensor:
    """Points y (N, d) of which those far from every mode, beyond WITHIN standard deviations, lie at the nearest centre.

    Raises InputError naming the argument.
    """
    check_points("y", y)
    check_points("centres", centres, width=y.shape[1])
    distance, mode = torch.cdist(y, centres.to(y)).min(1)
    return torch.where((distance > WITHIN * std)[:, None], centres.to(y)[mode], y)


def interventions(
    pair: ToyPair, g: Tensor, settings: Figure3, seed: int, shares: tuple[float, ...], sampling: str
) -> Clouds:
    """Label -> points of every trial of g, (trials, points, 2): real ones of which a share lies between modes, and G's.

    The real points are those of the floor of that sampling, so differences to "real" are paired, as are those of G's,
    whose far points are put onto their modes, to "g".
    """
    centres, trials = mode_centres(), range(len(g))
    real = [toy_pairs.target(pair, settings, seed, trial, sampling, part="floor") for trial in trials]
    changed = {}
    for share in shares:
        rngs = (generator(seed, "between", pair.name, sampling, str(trial)) for trial in trials)
        changed[real_between(share)] = torch.stack(
            [between(x, centres, share, rng) for x, rng in zip(real, rngs, strict=True)]
        )
    changed[ONTO_MODES] = torch.stack([onto_modes(y, centres, MODE_STD) for y in g])
    return changed


ONTO_MODES = "G, far points put at their nearest mode"


def real_between(share: float) -> str:
    """Label of the intervention that puts this share of real points between modes."""
    return f"real points, {share:.0%} put between modes"
