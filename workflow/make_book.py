"""`make book`: one build at a time in this folder. `make campaign`: the next record that nobody else is making."""

import argparse
import contextlib
import shutil
from pathlib import Path

import progress
import yaml
from filelock import FileLock, Timeout
from snakemake import cli
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from dotlib.profiles import PROFILES
from dotlib.results import files

CAMPAIGN_DONE = "nothing to do here: other records are made by other processes, or want --device cuda"


def main():
    """Exit with status 0 when the book, or the record, was made."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Other options and targets go to snakemake.")
    parser.add_argument("--profile", default="laptop", choices=PROFILES)
    parser.add_argument("--device", default="cpu", help="of image pairs: cpu, or cuda where there is one")
    parser.add_argument("--train", action="store_true", help="train all pairs, those in pairs/ too")
    parser.add_argument("--campaign", action="store_true", help="make the next record of results/campaign.yml")
    options, more = parser.parse_known_args()
    command = [*more, "--snakefile", "workflow/Snakefile", "--logger", "progress"]
    command += ["--config", f"profile={options.profile}", f"device={options.device}", f"train={int(options.train)}"]
    LoggerPluginRegistry().register_plugin("snakemake_logger_plugin_progress", progress)
    if options.campaign:
        campaign(command, options.device)
    elif {"-n", "--dry-run"} & set(more):
        cli.main(command)
    else:
        book(command)


def book(command):
    """Build, and exit; snakemake's own lock keeps others out, and that of a build that was killed is removed."""
    lock, running = FileLock("_build/book.lock"), Path("_build/book.running")
    try:
        lock.acquire(timeout=0)  # freed by the system when its holder dies
    except Timeout:
        print("waiting: another build is running in this folder", flush=True)
        lock.acquire()
    if running.exists():
        shutil.rmtree(".snakemake/locks", ignore_errors=True)
    running.touch()
    try:
        cli.main(command)
    finally:
        running.unlink()


def campaign(command, device):
    """Make the first record that no other process is making, on any machine that has this folder, and exit."""
    for record, values in yaml.safe_load(Path("results/campaign.yml").read_text("utf-8")).items():
        if not Path("results", f"{record}.json").exists() and (values["profile"] != "paper" or device != "cpu"):
            with contextlib.suppress(Timeout), files.only_maker(files.artifacts() / "campaign" / record, timeout=0):
                cli.main([f"_build/campaign/{record}.ipynb", "--force", *command, "--nolock"])
    print(CAMPAIGN_DONE)


if __name__ == "__main__":
    main()
