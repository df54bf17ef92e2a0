"""k = 1 against k_eff ([DOT19] B.2): what the constant does to a step, and how large it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dotlib.errors import check_option
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import ImagePair, Measurement, Method, Table1Row
from dotlib.experiments.tab2_swap import PRINTED, SIGN, UNITS, describe
from dotlib.metrics import intervals
from dotlib.results import paper, records, tables
from dotlib.seeding import generator
from dotlib.training.settings import OBJECTIVES
from dotlib.transport import lipschitz

STEPS = (("score", "digits-*"),)

ARMS = {"k1": "k = 1", "k1step": "k = 1, step / k_eff", "dot": "k_eff", "naive": "no distance"}
EFFECTS = {"step": ("k1step", "k1"), "price": ("dot", "k1step"), "rest": ("naive", "dot")}
UPDATES = (0, 10, 20)  # of the tables in B.2; here: start, half, end
SLOPE = "logits per latent distance"


@dataclass(frozen=True)
class Sizes:
    """How much work goes into slopes.

    pair_counts:      pairs in the maximum of eq. (21); pair_repeats: multiples of the largest.
    gradient_points:  latents whose gradient norm is taken.
    """

    pair_counts: tuple[int, ...] = (10, 30, 100, 300, 1_000, 3_000)
    pair_repeats: int = 10
    gradient_points: int = 2_000


SIZES = {
    "smoke": Sizes(pair_counts=(10, 30, 100), pair_repeats=2, gradient_points=100),
    "laptop": Sizes(),
    "paper": Sizes(pair_counts=(10, 30, 100, 300, 1_000, 3_000, 10_000), gradient_points=10_000),
}


def sizes(profile: str) -> Sizes:
    """Sizes of a profile. Raises InputError for an unknown one."""
    check_option("profile", profile, SIZES)
    return SIZES[profile]


def with_arms(run: Table1Row, seed: int) -> Measurement:
    """A row of Table 1 with one more method, "k1step": k = 1 with steps of lr / k_eff.

    Its gradient of D counts as much as with k_eff, its gradient of the distance 1 / k_eff as much.
    """
    m, steps = run.measured, (run.settings.updates // 2, run.settings.updates)
    method = Method("k1step", steps, run.settings.lr / m.k_eff.value, k=1.0)
    more = image_pairs.measure(run.pair, (method,), run.panel.only_first(), run.settings, seed)
    return replace(m, rows=m.rows | more.rows, logits=m.logits | more.logits)


def difference(m: Measurement, first: str, second: str, step: int, quantity: str) -> tuple[float, tuple[float, float]]:
    """Paired difference of two arms after `step` updates, first minus second, and its interval."""
    return intervals.interval(m.of(first, step, quantity), m.of(second, step, quantity))


def lower_minus_higher(m: Measurement, step: int, quantity: str) -> tuple[float, float]:
    """95 % interval of the arm with the smaller k, of k_eff and 1, minus the other."""
    lower = ("dot", "k1") if m.k_eff.value < 1 else ("k1", "dot")
    return difference(m, *lower, step, quantity)[1]


def printed_k(kind: str, update: int, quantity: str) -> tuple[float, float]:
    """B.2, CIFAR-10, DCGAN: the score with k = 1 and with k_eff after 0, 10 or 20 updates."""
    k1, keff = (paper.value(f"b2.cifar10.dcgan.{kind}.{arm}.u{update}.{PRINTED[quantity]}") for arm in ("k1", "keff"))
    return k1.value, keff.value


def verdict(kind: str, update: int, quantity: str, interval: tuple[float, float], *, profile: str) -> str:
    """On the printed difference k_eff minus k = 1, from the 95 % interval of ours.

    For IS the rule of `published.judge_comparison` over the splits. FID has no printed sd; its two
    trials start from different samples of one G, so a gap that is not larger than that of their
    bare FIDs is not resolved by the print.
    """
    if quantity == "is_mean":
        k1, keff = (paper.value(f"b2.cifar10.dcgan.{kind}.{arm}.u{update}.is") for arm in ("k1", "keff"))
        return paper.verdict_on_order(keff, k1, interval, profile=profile, trials=paper.SPLITS)
    gap, bare = (keff - k1 for k1, keff in (printed_k(kind, u, quantity) for u in (update, 0)))
    found = paper.verdict_on_sign(gap, interval, profile=profile)
    return found if abs(gap) > abs(bare) or profile == "smoke" else paper.NOT_RESOLVED


def printed_constant(kind: str) -> float:
    """k_eff of an objective's DCGAN as B.2 prints it, logits per latent distance."""
    return paper.value(f"b2.cifar10.dcgan.{kind}.k_eff").value


def contrary() -> list[str]:
    """Printed rows in which k = 1 has the better score: "<objective>, <is|fid>, <n> updates"."""
    found = []
    for kind in OBJECTIVES:
        for update in UPDATES[1:]:
            for quantity, label in PRINTED.items():
                k1, keff = printed_k(kind, update, quantity)
                if SIGN[quantity] * (keff - k1) > 0:
                    found.append(f"{kind}, {label}, {update} updates")
    return found


def stl10_table(runs: Mapping[str, Table1Row]) -> str:
    """Markdown: the two histories that B.2 prints for STL-10, beside runs on that set.

    runs:  row of Table 1 -> its run; other data sets, and updates without scores, give a dash.
    """
    rows = []
    for name in ("resnet-sagan-ns", "dcgan-sagan-hi"):
        run = runs.get(name)
        for update in UPDATES:
            at = f"b2.stl10.{name.replace('-', '.', 1)}.u{update}"
            printed = [f"{paper.value(f'{at}.{q}').value:.2f}" for q in PRINTED.values()]
            here = ["-", "-"]
            if run and run.trained.settings.dataset == "stl10" and ("dot", update) in run.measured.rows:
                here = [f"{np.mean(run.measured.of('dot', update, q)):.2f}" for q in PRINTED]
            rows.append([f"{name}, {update} updates", *printed, *here])
    return tables.markdown(["DOT on STL-10", "IS, paper", "FID, paper", "IS, here", "FID, here"], rows)


@dataclass(frozen=True)
class Probe:
    """The slope of D(G(.)): by the recipe for growing numbers of pairs, and locally.

    curve:  eq. (21) against the number of pairs.
    norms:  (gradient_points,) gradient norms at latents of the prior.
    Both in logits per latent distance.
    """

    curve: lipschitz.LipschitzCurve
    norms: Tensor


def probe(pair: ImagePair, size: Sizes, seed: int) -> Probe:
    """Slopes of a pair's D(G(.)), with latents of its prior."""
    device = pair.device

    def sample(n: int, rng: torch.Generator) -> Tensor:
        return pair.prior.sample(n, rng).to(device)

    curve = lipschitz.curve(
        pair.latent_logit,
        sample,
        n_pairs=size.pair_counts,
        repeats=size.pair_repeats,
        rng=generator(seed, "pairs", pair.name),
    )
    z = sample(size.gradient_points, generator(seed, "gradients", pair.name))
    return Probe(curve, lipschitz.gradient_norms(pair.latent_logit, z))


def fill_k(
    record: records.Record, arms: Mapping[str, Measurement], probes: Mapping[str, Probe], runs: Mapping[str, Table1Row]
) -> None:
    """Put the k tables into their record, with a verdict for each printed row, step and score.

    arms, probes, runs:  row of Table 1 -> what `with_arms`, `probe` and `table1` gave.
    """
    describe(record, runs.values())
    for name, m in arms.items():
        steps, slope = (0, runs[name].settings.updates // 2, runs[name].settings.updates), probes[name]
        record.put(f"{name}, k_eff", m.k_eff.value, sd=m.k_eff.std, n=len(m.k_eff.maxima), unit=SLOPE)
        record.put(f"{name}, k_eff by pairs", slope.curve.mean.tolist(), unit=SLOPE)
        record.put(f"{name}, largest gradient norm", float(slope.norms.max()), unit=SLOPE, n=len(slope.norms))
        for step in steps[1:]:
            for quantity in PRINTED:
                for first, second in (("dot", "k1"), *EFFECTS.values()):
                    mean, interval = difference(m, first, second, step, quantity)
                    record.put(
                        f"{name}, {first} - {second}, {quantity}, {step}", mean, interval=interval, unit=UNITS[quantity]
                    )
        if (kind := name.partition("-")[2]) in OBJECTIVES and name.startswith("dcgan"):
            for update, step in zip(UPDATES[1:], steps[1:], strict=True):
                for quantity, label in PRINTED.items():
                    record.verdicts[f"{kind}, {label}, {update} updates"] = verdict(
                        kind, update, quantity, lower_minus_higher(m, step, quantity), profile=record.profile
                    )
