"""What a training will do, how long it takes, and how far it is: read from the files beside it, without torch.

The training itself knows nothing of this module, so that another word of it voids no measured set.
"""

import contextlib
import itertools
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import safetensors

from dotlib.results import files
from dotlib.training.settings import Training, pair_file, pair_path, shipped_folder

Tell = Callable[[str], object]  # takes a line


def announce(tell: Tell, name: str, settings: Training, profile: str, device: str) -> None:
    """Tell what a training of the pair of this name will do, and how long it took before."""
    path, title = pair_file(name, settings, profile), f"{name}, profile {profile}, seed {settings.seed}"
    if path.exists():
        shipped = path != pair_path(name, settings, profile)
        tell(f"{title}: nothing to train, it is " + ("shipped; DOTLIB_TRAIN=1 trains it here" if shipped else "there"))
        return
    folder, updates = path.with_suffix(".run"), settings.generator_updates
    tell(f"{title}: {updates:,} updates of G, {settings.critic_updates_at(updates)} of D before each, on {device}")
    if done := saved_update(folder):
        tell(f"goes on after update {done:,}, from {folder}")
    else:
        tell(f"the state is saved in {folder} as it goes; after a stop, the same command goes on from there")
    tell(recorded(name, settings, profile))
    try:
        with files.only_maker(path, timeout=0):
            pass
    except TimeoutError:
        tell("another process trains it already; this one waits for it")


def recorded(name: str, settings: Training, profile: str) -> str:
    """How long the shipped trainings with these settings took, whatever their seed."""
    wanted = asdict(settings) | {"seed": None}
    made = [meta["made"] for meta in shipped_metas(name, profile) if meta["settings"] | {"seed": None} == wanted]
    if not made:
        return "how long it takes is recorded nowhere; an estimate comes after the first updates"
    seconds = sorted(each["seconds_since_resume"] for each in made)
    took = spelt(seconds[0]) if len(seconds) == 1 else f"{spelt(seconds[0])} to {spelt(seconds[-1])}"
    middle = f", half of them at most {spelt(statistics.median(seconds))}" if len(seconds) > 2 else ""
    return (
        f"{len(made)} shipped, on one core of {', '.join(sorted({each['device'] for each in made}))}: {took}{middle}; "
        "one that was stopped counts from its last start"
    )


def shipped_metas(name: str = "*", profile: str = "*") -> list[dict]:
    """What the files of shipped pairs say of themselves; a damaged one is passed over, its reader will name it."""
    metas = []
    for path in sorted((shipped_folder() or Path("nowhere")).glob(f"{name}/{profile}-*.safetensors")):
        with contextlib.suppress(safetensors.SafetensorError, KeyError, ValueError):
            metas.append(_meta(path))
    return metas


def saved_update(folder: Path) -> int:
    """The last update of G in the saved state of an unfinished training; 0 where there is none that can be read."""
    with contextlib.suppress(OSError, safetensors.SafetensorError, KeyError, ValueError):
        return _meta(folder / "state.safetensors")["update"]
    return 0


def _meta(path: Path) -> dict:
    with safetensors.safe_open(path, framework="np") as file:
        return json.loads(file.metadata()["meta"])


@contextlib.contextmanager
def progress(tell: Tell, path: Path, settings: Training, *, first: float = 15.0, every: float = 60.0) -> Iterator[None]:
    """Tell how far the training of the pair at `path` is while the block runs, from the log that it writes.

    The first line comes after so many seconds of updates, and the others after so many more. Another process may be the
    one that trains.
    """
    stop = threading.Event()
    log_file = path.with_suffix(".run") / "log.jsonl"
    thread = threading.Thread(target=_follow, args=(stop, tell, log_file, settings, first, every), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _follow(stop: threading.Event, tell: Tell, log_file: Path, settings: Training, first: float, every: float) -> None:
    total, opened = settings.generator_updates, time.time()
    work = [0, *itertools.accumulate(1 + settings.critic_updates_at(update) for update in range(total))]
    seen: list[int] = []  # the update found first, before which torch was loaded, and the next one, which counts
    begin, due = 0.0, 0.0
    while not stop.wait(min(1.0, first / 4)):
        update, now = _last_update(log_file, since=opened), time.monotonic()
        if not update or update in seen:
            continue
        if len(seen) < 2:
            seen.append(update)
            begin, due = now, now + first
        elif now >= due:
            seconds = (now - begin) / (work[update] - work[seen[1]]) * (work[total] - work[update])
            tell(f"update {update:,} of {total:,}; about {spelt(seconds)} left")
            due = now + every


def _last_update(log_file: Path, *, since: float) -> int:
    """The update in the last whole line of a log that was written to since then, in seconds of the epoch; else 0."""
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
        if log_file.stat().st_mtime >= since - 1:
            with log_file.open("rb") as file:
                file.seek(max(0, log_file.stat().st_size - 4_096))
                return json.loads(file.read().rpartition(b"\n")[0].splitlines()[-1])["update"]
    return 0


def spelt(seconds: float) -> str:
    """A duration in words: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if hours < 10 else f"{hours} h"
