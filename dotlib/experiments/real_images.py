"""Real images against real images under every judge: a KID of 0 within its error, and a planted fault that is seen."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dotlib.data.images import ImageSet, image_set
from dotlib.evaluation import judges, recording
from dotlib.evaluation.classifiers import JUDGE_TRAINING, JudgeTraining
from dotlib.evaluation.judges import Judge
from dotlib.metrics import intervals, scores
from dotlib.metrics.frechet import Moments, fid
from dotlib.results import files, records, tables
from dotlib.results.records import Record, Where
from dotlib.seeding import generator

STEPS = (("judge", "digits"),)

REFERENCE, FLOOR = judges.SPLITS["classifier"]
SAME = f"{FLOOR} against {FLOOR}"  # two halves of one split: one population for sure
USED = f"{FLOOR} against {REFERENCE}"  # as all scores of the book are made
FIRST = f"{FLOOR} against the first half of {REFERENCE}"  # the fault of an earlier version: the first rows of a file
COMPARED = (USED, SAME, FIRST)
BLOCKS = {"digits": 300}  # images of each side of a block; elsewhere 2,000, whose kernel fits in memory
LEVEL = 0.05  # of the test that KID is above 0
Line = dict[str, float | str]  # of the tidy table


@dataclass(frozen=True)
class Settings:
    """How real images are compared."""

    block: int = 2_000  # images of each side
    repeats: int = 1_000  # of dealing them out to the sides anew


def settings_of(dataset: str) -> Settings:
    """Settings for a data set, the same in every profile: only the judges differ."""
    return Settings(BLOCKS.get(dataset, Settings.block))


def blocks(
    features: Mapping[str, Tensor], comparison: str, block: int, rng: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Disjoint blocks of both sides of a comparison, (real, fake) each, in random order.

    No image is in two blocks, so their values are independent.
    """
    real, fake = features[REFERENCE], features[FLOOR]
    if comparison == SAME:
        halves = fake[torch.randperm(len(fake), generator=rng)]
        real, fake = halves[: len(fake) // 2], halves[len(fake) // 2 :]
    elif comparison == FIRST:
        real = real[: len(real) // 2]
    sides = (side[torch.randperm(len(side), generator=rng)].split(block) for side in (real, fake))
    return [both for both in zip(*sides, strict=False) if len(both[0]) == len(both[1]) == block]


def measure(panel: Mapping[str, Judge], dataset: str, settings: Settings) -> list[Line]:
    """The tidy table: a line for each judge, comparison and block. Each judge is measured once.

    `error` is the standard error of a block's KID, `p_of_mean` how often the mean over blocks is as large where both
    sides are dealt out anew.
    """
    sets = {split: image_set(dataset, split) for split in (REFERENCE, FLOOR)}
    lines = []
    for name, judge in panel.items():
        decides = [judge.sha256, settings, {split: of.fingerprint for split, of in sets.items()}]
        lines += files.cached(
            f"real/{dataset}",
            name.replace(" ", "_"),
            functools.partial(_lines, name, judge, sets, settings),
            decides=decides,
        )
    return lines


def _lines(name: str, judge: Judge, sets: Mapping[str, ImageSet], settings: Settings) -> list[Line]:
    features = {split: judge(of.images)[0] for split, of in sets.items()}
    lines = []
    for comparison in COMPARED:
        rng = generator(0, "real images", sets[REFERENCE].name, comparison)  # every judge sees the same blocks
        pairs = blocks(features, comparison, settings.block, rng)
        kids, laws = zip(
            *(scores.kid_by_exchange(real=real, fake=fake, rng=rng, repeats=settings.repeats) for real, fake in pairs),
            strict=True,
        )
        p = (1 + np.count_nonzero(np.mean(laws, 0) >= np.mean(kids))) / (1 + settings.repeats)
        for number, (kid, law) in enumerate(zip(kids, laws, strict=True)):
            line = {"judge": name, "comparison": comparison, "block": number}
            lines.append(line | {"kid": kid, "error": float(law.std()), "p_of_mean": p})
    return lines


def live(judge: Judge, images: Tensor) -> int:
    """Features of a judge that are not the same for all of some images."""
    return int((judge(images)[0].std(0) > 0).sum())


def open_record(dataset: str, profile: str) -> Record:
    """Start the record of a data set; its judges have seeds of their own."""
    return records.start(
        "real_images", profile=profile, dataset=dataset, seed=0, parameters=asdict(settings_of(dataset))
    )


def fill_record(record: Record, panel: Mapping[str, Judge], lines: Sequence[Line]) -> None:
    """Put judges, means over blocks with their errors, and origins into a record; blocks are in its table."""
    sets = {split: image_set(record.dataset, split) for split in (REFERENCE, FLOOR)}
    record.made |= {"weights": {name: judge.sha256 for name, judge in panel.items()}}
    record.made |= {"images": {split: of.origin for split, of in sets.items()}, "judges": _kind(record.dataset)}
    for name, judge in panel.items():
        record.put("accuracy", judge.accuracy or 0.0, judge=name, n=len(sets[REFERENCE]), unit="")
        record.put("live features", live(judge, sets[REFERENCE].images), judge=name, n=judge.dim, unit="features")
        whole = (Moments.of(judge(of.images)[0]) for of in sets.values())
        distance = fid(**dict(zip(("real", "fake"), whole, strict=True)))
        record.put("fid", distance, judge=name, n=len(sets[FLOOR]), method=USED, unit=scores.SCORES["fid"].unit)
    for (name, comparison), of in pd.DataFrame(list(lines)).groupby(["judge", "comparison"], sort=False):
        where: Where = {"method": str(comparison), "judge": str(name)}
        unit, n = scores.SCORES["kid"].unit, len(of)
        record.put("kid", float(of["kid"].mean()), n=n, unit=unit, **where)
        record.put("standard error", float(np.sqrt(np.square(of["error"]).sum())) / n, n=n, unit=unit, **where)
        record.put("p", float(of["p_of_mean"].iloc[0]), n=record.parameters["repeats"], unit="", **where)


def frame(record: Record) -> pd.DataFrame:
    """KID of every judge and comparison: mean over blocks, standard error, z, one-sided p by Holm over judges."""
    rows = []
    for comparison in COMPARED:
        lines = list(record.rows(quantity="kid", method=comparison))
        of_judges = [record.get("p", method=comparison, judge=row.judge).value for row in lines]
        for row, p in zip(lines, intervals.holm(of_judges), strict=True):
            error = record.get("standard error", method=comparison, judge=row.judge).value
            where = {"comparison": comparison, "judge": row.judge, "blocks": row.n}
            rows.append(where | {"kid": row.value, "error": error, "z": row.value / error, "p": p})
    return pd.DataFrame(rows)


def kid_table(record: Record) -> str:
    """Markdown: KID of real images, a line for each comparison and judge."""
    rows = []
    for line in frame(record).to_dict("records"):
        kid = f"{line['kid']:+.2g}", f"{line['error']:.2g}", f"{line['z']:+.1f}", f"{line['p']:.2g}"
        rows.append([line["comparison"], line["judge"], line["blocks"], *kid])
    heads = ["comparison", "judge", "blocks", "KID", "standard error", "z", "p (one-sided, Holm over judges)"]
    return tables.markdown(heads, rows)


def judge_table(runs: Mapping[str, Record]) -> str:
    """Markdown: accuracy where no judge was fit, live features, and FID of all real images, a line for each judge."""
    rows = [
        [label, row.judge, f"{row.value:.2%}", f"{live.value:.0f} of {live.n}", _fid(record, row.judge)]
        for label, record in runs.items()
        for row in record.rows(quantity="accuracy")
        for live in record.rows(quantity="live features", judge=row.judge)
    ]
    heads = ["data set", "judge", "accuracy on test", "live features", "FID, real against real (images)"]
    return tables.markdown(heads, rows)


def _fid(record: Record, judge: str) -> str:
    row = record.get("fid", method=USED, judge=judge)
    return f"{row.value:.2f} ({row.n:,})"


def _kind(dataset: str) -> str:
    return type(JUDGE_TRAINING[dataset]).__name__


def of_other_judges(runs: Mapping[str, Record]) -> str:
    """In words: which records have judges of another kind than their data set has today; "" for none.

    A record that does not name its kind is of before there was a second one.
    """
    old = [label for label, run in runs.items() if run.made.get("judges", JudgeTraining.__name__) != _kind(run.dataset)]
    if not old:
        return ""
    return (
        f"**Under earlier judges:** {'; '.join(old)}. The judges of this data set are networks of another kind now, so "
        "this record says nothing about scores of other pages until it is made anew."
    )


def together(p_values: Sequence[float]) -> float:
    """One p-value for several judges that see the same images: twice the mean of theirs.

    It is valid however they hang together, where a product or a count of signs would take them for independent.
    """
    return min(1.0, 2 * float(np.mean(p_values)))


def with_kept(record: Record) -> dict[str, Record]:
    """A record of this build and the committed ones of other data sets, by a label that names copies."""
    kept = [each for each in records.stored(records.KEPT, record.stem) if each.dataset != record.dataset]
    places = ["this build", *(["recorded"] * len(kept))]
    return {_label(each, place): each for each, place in zip([record, *kept], places, strict=True)}


def _label(record: Record, place: str) -> str:
    return ", ".join([record.dataset, *sorted(recording.copies(record)), place])


def answer(runs: Mapping[str, Record]) -> str:
    """Whether the draws of this book find a KID of 0, whether the planted fault is seen, and what neither shows."""
    used, fault = [], []
    for label, record in runs.items():
        frames = dict(tuple(frame(record).groupby("comparison")))
        of, first = frames[USED], frames[FIRST]
        whole = together([record.get("p", method=USED, judge=judge).value for judge in of["judge"]])
        used.append(f"{int((of['z'].abs() <= 2).sum())} of {len(of)} ({label}; p = {whole:.2g} together)")
        fault.append(f"{int((first['p'] < LEVEL).sum())} of {len(first)} ({label})")
    return (
        "KID between real images, drawn as this book draws them, is within two standard errors of 0 for this many "
        f"of the judges: {', '.join(used)}. Where the first rows of a file stand in their place, this many see a "
        f"KID above 0, by Holm's correction: {', '.join(fault)}. A KID near 0 is what fair draws give, and does not "
        "say that a judge sees what makes a sample bad."
    )


def in_errors(runs: Mapping[str, Record]) -> dict[str, dict[str, list[float]]]:
    """For `plots.curves.strips`: a record, in lines -> comparison -> KID of each judge in its standard errors."""
    return {
        label.replace(", ", "\n"): {
            str(name): of["z"].tolist() for name, of in frame(record).groupby("comparison", sort=False)
        }
        for label, record in runs.items()
    }


def summary_table(runs: Mapping[str, Record]) -> str:
    """Markdown: of how many judges KID is within one and two standard errors of 0, above it by Holm, and `together`."""
    rows = []
    for label, record in runs.items():
        for comparison, of in frame(record).groupby("comparison", sort=False):
            within = [int((of["z"].abs() <= most).sum()) for most in (1, 2)]
            spread = f"{of['z'].min():+.1f} to {of['z'].max():+.1f}"
            p = together([record.get("p", method=str(comparison), judge=judge).value for judge in of["judge"]])
            rows.append([label, comparison, len(of), *within, int((of["p"] < LEVEL).sum()), spread, f"{p:.2g}"])
    heads = [
        "data set",
        "comparison",
        "judges",
        "within 1 s.e. of 0",
        "within 2",
        "above 0 (5 %, Holm)",
        "z",
        "p, judges together",
    ]
    return tables.markdown(heads, rows)
