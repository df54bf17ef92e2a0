"""Build the HTML from the executed notebooks: build_book.py FOLDER_OF_EXECUTED_NOTEBOOKS.

The strict build goes to a temporary folder; `_build/html` is replaced only when it succeeded.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(runs):
    """Exit status 0 when `_build/html` is the new book."""
    _copy_pages(Path(runs), Path("executed"))
    build = Path("_build")
    for old in build.glob("html-*"):  # left by a build that was killed; builds hold a lock
        shutil.rmtree(old)
    work = Path(tempfile.mkdtemp(dir=build, prefix="html-"))
    try:
        program = str(Path(sys.executable).with_name("jupyter-book"))
        command = [program, "build", ".", "-W", "-n", "--keep-going", "--path-output", str(work)]
        status = _quietly(command)
        if status == 0:
            _replace(build / "html", work / "_build" / "html", work / "old")
        return status
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _copy_pages(runs, pages):
    pages.mkdir(exist_ok=True)
    made = {path.name: path for path in runs.glob("*.ipynb") if not path.name.startswith(".")}
    for path in pages.glob("*.ipynb"):
        if path.name not in made:
            path.unlink()
    for name, path in made.items():
        temporary = pages / f".{name}.part"
        shutil.copyfile(path, temporary)
        os.replace(temporary, pages / name)


def _quietly(command):
    """Run, and show only why it failed: its warnings, or its last lines where it printed none."""
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        lines = re.sub(r"\x1b\[[\d;]*m", "", run.stdout).splitlines()  # without colours
        told = [line for line in lines if "WARNING:" in line or "ERROR:" in line] or lines[-30:]
        print("the book was not built, _build/html is as before:", *told, sep="\n", file=sys.stderr)
    return run.returncode


def _replace(target, new, old):
    if target.exists():
        target.rename(old)
    new.rename(target)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
