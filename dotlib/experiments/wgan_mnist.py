"""The report "DOT Applied to WGAN": one training measured, its record, and what the page shows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dotlib.data import images
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import over_trainings, wgan, wgan_statements
from dotlib.evaluation.one_training import Line
from dotlib.evaluation.wgan import LRS, UPDATES, Run, Way
from dotlib.evaluation.wgan_statements import CODE, FREE, GP, SN, Runs
from dotlib.metrics import frequencies, intervals
from dotlib.metrics.scores import SCORES
from dotlib.plots import curves as curve_plots
from dotlib.results import paper, records, tables
from dotlib.results.records import Record
from dotlib.training import zoo
from dotlib.training.settings import dataset_of, mlp_training, row_of

STEPS = (("pair", "digits-mlp-wgan-gp"), ("judge", "digits"))

STEM = "wgan_mnist"
CONSTRAINTS = {"gradient penalty": GP, "spectral norm": SN, "none": FREE}
FOLLOWED = 64  # latents whose radius is followed
SHOWN = 8  # samples of a strip
READINGS = {
    "sqrt_dim": "divided by the root of 100, as printed",
    "norm": "divided by the square of the norm",
    "none": "none",
}


def open_record(name: str, profile: str, seed: int, whole: bool, device: str = "cpu") -> Record:
    """Start the record of one training; to be called before the work, which it times."""
    chosen = [asdict(way) for way in wgan.ways(whole)]
    parameters = asdict(wgan.scoring(dataset_of(name), profile)) | {"row": row_of(name), "whole": whole, "ways": chosen}
    return records.start(STEM, profile=profile, dataset=name, seed=seed, parameters=parameters, device=device)


def fill_record(record: Record, run: Run, lines: list[Line], along: Mapping[int, Mapping[str, float]]) -> None:
    """Put constants, both norms along the training, judges and origins into a record; scores are in its table."""
    zoo.add_training_provenance(record, run.trained)
    record.made |= {"weights": run.pair.digests | run.panel.digests, "images": run.panel.origins}
    record.parameters |= {"training": run.trained.settings.key()}
    for name, curve in run.curves.items():
        unit = f"logits per {'data' if name == 'K_eff' else 'latent'} distance"
        for n, mean, sd in zip(run.pairs, curve["mean"], curve["std"], strict=True):
            record.put(name, mean, setting=n, sd=sd, n=wgan.REPEATS, unit=unit)
    for update, norms in along.items():
        for name, value in norms.items():
            record.put(f"norm {name}", value, setting=update, unit="logits per data distance")
    if (product := wgan.product_of_norms(run)) is not None:
        record.put("product of norms", product, unit="logits per data distance")
    for name, judge in run.panel.judges.items():
        record.put("accuracy", judge.accuracy or 0.0, judge=name, unit="")
    record.put("lines", len(lines), unit="lines of the table")


def built_table(lines: Sequence[Line]) -> str:
    """Markdown: the ways that were measured for this page, one training, mean over sets and judges."""
    frame = pd.DataFrame(lines).groupby(["method", "setting"], sort=False).mean(numeric_only=True).reset_index()
    quantities = ("fid", "precision", "recall", "D", "moved")
    rows = [
        [
            row["method"] + (f", {row['setting']:g}" if row["setting"] != 1 else ""),
            *(f"{row[quantity]:.{SCORES[quantity].digits}f}" for quantity in quantities),
            f"{row['changed']:.0%}",
        ]
        for _, row in frame.iterrows()
    ]
    return tables.markdown(["way, its setting", *(SCORES[q].label for q in quantities), "other label"], rows)


# --- over trainings -------------------------------------------------------------------------------


def norm_curves(of: Runs, quantity: str) -> dict[str, tuple[list[float], np.ndarray, np.ndarray]]:
    """Constraint -> (updates, mean over trainings, half of its 95 % interval) of log10 of a norm along the training."""
    curves = {}
    for label, pair in CONSTRAINTS.items():
        rows = of.constants[(of.constants["pair"] == pair) & (of.constants["quantity"] == f"norm {quantity}")]
        if rows.empty:
            continue
        grid = rows.pivot(index="setting", columns="seed", values="value").dropna().map(math.log10)
        several = grid.shape[1] > 1
        ends = [intervals.t_interval(row)[1] if several else (0.0, 0.0) for row in grid.to_numpy()]
        half = np.array([(high - low) / 2 for low, high in ends])
        curves[label] = ([float(x) for x in grid.index], grid.mean(axis=1).to_numpy(), half)
    return curves


def norms_figure(of: Runs) -> Figure:
    """Figures 1 to 3: K_eff and the slope at samples along the training, for each constraint."""
    panels = {"K_eff": "K_eff", "slope": "mean slope at samples"}
    unit = "log10 of logits per data distance"
    return curve_plots.histories(
        {title: (unit, norm_curves(of, name)) for name, title in panels.items()}, xlabel="updates of G"
    )


def norm_table(of: Runs) -> str:
    """Markdown: what "the norm of D" is at the end of training, for each constraint and each reading."""
    rows = []
    for label, pair in CONSTRAINTS.items():
        values = [of.constant(f"norm {name}", pair) for name in wgan_statements.NORMS]
        values += [of.constant("product of norms", pair), of.score("fid", "bare", 1.0, pair)]
        rows.append(
            [label, str(len(values[0])), *(intervals.shown(v, positive=True) if len(v) else "-" for v in values)]
        )
    return tables.markdown(
        ["constraint", "trainings", *wgan_statements.NORMS.values(), "product of layers", "FID of bare samples"], rows
    )


def growth_table(of: Runs) -> str:
    """Markdown: both constants against the number of pairs behind a maximum, over trainings with the penalty."""
    settings = sorted(of.constants.loc[of.constants["quantity"] == "K_eff", "setting"].unique())
    rows = [
        [f"{int(n):,}", *(intervals.shown(of.constant(name, setting=n), 3) for name in ("K_eff", "k_eff"))]
        for n in settings
    ]
    return tables.markdown(["pairs behind a maximum", "K_eff", "k_eff"], rows)


def change_table(of: Runs, ways: Mapping[str, tuple[str, float]], quantities: Sequence[str], pair: str = GP) -> str:
    """Markdown: what ways change since the bare samples, over trainings; the first line has bare samples themselves."""
    bare = [f"{of.score(q, 'bare', 1.0, pair).mean():.{_digits(q)}f}" for q in quantities]
    rows = [["bare, a score", *bare]]
    for label, way in ways.items():
        changes = (of.change(quantity, way, pair=pair) for quantity in quantities)
        rows.append(
            [
                label,
                *(intervals.changed(c, _digits(q)) for q, c in zip(quantities, changes, strict=True)),
            ]
        )
    return tables.markdown(["change from bare", *(_label(q) for q in quantities)], rows)


COUPLED = {"every row alone": ("program, l2", 0.05)} | {f"{n} rows tied": ("coupled", n) for n in wgan.BATCHES}
SAVED = {
    "saved in [-1, 1]": (wgan.SAVED.name, 1.0),
    "best": ("best", 1.0),
    "best, saved in [-1, 1]": ("best, saved in [-1, 1]", 1.0),
}
TARGETS = {
    f"{word}, {lr:g} and {n} updates": (f"target, {word}", lr)
    for word in ("printed", "program")
    for lr, n in wgan.TARGET
}
CONTROLS = {"best, as printed": ("best", 1.0), "best, program": ("best, program", 1.0)} | {
    f"truncation to {share:.0%}": ("truncation", share) for share in wgan.SHARES
}


def _digits(quantity: str) -> int:
    return SCORES[quantity].digits if quantity in SCORES else 3


def _label(quantity: str) -> str:
    heads = {"rough": "high frequencies of the change", "changed": "other label", "apart": "distance of two samples"}
    return SCORES[quantity].label if quantity in SCORES else heads.get(quantity, quantity)


def program_table(of: Mapping[str, Runs]) -> str:
    """Markdown: what the ways of the report do to the pairs of its program's network, each data set that has one."""
    target, saved = (wgan_statements.TARGETS, wgan.TARGET[0][0]), "saved in [-1, 1]"
    ways = {"target, program": target} | CONTROLS | {f"bare, {saved}": SAVED[saved]}
    texts = []
    for label, each in of.items():
        if n := each.seeds(CODE):
            slope, K = (intervals.shown(each.constant(f"norm {name}", CODE)) for name in ("slope", "K_eff"))
            head = f"*{label}*, the program's network, trainings: {n}. Slope at samples {slope}, K_eff {K}."
            texts.append(f"{head}\n\n{change_table(each, ways, ('precision', 'recall', 'fid', 'D', 'moved'), CODE)}")
    return "\n\n".join(texts) or "No training of it is recorded yet."


NOTHING = "No training is recorded yet."
SIDES = {"digits": 8}  # of a picture as D sees it; 28 for the others
AFTER, BEFORE = ((wgan_statements.TARGETS, lr) for lr, _ in reversed(wgan.TARGET))


def noise(of: Mapping[str, Runs]) -> str:
    """Sentences, one a data set: how rough the program's change in image space is, beside noise and beside before."""
    texts = []
    for label, each in of.items():
        side = SIDES.get(label.partition(",")[0], 28)
        rough, rougher = (
            intervals.shown(each.score("rough", *AFTER), 3),
            intervals.changed(each.change("rough", AFTER, BEFORE), 3),
        )
        texts.append(
            f"On *{label}* independent pixels would have {frequencies.white_share(side, side):.2f} on average; "
            f"the change after both additions has {rough}, a difference of {rougher} to the change before."
        )
    return " ".join(texts) or NOTHING


def as_printed(of: Mapping[str, Runs]) -> str:
    """Sentences, one a data set: what Algorithm 1 as printed does to FID, without and with both additions."""
    texts = []
    for label, each in of.items():
        fids = (intervals.changed(each.change("fid", ("target, printed", lr)), 2) for lr, _ in wgan.TARGET)
        texts.append(f"On *{label}* it changes FID by {next(fids)}, and with both additions by {next(fids)}.")
    return " ".join(texts) or NOTHING


def tied(of: Mapping[str, Runs]) -> str:
    """Sentences, one a data set: how far the rows of the largest batch move that are tied together."""
    way = ("coupled", wgan.BATCHES[-1])
    moved = {label: intervals.shown(each.score("moved", *way), 2) for label, each in of.items()}
    return " ".join(f"On *{label}* {way[1]} tied rows move by {text}." for label, text in moved.items()) or NOTHING


def steps(of: Mapping[str, Runs]) -> str:
    """Sentences, one a data set: what a larger step of the printed sweep does, from the first to the second and on."""
    texts = []
    for label, each in of.items():
        parts = []
        for low, high in pairwise(LRS):
            ways = (wgan_statements.LIKE, high), (wgan_statements.LIKE, low)
            precision, recall = (intervals.changed(each.change(q, *ways), 3) for q in ("precision", "recall"))
            parts.append(f"from {low:g} to {high:g} precision changes by {precision} and recall by {recall}")
        texts.append(f"On *{label}*, {'; '.join(parts)}.")
    return " ".join(texts) or NOTHING


def beyond_truncation(of: Mapping[str, Runs]) -> str:
    """Markdown: the best setting minus truncation of each strength, by data set, and in which scores it is better."""
    rows = []
    for label, each in of.items():
        for share in sorted(wgan.SHARES):
            gaps = {q: each.change(q, SAVED["best"], ("truncation", share)) for q in ("precision", "recall", "fid")}
            words: dict[str, list[str]] = {"better": [], "worse": []}
            for quantity, values in gaps.items():
                low, high = intervals.t_interval(values)[1] if len(values) >= over_trainings.LEAST else (-1.0, 1.0)
                if low > 0 or high < 0:
                    falls = SCORES[quantity].lower_is_better
                    words["better" if (high < 0) == falls else "worse"].append(SCORES[quantity].label)
            cells = (intervals.changed(values, _digits(quantity)) for quantity, values in gaps.items())
            rows.append([label, f"{share:.0%}", *cells, *(", ".join(each) or "-" for each in words.values())])
    heads = ["best setting minus", "truncation to", "precision", "recall", "FID", "better in", "worse in"]
    return tables.markdown(heads, rows) if rows else NOTHING


def plane(of: Runs, family: str) -> dict[str, tuple[list[float], list[float]]]:
    """Cost -> (recalls, precisions), means over trainings, from bare along the step sizes; "bare" and "real" alone."""
    ways = {cost: [("bare", 1.0), *((f"{family}, {cost}", lr) for lr in LRS)] for cost in wgan.COSTS}
    ways |= {name: [(name, 1.0)] for name in over_trainings.UNMOVED}

    def means(quantity: str, of_ways: Sequence[tuple[str, float]]) -> list[float]:
        return [float(of.score(quantity, *way).mean()) for way in of_ways]

    return {name: (means("recall", of_ways), means("precision", of_ways)) for name, of_ways in ways.items()}


def plane_figure(of: Runs, family: str) -> Figure:
    """The sweep of step sizes in the plane of recall and precision."""
    return curve_plots.paths(plane(of, family), xlabel="recall", ylabel="precision")


def answer(of: Mapping[str, Runs]) -> str:
    """The first screen: what is contradicted and what holds, and the trap in numbers."""
    if not of:
        return "No training is recorded yet: only the sentences of theory have verdicts."
    texts = ["With the penalty the norm of D should come near 1, and the best setting should raise precision."]
    for label, each in of.items():
        words = wgan_statements.verdicts(each)
        n = each.seeds()
        text = f"*{label}*, trainings with the penalty: {n}. "
        if n > 1:
            slope, K = (intervals.shown(each.constant(f"norm {name}")) for name in ("slope", "K_eff"))
            saved, fid = (each.change("fid", way) for way in (SAVED["saved in [-1, 1]"], ("best", 1.0)))
            text += (
                f"The slope at samples is {slope} (**{words['s4.gp.slope'].word}**), K_eff over 500 pairs {K} "
                f"(**{words['s4.gp.keff'].word}**). The best setting changes precision by "
                f"{intervals.changed(each.change('precision', ('best', 1.0)), 3)} (**{words['s4.best'].word}**) "
                f"and FID by {intervals.changed(fid)}; saving bare samples without rescaling them changes FID by "
                f"{intervals.changed(saved)}, "
                f"{'more' if abs(saved.mean()) > abs(fid.mean()) else 'less'} than this transport does. "
            )
        counts = paper.counted((id, verdict.word) for id, verdict in words.items())
        texts.append(text + f"The {len(words)} statements of the report: {counts}.")
    return "\n\n".join(texts)


# --- pictures of one pair ----------------------------------------------------------------------------


def latents(run: Run, n: int) -> Tensor:
    """The first n latents of the first set, (n, d)."""
    return image_pairs.latents(run.pair, run.settings, run.seed, 0)[:n].to(run.pair.device)


def radius_figure(run: Run, lr: float = 0.05) -> Figure:
    """Mean norm of latents along Algorithm 2 with its squared cost, for three readings of its projection."""
    z = latents(run, FOLLOWED)
    lines = {name: wgan.radii(run, z, word, "sqeuclidean", lr) for word, name in READINGS.items()}
    curves = {name: np.pad(np.array(r), (0, UPDATES + 1 - len(r)), constant_values=np.nan) for name, r in lines.items()}
    return curve_plots.lines(range(UPDATES + 1), curves, xlabel="updates", ylabel="mean norm of a latent", log_y=True)


@torch.no_grad()
def _pictured(run: Run, way: Way) -> tuple[Tensor, Tensor]:
    x, _ = wgan.moved(way, run, latents(run, SHOWN))
    return x, run.pair.logit(x)


def strips(run: Run, ways: Mapping[str, Way]) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """A row of samples for each way, from the same latents, with D of the first and how it changed."""
    rows = {name: _pictured(run, way) for name, way in ways.items()}
    return image_pairs.captioned({name: (x.cpu(), D.cpu()) for name, (x, D) in rows.items()})


def trap(run: Run) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Samples bare, moved by the best setting, and bare but saved as the program does; D of the first, then its change.

    Saving is no move, so the third row changes nothing in D.
    """
    pixels, captions = strips(run, {"bare": wgan.BARE, "best setting": wgan.BEST, "bare, saved in [-1, 1]": wgan.BARE})
    name = "bare, saved in [-1, 1]"
    saved = wgan.as_saved(images.to_float(torch.from_numpy(pixels[name])))
    return pixels | {name: images.to_uint8(saved).numpy()}, captions


def printed() -> dict[str, str]:
    """The report's numbers that the page names."""
    texts = {f"printed_{q}": f"{paper.value(f's4.best.{q}').value:g}" for q in ("fid", "precision", "recall")}
    texts |= {"pairs": f"{paper.value('s4.pairs.number').value:,.0f}", "k": f"{paper.value('s4.best.k').value:g}"}
    return texts


def end_radius(run: Run, lr: float = LRS[-1]) -> str:
    """Mean norm of latents before and after the sweep's descent with its own projection, at a step size."""
    radii = wgan.radii(run, latents(run, FOLLOWED), "norm", "sqeuclidean", lr)
    return f"{radii[0]:.1f} to {radii[-1]:.1f}"


PRESETS = {
    "units of G": lambda s: s.width_G,
    "layer norm in D": lambda s: "yes" if s.design == "code" else "no",
    "updates of G": lambda s: f"{s.generator_updates:,}",
    "updates of D for one of G": lambda s: f"{s.critic_updates_at(0)}, at last {s.critic_updates}",
    "step size": lambda s: f"{s.lr_at(0)['G']:g}, at last {s.lr_last:g}",
    "Adam's betas": lambda s: f"{s.beta1:g}, {s.beta2:g}",
    "decay of weights": lambda s: f"{s.weight_decay:g}",
    "weight of the penalty": lambda s: f"{s.gp_weight:g}",
}  # field of the table -> its text, from the settings
LEFT_OPEN = ("updates of D for one of G", "weight of the penalty")  # by the report


def preset_table() -> str:
    """Markdown: the training as printed, that of the program, and what this book runs in "laptop" by data set."""
    kinds = [("mnist", "wgan-gp", "paper"), ("mnist", "wgan-gp-code", "paper")]
    kinds += [(dataset, "wgan-gp", "laptop") for dataset in ("digits", "mnist")]
    settings = [mlp_training(*kind) for kind in kinds]
    rows = [[name, *(str(text(each)) for each in settings)] for name, text in PRESETS.items()]
    rows = [[name, f"{first} (ours)" if name in LEFT_OPEN else first, *rest] for name, first, *rest in rows]
    return tables.markdown(["", "printed", "program", "here, digits", "here, MNIST"], rows)


def target_ways() -> dict[str, Way]:
    """Bare samples and the program's transport in image space, before and after two more updates and 0.05 more."""
    found = {way.setting: way for way in wgan.ways(whole=False) if way.name == wgan_statements.TARGETS}
    return {"bare": wgan.BARE} | {f"{lr:g}, {n} updates": found[lr] for lr, n in wgan.TARGET}


def label_figure(run: Run) -> Figure:
    """Shares of the labels that the first judge sees, bare and at each step size of the printed sweep."""
    chosen = {"bare": wgan.BARE} | {f"step size {w.lr:g}": w for w in wgan.sweep("printed", False)[: len(LRS)]}
    z = latents(run, run.settings.samples)
    shares = {name: wgan.shares_of_labels(run, wgan.moved(way, run, z)[0]) for name, way in chosen.items()}
    labels = [str(label) for label in range(len(shares["bare"]))]
    return curve_plots.bars(shares, labels, xlabel="label", ylabel="share of samples")


def along_training(run: Run) -> np.ndarray | None:
    """Figure 4: (milestones, 32, 1, H, W) uint8 of the same latents, oldest first; None for a shipped pair."""
    z = latents(run, 32)
    with torch.no_grad():
        frames = [images.to_uint8(pair.generate(z).cpu()).numpy() for _, pair in zoo.milestones(run.trained)]
    return np.stack(frames) if frames else None
