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


# What several modules of a room keep together: old records, recorded bits of both algorithms, labels bound to a pair.
SUBJECTS = {"results/test_converted_records.py", "transport/test_golden_bits.py", "transport/test_labels.py"}


def test_every_test_file_tests_something_that_is_there():
    """A file of a room has its module; files of the whole package, the book and the cluster stand beside the rooms."""
    rooms = {path.parent.name for path in (ROOT / "dotlib").rglob("*.py")} - {"dotlib"}
    for path in (ROOT / "tests").rglob("test_*.py"):
        assert re.search(r"^ *def test_", path.read_text(encoding="utf-8"), re.MULTILINE), f"{path} has no test"
        name = path.relative_to(ROOT / "tests")
        module = ROOT / "dotlib" / name.with_name(name.name.removeprefix("test_"))
        assert name.parts[0] not in rooms or module.is_file() or str(name) in SUBJECTS, f"{name} tests no module"


NO_PAGE = {"gp_weight"}  # chosen once for each 2-D set before any transport; its records stand behind `settings`


def test_every_page_has_a_notebook_and_a_module_and_no_module_lacks_a_page():
    assert stems("notebooks", "*.md") == pages()
    assert stems("dotlib/experiments", "*.py") == pages() | NO_PAGE


def test_a_page_has_the_label_of_its_notebook():
    for path in (ROOT / "notebooks").glob("*.md"):
        first = re.search(r"^\(([\w-]+)\)=$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert first and first[1] == path.stem, path.name


def test_every_record_has_an_experiment():
    folders = {path.name for path in (ROOT / "results").iterdir() if path.is_dir()}
    assert folders <= stems("dotlib/experiments", "*.py")
