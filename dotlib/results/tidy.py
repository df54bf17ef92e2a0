"""The tidy table beside a record: one line a set and judge, so that any reader computes any paired difference.

    frame = tidy.read("transport_matters", profile="laptop", dataset="digits-dcgan-sngan-ns", seed=0)
    fid = frame.pivot(index=["set", "judge"], columns=["method", "setting"], values="fid")
    (fid["DOT", 20] - fid["naive", 20]).mean()

A table is a CSV file with the record's name; the record holds its SHA-256.
"""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from dotlib.errors import FileError, InputError
from dotlib.results import files, records
from dotlib.results.records import Record

DIGITS = 7  # significant ones of a number


def write(record: Record, rows: Iterable[dict[str, float | str]], folder: Path | None = None) -> Path:
    """Write a record with its table, and return the record's file. Raises InputError for a value that is not finite."""
    frame = pd.DataFrame(list(rows))
    bad = [name for name in frame.select_dtypes("number") if not np.isfinite(frame[name].to_numpy()).all()]
    if bad:
        raise InputError(f"rows: column {bad[0]!r} has a value that is not finite; find the run that diverged")
    text = frame.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    record.made["table"] = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "rows": len(frame)}
    folder = records.BUILT if folder is None else folder
    files.write_text(folder / record.stem / f"{record.key}.csv", text)
    return records.write(record, folder)


def read(stem: str, *, profile: str, dataset: str, seed: int = 0, folder: Path | None = None) -> pd.DataFrame:
    """The table of a record of this build or else of the committed ones. Raises FileError when missing or changed."""
    record = records.find(stem, profile=profile, dataset=dataset, seed=seed, folder=folder)
    if record is None:
        raise FileError(f"{stem}/{profile}-{dataset}-s{seed}: no such record; run its notebook first")
    for place in [records.BUILT, records.KEPT] if folder is None else [folder]:
        if (place / stem / f"{record.key}.json").exists():
            return of(record, place)
    raise FileError(f"{stem}/{record.key}: its file is gone; run its notebook again")


def of(record: Record, folder: Path) -> pd.DataFrame:
    """The table of a record that was read from this folder. Raises FileError when missing or changed."""
    path = Path(folder) / record.stem / f"{record.key}.csv"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: no table beside its record ({error.strerror}); run its notebook again") from error
    if hashlib.sha256(content).hexdigest() != record.made.get("table", {}).get("sha256"):
        raise FileError(f"{path}: is not the table that its record was written with; run its notebook again")
    return pd.read_csv(io.BytesIO(content))


def stored(folder: Path, stem: str) -> pd.DataFrame:
    """All tables of an experiment in a folder, with columns profile, dataset and seed; empty where there is none."""
    frames = [
        of(record, folder).assign(profile=record.profile, dataset=record.dataset, seed=record.seed)
        for record in records.stored(folder, stem)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def values(stored: Iterable[Record]) -> pd.DataFrame:
    """All numbers of some records, a line each: what names the record, the fields of `Row`, and the commit."""
    lines = [
        {"page": record.stem, "profile": record.profile, "dataset": record.dataset, "seed": record.seed}
        | asdict(row)
        | {"commit": record.made["commit"]}
        for record in stored
        for row in record.content.values()
    ]
    return pd.DataFrame(lines)
