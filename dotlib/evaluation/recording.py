"""What pages of image pairs share around their records: where numbers come from, and tables of verdicts."""

from collections.abc import Iterable
from dataclasses import asdict

from dotlib.evaluation.images import Table1Row
from dotlib.results import records, tables


def describe(record: records.Record, runs: Iterable[Table1Row]) -> None:
    """Put weights, images and settings of rows of Table 1 into a record."""
    weights, origins = {}, {}
    record.parameters["settings"] = {}
    for run in runs:
        weights |= run.pair.digests | run.panel.digests
        origins |= run.panel.origins
        settings = {"training": run.trained.settings.key(), "scoring": asdict(run.settings)}
        record.parameters["settings"][run.trained.name] = settings
    record.made |= {"weights": weights, "images": origins}


def verdict_table(record: records.Record, head: str, claims: Iterable[str]) -> str:
    """Markdown: the verdict on each claim in this build, and in the committed records of its page."""
    kept = [records.read(path) for path in sorted((records.KEPT / record.stem).glob("*.json"))]
    heads = [f"this build, {record.dataset}", *(f"recorded, {other.dataset}, {other.profile}" for other in kept)]
    rows = [[claim, *(other.verdicts.get(claim, "-") for other in (record, *kept))] for claim in claims]
    return tables.markdown([head, *heads], rows)
