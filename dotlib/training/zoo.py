"""Trained pairs by name: loaded when they exist, trained once when they do not."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dotlib.errors import FileError, check_device, one_line, refuse_difference
from dotlib.pairs import Pair
from dotlib.results import files, provenance
from dotlib.training import checkpoints
from dotlib.training.recipes import recipe, trainer
from dotlib.training.settings import Training, pair_path, settings_of
from dotlib.training.trainer import read_log, train

if TYPE_CHECKING:  # a change of records voids no measured set
    from dotlib.results.records import Record

SCORES = 50  # of G along a training, where its kind of pair has a score
THREADS = 1  # fastest for the 2-D networks, and pairs of images are trained side by side


@dataclass(frozen=True)
class TrainedPair:
    """A pair and where it comes from.

    Attributes:
        pair: G, D, prior, in evaluation mode.
        settings: How it was trained.
        path: Its file; sha256 is that file's digest, for records.
        log: Rows of the training log.
        made: Provenance and seconds of the training.
    """

    name: str
    pair: Pair
    settings: Training
    path: Path
    sha256: str
    log: list[dict[str, float]]
    made: dict


def pair(name: str, *, profile: str, seed: int = 0, device: str = "cpu") -> TrainedPair:
    """Load a pair, or train it first; a second process that wants it waits for the first.

    Args:
        name: One of `catalog.names()`, "<dataset>-wgan-gp" or "<dataset>-<row of Table 1>".
        profile: "smoke", "laptop" or "paper".
        seed: Opens every random stream.
        device: Where it is trained, if it must be; the pair itself is loaded on the CPU.

    Returns:
        The pair, in evaluation mode, with its log and provenance.

    Raises:
        InputError: For unknown names and devices.
        FileError: For a damaged artifact.
    """
    return candidate(name, settings_of(name, profile, seed), profile, device)


def candidate(name: str, settings: Training, profile: str, device: str = "cpu") -> TrainedPair:
    """`pair`, under settings of your own. The profile only opens the file's name."""
    path = pair_path(name, settings, profile)
    return load(name, settings, files.made(path, lambda path: make(settings, path, device)))


def load(name: str, settings: Training, path: Path) -> TrainedPair:
    """Read a pair's file. Raises FileError when damaged, SettingsDifferError when it is another's."""
    tensors, meta = checkpoints.load(path)
    pair = _filled(settings, path, tensors, meta)
    try:
        log, made = meta["log"], meta["made"]
    except KeyError as error:
        raise _not_this_pair(path, error) from error
    return TrainedPair(name, pair, settings, path, checkpoints.digest(path), log, made)


def milestones(trained: TrainedPair) -> Iterator[tuple[int, Pair]]:
    """(update of G, the pair as it was then), oldest first; read one at a time."""
    for path in sorted(_along(trained.path).glob("*.safetensors")):
        tensors, meta = checkpoints.load(path)
        yield meta["update"], _filled(trained.settings, path, tensors, meta)


def make(settings: Training, path: Path, device: str = "cpu") -> None:
    """Train and write the pair to `path`.

    The unfinished state lies beside it in `<path>.run`, and a killed training continues from it. Raises InputError
    where torch has no such device.
    """
    check_device(device)
    parts, folder = recipe(settings), path.with_suffix(".run")
    started, threads = time.monotonic(), torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        train(
            trainer(settings, device),
            folder,
            score=parts.score(),
            score_every=max(1, settings.generator_updates // SCORES),
            milestones=parts.milestones,
            along=_along(path),
        )
    finally:
        torch.set_num_threads(threads)
    tensors, _ = checkpoints.load(folder / "state.safetensors")
    weights = {name: t for name, t in tensors.items() if name[:2] in ("G.", "D.")}
    made = provenance.here(device) | {"seconds_since_resume": round(time.monotonic() - started, 1)}
    checkpoints.save(path, weights, {"settings": asdict(settings), "log": read_log(folder), "made": made})
    shutil.rmtree(folder)  # with what killed writers may have left in it


def _filled(settings: Training, path: Path, tensors: dict[str, Tensor], meta: dict) -> Pair:
    """The pair whose weights these are. Raises SettingsDifferError, FileError."""
    refuse_difference(str(path), meta.get("settings", {}), asdict(settings))
    parts = recipe(settings)
    G, D = parts.networks()
    try:
        for prefix, network in (("G.", G), ("D.", D)):
            network.load_state_dict({key[2:]: t for key, t in tensors.items() if key[:2] == prefix})
    except RuntimeError as error:
        raise _not_this_pair(path, error) from error
    return Pair(parts.ready(G), parts.ready(D), parts.prior)


def _not_this_pair(path: Path, error: Exception) -> FileError:
    return FileError(f"{path}: does not hold this pair ({one_line(error)}); delete it and train again")


def _along(path: Path) -> Path:
    """Folder of the milestones of the pair at `path`."""
    return path.with_suffix(".along")


def add_training_provenance(record: "Record", *trained: TrainedPair) -> None:
    """Put the origin of trained pairs into a record; one from changed source makes it unkeepable.

    Scores need no such line: their files are found by the code that made them (`files.cached`).
    """
    record.made["pairs"] = {
        each.name: {key: each.made[key] for key in ("commit", "dirty", "device", "seconds_since_resume")}
        | {"sha256": each.sha256}
        for each in trained
    }
    record.made["dirty"] = record.made["dirty"] or any(each.made["dirty"] for each in trained)
