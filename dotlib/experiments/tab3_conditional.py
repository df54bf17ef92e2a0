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
from dotlib.evaluation.conditional import QUANTITIES, UPDATES, Run
from dotlib.evaluation.judges import NETWORKS
from dotlib.evaluation.one_training import Line
from dotlib.evaluation.public_pair import STEM as PUBLIC
from dotlib.metrics import intervals
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
DESCENTS = CONTROLS[:-1]
NAMES = {"DOT": "DOT, k_eff(y)"}  # on the page, where "DOT" is the mean of both constants


# --- one training -------------------------------------------------------------------------------


def open_record(name: str, profile: str, seed: int, judge: str = "classifier", device: str = "cpu") -> Record:
    """Start the record of one conditional pair; to be called before the work, which it times."""
    parameters = asdict(conditional.scoring(dataset_of(name), profile, judge)) | {"row": row_of(name)}
    where = {"profile": profile, "seed": seed, "device": device, "judge": judge if judge in NETWORKS else ""}
    return records.start("tab3_conditional", dataset=name, parameters=parameters, **where)


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
        if judge.accuracy is not None:
            record.put("accuracy", judge.accuracy, judge=name, unit="")
    record.put("lines", len(lines), unit="lines of the table")


def frame_of(record: Record, lines: Iterable[Line]) -> pd.DataFrame:
    """The lines of one training as a table over trainings has them."""
    return pd.DataFrame(lines).assign(dataset=over_trainings.pair_of(record), seed=record.seed)


def quantities(frame: pd.DataFrame) -> list[str]:
    """The scores of a table: all, without class agreement where its judge names other classes."""
    return [quantity for quantity in QUANTITIES if quantity in frame]


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
            cells = (intervals.changed(change, SCORES[quantity].digits) for change in changes)
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


def changes(frame: pd.DataFrame, method: str, setting: float, quantity: str) -> pd.Series:
    """What a way changes in a score since the bare samples, in each training of one pair."""
    moved = over_trainings.cells(frame, method, quantity, setting)
    return over_trainings.by_training(moved - over_trainings.cells(frame, "bare", quantity))


def gaps(frame: pd.DataFrame, other: str, quantity: str, first: str = "DOT") -> pd.Series:
    """What one descent has minus what another has, at the published number of updates, in each training of one pair."""
    ends = (over_trainings.cells(frame, method, quantity) for method in (first, other))
    return over_trainings.by_training(next(ends) - next(ends))


def control_table(frame: pd.DataFrame) -> str:
    """Markdown, the trainings of one pair: every score bare and real, and what each way changes in it."""
    shown = quantities(frame)
    rows = [[name, *(_score(frame, name, quantity) for quantity in shown)] for name in ("bare", "real")]
    for method, setting in _ways(frame):
        cells = (intervals.changed(changes(frame, method, setting, q), _digits(q)) for q in shown)
        rows.append([_name(method, setting), *cells])
    return tables.markdown(["way", *(SCORES[quantity].label for quantity in shown)], rows)


def _score(frame: pd.DataFrame, method: str, quantity: str) -> str:
    return f"{over_trainings.cells(frame, method, quantity).mean():.{_digits(quantity)}f}"


def _digits(quantity: str) -> int:
    return 1 if quantity == "kid" else SCORES[quantity].digits  # of these judges, whose features are large


def _name(method: str, setting: float) -> str:
    return NAMES.get(method, method if method != "truncation" else f"truncation to {setting:.0%}")


def _ways(frame: pd.DataFrame) -> list[tuple[str, float]]:
    lines = frame[["method", "setting"]].drop_duplicates()
    own = {method: lines[lines["method"] == method]["setting"] for method in CONTROLS}
    return [(method, s) for method, of in own.items() for s in (of if method == "truncation" else [UPDATES[-1]])]


def against_table(frame: pd.DataFrame) -> str:
    """Markdown, the trainings of one pair: every score of DOT with k_eff(y) minus that of each other descent."""
    rows = []
    for quantity in (*quantities(frame), "D", "moved"):
        cells = (intervals.changed(gaps(frame, each, quantity), _digits(quantity)) for each in DESCENTS[1:])
        rows.append([SCORES[quantity].label, *cells])
    return tables.markdown([f"{NAMES['DOT']} minus", *DESCENTS[1:]], rows)


def moves_table(frame: pd.DataFrame) -> str:
    """Markdown, the trainings of one pair: how far each descent goes and how much it raises D."""
    rows = []
    for method in DESCENTS:
        values = {"moved": changes(frame, method, UPDATES[-1], "moved"), "D": changes(frame, method, UPDATES[-1], "D")}
        rows.append([_name(method, 0.0), *(intervals.changed(v, SCORES[q].digits) for q, v in values.items())])
    return tables.markdown(["way", "distance moved", "rise of D"], rows)


def excluding(of: Iterable[pd.DataFrame]) -> tuple[int, int]:
    """How many intervals of `control_table` and `against_table` exclude 0, and how many there are."""
    values = []
    for frame in of:
        shown = quantities(frame)
        values += [changes(frame, *way, q) for way in _ways(frame) for q in shown]
        values += [gaps(frame, each, q) for each in DESCENTS[1:] for q in (*shown, "D", "moved")]
    ends = [intervals.t_interval(each)[1] for each in values if len(each) > 1]
    return sum(low > 0 or high < 0 for low, high in ends), len(ends)


def agreement(frame: pd.DataFrame) -> str:
    """What each way changes in class agreement, in one line; a dash where the judge names other classes."""
    if "agreement" not in frame:
        return "-"
    parts = []
    for way in _ways(frame):
        change = intervals.changed(changes(frame, *way, "agreement"), SCORES["agreement"].digits)
        parts.append(f"{_name(*way)} {change}")
    return "; ".join(parts)


def texts(of: Iterable[pd.DataFrame]) -> dict[str, str]:
    """Numbers in the text of the page, over the trainings of the first pair; dashes where none is recorded."""
    pairs = [lines for frame in of for _, lines in frame.groupby("dataset")]
    if not pairs:
        return dict.fromkeys(("excluding", "intervals", "agreement"), "-")
    some, all_of_them = excluding(pairs)
    return {"excluding": str(some), "intervals": str(all_of_them), "agreement": agreement(pairs[0])}


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
    return ends(*evolution(run))


def public_path(seed: int = 0, updates: int = SHOWN, device: str = "cpu") -> tuple[np.ndarray, np.ndarray] | None:
    """The public weights along Algorithm 3, k = 1: pixels (updates + 1, classes, 3, 128, 128) uint8, D (2, classes).

    None where no folder is named. Its first and last images are Figure 1, all of them Figure 5.
    """
    if imagenet.folder() is None:
        return None
    pair = imagenet.load_conditional().on(device).pair
    z = pair.prior.sample(len(PICTURED), generator(seed, "ImageNet", "latents")).to(device)
    shown, D = conditional.path(pair, z, torch.tensor(PICTURED), 1.0, updates)
    return np.stack([images.to_uint8(frame).numpy() for frame in shown]), D.numpy()


def ends(pixels: np.ndarray, D: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Figure 1 from a path: its first and last images, with D of the first and how it changed."""
    captions = {"bare": [f"{d:.2f}" for d in D[0]], "DOT": [f"{d:+.2f}" for d in D[1] - D[0]]}
    return {"bare": pixels[0], "DOT": pixels[-1]}, captions


def public_trials() -> str:
    """Markdown: the trials of Table 3 that `dotlib step table3` has made here or that are kept, one row each."""
    places = records.KEPT, records.BUILT
    found = {record.key: record for place in places for record in records.stored(place, PUBLIC)}
    rows = []
    for record in found.values():
        cells = []
        for update in (0, *UPDATES):
            (score,) = record.rows(quantity="is_mean", setting=update)
            distance = next((f"{row.value:.2f}" for row in record.rows(quantity="fid", setting=update)), "-")
            cells.append(f"{score.value:.2f}({score.sd:.2f}), {distance}")
        of = record.parameters
        rows.append([f"trial {of['trial']}, {of['judge']}, {of['labels']} labels, N = {of['samples']:,}", *cells])
    return tables.markdown(_trial_heads(), rows) if rows else "No trial of Table 3 has been made here."
