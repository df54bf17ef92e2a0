"""The page for a reader's own pair: what three numbers say of a transport, on a shipped pair and three constants."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dotlib.data.images import to_uint8
from dotlib.pairs import Pair
from dotlib.plots import curves as curve_plots
from dotlib.plots import images as image_plots
from dotlib.results import tables
from dotlib.transport.dot import Trajectory, latent_dot

STEPS = ()  # the pair is shipped

NAME = "mnist-dcgan-sngan-ns"
FACTORS = (3.0, 100.0, 0.3)  # of k_eff
UPDATES = 40
KEPT = (0, 5, 10, 20, 40)
FROZEN = 0.02  # latent distance: two updates of the paper's SGD at a slope of 1
BRAKE = 0.2  # share of the objective's gain that the distance has to pay back, or the cost hardly acts


def measured(pair: Pair, moved: Trajectory, z_y: Tensor) -> dict[str, Tensor]:
    """What tells whether a transport worked, each (B,): rise of D, distance, fall of the objective, eq. (23)."""
    with torch.no_grad():
        rise = pair.latent_logit(moved.final) - pair.latent_logit(z_y)
    distance = (moved.final - z_y).norm(dim=1)
    return {"rise of D": rise, "distance": distance, "fall": moved.objective[0] - moved.objective[-1]}


def word(of: Mapping[str, Tensor], k: float) -> str:
    """What happened: "frozen", "step too large", "runaway" (the distance hardly counts beside D / k) or "good"."""
    distance, rise = (float(of[name].median()) for name in ("distance", "rise of D"))
    if distance < FROZEN:
        return "frozen"
    if float(of["fall"].median()) <= 0:
        return "step too large"
    return "runaway" if distance < BRAKE * rise / k else "good"


class Regime(NamedTuple):
    """A constant, the descent with it, and what it measured."""

    k: float
    moved: Trajectory
    numbers: dict[str, Tensor]

    @property
    def word(self) -> str:
        """As `word` has it."""
        return word(self.numbers, self.k)


def regimes(pair: Pair, z_y: Tensor, k_eff: float) -> dict[str, Regime]:
    """The same latents under three constants, by a name such as "3 k_eff"."""
    of = {}
    for factor in FACTORS:
        k = factor * k_eff
        moved = latent_dot(pair, z_y, k, steps=UPDATES, variant="exact", snapshots=KEPT)
        of[f"{factor:g} k_eff"] = Regime(k, moved, measured(pair, moved, z_y))
    return of


def answer(of: Mapping[str, Regime]) -> str:
    """What the page sees on its own pair, in three sentences."""
    parts = [f"*{each.word}* with {name}" for name, each in of.items()]
    first = next(iter(of.values()))
    rise, distance = (float(first.numbers[name].median()) for name in ("rise of D", "distance"))
    return (
        f"Ten lines move your samples, and three numbers say whether it worked. On the shipped pair `{NAME}` they "
        f"say {', '.join(parts[:-1])} and {parts[-1]}; in the first case a typical latent moves by {distance:.2f} and "
        f"its $D$ rises by {rise:.2f}. That the transport works does not say that the samples are better: score them "
        "beside bare ones, from the same latents, with a judge that no step has seen."
    )


def table(of: Mapping[str, Regime]) -> str:
    """Markdown: constant, medians of the three numbers, the share of rows whose objective falls, and the word."""
    rows = []
    for name, each in of.items():
        medians = [f"{float(values.median()):.3f}" for values in each.numbers.values()]
        falls = float((each.numbers["fall"] > 0).float().mean())
        rows.append([name, f"{each.k:.3g}", *medians, f"{falls:.0%}", each.word])
    heads = ["constant", "k", "rise of D", "distance", "fall of the objective", "rows that fall", "word"]
    return tables.markdown(heads, rows)


def figure(of: Mapping[str, Regime]) -> Figure:
    """The objective along the updates, and what climbing gains against what it costs: a column for each constant."""
    panels = {}
    for name, each in of.items():
        gains = each.numbers["rise of D"] / each.k
        panels[f"{name}: {each.word}"] = each.moved.objective.numpy(), each.numbers["distance"].numpy(), gains.numpy()
    return curve_plots.descents(panels)


def samples(pair: Pair, each: Regime, n: int = 10) -> Figure:
    """The first n images of a descent, at the kept updates: a row for each number of updates."""
    with torch.no_grad():
        rows = {
            f"{step} updates" if step else "bare": to_uint8(pair.generate(each.moved.at(step)[:n])).numpy()
            for step in each.moved.steps
        }
    return image_plots.before_after(rows, {})
