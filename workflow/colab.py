"""Notebooks for Colab, which reads no text notebooks: colab.py ADDRESS_OF_REPOSITORY FOLDER.

Each begins with a cell that fetches the repository and installs it; the workflow of GitHub puts them on a branch of
their own, to which the buttons of the pages lead.
"""

import sys
from pathlib import Path

import nbformat

from dotlib import notebooks
from dotlib.results import files

SERVICE, BRANCH = "https://colab.research.google.com/github", "colab"
INSTALLED = """# Fetches the repository and what it needs, two to four minutes. A graphics card is not asked for.
!git clone -q --depth 1 {address} book
%cd book
%pip install -q -e '.[book,judges]'"""


def address_of(place: str, page: str) -> str:
    """Where Colab opens a page of the repository OWNER/NAME."""
    return f"{SERVICE}/{place}/blob/{BRANCH}/{page}.ipynb"


def opened(page: Path, address: str) -> nbformat.NotebookNode:
    """A text notebook as Colab runs it."""
    notebook = notebooks.read(page)
    first = nbformat.v4.new_code_cell(INSTALLED.format(address=address), id="install")
    notebook.cells.insert(0, first)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def main(address: str, folder: str) -> None:
    """Write them all."""
    for page in sorted(Path("notebooks").glob("*.md")):
        text = nbformat.writes(opened(page, address.removesuffix(".git")))
        files.write_text(Path(folder) / f"{page.stem}.ipynb", text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
