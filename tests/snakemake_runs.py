"""Runs of snakemake that a test starts, with its modules loaded once for all of them.

Each run is a process of its own, forked from one that has imported snakemake: a second saved, thirty times.
"""

import itertools
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli"])
NUMBERS = itertools.count()


@dataclass(frozen=True)
class Run:
    """A run that began, and the file of its messages."""

    process: ForkServerProcess
    messages: Path

    def wait_for(self, text: str) -> None:
        """Return when the run has said this; fail where it ended without."""
        while text not in self.messages.read_text(encoding="utf-8"):
            assert self.process.is_alive(), self.messages.read_text(encoding="utf-8")
            time.sleep(0.02)

    def end(self, status: int = 0) -> str:
        """What the run said, when it has ended with this status."""
        self.process.join(120)
        said = self.messages.read_text(encoding="utf-8")
        assert self.process.exitcode == status, said
        return said


def start(root: Path, arguments: list[str], variables: dict[str, str]) -> Run:
    """Start snakemake in the folder `root` with these variables beside our own."""
    messages = root / f"messages-{next(NUMBERS)}.txt"
    messages.write_text("", encoding="utf-8")
    process = FORKS.Process(target=_run, args=(root, arguments, os.environ | variables, messages))
    process.start()
    return Run(process, messages)


def _run(root: Path, arguments: list[str], variables: dict[str, str], messages: Path) -> None:
    for descriptor in (1, 2):
        os.dup2(os.open(messages, os.O_WRONLY | os.O_APPEND), descriptor)
    os.chdir(root)
    os.environ.clear()
    os.environ.update(variables)
    sys.path[:0] = [str(root), str(root / "workflow/plugins")]
    sys.argv = ["snakemake", *arguments]
    from snakemake import cli

    cli.main(arguments)
