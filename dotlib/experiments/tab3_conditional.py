"""Table 3 of [DOT19], conditional DOT: its claims over trainings of the book's own pairs; Figures 1 and 5.

The rules are those of book/protocol, "Conditional pairs"; they were fixed before the runs.
"""

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from dotlib.data import images
from dotlib.evaluation import conditional, over_trainings, table3_trainings
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.conditional import QUANTITIES, UPDATES, Run
from dotlib.evaluation.one_training import Line
from dotlib.metrics.scores import SCORES
from dotlib.plots import curves as curve_plots
from dotlib.results import records, tables
from dotlib.results.records import Record
from dotlib.seeding import generator
from dotlib.training import imagenet, zoo
from dotlib.training.settings import dataset_of, row_of

STEPS = (("pair", "digits-cond-hi"), ("judge", "digits"))

SHOWN = 30  # updates of Figure 5
PICTURED = (207, 281, 366, 483, 963, 980)  # ImageNet classes: retriever, cat, gorilla, castle, pizza, volcano
CONTROLS = ("DOT", "DOT, k = 1", "official", "exact", "naive", "truncation")


# --- one training -------------------------------------------------------------------------------


def open_record(name: str, profile: str, seed: int, device: str = "cpu") -> Record:
    """Start the record of one conditional pair; to be called before the work, which it times."""
    parameters = asdict(conditional.scoring(dataset_of(name), profile)) | {"row": row_of(name)}
    return records.start(
        "tab3_conditional", profile=profile, dataset=name, seed=seed, parameters=parameters, device=device
    )


def fill_record(record: Record, run: Run, lines: list[Line]) -> None:
    """Put constants, hinge loss, judges and origins into a record; scores are in its table."""
    zoo.add_training_provenance(record, run.trained)
    record.made |= {"weights": run.pair.digests | run.panel.digests, "images": run.panel.origins}
    record.parameters |= {"training": run.trained.settings.key()}
    for name, constants in run.k.items():
        for y, k in enumerate(constants):
            record.put("k_eff", k, method=name, setting=y, unit="logits per latent distance")
    record.put("hinge loss", run.hinge, unit="")
    for name, judge in run.panel.judges.items():
        record.put("accuracy", judge.accuracy or 0.0, judge=name, unit="")
    record.put("lines", len(lines), unit="lines of the table")


def frame_of(record: Record, lines: Iterable[Line]) -> pd.DataFrame:
    """The lines of one training as a table over trainings has them."""
    return pd.DataFrame(lines).assign(dataset=record.dataset, seed=record.seed)


def trial_table(frame: pd.DataFrame) -> str:
    """Markdown, one training: Table 3's layout, IS and FID of each trial, a set of latents, mean over judges."""
    rows = []
    for method, trials in table3_trainings.K_TRIALS.items():
        for trial in trials:
            cells = (_of_trial(frame, method, update, trial) for update in (0, *UPDATES))
            rows.append([f"trial {trial}, {_constant(method)}", *cells])
    return tables.markdown(_trial_heads(), rows)


def paired_table(frame: pd.DataFrame) -> str:
    """Markdown, one training: what both constants change, over its sets, mean over judges, with 95 % intervals."""
    rows = []
    for quantity in ("is_mean", "fid"):
        bare = over_trainings.cells(frame, "bare", quantity)
        for method in table3_trainings.K_TRIALS:
            moved = (over_trainings.cells(frame, method, quantity, update) for update in UPDATES)
            changes = ((each - bare).groupby("set").mean() for each in moved)
            cells = (table3_trainings.shown(change, SCORES[quantity].digits) for change in changes)
            rows.append([f"{SCORES[quantity].label}, {_constant(method)}", *cells])
    return tables.markdown(["change from bare", *_trial_heads()[2:]], rows)


def printed_trials() -> str:
    """Markdown: Table 3 as printed, IS and FID."""
    rows = [
        [f"trial {trial}, {_constant(method)}", *(_pair_printed(trial, update) for update in (0, *UPDATES))]
        for method, trials in table3_trainings.K_TRIALS.items()
        for trial in trials
    ]
    return tables.markdown(_trial_heads(), rows)


def _trial_heads() -> list[str]:
    return ["IS, FID", *(f"{update} updates" for update in (0, *UPDATES))]


def _constant(method: str) -> str:
    return "k = 1" if method.endswith("k = 1") else "k_eff(y)"


def _pair_printed(trial: int, update: int) -> str:
    scores = (table3_trainings.printed(trial, update, quantity) for quantity in ("is_mean", "fid"))
    return ", ".join(f"{score.value:.2f}" for score in scores)


def _of_trial(frame: pd.DataFrame, method: str, update: int, trial: int) -> str:
    way, setting = (method, update) if update else ("bare", 1.0)
    lines = frame[(frame["method"] == way) & (frame["setting"] == setting) & (frame["set"] == trial - 1)]
    return ", ".join(f"{lines[quantity].mean():.2f}" for quantity in ("is_mean", "fid"))


# --- over trainings -------------------------------------------------------------------------------


def control_table(frame: pd.DataFrame) -> str:
    """Markdown, the trainings of one pair: every score bare and real, and what each way changes in it."""
    rows = [[name, *(_score(frame, name, quantity) for quantity in QUANTITIES)] for name in ("bare", "real")]
    for method, setting in _ways(frame):
        cells = []
        for quantity in QUANTITIES:
            moved = over_trainings.cells(frame, method, quantity, setting)
            change = over_trainings.by_training(moved - over_trainings.cells(frame, "bare", quantity))
            cells.append(table3_trainings.shown(change, SCORES[quantity].digits))
        rows.append([method if method != "truncation" else f"truncation to {setting:.0%}", *cells])
    return tables.markdown(["way", *(SCORES[quantity].label for quantity in QUANTITIES)], rows)


def _score(frame: pd.DataFrame, method: str, quantity: str) -> str:
    return f"{over_trainings.cells(frame, method, quantity).mean():.{SCORES[quantity].digits}f}"


def _ways(frame: pd.DataFrame) -> list[tuple[str, float]]:
    lines = frame[["method", "setting"]].drop_duplicates()
    own = {method: lines[lines["method"] == method]["setting"] for method in CONTROLS}
    return [(method, s) for method, of in own.items() for s in (of if method == "truncation" else [UPDATES[-1]])]


def against_table(frame: pd.DataFrame, first: str = "DOT") -> str:
    """Markdown, the trainings of one pair: every score of DOT after 32 updates minus that of each other way."""
    others = [method for method in CONTROLS if method not in (first, "truncation")]
    rows = []
    for quantity in (*QUANTITIES, "D", "moved"):
        own = over_trainings.cells(frame, first, quantity)
        gaps = (over_trainings.by_training(own - over_trainings.cells(frame, each, quantity)) for each in others)
        rows.append([SCORES[quantity].label, *(table3_trainings.shown(gap, SCORES[quantity].digits) for gap in gaps)])
    return tables.markdown([f"{first} minus", *others], rows)


# --- pictures -------------------------------------------------------------------------------------


def constants_figure(run: Run) -> Figure:
    """k_eff(y) of every label, with the label in D, eq. (26), and without, as released."""
    names = {"D(x|y)": "with y, eq. (26)", "D(x)": "without y, as released"}
    groups = {names[name]: constants for name, constants in run.k.items()}
    labels = [str(y) for y in range(len(run.k["D(x)"]))]
    return curve_plots.bars(groups, labels, xlabel="label y", ylabel="k_eff(y), logits per latent distance")


def evolution(run: Run, each: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Figure 5, k = 1: pixels (31, labels * each, C, H, W) uint8 after 0 to 30 updates, and D before and after."""
    z, labels = conditional.first_latents(run, each)
    shown, D = conditional.path(run.pair, z, labels, 1.0, SHOWN)
    return np.stack([images.to_uint8(frame).numpy() for frame in shown]), D.numpy()


def before_after(run: Run) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Figure 1: one latent of each label before and after, with D of the first and how it changed."""
    z, labels = conditional.first_latents(run, 1)
    shown, D = conditional.path(run.pair, z, labels, 1.0, SHOWN)
    return image_pairs.captioned({"bare": (shown[0], D[0]), "DOT": (shown[-1], D[1])})


def public_evolution(seed: int = 0, updates: int = SHOWN) -> np.ndarray | None:
    """Figure 5 on the public weights, pixels (updates + 1, classes, 3, 128, 128); None where their files are not."""
    if imagenet.folder() is None:
        return None
    pair = imagenet.load_conditional().pair
    z = pair.prior.sample(len(PICTURED), generator(seed, "ImageNet", "latents"))
    shown, _ = conditional.path(pair, z, torch.tensor(PICTURED), 1.0, updates)
    return np.stack([images.to_uint8(frame).numpy() for frame in shown])
