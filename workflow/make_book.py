"""`make book`: one build at a time in this folder. `make campaign`: the next record that nobody else is making."""

import argparse
import contextlib
import shutil
import sys
from pathlib import Path

import dependencies
import progress
from filelock import FileLock, Timeout
from snakemake import cli
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from dotlib.profiles import PROFILES
from dotlib.results import files

CAMPAIGN_DONE = "nothing to do here: other records are made by other processes, or want --device cuda"


def main(arguments=None):
    """Exit status 0 when the book, or the record, was made."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Other options and targets go to snakemake.")
    parser.add_argument("--profile", default="laptop", choices=PROFILES)
    parser.add_argument("--device", default="cpu", help="of image pairs: cpu, or cuda where there is one")
    parser.add_argument("--campaign", action="store_true", help="make the next record of results/campaign.yml")
    parser.add_argument("--cores", default="all")
    options, more = parser.parse_known_args(arguments)
    command = [*more, "--snakefile", "workflow/Snakefile", "--logger", "progress", "--cores", options.cores]
    command += ["--config", f"profile={options.profile}", f"device={options.device}"]
    LoggerPluginRegistry().register_plugin("snakemake_logger_plugin_progress", progress)
    if {"-n", "--dry-run"} & set(more):
        return _snakemake(command)
    return _campaign(command, options.device) if options.campaign else _book(command)


def _book(command):
    """Snakemake's own lock keeps others out. That of a build that was killed is removed by the next build."""
    mark = Path("_build/book.running")
    mark.parent.mkdir(exist_ok=True)
    lock = FileLock("_build/book.lock")  # freed by the system when its holder dies
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("waiting: another build is running in this folder", flush=True)
        lock.acquire()
    if mark.exists():
        shutil.rmtree(".snakemake/locks", ignore_errors=True)
    mark.touch()
    with lock:
        status = _snakemake(command)
        mark.unlink()
    if status == 0 and command[0].startswith("-"):  # no targets were named
        print(f"the book is at {Path('_build/html/index.html').resolve().as_uri()}")
    return status


def _campaign(command, device):
    """The first record that no other process is making, on any machine that has this folder."""
    for record in dependencies.missing_records(device):
        lock = FileLock(files.artifacts() / "campaign" / f"{record}.lock")
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Timeout), lock.acquire(timeout=0):
            return _snakemake([f"results/{record}.json", *command, "--nolock"])
    print(CAMPAIGN_DONE)
    return 0


def _snakemake(command):
    try:
        cli.main(command)
    except SystemExit as end:
        return end.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
