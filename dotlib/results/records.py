"""The record of a run: rows of numbers with their units, and everything that made them.

    record = records.start("tab1_scores", profile="laptop", dataset="digits", seed=0, parameters={...})
    record.put("k_eff", 1.9, sd=0.1, n=10, unit="logits per latent distance")
    record.put("fid", 3.1, method="dot", setting=20, unit="squared feature units", sd=0.2, n=5)
    record.put("fid", -0.4, method="dot", setting=20, against="bare", unit=..., interval=(-0.5, -0.3), n=5)
    record.get("fid", method="dot", setting=20, against="bare").interval  # (-0.5, -0.3)
    [row.value for row in record.rows(quantity="fid", against="bare")]  # in the order of putting
    records.write(record)

`put` and `get` name a row by the same six fields: quantity, method, setting, against, pair, judge. A field that
does not apply is left out in both. A curve is one row a point, with x as `setting`; `rows(...)` gives it back.
A difference is the row of its method with `against`.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import ArrayLike

from dotlib import seeding
from dotlib.errors import FileError, InputError, check_count, check_device, check_option, nearest, refuse_difference
from dotlib.profiles import PROFILES
from dotlib.results import files, provenance

BUILT = files.home() / "records"  # what the pages of this build show, measured here or committed; git-ignored
KEPT = Path(__file__).resolve().parents[2] / "results"  # long runs, committed


class Where(TypedDict, total=False):
    """What a number is a number of; a field that does not apply is left out. See `Row`."""

    method: str
    setting: str | float
    against: str
    pair: str
    judge: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number of a record. The fields up to `judge` are its key: they name it in its record."""

    quantity: str  # what was measured, such as "fid" or "k_eff"
    method: str = ""  # whose samples were measured, such as "bare", "dot" or "real"
    setting: str | float = ""  # of the method, such as the number of updates; the x of a curve
    against: str = ""  # the method that is subtracted; "" for a value that is no difference
    pair: str = ""  # pair (G, D), where a record holds several
    judge: str = ""  # network that measured, where it is not the record's first
    value: float
    unit: str = ""  # "" for a pure number
    sd: float | None = None  # standard deviation over the n trials
    n: int | None = None
    low: float | None = None  # ends of the 95 % interval of the value
    high: float | None = None

    @property
    def key(self) -> tuple[str | float, ...]:
        """What names the row in its record."""
        return (self.quantity, *(getattr(self, name) for name in Where.__annotations__))

    def __str__(self) -> str:
        """The key as errors print it: "fid, method=dot, setting=20"."""
        parts = zip(Where.__annotations__, self.key[1:], strict=True)
        return ", ".join([self.quantity, *(f"{name}={part}" for name, part in parts if part != "")])

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the value. Raises InputError when the row has none."""
        if self.low is None or self.high is None:
            raise InputError(f"interval: {self} has none; put one with the value")
        return self.low, self.high


@dataclass
class Record:
    """One run of one experiment, found by its stem, profile, data set and seed."""

    stem: str  # of the experiment: notebook, results folder and page share it
    profile: str
    dataset: str
    seed: int
    parameters: dict  # every other setting that decides the values, JSON-able
    content: dict[tuple[str | float, ...], Row] = field(default_factory=dict)  # by key, in the order of putting
    verdicts: dict[str, str] = field(default_factory=dict)  # claim -> one of the words of `dotlib.results.paper`
    made: dict = field(default_factory=dict)  # commit, versions, device, digests of the weights, seconds

    def put(
        self,
        quantity: str,
        value: float,
        *,
        unit: str,
        sd: float | None = None,
        n: int | None = None,
        interval: tuple[float, float] | None = None,
        **where: Unpack[Where],
    ) -> None:
        """Add one row. Raises InputError for a number that is not finite, and for a key that is there already."""
        low, high = interval or (None, None)
        row = Row(quantity=quantity, **where, value=value, unit=unit, sd=sd, n=n, low=low, high=high)
        if row.key in self.content:
            raise InputError(f"quantity: {row} is in this record already; choose another key")
        try:
            json.dumps([math.isfinite(value), asdict(row)], allow_nan=False)
        except (TypeError, ValueError) as error:
            words = f"{row} is not finite or not a number ({value!r})"
            raise InputError(f"value: {words}; find the run that diverged") from error
        self.content[row.key] = row

    def put_trials(self, quantity: str, trials: ArrayLike, *, unit: str, **where: Unpack[Where]) -> None:
        """Add the mean of some trials, with their standard deviation where there are two or more."""
        trials = np.asarray(trials)
        sd = float(trials.std(ddof=1)) if len(trials) > 1 else None
        self.put(quantity, float(trials.mean()), unit=unit, sd=sd, n=len(trials), **where)

    def get(self, quantity: str, **where: Unpack[Where]) -> Row:
        """The row with exactly this key. Raises InputError, naming the nearest key, when there is none."""
        wanted = Row(quantity=quantity, **where, value=0.0)
        if wanted.key not in self.content:
            same = (f"; nearest: {row}" for row in self.rows(quantity=quantity))
            near = nearest(wanted, map(str, self.rows())) or next(same, "")
            raise InputError(f"quantity: no {wanted} in the record {self.stem}/{self.key}{near}")
        return self.content[wanted.key]

    def rows(self, **where: str | float) -> Iterator[Row]:
        """The rows whose fields have these values, in the order in which they were put."""
        for name in where:
            check_option("where", name, ("quantity", *Where.__annotations__))
        wanted = where.items()
        return (row for row in self.content.values() if all(getattr(row, name) == part for name, part in wanted))

    @property
    def key(self) -> str:
        """File name without ending: profile-dataset-s<seed>."""
        return f"{self.profile}-{self.dataset}-s{self.seed}"


def start(
    stem: str,
    *,
    profile: str,
    dataset: str,
    seed: int,
    parameters: dict,
    weights: dict[str, str] | None = None,
    judge: str = "",
    device: str = "cpu",
) -> Record:
    """Open a record; `write` closes it.

    Weights are named with the SHA-256 of their files. The judge of image pairs is a parameter, and part of the data
    set's name where it is no classifier. In the profile "paper" torch is made deterministic (`seeding.strict`). Raises
    InputError for an unknown profile and a device that cannot be used.
    """
    check_option("profile", profile, PROFILES)
    check_count("seed", seed, 0)
    check_device(device)
    if profile == "paper":
        seeding.strict()
    made = provenance.here(device) | {
        "weights": weights or {},
        "started": time.time(),
        "strict": torch.are_deterministic_algorithms_enabled(),
    }
    if judge:
        parameters = parameters | {"judge": judge}
        dataset += f"-{judge}" * (judge != "classifier")
    return Record(stem, profile, dataset, seed, json.loads(json.dumps(parameters)), made=made)


def write(record: Record, folder: Path = BUILT) -> Path:
    """Close the record, unless it is closed, and write it to `<folder>/<stem>/<key>.json`, atomically."""
    record.made.setdefault("seconds", round(time.time() - record.made["started"], 3))
    path = Path(folder) / record.stem / f"{record.key}.json"
    files.write_text(path, text_of(record))
    return path


def text_of(record: Record) -> str:
    """The JSON of a record, one line a row."""
    head = {name: part for name, part in vars(record).items() if name != "content"}
    rows = [{k: v for k, v in asdict(row).items() if v not in ("", None)} for row in record.content.values()]
    lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return json.dumps(head, indent=1, sort_keys=True)[:-2] + f',\n "rows": [\n{lines}\n ]\n}}\n'


def read(path: Path) -> Record:
    """Read a record. Raises FileError, naming the file, when it is missing or not a record."""
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = [Row(**row) for row in stored.pop("rows")]
        return Record(**stored, content={row.key: row for row in rows})
    except OSError as error:
        remedy = "run its notebook first, see book/run-in-batch"
        raise FileError(f"{path}: no such record ({error.strerror}); {remedy}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(f"{path}: not a record ({error}); delete it and run its notebook again") from error


def _checked(folder: Path) -> Path:
    if folder == KEPT and provenance.checkout() is None:
        raise FileError(f"{KEPT}: committed records come with the repository; run from a checkout of it")
    return Path(folder)


def find(stem: str, *, profile: str, dataset: str, seed: int = 0, folder: Path | None = None) -> Record | None:
    """The record with this key, from this build or else from `results`; None if there is none."""
    for place in [BUILT, KEPT] if folder is None else [folder]:
        path = _checked(place) / stem / f"{profile}-{dataset}-s{seed}.json"
        if path.exists():
            return read(path)
    return None


def stored(folder: Path, stem: str = "*") -> list[Record]:
    """All records of a folder, BUILT or KEPT, in the order of their files; or those of one experiment."""
    return [read(path) for path in sorted(_checked(folder).glob(f"{stem}/*.json"))]


def keep(path: Path, folder: Path = KEPT) -> Path:
    """Copy a record of this build, with the picture and the table beside it, among the committed ones.

    A record that is there already may be replaced only by one with the same parameters. Raises SettingsDifferError
    otherwise, and InputError for a record of the smoke profile or of changed source.
    """
    record = read(path)
    if record.profile == "smoke":
        raise InputError(f"path: {path} is a smoke run; smoke numbers are never kept")
    if record.made.get("dirty", True):
        raise InputError(f"path: {path} was made from changed source; commit, then run it again")
    if record.made.get("trials", "").startswith("recorded at"):
        raise InputError(f"path: {path} shows trials of a committed record; measure them with -p anew true")
    target = _checked(folder) / record.stem / f"{record.key}.json"
    if target.exists():
        refuse_difference(str(target), read(target).parameters, record.parameters)
    for beside in (Path(path).with_suffix(suffix) for suffix in (".png", ".csv")):
        if beside.exists():
            files.write_bytes(target.with_suffix(beside.suffix), beside.read_bytes())
    files.write_bytes(target, Path(path).read_bytes())
    return target
