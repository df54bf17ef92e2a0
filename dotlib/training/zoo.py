"""Trained pairs by name: the committed one, else one that was trained here, which happens once.

With $DOTLIB_TRAIN set, committed pairs are left alone and every pair is trained.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from dotlib.errors import FileError, check_device, one_line, refuse_difference
from dotlib.networks.freezing import frozen
from dotlib.pairs import Pair
from dotlib.results import files, provenance
from dotlib.training import checkpoints
from dotlib.training.recipes import recipe, trainer
from dotlib.training.settings import Training, pair_file, pair_path, settings_of, shipped_folder
from dotlib.training.trainer import read_log, train, weights

if TYPE_CHECKING:  # a change of records voids no measured set
    from dotlib.results.records import Record

ALONG = ".along"  # ending of the folder of a pair's milestones
SCORES = 50  # of G along a training, where its kind of pair has a score
SHIPPED, TRAINED = "shipped", "trained here"  # where a pair comes from
THREADS = 1  # fastest for the 2-D networks, and pairs of images are trained side by side


@dataclass(frozen=True)
class TrainedPair:
    """A pair and where it comes from."""

    name: str
    pair: Pair  # in evaluation mode
    settings: Training
    path: Path
    sha256: str  # of the file that the training wrote, for records
    log: list[dict[str, float]]  # thinned where the pair is shipped
    made: dict  # provenance, and seconds of the training
    origin: str = TRAINED  # or SHIPPED: committed in `pairs/`


def pair(name: str, *, profile: str, seed: int = 0, device: str = "cpu") -> TrainedPair:
    """Load a pair, "<dataset>-wgan-gp" or "<dataset>-<row of Table 1>", or train it first where none is committed.

    A second process that wants it waits for the first. `device` is where it is trained, if it must be; it is loaded on
    the CPU. Raises InputError for unknown names and devices, FileError for a damaged artifact.
    """
    return candidate(name, settings_of(name, profile, seed), profile, device)


def candidate(name: str, settings: Training, profile: str, device: str = "cpu") -> TrainedPair:
    """`pair`, under settings of your own. The profile only opens the file's name."""
    path = files.made(pair_file(name, settings, profile), lambda path: make(settings, path, device))
    pair, (log, made) = read(settings, path, "log", "made")
    origin = TRAINED if path == pair_path(name, settings, profile) else SHIPPED
    return TrainedPair(name, pair, settings, path, made.get("sha256") or checkpoints.digest(path), log, made, origin)


def milestones(trained: TrainedPair) -> Iterator[tuple[int, Pair]]:
    """(update of G, the pair as it was then), oldest first, read one at a time. A shipped pair has none."""
    for path in sorted(trained.path.with_suffix(ALONG).glob("*.safetensors")):
        pair, (update,) = read(trained.settings, path, "update")
        yield update, pair


def make(settings: Training, path: Path, device: str = "cpu") -> None:
    """Train and write the pair to `path`, from the unfinished state beside it, `<path>.run`, where there is one.

    Raises InputError where torch has no such device.
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
            along=path.with_suffix(ALONG),
        )
    finally:
        torch.set_num_threads(threads)
    tensors, _ = checkpoints.load(folder / "state.safetensors")
    made = provenance.here(device) | {"seconds_since_resume": round(time.monotonic() - started, 1)}
    checkpoints.save(path, weights(tensors), {"settings": asdict(settings), "log": read_log(folder), "made": made})
    shutil.rmtree(folder)  # with what killed writers may have left in it


def read(settings: Training, path: Path, *keys: str) -> tuple[Pair, list]:
    """The pair in a file, and what its meta holds under these keys. Raises SettingsDifferError, FileError."""
    try:
        tensors, meta = checkpoints.load(path)
    except FileError as error:
        remedy = f", or restore it: git checkout -- {path}" if shipped_folder() in path.parents else ""
        raise FileError(f"{error}{remedy}") from error
    refuse_difference(str(path), meta.get("settings", {}), asdict(settings))
    parts = recipe(settings)
    G, D = parts.networks()
    try:
        for prefix, network in (("G.", G), ("D.", D)):
            network.load_state_dict(checkpoints.part(prefix, tensors))
        values = [meta[key] for key in keys]
    except (KeyError, RuntimeError) as error:
        raise FileError(f"{path}: does not hold this pair ({one_line(error)}); delete it and train again") from error
    return Pair(frozen(G), frozen(D), parts.prior), values


def add_training_provenance(record: "Record", *trained: TrainedPair) -> None:
    """Put the origin of trained pairs into a record, with their seed where it is not the record's.

    One from changed source makes it unkeepable.
    Scores need no such line: their files are found by the code that made them (`files.cached`).
    """
    record.made["pairs"] = {
        each.name + (f", seed {each.settings.seed}" if each.settings.seed != record.seed else ""): {
            key: each.made[key] for key in ("commit", "dirty", "device", "seconds_since_resume")
        }
        | {"sha256": each.sha256, "origin": each.origin}
        for each in trained
    }
    record.made["dirty"] = record.made["dirty"] or any(each.made["dirty"] for each in trained)
