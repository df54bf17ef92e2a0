"""The long runs: whatever entry of the manifest has no committed record yet, one at a time."""

import io
from dataclasses import dataclass
from pathlib import Path

import filelock
import yaml
from PIL import Image

from dotlib import atomic, catalog, image_plots, image_reporting, image_scores, provenance, records
from dotlib.errors import BadFile, BadInput

MANIFEST = records.KEPT / "campaign.yml"
STEM = "tab1_scores"
SHOWN = 10  # samples of the picture beside a record


@dataclass(frozen=True)
class Entry:
    """One row of Table 1 that is to be recorded."""

    pair: str
    profile: str
    judge: str = "classifier"
    seed: int = 0

    @property
    def target(self) -> Path:
        """The committed record that this entry makes."""
        return records.KEPT / STEM / f"{self.profile}-{self.pair}-s{self.seed}.json"


def entries(manifest: Path = MANIFEST) -> list[Entry]:
    """The manifest's runs, in order. Raises BadFile, naming it, for anything else in it."""
    try:
        rows = yaml.safe_load(Path(manifest).read_text(encoding="utf-8"))["runs"]
        found = [Entry(**row) for row in rows]
        for one in found:
            catalog.settings_of(one.pair, one.profile, one.seed)
    except (OSError, yaml.YAMLError, KeyError, TypeError, BadInput) as error:
        raise BadFile(f"{manifest}: not a list of runs ({' '.join(str(error).split())}); see its "
                      "first lines") from error
    return found


def run_next(*, device: str = "cpu", manifest: Path = MANIFEST) -> Path | None:
    """Do the first entry without a record that no other process is doing.

    Trains, moves and judges; whatever of it an earlier run has left is loaded. Writes the record
    and a picture of samples before and after to `results`, and returns the record's path, or None
    when nothing is missing. Raises BadInput from changed source, whose numbers are never kept.
    """
    for entry in entries(manifest):
        if entry.target.exists():
            continue
        if provenance.source_state()[1]:
            raise BadInput("source: tracked files are changed; commit them, then run the campaign")
        lock = catalog.artifacts() / "campaign" / f"{entry.target.stem}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(lock, timeout=0):
                return _do(entry, device)
        except filelock.Timeout:
            continue
    return None


def _do(entry: Entry, device: str) -> Path:
    record = image_reporting.open_record(entry.pair, entry.profile, entry.seed, entry.judge)
    record.made |= provenance.here(device)
    run = image_scores.table1(entry.pair, profile=entry.profile, seed=entry.seed,
                              judge=entry.judge, device=device)
    image_reporting.fill_record(record, run)
    shown, _ = image_reporting.grid(run, SHOWN, entry.seed)
    sheets = [image_plots.sheet(rows, SHOWN) for rows in shown.values()]
    content = io.BytesIO()
    Image.fromarray(image_plots.stacked(sheets)).save(content, "PNG", optimize=True)
    kept = records.keep(records.write(record))
    atomic.write_bytes(kept.with_suffix(".png"), content.getvalue())
    return kept
