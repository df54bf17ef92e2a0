"""k = 1 against k_eff ([DOT19] B.2): what the constant does to a step, and how large it is."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from torch import Tensor

from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import keff_trainings, over_trainings, recording
from dotlib.evaluation.images import Measurement, Method, Table1Row
from dotlib.evaluation.keff_trainings import QUANTITIES, UPDATES, claims, printed, printed_gap
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, tables
from dotlib.results.records import Record
from dotlib.samplers import base as sampling
from dotlib.seeding import generator
from dotlib.training.settings import OBJECTIVES
from dotlib.transport import lipschitz

STEPS = (("score", "digits-*"),)

ARMS = {"k1": "k = 1", "k1step": "k = 1, step / k_eff", "dot": "k_eff", "naive": "no distance"}
EFFECTS = {"step": ("k1step", "k1"), "price": ("dot", "k1step"), "rest": ("naive", "dot")}
SLOPE = "logits per latent distance"

Arms = Mapping[str, Measurement]  # row of Table 1 -> what `with_arms` gives
Runs = Mapping[str, Table1Row]  # the same rows
Probe = tuple[lipschitz.LipschitzCurve, Tensor]  # what `probe` gives


@dataclass(frozen=True)
class Settings:
    """How much work goes into slopes."""

    pair_counts: tuple[int, ...] = (10, 30, 100, 300, 1_000, 3_000)  # pairs in the maximum of eq. (21)
    pair_repeats: int = 10  # multiples of the largest
    gradient_points: int = 2_000  # latents whose gradient norm is taken


SETTINGS = {
    "smoke": Settings(pair_counts=(10, 30, 100), pair_repeats=2, gradient_points=100),
    "laptop": Settings(),
    "paper": Settings(pair_counts=(10, 30, 100, 300, 1_000, 3_000, 10_000), gradient_points=10_000),
}


def with_arms(run: Table1Row, seed: int) -> Measurement:
    """A row of Table 1 with one more method, "k1step": k = 1 with steps of lr / k_eff."""
    known, steps = run.measured, (run.settings.updates // 2, run.settings.updates)
    method = Method("k1step", steps, run.settings.lr / known.k_eff.value, k=1.0)
    more = image_pairs.measure(run.pair, (method,), run.panel.only_first(), run.settings, seed)
    return replace(known, rows=known.rows | more.rows, logits=known.logits | more.logits)


def difference(
    measured: Measurement, first: str, second: str, step: int, quantity: str
) -> tuple[float, tuple[float, float]]:
    """Paired difference of two arms after `step` updates, first minus second, and its interval."""
    return intervals.interval(measured.of(first, step, quantity), measured.of(second, step, quantity))


def lower_minus_higher(measured: Measurement, step: int, quantity: str) -> tuple[float, float]:
    """95 % interval of the arm with the smaller k, of k_eff and 1, minus the other."""
    lower = ("dot", "k1") if measured.k_eff.value < 1 else ("k1", "dot")
    return difference(measured, *lower, step, quantity)[1]


def claim_of(measured: Measurement, step: int, printed_at: tuple[str, int, str], *, own: bool = False) -> paper.Claim:
    """The claim on one printed difference of k_eff and k = 1, at (objective, update, quantity), from ours after `step`.

    The two printed trials start from different samples of one G, so the print resolves no smaller difference than two
    prints of one bare score have.
    """
    gap, (*_, quantity) = printed_gap(*printed_at), printed_at
    mean, ends = difference(measured, "dot", "k1", step, quantity)
    interval, sets = lower_minus_higher(measured, step, quantity), len(measured.of("dot", step, quantity))
    least = paper.reprint_gap(SCORES[quantity].printed)
    return paper.comparison(gap, interval, sets, own=own, least=least, measured=tables.change(mean, ends))


def contrary() -> list[str]:
    """Names of the printed comparisons in which k = 1 has the better score."""
    return [claim for claim, at in claims().items() if (printed_gap(*at) > 0) == SCORES[at[2]].lower_is_better]


def unresolved() -> list[str]:
    """Names of the printed comparisons that are no larger than two prints of one bare generator differ."""
    return [c for c, at in claims().items() if abs(printed_gap(*at)) <= paper.reprint_gap(SCORES[at[2]].printed)]


def probe(pair: image_pairs.ImagePair, settings: Settings, seed: int) -> Probe:
    """Slopes of a pair's D(G(.)): eq. (21) against the number of pairs, and gradient norms, latents of its prior."""
    sample, rng = partial(sampling.latents, pair), generator(seed, "pairs", pair.name)
    counts = {"n_pairs": settings.pair_counts, "repeats": settings.pair_repeats}
    z = sample(settings.gradient_points, generator(seed, "gradients", pair.name))
    curve = lipschitz.curve(pair.latent_logit, sample, rng=rng, **counts)
    return curve, lipschitz.gradient_norms(pair.latent_logit, z)


def fill_record(record: Record, arms: Arms, probes: Mapping[str, Probe], runs: Runs) -> None:
    """Put the tables into their record, by row of Table 1, with a verdict for each printed comparison."""
    recording.describe(record, runs.values())
    for row, measured in arms.items():
        steps, (curve, norms) = [_step(runs[row], update) for update in UPDATES[1:]], probes[row]
        record.put_trials("k_eff", measured.k_eff.maxima.numpy(), pair=row, unit=SLOPE)
        for count, value in zip(curve.n_pairs, curve.mean.tolist(), strict=True):
            record.put("k_eff by pairs", value, pair=row, setting=count, unit=SLOPE)
        record.put("largest gradient norm", float(norms.max()), pair=row, unit=SLOPE, n=len(norms))
        values = recording.values_of(measured, QUANTITIES)
        for (a, b), step, quantity in itertools.product((("dot", "k1"), *EFFECTS.values()), steps, QUANTITIES):
            recording.put_change(record, quantity, values, (a, step), (b, step), pair=row)
    own, judged = recording.on_papers_data(record, "cifar10"), []
    for text, (kind, update, quantity) in claims().items():
        row = f"dcgan-{kind}"
        claim = claim_of(arms[row], _step(runs[row], update), (kind, update, quantity), own=own)
        judged.append((record, text, claim))
    recording.put_verdicts(judged)


def _step(run: Table1Row, update: int) -> int:
    """The update of a run that stands beside a printed one."""
    return update * run.settings.updates // UPDATES[-1]


def score_table(arms: Arms, runs: Runs) -> str:
    """Markdown: IS and FID of each trial after the updates, as printed and here."""
    rows = []
    for kind in OBJECTIVES:
        measured, run = arms[f"dcgan-{kind}"], runs[f"dcgan-{kind}"]
        k_eff = f"{paper.value(f'b2.cifar10.dcgan.{kind}.k_eff').value:.2f}", f"{measured.k_eff.value:.2g}"
        for trial, (arm, name, *both) in enumerate((("k1", "k = 1", "1", "1"), ("dot", "k_eff", *k_eff))):
            scores = [[printed(kind, update, q)[trial].value for q in QUANTITIES] for update in UPDATES]
            for step in (_step(run, update) for update in UPDATES):
                scores.append([float(np.mean(measured.of(arm if step else "dot", step, q))) for q in QUANTITIES])
            rows.append([f"{kind}, {name}", *both, *(f"{is_mean:.2f}, {fid:.2f}" for is_mean, fid in scores)])
    here = (f"{_step(runs['dcgan-wgan-gp'], update)}, here" for update in UPDATES)
    heads = ["k, paper", "k, here", *(f"{update}, paper" for update in UPDATES), *here]
    return tables.markdown(["IS, FID after updates", *heads], rows)


def history(measured: Measurement, updates: int, quantity: str) -> dict[str, tuple]:
    """Change to the bare samples of each arm: (updates, mean, half of the 95 % interval)."""
    lines, steps = {}, (updates // 2, updates)
    for arm, label in ARMS.items():
        bare = measured.of("dot", 0, quantity)
        changes = [intervals.interval(measured.of(arm, step, quantity), bare) for step in steps]
        halves = [(high - low) / 2 for _, (low, high) in changes]
        lines[label] = ((0, *steps), [0, *(mean for mean, _ in changes)], [0, *halves])
    return lines


def slope_table(arms: Arms, probes: Mapping[str, Probe]) -> str:
    """Markdown: for each row of Table 1 the recipe's k_eff, that of the most pairs, and gradient norms beside it."""
    rows, most = [], 0
    for row, (curve, norms) in probes.items():
        k, most = arms[row].k_eff, curve.n_pairs[-1]
        slopes = [f"{k.value:.3g} ± {k.std:.2g}", *(f"{x:.3g}" for x in (curve.mean[-1], norms.median(), norms.max()))]
        rows.append([row, *slopes, f"{norms.max() / k.value:.1f}", f"{(norms > k.value).double().mean():.0%}"])
    heads = ["median gradient norm", "largest gradient norm", "largest / k_eff", "share above k_eff"]
    return tables.markdown(["pair", "k_eff, recipe", f"{most:,} pairs", *heads], rows)


def stl10_table(runs: Runs) -> str:
    """Markdown: the two histories that B.2 prints for STL-10, beside runs on that set; a dash where there is none."""
    rows = []
    for name in ("resnet-sagan-ns", "dcgan-sagan-hi"):
        run = runs.get(name)
        for update in UPDATES:
            at = f"b2.stl10.{name.replace('-', '.', 1)}.u{update}"
            cells = [f"{paper.value(f'{at}.{SCORES[q].printed}').value:.2f}" for q in QUANTITIES] + ["-", "-"]
            if run and run.trained.settings.dataset == "stl10" and ("dot", update) in run.measured.rows:
                cells[2:] = [f"{np.mean(run.measured.of('dot', update, q)):.2f}" for q in QUANTITIES]
            rows.append([f"{name}, {update} updates", *cells])
    return tables.markdown(["DOT on STL-10", "IS, paper", "FID, paper", "IS, here", "FID, here"], rows)


def training_tables(of: Mapping[str, pd.DataFrame], record: Record, arms: Arms, runs: Runs) -> str:
    """Markdown: the printed comparisons over the trainings of each data set; beside them this build, if of the same."""
    texts = []
    for label, frame in of.items():
        same = over_trainings.label_of(record) == label
        here = {
            text: tables.change(
                *difference(arms[f"dcgan-{kind}"], "dot", "k1", _step(runs[f"dcgan-{kind}"], update), q)
            )
            for text, (kind, update, q) in claims().items()
            if same
        }
        texts.append(f"*{label}*\n\n{keff_trainings.table(frame, here, 'one training, this build, over sets')}")
    return "\n\n".join(texts) or "No training is recorded yet."


def claim_table(record: Record, arms: Arms, runs: Runs) -> str:
    """Markdown: for each network and update the printed difference, that of one training and the word on it."""
    rows: dict[str, list[str]] = {}
    for claim, (kind, update, quantity) in claims().items():
        measured, step = arms[f"dcgan-{kind}"], _step(runs[f"dcgan-{kind}"], update)
        here = tables.change(*difference(measured, "dot", "k1", step, quantity))
        cells = rows.setdefault(f"{kind}, {update} updates", [f"{measured.k_eff.value:.2g}"])
        cells += [f"{printed_gap(kind, update, quantity):+.2f}", here, record.verdicts[claim]]
    heads = [h for score in ("IS", "FID") for h in (f"{score}, paper", f"{score}, here", "one training")]
    return tables.markdown(["k_eff - (k = 1)", "k_eff, here", *heads], [[name, *row] for name, row in rows.items()])
