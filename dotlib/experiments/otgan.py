"""OT-GAN, as the report "Optimal Transport GAN" has it: its settings, trained and measured, and what the page shows."""

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dotlib.data import images
from dotlib.errors import check_option
from dotlib.evaluation import judges, minibatch_bias, otgan_runs, otgan_statements
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.evaluation.minibatch_bias import BLOCKS, JUDGED, SCALES, WITH, WITHOUT, Bias
from dotlib.evaluation.otgan_runs import AUDITED, LONG, Line
from dotlib.evaluation.otgan_statements import CNN, MLP, PARTS, RELEASED, SHARP, SMALL, UNIFORM, UNROLLED
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.plots import curves as curve_plots
from dotlib.plots import images as image_plots
from dotlib.results import files, paper, records, tables, tidy
from dotlib.results.records import Record
from dotlib.training import otgan as training
from dotlib.training.otgan import OTGANTraining, TrainedOTGAN

STEPS = (("judge", "digits"),)

RUNS = training.RUNS | {  # ours beside those of the report: what changes in its settings
    "n_gen 1": {"n_gen": 1},
    "critic untrained": {"rhythm": "printed"},
    RELEASED: {"epsilon": 0.01, "rule": "released"},
    UNROLLED: {"gradient": "unrolled"},  # through the iterations
}
BATCHES = (1, JUDGED, 16)  # of the toy
TIMED = (8, 32, 128)  # batch sizes
EPOCH = 60_000  # real images; an update sees two batches
SHOWN = 12  # samples of each run and time in pictures
FILMED = 40
LOSSES = {  # panel -> its runs
    "networks": (CNN, MLP),
    "batch size": (SMALL, CNN, "batch 128"),
    "epsilon": (SHARP, CNN, UNIFORM),
}


@dataclass(frozen=True)
class Settings:
    """How much work the page does; trainings have the report's settings where nothing is changed."""

    scoring: Scoring
    changes: Mapping[str, float]  # of a training
    draws: int = 1_000  # of the toy, in each block
    updates: int = 12  # timed, of each batch size
    audited: tuple[tuple[float, int], ...] = AUDITED
    long: int = LONG


@dataclass(frozen=True)
class Run:
    """Trainings of one data set and seed by name, with their judges."""

    dataset: str
    seed: int
    trainings: dict[str, TrainedOTGAN]
    panel: Panel
    settings: Settings


def settings_of(dataset: str, profile: str) -> Settings:
    """The report's settings, more samples in "paper"; on the digits shorter with a larger step. Raises InputError."""
    check_option("dataset", dataset, training.SIZE)
    check_option("profile", profile, ("smoke", "laptop", "paper"))
    scoring = Scoring(sets=1, samples=2_500, kept=2_500, kid_subsets=20)
    if profile == "smoke":
        scoring = replace(scoring, samples=100, kept=100, splits=2, kid_subsets=5)
        changes = {"generator_updates": 120, "width_G": 8, "width_D": 8}
        return Settings(scoring, changes, draws=100, updates=2, audited=((1.0, 8), (0.01, 8)), long=200)
    if profile == "paper":
        return Settings(replace(scoring, samples=10_000, kept=5_000, kid_subsets=100), {})
    if dataset == "digits":
        short = {"generator_updates": 1_000, "lr_G": 5e-4, "lr_D": 5e-4}
        few = replace(scoring, samples=600, kept=600, splits=5)
        return Settings(few, short, audited=((1.0, 8), (1.0, 32), (0.01, 8), (0.01, 32)), long=1_000)
    return Settings(scoring, {})


def training_of(name: str, dataset: str, profile: str, seed: int) -> OTGANTraining:
    """Settings of one run. Raises InputError for an unknown word."""
    check_option("runs", name, RUNS)
    changes = dict(settings_of(dataset, profile).changes) | RUNS[name]
    return replace(OTGANTraining(dataset, seed=seed), **changes)


def names_of(runs: str) -> list[str]:
    """The runs that a parameter names: "all" but UNROLLED, or names with semicolons between. Raises InputError."""
    every = [name for name in RUNS if name != UNROLLED]
    names = every if runs == "all" else [name.strip() for name in runs.split(";")]
    for name in names:
        check_option("runs", name, RUNS)
    return names


def load(dataset: str, runs: str, *, profile: str, seed: int = 0, device: str = "cpu") -> Run:
    """Some runs, each trained first if need be, and their judges. Raises InputError."""
    settings, names = settings_of(dataset, profile), names_of(runs)
    trained = {name: training.trained(training_of(name, dataset, profile, seed), device) for name in names}
    panel = judges.load_panel(dataset, settings.scoring, profile=profile)
    return Run(dataset, seed, trained, panel, settings)


def open_record(dataset: str, runs: str, profile: str, seed: int, device: str = "cpu") -> Record:
    """Start the record of some runs; to be called before the work, which it times."""
    parameters = asdict(settings_of(dataset, profile)) | {"runs": names_of(runs)}
    return records.start("otgan", profile=profile, dataset=dataset, seed=seed, parameters=parameters, device=device)


def measure(run: Run) -> list[Line]:
    """The tidy table of all trainings."""
    return otgan_runs.measure(run.trainings, run.panel, run.settings.scoring)


def fill_record(record: Record, run: Run, seconds: Mapping[int, float], audited: Iterable[Line]) -> None:
    """Put times, the audit of Sinkhorn's end and origins into a record; scores and losses are in its table."""
    for batch, value in seconds.items():
        record.put("seconds an update", value, setting=batch, unit="seconds")
    for line in audited:
        where = {"method": f"epsilon {line['epsilon']:g}, {line['end']}", "setting": line["batch"]}
        for quantity, unit in (("iterations", ""), ("mass", ""), ("error", ""), ("W", "cost")):
            record.put(quantity, float(line[quantity]), n=otgan_runs.PROBLEMS, unit=unit, **where)
    keys = ("commit", "dirty", "device", "seconds_since_resume")
    trainings = {
        name: {key: each.made[key] for key in keys} | {"key": each.settings.key()}
        for name, each in run.trainings.items()
    }
    record.made |= {"trainings": trainings, "images": run.panel.origins}
    record.made["weights"] = {name: each.sha256 for name, each in run.trainings.items()} | run.panel.digests
    record.made["dirty"] = record.made["dirty"] or any(each["dirty"] for each in trainings.values())


def write(record: Record, run: Run, lines: list[Line]) -> Path:
    """Write the record with its table, and beside it a picture of samples after each quarter."""
    path = tidy.write(record, lines)
    files.write_bytes(path.with_suffix(".png"), image_plots.grey(samples_figure(run)))
    return path


# --- live ---------------------------------------------------------------------------------------


def biases(settings: Settings, seed: int) -> dict[int, Bias]:
    """The toy of the self terms for every batch size."""
    return {batch: minibatch_bias.bias(batch, blocks=BLOCKS, draws=settings.draws, seed=seed) for batch in BATCHES}


def timings(dataset: str, settings: Settings, device: str = "cpu") -> dict[int, float]:
    """Median seconds of an update by batch size, with the widths of the report's networks here."""
    seconds = {}
    for batch in TIMED:
        trainer = training.trainer(OTGANTraining(dataset, batch_size=batch), device)
        trainer.step()  # the first one prepares
        taken = []
        for _ in range(settings.updates):
            start = time.perf_counter()
            trainer.step()
            taken.append(time.perf_counter() - start)
        seconds[batch] = statistics.median(taken)
    return seconds


def audit(run: Run) -> list[Line]:
    """How far Sinkhorn has come by its ends, on the features of the first run's critic."""
    first = next(iter(run.trainings.values()))
    return otgan_runs.audit(first, run.settings.audited, run.settings.long)


def frames_of(trained: TrainedOTGAN, n: int) -> dict[int, np.ndarray]:
    """Update -> n samples of G, (n, C, H, W) uint8, the same latents at every milestone."""
    return {
        update: images.to_uint8(otgan_runs.samples(G, n, trained.settings, "pictures")).numpy()
        for update, G, _ in training.along(trained)
    }


def film(trained: TrainedOTGAN) -> bytes:
    """An animated GIF of samples along a training, a frame a milestone."""
    return image_plots.film(np.stack(list(frames_of(trained, FILMED).values())), columns=10, scale=4)


def samples_figure(run: Run) -> Figure:
    """Samples of every run after each quarter of its training, and real images."""
    rows = {}
    for name, trained in run.trainings.items():
        kept = list(frames_of(trained, SHOWN).items())
        quarter = len(kept) // PARTS
        rows[name] = {f"after {(i + 1) / PARTS:.0%}": kept[(i + 1) * quarter - 1][1] for i in range(PARTS)}
    return image_plots.grids(rows)


# --- tables --------------------------------------------------------------------------------------


def audit_table(record: Record) -> str:
    """Markdown: where Sinkhorn stands at its ends, a line for each epsilon, batch and end."""
    rows = []
    for row in record.rows(quantity="W"):
        of = {q: record.get(q, method=row.method, setting=row.setting).value for q in ("iterations", "mass", "error")}
        cells = f"{of['iterations']:.1f}", f"{of['mass']:.3f}", f"{of['error']:.1e}", f"{row.value:.3f}"
        rows.append([row.method, f"{row.setting:g}", *cells])
    return tables.markdown(["plan", "batch", "iterations", "mass", "marginal error", "W"], rows)


def time_table(of: Sequence[Record]) -> str:
    """Markdown: seconds of an update and hours of an epoch, the report's and ours, by batch size.

    Ours are the median over records of one data set; seconds with their range.
    """
    rows = []
    for batch in (int(row.setting) for row in of[0].rows(quantity="seconds an update")):
        seconds = [record.get("seconds an update", setting=batch).value for record in of]
        middle, several = statistics.median(seconds), f" ({min(seconds):.4f} to {max(seconds):.4f})"
        ours = f"{middle:.4f}{several * (len(of) > 1)}", f"{2 * batch / middle:,.0f}", f"{hours(middle, batch):.3f}"
        rows.append([batch, *_printed_times(batch), *ours])
    heads = ["batch", "report: s an update", "report: hours an epoch", "hours by its seconds"]
    return tables.markdown([*heads, "here: s an update", "real images a second", "hours an epoch"], rows)


def timed(record: Record, folder: Path = records.KEPT) -> list[Record]:
    """The recorded runs of the data set that `with_kept` has first, whose times one table has; else this build's."""
    first = next(iter(with_kept(record, folder).values()))
    return [each for each in records.stored(folder, record.stem) if each.dataset == first.dataset] or [first]


def large_images(folder: Path = records.KEPT) -> str:
    """What an update on MNIST at 32 x 32 takes in the record that has it, and an epoch; a dash without a record."""
    for record in records.stored(folder, "otgan"):
        if record.dataset == "mnist":
            seconds = record.get("seconds an update", setting=32).value
            return f"{seconds:.2f} seconds an update, {hours(seconds, 32):.2f} hours an epoch"
    return "-"


def hours(seconds: float, batch: int) -> float:
    """Of an epoch: EPOCH images, two batches of real ones an update."""
    return EPOCH / (2 * batch) * seconds / 3_600


def _printed_times(batch: int) -> tuple[str, str, str]:
    """Seconds an update and hours an epoch as printed, and the hours that follow from the seconds."""
    names = {8: ["batch"], 32: ["batch.least", "batch.most"]}.get(batch)
    if names is None:
        return "-", "-", "-"
    printed = [paper.value(f"s3.cnn.b{batch}.{name}").value for name in names]
    parts = [[f"{value:.2g}" for value in printed], [f"{hours(value, batch):.2f}" for value in printed]]
    seconds, computed = (" to ".join(part) for part in parts)
    return seconds, f"{paper.value(f's3.cnn.b{batch}.epoch').value:g}", computed


def numbers(found: Mapping[int, Bias], record: Record) -> dict[str, str]:
    """The numbers in the text of the page, by name."""
    toy = found[JUDGED]
    smallest, most = min((row for row in record.rows(quantity="error")), key=lambda row: row.method), "50 iterations"
    batch = smallest.setting
    errors = {
        name: f"{record.get('error', method=f'epsilon 0.01, {end}', setting=batch).value:.2g}"
        for name, end in (("error_released", "released end"), ("error_50", most))
    }
    values = {name: paper.value(f"s3.cnn.b{name}").value for name in ("8.batch", "32.batch.least", "32.batch.most")}
    fell = (f"{values[f'32.batch.{end}'] / values['8.batch']:.0f}" for end in ("least", "most"))
    texts = {name: intervals.shown(toy.best[loss]) for name, loss in (("without", WITHOUT), ("with", WITH))}
    texts |= {"batch": str(toy.batch), "error_of": f"batch of {batch:g}, {record.dataset}"}
    return texts | errors | {"hours_8": f"{hours(values['8.batch'], 8):.2f}", "fell": " to ".join(fell)}


def with_kept(record: Record, folder: Path = records.KEPT) -> dict[str, Record]:
    """The first recorded run of each data set, the report's first, and that of this build, by label."""
    firsts = {each.dataset: each for each in reversed(records.stored(folder, record.stem))}
    ordered = sorted(firsts.values(), key=lambda each: (each.dataset not in otgan_statements.OWN, each.dataset))
    return {f"{each.dataset}, recorded": each for each in ordered} | {f"{record.dataset}, this build": record}


def pictured(folder: Path = records.KEPT) -> list[str]:
    """Keys of the first recorded training of each data set."""
    firsts = {record.dataset: record.key for record in reversed(records.stored(folder, "otgan"))}
    return sorted(firsts.values())


# --- figures ------------------------------------------------------------------------------------


def bias_figure(found: Mapping[int, Bias]) -> Figure:
    """Both losses over the scale of the model, above the smallest value of each."""
    curves = {f"{WITHOUT}, batch {batch}": of.loss[WITHOUT] for batch, of in found.items()}
    curves[f"{WITH}, batch {JUDGED}"] = found[JUDGED].loss[WITH]
    above = {name: values - values.min() for name, values in curves.items()}
    return curve_plots.lines(SCALES, above, xlabel="scale s of the model", ylabel="loss above its smallest value")


def loss_figure(frame: pd.DataFrame) -> Figure:
    """Mean of L in windows, mean over trainings, with the spread inside a window as a band."""
    panels = {}
    for title, runs in LOSSES.items():
        curves = {run: _curves(frame, run, "L", "sd of L") for run in runs if run in set(frame["run"])}
        if curves:
            panels[title] = ("L", curves)
    return curve_plots.histories(panels, xlabel="updates")


def quality_figure(frame: pd.DataFrame) -> Figure:
    """FID along the updates, mean over trainings with their standard deviation, and the entropy of the plans."""
    panels = {}
    for quantity, unit in (("fid", SCORES["fid"].unit), ("entropy", "share of log B²")):
        curves = {}
        for run in (CNN, SMALL, SHARP, UNIFORM, MLP):
            if run in set(frame["run"]):
                of = otgan_statements.curve(frame[frame["judge"].isin((_first(frame), otgan_runs.NONE))], run, quantity)
                curves[run] = (list(of.index), of.mean(axis=1), of.std(axis=1).fillna(0.0))
        panels[SCORES[quantity].label if quantity in SCORES else "entropy of the plan"] = (unit, curves)
    return curve_plots.histories(panels, xlabel="updates")


def _curves(frame: pd.DataFrame, run: str, mean: str, half: str) -> tuple[list, pd.Series, pd.Series]:
    of, band = (otgan_statements.curve(frame, run, quantity).mean(axis=1) for quantity in (mean, half))
    return list(of.index), of, band


def _first(frame: pd.DataFrame) -> str:
    return frame.loc[frame["quantity"] == "fid", "judge"].iloc[0]


def coherence_figure(frame: pd.DataFrame) -> Figure:
    """FID against the loss: along one run, a point a milestone; and at the end of every run, a point a training."""
    along = {}
    for seed, of in frame.groupby("seed"):
        L, fid = otgan_statements.along(of, CNN)
        along[f"training {seed}"] = (L[seed].to_numpy(), fid[seed].to_numpy())
    ends = {
        run: (
            otgan_statements.part(frame, run, "L", PARTS - 1).to_numpy(),
            otgan_statements.last(frame, run, "fid").to_numpy(),
        )
        for run in dict.fromkeys(frame["run"])
    }
    panels = {f"along the run {CNN}": along, "at the end of each run": ends}
    return curve_plots.clouds(panels, xlabel="mean of L", ylabel="FID", joined=(f"along the run {CNN}",))
