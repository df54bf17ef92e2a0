"""Table 1 of [DOT19]: the record of a row, and the tables of its rows, those of this build and the committed ones."""

import io
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from dotlib.data import images
from dotlib.evaluation import galleries, over_trainings, recording, table1_trainings
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import Method, Table1Row
from dotlib.evaluation.judges import SEEDS, scoring_settings
from dotlib.evaluation.recording import MEAN
from dotlib.metrics import intervals
from dotlib.metrics.frechet import FidInfinity, fid_infinity
from dotlib.metrics.scores import IMAGE_SCORES, SCORES
from dotlib.plots import images as image_plots
from dotlib.plots.interactive import Interactive
from dotlib.results import files, paper, records, tables
from dotlib.results.records import Record
from dotlib.seeding import generator
from dotlib.training.settings import ROWS, PairName, changed_from_published, dataset_of, settings_of
from dotlib.training.zoo import add_training_provenance

STEPS = (("score", "digits-*"), ("record", "transport_matters"))
SHOWN = 10  # samples of the picture beside a record

CLAIMS = {"is_mean": "DOT raises the inception score", "fid": "DOT lowers FID"}
OTHERS = IMAGE_SCORES[2:]

Rows = Mapping[str, Record]  # row of Table 1, or name of a run -> its record


def open_record(name: str, profile: str, seed: int, judge: str = "classifier", device: str = "cpu") -> Record:
    """Start the record of one row of Table 1; to be called before the work, which it times."""
    pair = PairName.parse(name)
    parameters = asdict(scoring_settings(pair.dataset, pair.architecture, profile)) | {"row": pair.row}
    where = {"profile": profile, "seed": seed, "judge": judge, "device": device}
    return records.start("tab1_scores", dataset=name, parameters=parameters, **where)


def fill_record(record: Record, run: Table1Row) -> None:
    """Put one row into its record: constants, floor, every method, differences, verdicts."""
    measured, panel, training = run.measured, run.panel, run.trained.settings
    add_training_provenance(record, run.trained)
    record.made |= {"weights": run.pair.digests | panel.digests, "images": panel.origins}
    changed = {name: list(values) for name, values in changed_from_published(training).items()}
    record.parameters |= {"training": training.key(), "changed": changed}
    for name, k, space in (("k_eff", measured.k_eff, "latent"), ("K_eff", measured.K_eff, "data")):
        record.put(name, k.value, sd=k.std, n=len(k.maxima), unit=f"logits per {space} distance")
    for name, judge in panel.judges.items():
        if judge.accuracy is not None:
            record.put("accuracy", judge.accuracy, judge=name, unit="")
    floor = panel.floor[panel.first]
    record.put("images", floor.n, method="real", unit="images")
    for quantity in IMAGE_SCORES:
        record.put(quantity, getattr(floor, quantity), method="real", unit=SCORES[quantity].unit)
    recording.put_scores(record, recording.values_of(measured, IMAGE_SCORES))
    if len(panel.judges) > 1:
        for quantity in IMAGE_SCORES:
            mean = np.mean([getattr(floor, quantity) for floor in panel.floor.values()])
            record.put(quantity, float(mean), method="real", judge=MEAN, unit=SCORES[quantity].unit)
        recording.put_scores(record, recording.values_of(measured, IMAGE_SCORES, MEAN), judge=MEAN)
    dot: records.Where = {"method": "dot", "setting": run.settings.updates, "against": "bare"}
    for name, quantity in itertools.product(list(panel.judges)[1:], CLAIMS):
        both = (measured.of("dot", step, quantity, name) for step in (run.settings.updates, 0))
        where: records.Where = {**dot, "judge": name}
        intervals.put_difference(record, quantity, *both, unit=SCORES[quantity].unit, **where)


def put_verdicts(rows: Rows) -> None:
    """Put the verdicts of one column of the table into its records; rows: row of Table 1 -> record."""
    claims = []
    for row, record in rows.items():
        own, updates = recording.on_papers_data(record, "cifar10", "stl10"), record.parameters["updates"]
        for quantity, text in CLAIMS.items():
            judge = recording.judge_of(record)
            here = record.get(quantity, method="dot", setting=updates, against="bare", judge=judge)
            printed = recording.printed_difference(f"{dataset_of(record.dataset)}-{row}", quantity)
            least = paper.reprint_gap(SCORES[quantity].printed)
            claims.append((record, text, paper.comparison(printed, here.interval, here.n or 0, own=own, least=least)))
    recording.put_verdicts(claims)


def write(record: Record, run: Table1Row) -> Path:
    """Write the record of a row, and beside it a picture of samples before and after."""
    path = records.write(record)
    sheets = [image_plots.sheet(rows, SHOWN) for rows in grid(run, SHOWN, record.seed)[0].values()]
    content = io.BytesIO()
    Image.fromarray(image_plots.stacked(sheets)).save(content, "PNG", optimize=True)
    files.write_bytes(path.with_suffix(".png"), content.getvalue())
    return path


def grid(run: Table1Row, n: int, seed: int) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """n latents before and after the published updates: images (n, C, H, W) uint8, and D as captions."""
    z = image_pairs.latents(run.pair, run.settings, seed, 0)[:n]
    looked = image_pairs.looked_at(run.pair, _dot(run), z, run.measured.k_eff.value)
    return image_pairs.captioned(dict(zip(("bare", "DOT"), looked.values(), strict=True)))


def extrapolated(run: Table1Row, seed: int) -> dict[str, FidInfinity]:
    """FID of the first set at several numbers of samples, and its limit, before and after DOT."""
    judge = run.panel.judges[run.panel.first]
    features: dict[int, list[torch.Tensor]] = {0: [], run.settings.updates: []}
    for z in image_pairs.latents(run.pair, run.settings, seed, 0).split(run.settings.batch):
        for step, x in image_pairs.moved(run.pair, _dot(run), z, run.measured.k_eff.value):
            features[step].append(judge(images.to_uint8(x.cpu()))[0])
    n, least, real = run.settings.samples, judge.dim + 1, run.panel.references[run.panel.first].moments
    counts = [int(least + (n - least) * share) for share in (0.25, 0.4, 0.55, 0.7, 0.85, 1)]
    return {  # the same parts of both
        label: fid_infinity(real=real, fake=torch.cat(rows), counts=counts, rng=generator(seed, "counts"))
        for label, rows in zip(("bare", "DOT"), features.values(), strict=True)
    }


def limit_words(limits: dict[str, FidInfinity]) -> str:
    """Whether FID falls or rises by DOT at every N as in the limit, and how far the points lie from their lines."""
    bare, moved = limits["bare"], limits["DOT"]
    changes = [after - before for before, after in zip(bare.fids, moved.fids, strict=True)]
    signs = {change > 0 for change in (*changes, moved.value - bare.value)}
    off = max(abs(np.array(it.fids) - it.value - it.slope / np.array(it.counts)).max() for it in limits.values())
    ends = f"{min(changes):+.2f} to {max(changes):+.2f} at the numbers of the table and {moved.value - bare.value:+.2f}"
    agree = "one sign everywhere" if len(signs) == 1 else "not one sign, so the table does not decide it"
    straight = f"The points lie up to {off:.2f} from their lines"
    bent = off > abs(moved.value - bare.value)
    line = "more than that change: the limit of this pair is no evidence." if bent else "less than that change."
    return f"DOT changes FID by {ends} in the limit: {agree}. {straight}, {line}"


def _dot(run: Table1Row) -> Method:
    return Method("dot", (0, run.settings.updates), run.settings.lr)


def kept_runs() -> dict[str, dict[str, Record]]:
    """The committed rows of Table 1: label of a column -> row -> record."""
    columns: dict[str, dict[str, Record]] = {}
    for record in records.stored(records.KEPT, "tab1_scores"):
        columns.setdefault(label_of(record, "recorded"), {})[record.parameters["row"]] = record
    return columns


def label_of(record: Record, kind: str) -> str:
    """Head of a column: what its runs share, so that no column mixes data, judges or N."""
    count, judge = f"N = {record.parameters['samples']:,}", record.parameters["judge"]
    parts = [kind, dataset_of(record.dataset), *sorted(recording.copies(record)), record.profile, count]
    return ", ".join([*parts, *([judge] * (judge != "classifier")), *([f"seed {record.seed}"] * bool(record.seed))])


def kept_table(kept: Mapping[str, Rows]) -> str:
    """Markdown: provenance of each committed row."""
    if not kept:
        return "No run is recorded yet."
    rows = []
    for record in (record for column in kept.values() for record in column.values()):
        origins, made = "; ".join(sorted(set(record.made["images"].values()))), record.made
        rows.append([f"{record.dataset}, {record.profile}", record.seed, origins, made["device"], made["commit"][:12]])
    return tables.markdown(["run", "seed", "images", "device", "commit"], rows)


def before_today(kept: Mapping[str, Rows]) -> str:
    """When and from what the committed rows were made, and how many a build of today would not make so."""
    rows = [record for column in kept.values() for record in column.values()]
    if not rows:
        return ""
    started = sorted(record.made["started"] for record in rows)
    days = dict.fromkeys(f"{datetime.fromtimestamp(when, UTC):%-d %B %Y}" for when in started)
    commits = sorted({record.made["commit"][:7] for record in rows})
    others = sum(
        record.parameters["training"] != settings_of(_pair_of(record), record.profile, record.seed).key()
        for record in rows
    )
    counts = sorted({sum(name.startswith("classifier") for name in record.made["weights"]) for record in rows})
    judges = " or ".join(str(n) for n in counts)
    return (
        f"The {len(rows)} here were made on {' and '.join(days)} from the commits {', '.join(commits)}: {others} of "
        f"pairs that today's settings would not make. They were scored by {judges} judges, where a build of today has "
        f"{len(SEEDS)}; {sum(not recording.judge_of(record) for record in rows)} of them show their first judge alone."
    )


def _pair_of(record: Record) -> str:
    return f"{dataset_of(record.dataset)}-{record.parameters['row']}"


def score_table(quantity: str, runs: Mapping[str, Rows]) -> str:
    """Markdown: "bare -> DOT" of each pair, in print (of STL-10 where a run is of it) and in each run, by label."""
    measured = {dataset_of(record.dataset) for column in runs.values() for record in column.values()}
    papers = {"cifar10": "paper, CIFAR-10"} | ({"stl10": "paper, STL-10"} if "stl10" in measured else {})
    rows = []
    for row in ROWS:
        prints = (recording.printed_cell(f"{dataset}-{row}", quantity) for dataset in papers)
        rows.append([row, *prints, *(_cell(column.get(row), quantity) for column in runs.values())])
    rows.append(["real images", *("-" for _ in papers), *(_floor(column, quantity) for column in runs.values())])
    return tables.markdown([f"{SCORES[quantity].label}, bare → DOT", *papers.values(), *runs], rows)


def verdict_table(runs: Mapping[str, Rows]) -> str:
    """Markdown: how many rows of each run bear each claim out."""
    rows = []
    for claim in CLAIMS.values():
        counts = [Counter(paper.kind(record.verdicts[claim]) for record in column.values()) for column in runs.values()]
        words = ([f"{word} ({n} of {count.total()})" for word, n in count.items()] for count in counts)
        rows.append([claim, *("; ".join(cell) or "-" for cell in words)])
    return tables.markdown(["claim, by rows", *runs], rows)


def floor_of(record: Record, quantity: str) -> str:
    """A score of real images in the place of samples, as the other tables have it."""
    return recording.score(record, quantity, method="real", judge=recording.judge_of(record))


def change(record: Record, quantity: str, method: str = "dot", judge: str | None = None) -> str:
    """A method's change of a score at its last update, minus bare; mean over the judges, where there is one."""
    updates, judge = record.parameters["updates"], recording.judge_of(record) if judge is None else judge
    return recording.change(record, quantity, method=method, setting=updates, against="bare", judge=judge)


def naive_table(rows: Rows) -> str:
    """Markdown: k_eff, and the change of FID by DOT, by DOT with k = 1 and by the naive ascent."""
    lines = []
    for name, record in rows.items():
        k_eff = record.get("k_eff")
        changes = (change(record, "fid", method) for method in ("dot", "k1", "naive"))
        lines.append([name, f"{k_eff.value:.2f} ± {k_eff.sd:.2f}", *changes])
    return tables.markdown(["FID, change", "k_eff", "DOT", "DOT, k = 1", "naive"], lines)


def other_table(rows: Rows, floors: Rows) -> str:
    """Markdown: the other scores bare -> DOT, a line for each record, and one for real images of each in floors."""
    lines = []
    for name, record in rows.items():
        updates = record.parameters["updates"]
        pairs = ((_other(record, q, "bare"), _other(record, q, "dot", updates)) for q in OTHERS)
        lines.append([name, *(f"{bare} → {moved}" for bare, moved in pairs)])
    lines += [[name, *(_other(record, q, "real") for q in OTHERS)] for name, record in floors.items()]
    return tables.markdown(["bare → DOT", *(SCORES[quantity].label for quantity in OTHERS)], lines)


def _other(record: Record, quantity: str, method: str, setting: int | str = "") -> str:
    """A score with its digits; KID's size depends on the judge."""
    value = record.get(quantity, method=method, setting=setting, judge=recording.judge_of(record)).value
    return f"{value:.3g}" if quantity == "kid" else f"{value:.3f}"


def direction_table(rows: Rows) -> str:
    """Markdown: what every score says of DOT, a line for each run; a dash where undecided."""
    lines = []
    for name, record in rows.items():
        words = (recording.direction_of_change(record, quantity) for quantity in IMAGE_SCORES)
        lines.append([name, *(word.replace("undecided", "-") for word in words)])
    return tables.markdown(["DOT is", *(SCORES[quantity].label for quantity in IMAGE_SCORES)], lines)


def _cell(record: Record | None, quantity: str) -> str:
    if record is None:
        return "-"
    updates, judge = record.parameters["updates"], recording.judge_of(record)
    before = recording.score(record, quantity, method="bare", judge=judge)
    after = recording.score(record, quantity, method="dot", setting=updates, judge=judge)
    return f"{before} → {after} ({change(record, quantity)})"


def _floor(column: Rows, quantity: str) -> str:
    """The floor of a column's judge, with its N where that is not the samples'."""
    floors = set()
    for record in column.values():
        n, text = record.get("images", method="real").value, floor_of(record, quantity)
        floors.add(text + ("" if n == record.parameters["samples"] else f" (N = {n:,})"))
    return "; ".join(sorted(floors)) or "-"


def texts(columns: Mapping[str, Rows], of: Mapping[str, pd.DataFrame], built: Rows) -> dict[str, str]:
    """Markdown by name: the answer and the tables over trainings, those of single pairs, and their verdicts."""
    return {
        "answer": table1_trainings.answer(of),
        "fid_trainings": training_tables(of, "fid", built),
        "is_trainings": training_tables(of, "is_mean", built),
        "fid": score_table("fid", columns),
        "is": score_table("is_mean", columns),
        "verdicts": verdict_table(columns),
    }


def training_tables(of: Mapping[str, pd.DataFrame], quantity: str, built: Rows) -> str:
    """Markdown: a score over the trainings of each data set, by label; beside it this build, if of the same data."""
    texts = []
    for label, frame in of.items():
        same = {row: record for row, record in built.items() if over_trainings.label_of(record) == label}
        here = {row: change(record, quantity) for row, record in same.items()}
        sets = next((f"its {record.parameters['sets']}" for record in same.values()), "its")
        head = f"change in the one pair of this build, over {sets} sets"
        texts.append(f"*{label}*\n\n{table1_trainings.table(quantity, frame, here, head)}")
    return "\n\n".join(texts) or "No training is recorded yet."


def gallery(seed: int = 0) -> Interactive:
    """Samples of every shipped pair of Table 1's rows along the updates."""
    of = {name: galleries.of_shipped(name, seed) for name in galleries.names()}
    positions = [f"{share:g} x published" if share else "bare" for share in galleries.SHARES]
    return image_plots.gallery(of, galleries.CHOSEN, positions, start="1 x published")
