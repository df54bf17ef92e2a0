"""`make book`: one build at a time, on the cores at hand, and a short account of failures."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock, Timeout


def main(arguments=None):
    """Run the workflow; exit status 0 when the book was built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="laptop", choices=["smoke", "laptop", "paper"])
    parser.add_argument("--cores", type=int, default=_cores())
    options, more = parser.parse_known_args(arguments)
    Path("_build").mkdir(exist_ok=True)
    lock = FileLock("_build/book.lock")  # freed by the system when its holder dies
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("waiting: another build is running in this folder", flush=True)
        lock.acquire()
    with lock:
        return _build(options.profile, options.cores, more)


def _build(profile, cores, more):
    failed = Path("_build/failed")
    for file in failed.glob("*.txt"):
        file.unlink()
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        "workflow/Snakefile",
        "--nolock",
        "--cores",
        str(cores),
        "--config",
        f"profile={profile}",
        *more,
    ]
    status = subprocess.run(command, env=_environment(), check=False).returncode
    for file in sorted(failed.glob("*.txt")):
        print(f"\nno page executed/{file.stem}.ipynb:\n{file.read_text(encoding='utf-8').strip()}", file=sys.stderr)
    if status == 0:
        print(f"the book is at {Path('_build/html/index.html').resolve().as_uri()}")
    return status


def _environment():
    scripts = str(Path(sys.executable).parent)  # programs of this environment come first
    return os.environ | {"PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])}


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
