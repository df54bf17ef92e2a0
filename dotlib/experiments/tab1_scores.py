"""The record of a row of Table 1, and what its page shows besides: samples, limits of FID.

Tables of the rows of Table 1, from their records: those of this build and the committed ones.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import torch

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import recording
from dotlib.evaluation.images import Measurement, Table1Row
from dotlib.evaluation.judges import scoring_settings
from dotlib.metrics import intervals
from dotlib.metrics.frechet import FidInfinity, fid_infinity
from dotlib.metrics.scores import IMAGE_SCORES, SCORES
from dotlib.results import paper, records, tables
from dotlib.seeding import generator
from dotlib.training.settings import ROWS, changed_from_published
from dotlib.training.zoo import add_training_provenance

STEPS = (("score", "digits-*"),)

CLAIMS = {"is_mean": "DOT raises the inception score", "fid": "DOT lowers FID"}
PUBLISHED_SETS = {"stl10": "stl10"}  # other data sets stand beside the paper's CIFAR-10 numbers


def open_record(name: str, profile: str, seed: int, judge: str = "classifier", device: str = "cpu") -> records.Record:
    """Start the record of one row of Table 1; to be called before the work, which it times."""
    dataset, architecture = name.split("-")[:2]
    c = scoring_settings(dataset, architecture, profile)
    return records.start(
        "tab1_scores",
        profile=profile,
        dataset=name,
        seed=seed,
        judge=judge,
        parameters=asdict(c) | {"row": name.partition("-")[2]},
        device=device,
    )


def fill_record(record: records.Record, run: Table1Row) -> None:
    """Put one row into its record: constants, floor, every method, differences, verdicts."""
    m, panel = run.measured, run.panel
    add_training_provenance(record, run.trained)
    record.made["weights"] = run.pair.digests | panel.digests
    record.made["images"] = panel.origins
    record.parameters |= {
        "training": run.trained.settings.key(),
        "changed": {key: list(values) for key, values in changed_from_published(run.trained.settings).items()},
    }
    for name, estimate, unit in (
        ("k_eff", m.k_eff, "logits per latent distance"),
        ("K_eff", m.K_eff, "logits per data distance"),
    ):
        record.put(name, estimate.value, sd=estimate.std, n=len(estimate.maxima), unit=unit)
    for name, judge in panel.judges.items():
        if judge.accuracy is not None:
            record.put("accuracy", judge.accuracy, judge=name, unit="")
    floor = panel.floor[panel.first]
    record.put("images", floor.n, method="real", unit="images")
    for quantity in IMAGE_SCORES:
        record.put(quantity, getattr(floor, quantity), method="real", unit=SCORES[quantity].unit)
        for method, step in m.rows:
            where: records.Where = {"method": method, "setting": step} if step else {"method": "bare"}
            record.put_trials(quantity, m.of(method, step, quantity), unit=SCORES[quantity].unit, **where)
            if step:
                _put_change(record, m, method, step, quantity)
    for judge in list(panel.judges)[1:]:
        for quantity in CLAIMS:
            _put_change(record, m, "dot", run.settings.updates, quantity, judge)
    for quantity, claim in CLAIMS.items():
        record.verdicts[claim] = paper.verdict_on_sign(
            printed_difference(run.pair.name, quantity),
            change(record, quantity).interval,
            profile=record.profile,
        )


def printed(name: str, column: str, quantity: str) -> paper.Published | None:
    """The paper's number for a row: CIFAR-10's, or STL-10's for that set; None if none is printed.

    name:    of the pair, "<dataset>-<row>"; column: "bare" or "dot".
    """
    dataset, architecture, kind = name.split("-", 2)
    where = PUBLISHED_SETS.get(dataset, "cifar10")
    try:
        return paper.value(f"tab1.{where}.{architecture}.{kind}.{column}.{SCORES[quantity].printed}")
    except InputError:
        return None


def printed_difference(name: str, quantity: str) -> float:
    """DOT minus bare as printed; where a row is not printed, the claim's direction, 1 or -1."""
    bare, dot = (printed(name, column, quantity) for column in ("bare", "dot"))
    if bare is None or dot is None:
        return 1.0 if quantity == "is_mean" else -1.0
    return dot.value - bare.value


def grid(run: Table1Row, n: int, seed: int) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """n latents before and after the published updates: images, and D as captions.

    Returns row -> (n, C, H, W) uint8, and row -> n texts, the second with the change of D.
    """
    method = image_pairs.Method("dot", (0, run.settings.updates), run.settings.lr)
    z = image_pairs.latents(run.pair, run.settings, seed, 0)[:n]
    shown, logits = {}, []
    for row, (_, x) in zip(
        ("bare", "DOT"), image_pairs.moved(run.pair, method, z, run.measured.k_eff.value), strict=True
    ):
        shown[row] = images.to_uint8(x.cpu()).numpy()
        with torch.no_grad():
            logits.append(run.pair.logit(x).cpu())
    change = logits[1] - logits[0]
    return shown, {"bare": [f"{v:.2f}" for v in logits[0]], "DOT": [f"{v:+.2f}" for v in change]}


def extrapolated(run: Table1Row, seed: int) -> dict[str, FidInfinity]:
    """FID of the first set at several numbers of samples, and its limit, before and after DOT."""
    judge = run.panel.judges[run.panel.first]
    method = image_pairs.Method("dot", (0, run.settings.updates), run.settings.lr)
    features: dict[int, list[torch.Tensor]] = {0: [], run.settings.updates: []}
    for z in image_pairs.latents(run.pair, run.settings, seed, 0).split(run.settings.batch):
        for step, x in image_pairs.moved(run.pair, method, z, run.measured.k_eff.value):
            features[step].append(judge(images.to_uint8(x.cpu()))[0])
    n, least = run.settings.samples, judge.dim + 1
    counts = [int(least + (n - least) * share) for share in (0.25, 0.4, 0.55, 0.7, 0.85, 1)]
    return {
        label: fid_infinity(
            real=run.panel.references[run.panel.first].moments,
            fake=torch.cat(rows),
            counts=counts,
            rng=generator(seed, "counts"),
        )  # the same parts of both
        for label, rows in zip(("bare", "DOT"), features.values(), strict=True)
    }


def _put_change(record: records.Record, m: Measurement, method: str, step: int, quantity: str, judge: str = "") -> None:
    """Put the mean of the paired differences to bare over the sets, with its interval."""
    intervals.put_difference(
        record,
        quantity,
        m.of(method, step, quantity, judge or None),
        m.of("dot", 0, quantity, judge or None),
        unit=SCORES[quantity].unit,
        method=method,
        setting=step,
        against="bare",
        judge=judge,
    )


def change(record: records.Record, quantity: str, method: str = "dot", judge: str = "") -> records.Row:
    """The row of a method's change of a score at its last update, minus bare; the first judge unless named."""
    updates = record.parameters["updates"]
    return record.get(quantity, method=method, setting=updates, against="bare", judge=judge)


def kept_runs() -> dict[str, dict[str, records.Record]]:
    """The committed rows of Table 1: label of a column -> row -> record."""
    found: dict[str, dict[str, records.Record]] = {}
    for record in records.stored(records.KEPT, "tab1_scores"):
        found.setdefault(label_of(record, "recorded"), {})[record.parameters["row"]] = record
    return found


def label_of(record: records.Record, kind: str) -> str:
    """Head of a column: what its runs share, so that no column mixes data, judges or N."""
    parts = [
        kind,
        dataset_of(record),
        *sorted(recording.copies(record)),
        record.profile,
        f"N = {record.parameters['samples']:,}",
    ]
    if record.parameters["judge"] != "classifier":
        parts.append(record.parameters["judge"])
    return ", ".join([*parts, *([f"seed {record.seed}"] if record.seed else [])])


def dataset_of(record: records.Record) -> str:
    """The data set of a row's record."""
    return record.dataset.partition("-")[0]


def kept_table(kept: Mapping[str, Mapping[str, records.Record]]) -> str:
    """Markdown: provenance of each committed row."""
    if not kept:
        return "No run is recorded yet."
    rows = [
        [
            f"{record.dataset}, {record.profile}",
            str(record.seed),
            origin_of(record),
            record.made["device"],
            record.made["commit"][:12],
        ]
        for found in kept.values()
        for record in found.values()
    ]
    return tables.markdown(["run", "seed", "images", "device", "commit"], rows)


def origin_of(record: records.Record) -> str:
    """Where the images of a record came from."""
    return "; ".join(sorted(set(record.made["images"].values())))


def score_table(quantity: str, runs: Mapping[str, Mapping[str, records.Record]]) -> str:
    """Markdown: one row a pair, "bare -> DOT" in the paper and in each run, with the difference.

    runs:  label of a column -> row of Table 1 -> its record.
    The paper's STL-10 numbers have a column where a run has that data set.
    """
    shown = {dataset_of(record) for found in runs.values() for record in found.values()}
    papers = ["cifar10", *(["stl10"] if "stl10" in shown else [])]
    rows = [
        [
            row,
            *(_printed_cell(f"{one}-{row}", quantity) for one in papers),
            *(_cell(found.get(row), quantity) for found in runs.values()),
        ]
        for row in ROWS
    ]
    rows.append(["real images", *("-" for _ in papers), *(_floor(found, quantity) for found in runs.values())])
    heads = [{"cifar10": "paper, CIFAR-10", "stl10": "paper, STL-10"}[one] for one in papers]
    return tables.markdown([f"{SCORES[quantity].label}, bare → DOT", *heads, *runs], rows)


def verdict_table(runs: Mapping[str, Mapping[str, records.Record]]) -> str:
    """Markdown: how many rows of each run bear each claim out."""
    rows = []
    for claim in CLAIMS.values():
        counts = [Counter(record.verdicts[claim] for record in found.values()) for found in runs.values()]
        rows.append(
            [
                claim,
                *(
                    "; ".join(f"{word} ({n} of {count.total()})" for word, n in count.items()) or "-"
                    for count in counts
                ),
            ]
        )
    return tables.markdown(["claim, by rows", *runs], rows)


def said_table(runs: Mapping[str, records.Record]) -> str:
    """Markdown: what every score says of DOT, a row for each run; a dash where undecided."""
    rows = [
        [
            name,
            *(recording.direction_of_change(record, quantity).replace("undecided", "-") for quantity in IMAGE_SCORES),
        ]
        for name, record in runs.items()
    ]
    return tables.markdown(["DOT is", *(SCORES[quantity].label for quantity in IMAGE_SCORES)], rows)


def _printed_cell(name: str, quantity: str) -> str:
    shown = [printed(name, column, quantity) for column in ("bare", "dot")]
    return " → ".join(f"{one.value:.2f}" for one in shown) if all(shown) else "-"


def _cell(record: records.Record | None, quantity: str) -> str:
    if record is None:
        return "-"
    digits, row = SCORES[quantity].digits, change(record, quantity)
    before = record.get(quantity, method="bare").value
    after = record.get(quantity, method="dot", setting=row.setting).value
    return f"{before:.{digits}f} → {after:.{digits}f} ({tables.change(row.value, row.interval, digits)})"


def _floor(found: Mapping[str, records.Record], quantity: str) -> str:
    """The floor of a column's judge, with its N where that is not the samples'."""
    floors = set()
    for record in found.values():
        n = record.get("images", method="real").value
        text = f"{record.get(quantity, method='real').value:.{SCORES[quantity].digits}f}"
        floors.add(text + ("" if n == record.parameters["samples"] else f" (N = {n:,})"))
    return "; ".join(sorted(floors)) or "-"
