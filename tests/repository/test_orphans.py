"""No orphans: modules have test files, pages notebooks and modules, records experiments. Kinds: invariants."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def stems(folder: str, pattern: str) -> set[str]:
    """Names without suffix of the files or folders that match, without the package's own."""
    return {path.stem for path in (ROOT / folder).glob(pattern)} - {"__init__", "__main__"}


def pages() -> set[str]:
    """Stems of the executed pages in the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return {file.removeprefix("executed/") for file in files if file.startswith("executed/")}


def test_every_module_has_a_test_file():
    modules = {path.relative_to(ROOT / "dotlib") for path in (ROOT / "dotlib").rglob("*.py")}
    tests = {path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    without = [str(m) for m in modules if m.name != "__init__.py" and m.with_name(f"test_{m.name}") not in tests]
    assert sorted(without) == []


def test_every_page_has_a_notebook_and_a_module():
    assert stems("notebooks", "*.md") == pages()
    assert pages() - stems("dotlib/experiments", "*.py") == set(), "pages without a module"


def test_a_page_has_the_label_of_its_notebook():
    for path in (ROOT / "notebooks").glob("*.md"):
        first = re.search(r"^\(([\w-]+)\)=$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert first and first[1] == path.stem, path.name


def test_every_record_has_an_experiment():
    folders = {path.name for path in (ROOT / "results").iterdir() if path.is_dir()}
    assert folders <= stems("dotlib/experiments", "*.py")
