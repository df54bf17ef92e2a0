"""The record of a run: values with their units, and everything that made them."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from dotlib import seeding
from dotlib.errors import FileError, InputError, check_count, check_device, check_option, nearest, refuse_difference
from dotlib.profiles import PROFILES
from dotlib.results import files, provenance


def run_name(name: str, judge: str, *more: str) -> str:
    """The data set or pair as a record calls it; a judge that is no classifier is part of it."""
    return "-".join([name, *more, *([judge] if judge != "classifier" else [])])


ROOT = Path(__file__).resolve().parents[2]
BUILT = Path("_build/records")  # what this build measured; git-ignored
KEPT = ROOT / "results"  # long runs, committed


@dataclass
class Record:
    """One run of one experiment.

    stem:        the experiment; notebook, results folder and page share it.
    profile, dataset, seed:  with the stem, the key of the record.
    parameters:  every other setting that decides the values, JSON-able.
    values:      name -> {"value", "unit", and where it exists "sd", "n", "interval"}.
    verdicts:    claim -> one of the words of `dotlib.published`.
    made:        commit, versions, device, digests of the weights, seconds.
    """

    stem: str
    profile: str
    dataset: str
    seed: int
    parameters: dict
    values: dict[str, dict] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    made: dict = field(default_factory=dict)

    def put(
        self,
        name: str,
        value: float | list,
        *,
        unit: str,
        sd: float | None = None,
        n: int | None = None,
        interval: tuple[float, float] | None = None,
    ) -> None:
        """Add one value.

        value:     a number, or a list of numbers (a curve).
        unit:      of the value; "" for a pure number.
        sd:        standard deviation over the n trials.
        interval:  95 % interval of the value.
        Raises InputError when it is not finite or the name is taken.
        """
        if name in self.values:
            raise InputError(f"name: {name!r} is in this record already; choose another")
        entry = {"value": value, "unit": unit, "sd": sd, "n": n, "interval": list(interval) if interval else None}
        try:
            text = json.dumps({k: v for k, v in entry.items() if v is not None}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"value: {name} is not finite or not a number ({value!r}); find the run that diverged"
            ) from error
        self.values[name] = json.loads(text)

    def __getitem__(self, name: str) -> float | list:
        """The value called `name`. Raises InputError, naming the nearest, when there is none."""
        return self._entry(name, "value")

    def sd(self, name: str) -> float:
        """The standard deviation kept with `name`. Raises InputError when there is none."""
        return self._entry(name, "sd")

    def interval(self, name: str) -> tuple[float, float]:
        """The 95 % interval kept with `name`. Raises InputError when there is none."""
        return tuple(self._entry(name, "interval"))

    def _entry(self, name: str, part: str) -> float | list:
        if name not in self.values:
            raise InputError(f"name: no {name!r} in the record {self.stem}/{self.key}{nearest(name, self.values)}")
        if part not in self.values[name]:
            raise InputError(
                f"name: {name!r} in the record {self.stem}/{self.key} has no {part}; put one with the value"
            )
        return self.values[name][part]

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

    weights:  name -> SHA-256 of each file of weights that the run uses.
    judge:    of image pairs: a parameter, and part of the data set's name where it is no classifier.
    device:   where the run computes.
    In the profile "paper" this first makes torch deterministic (`seeding.strict`). Raises InputError.
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
        dataset, parameters = run_name(dataset, judge), parameters | {"judge": judge}
    return Record(stem, profile, dataset, seed, json.loads(json.dumps(parameters)), made=made)


def write(record: Record, folder: Path = BUILT) -> Path:
    """Close the record and write it to `<folder>/<stem>/<key>.json`, atomically."""
    record.made["seconds"] = round(time.time() - record.made["started"], 1)
    path = Path(folder) / record.stem / f"{record.key}.json"
    files.write_text(path, json.dumps(asdict(record), indent=1, sort_keys=True) + "\n")
    return path


def read(path: Path) -> Record:
    """Read a record. Raises FileError, naming the file, when it is missing or not a record."""
    try:
        return Record(**json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise FileError(
            f"{path}: no such record ({error.strerror}); run its notebook first, see book/run-in-batch"
        ) from error
    except (ValueError, TypeError) as error:
        raise FileError(f"{path}: not a record ({error}); delete it and run its notebook again") from error


def find(stem: str, *, profile: str, dataset: str, seed: int = 0, folder: Path | None = None) -> Record | None:
    """The record with this key, from this build or else from `results`; None if there is none."""
    for place in [BUILT, KEPT] if folder is None else [Path(folder)]:
        path = place / stem / f"{profile}-{dataset}-s{seed}.json"
        if path.exists():
            return read(path)
    return None


def keep(path: Path, folder: Path = KEPT) -> Path:
    """Copy a record of this build among the committed ones.

    A record that is there already may be replaced only by one with the same parameters. Raises
    SettingsDifferError otherwise, and InputError for a record of the smoke profile or of changed source.
    """
    record = read(path)
    if record.profile == "smoke":
        raise InputError(f"path: {path} is a smoke run; smoke numbers are never kept")
    if record.made.get("dirty", True):
        raise InputError(f"path: {path} was made from changed source; commit, then run it again")
    target = Path(folder) / record.stem / f"{record.key}.json"
    if target.exists():
        refuse_difference(str(target), read(target).parameters, record.parameters)
    files.write_bytes(target, Path(path).read_bytes())
    return target
