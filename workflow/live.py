"""Show an edit of one page in seconds: live.py PAGE PROFILE; the book is in _build/live, and keeps what did not change.

Where only the text of a notebook changed, the outputs of its last run are kept; where its code changed, run the page
first: make book.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from dotlib import notebooks
from dotlib.errors import FileError, InputError, nearest
from dotlib.results import files

OUT = Path("_build/live")


def main(page, profile):
    """Exit status 0 when _build/live has the page as it stands now."""
    known = sorted(path.stem for folder in ("notebooks", "book") for path in Path(folder).glob("*.md"))
    if page not in known:
        raise InputError(f"PAGE: unknown {page!r}; known: {', '.join(known)}{nearest(page, known)}")
    Path("executed").mkdir(exist_ok=True)
    for ran in Path("_build/executed", profile).glob("[!.]*.ipynb"):
        if not (Path("executed") / ran.name).exists():
            shutil.copyfile(ran, Path("executed") / ran.name)
    source, ran = Path("notebooks", f"{page}.md"), Path("_build/executed", profile, f"{page}.ipynb")
    if source.exists():
        if not ran.exists():
            raise FileError(f"{ran}: the page has not run yet; run it first: make book PROFILE={profile}")
        merged = with_outputs(notebooks.read(source), nbformat.read(ran, as_version=4))
        files.write_text(Path("executed", f"{page}.ipynb"), nbformat.writes(merged) + "\n")
    folder = "executed" if source.exists() else "book"
    program = Path(sys.executable).with_name("jupyter-book")
    status = subprocess.run([program, "build", ".", "--path-output", OUT], check=False).returncode
    print(f"file://{OUT.resolve()}/_build/html/{folder}/{page}.html")
    return status


def with_outputs(text, ran):
    """The text notebook with the outputs of its last run. Raises InputError where other code changed."""
    new, old = ([cell for cell in notebook.cells if cell.cell_type == "code"] for notebook in (text, ran))
    for at, (cell, before) in enumerate(zip(new, old, strict=False)):
        if at and cell.source != before.source:
            raise InputError(f"page: code cell {at + 1} has changed since the page ran; run it again: make book")
        cell.outputs, cell.execution_count = before.outputs, before.execution_count
    if len(new) != len(old):
        raise InputError(f"page: {len(new)} code cells, {len(old)} when the page ran; run it again: make book")
    new[0].source = old[0].source  # the parameters with the values of the run
    text.metadata.update({name: ran.metadata[name] for name in ("papermill", "language_info") if name in ran.metadata})
    text.nbformat, text.nbformat_minor = 4, 5
    return text


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (FileError, InputError) as error:
        sys.exit(f"live: {error}")
