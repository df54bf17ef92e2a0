"""Real images against real images under every judge: a KID of 0 within its error, and a planted fault that is seen."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pandas as pd
import torch
from torch import Tensor

from dotlib.data.images import ImageSet, image_set
from dotlib.evaluation import judges
from dotlib.evaluation.judges import Judge
from dotlib.metrics import intervals, scores
from dotlib.metrics.frechet import Moments, fid
from dotlib.results import files, paper, records, tables
from dotlib.results.records import Record, Row
from dotlib.seeding import generator

STEPS = (("judge", "digits"),)

REFERENCE, FLOOR = judges.SPLITS["classifier"]
SAME = f"{FLOOR} against {FLOOR}"  # two halves of one split: one population for sure
USED = f"{FLOOR} against {REFERENCE}"  # as all scores of the book are made
FIRST = f"{FLOOR} against the first half of {REFERENCE}"  # the fault of an earlier version: the first rows of a file
COMPARED = (USED, SAME, FIRST)
BLOCKS = {"digits": 30}  # images of each side of a block; elsewhere 500, so that there are twenty blocks of all images
Line = dict[str, float | str]  # of the tidy table


@dataclass(frozen=True)
class Settings:
    """How real images are compared."""

    block: int = 500  # images of each side


def settings_of(dataset: str) -> Settings:
    """Settings for a data set, the same in every profile: only the judges differ."""
    return Settings(BLOCKS.get(dataset, Settings.block))


def blocks(
    features: Mapping[str, Tensor], comparison: str, block: int, rng: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Disjoint blocks of both sides of a comparison, (real, fake) each, in random order.

    No image is in two blocks, so their values are independent, and their mean has the standard error of n values.
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
    """The tidy table: a line for each judge, comparison and block. Each judge is measured once."""
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
    dataset, lines = sets[REFERENCE].name, []
    for comparison in COMPARED:
        rng = generator(0, "real images", dataset, comparison)  # every judge sees the same blocks
        for number, (real, fake) in enumerate(blocks(features, comparison, settings.block, rng)):
            kid = scores.kid(real=real, fake=fake, rng=rng, subsets=1, subset_size=settings.block).mean
            lines.append({"judge": name, "comparison": comparison, "block": number, "kid": kid})
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
    """Put judges, means over blocks with their intervals, and origins into a record; blocks are in its table."""
    sets = {split: image_set(record.dataset, split) for split in (REFERENCE, FLOOR)}
    record.made |= {"weights": {name: judge.sha256 for name, judge in panel.items()}}
    record.made |= {"images": {split: of.origin for split, of in sets.items()}}
    for name, judge in panel.items():
        record.put("accuracy", judge.accuracy or 0.0, judge=name, n=len(sets[REFERENCE]), unit="")
        record.put("live features", live(judge, sets[REFERENCE].images), judge=name, n=judge.dim, unit="features")
        whole = (Moments.of(judge(of.images)[0]) for of in sets.values())
        distance = fid(**dict(zip(("real", "fake"), whole, strict=True)))
        record.put("fid", distance, judge=name, n=len(sets[FLOOR]), method=USED, unit=scores.SCORES["fid"].unit)
    for (name, comparison), of in pd.DataFrame(list(lines)).groupby(["judge", "comparison"], sort=False):
        values, where = of["kid"].to_numpy(), {"method": str(comparison), "judge": str(name)}
        mean, ends = intervals.t_interval(values)
        spread = {"sd": float(values.std(ddof=1)), "n": len(values), "interval": ends}
        record.put("kid", mean, unit=scores.SCORES["kid"].unit, **where, **spread)


def frame(record: Record) -> pd.DataFrame:
    """KID of every judge and comparison over blocks: mean, standard error, z, one-sided p by Holm over judges."""
    rows = []
    for comparison in COMPARED:
        found = list(record.rows(quantity="kid", method=comparison))
        p = intervals.holm([_p_above(row) for row in found])
        for row, adjusted in zip(found, p, strict=True):
            error = (row.sd or 0.0) / (row.n or 1) ** 0.5
            where = {"comparison": comparison, "judge": row.judge, "blocks": row.n, "kid": row.value, "error": error}
            rows.append(where | {"z": row.value / error, "p": adjusted})
    return pd.DataFrame(rows)


def _p_above(row: Row) -> float:
    """p-value of a mean of 0 against a larger one: a squared distance has no other side."""
    p = paper.p_of_interval(row.interval, row.n or 0) / 2
    return p if row.value > 0 else 1 - p


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


def with_kept(record: Record) -> dict[str, Record]:
    """A record of this build and the committed ones of other data sets, by a label."""
    kept = [each for each in records.stored(records.KEPT, record.stem) if each.dataset != record.dataset]
    return {f"{record.dataset}, this build": record, **{f"{each.dataset}, recorded": each for each in kept}}


def summary_table(runs: Mapping[str, Record]) -> str:
    """Markdown: of how many judges KID is within one and two standard errors of 0, and above it by Holm."""
    rows = []
    for label, record in runs.items():
        for comparison, of in frame(record).groupby("comparison", sort=False):
            within = [int((of["z"].abs() <= most).sum()) for most in (1, 2)]
            spread = f"{of['z'].min():+.1f} to {of['z'].max():+.1f}"
            rows.append([label, comparison, len(of), *within, int((of["p"] < 0.05).sum()), spread])
    heads = ["data set", "comparison", "judges", "within 1 s.e. of 0", "within 2", "above 0 (5 %, Holm)", "z"]
    return tables.markdown(heads, rows)
