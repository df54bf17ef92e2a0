"""The long runs: whatever entry of the manifest has no committed record yet, one at a time."""

import io
from dataclasses import dataclass
from pathlib import Path

import filelock
import yaml
from PIL import Image

from dotlib.errors import FileError, InputError, check_option
from dotlib.evaluation import images as image_pairs
from dotlib.experiments import tab1_scores
from dotlib.notebooks import NotebookError, run_notebook
from dotlib.plots import images as image_plots
from dotlib.profiles import PROFILES
from dotlib.results import files, provenance, records
from dotlib.training import settings as training_settings
from dotlib.training.settings import SHAPES

MANIFEST = records.KEPT / "campaign.yml"
NOTEBOOKS = records.KEPT.parent / "notebooks"
STEM = "tab1_scores"
SHOWN = 10  # samples of the picture beside a record


@dataclass(frozen=True)
class Entry:
    """One committed record that is to be made: a row of Table 1, or a whole page.

    pair:     "<dataset>-<row of Table 1>"; its row is trained, moved and judged.
    page:     or a notebook's name, run as a whole on `dataset`.
    """

    profile: str
    pair: str = ""
    page: str = ""
    dataset: str = ""
    judge: str = "classifier"
    seed: int = 0

    def __post_init__(self) -> None:
        if bool(self.pair) == bool(self.page) or bool(self.page) != bool(self.dataset):
            raise InputError(f"entry: found {self}; name a pair, or a page and its dataset")
        if self.pair:
            training_settings.settings_of(self.pair, self.profile, self.seed)
        else:
            check_option("page", self.page, (path.stem for path in NOTEBOOKS.glob("*.md")))
            check_option("dataset", self.dataset, SHAPES)
            check_option("profile", self.profile, PROFILES)

    @property
    def target(self) -> Path:
        """The committed record that this entry makes."""
        name = (self.pair or self.dataset) + f"-{self.judge}" * (self.judge != "classifier")
        return records.KEPT / (self.page or STEM) / f"{self.profile}-{name}-s{self.seed}.json"


def entries(manifest: Path = MANIFEST) -> list[Entry]:
    """The manifest's runs, in order. Raises FileError, naming it, for anything else in it."""
    try:
        rows = yaml.safe_load(Path(manifest).read_text(encoding="utf-8"))["runs"]
        return [Entry(**row) for row in rows]
    except (OSError, yaml.YAMLError, KeyError, TypeError, InputError) as error:
        raise FileError(
            f"{manifest}: not a list of runs ({' '.join(str(error).split())}); see its first lines"
        ) from error


def run_next(*, device: str = "cpu", manifest: Path = MANIFEST) -> Path | None:
    """Do the first entry without a record that no other process is doing.

    Trains, moves and judges; whatever of it an earlier run has left is loaded. Entries of the
    profile "paper" are left to machines with an accelerator. An entry that fails is passed over,
    and its error raised if no other can be done.

    Writes the record, and for a row a picture of samples before and after, to `results`. Returns
    the record's path, or None when there is nothing to do here. Raises InputError from changed
    source, whose numbers are never kept.
    """
    failure = None
    for entry in entries(manifest):
        if entry.target.exists() or (entry.profile == "paper" and device == "cpu"):
            continue
        if provenance.source_state()[1]:
            raise InputError("source: tracked files are changed; commit them, then run the campaign")
        lock = files.artifacts() / "campaign" / entry.target.parent.name / (f"{entry.target.stem}.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(lock, timeout=0):
                return _page(entry, device) if entry.page else _row(entry, device)
        except filelock.Timeout:
            continue
        except (InputError, FileError, NotebookError) as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return None


def _row(entry: Entry, device: str) -> Path:
    """One row of Table 1; its picture comes before its record, with which the entry is done."""
    record = tab1_scores.open_record(entry.pair, entry.profile, entry.seed, entry.judge, device)
    run = image_pairs.table1_row(entry.pair, profile=entry.profile, seed=entry.seed, judge=entry.judge, device=device)
    tab1_scores.fill_record(record, run)
    shown, _ = tab1_scores.grid(run, SHOWN, entry.seed)
    sheets = [image_plots.sheet(rows, SHOWN) for rows in shown.values()]
    content = io.BytesIO()
    Image.fromarray(image_plots.stacked(sheets)).save(content, "PNG", optimize=True)
    files.write_bytes(entry.target.with_suffix(".png"), content.getvalue())
    return records.keep(records.write(record), records.KEPT)


def _page(entry: Entry, device: str) -> Path:
    """Run a page's notebook and keep the record that it writes."""
    name = entry.target.stem
    run_notebook(
        NOTEBOOKS / f"{entry.page}.md",
        f"_build/campaign/{entry.page}-{name}.ipynb",
        {
            "profile": entry.profile,
            "dataset": entry.dataset,
            "judge": entry.judge,
            "device": device,
            "seed": entry.seed,
        },
    )
    return records.keep(records.BUILT / entry.page / f"{name}.json", records.KEPT)
