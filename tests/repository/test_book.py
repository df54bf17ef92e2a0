"""The check of the built book, and the book where there is one. Kinds: identities, failures."""

import re
from pathlib import Path
from types import SimpleNamespace

import book_pages
import build_book
import check_book
import nbformat
import pytest
import reference

import dotlib
from dotlib.results import records

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"

TOC = "format: jb-book\nroot: executed/intro\nparts:\n- chapters:\n  - file: book/a\n"
GOOD = '<html><a href="https://arxiv.org">paper</a><img src="f.png"><p class="x">text</p></html>'


@pytest.fixture
def book(tmp_path):
    """A built book of two pages; the first is a notebook with one figure."""
    html = tmp_path / "html"
    (html / "executed").mkdir(parents=True)
    (html / "book").mkdir()
    (tmp_path / "executed").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    for page in ("executed/intro", "book/a"):
        (html / f"{page}.html").write_text(GOOD, encoding="utf-8")
        (html / page).with_name("f.png").write_bytes(b"picture")
    (html / "style.css").write_text("a { background: url(f.png) } /* url(//x.org) */", encoding="utf-8")
    output = nbformat.v4.new_output("display_data", data={"image/png": "AA=="})
    cell = nbformat.v4.new_code_cell("plot()", outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "executed/intro.ipynb")
    return tmp_path


def test_a_good_book_has_no_faults(book, monkeypatch, capsys):
    monkeypatch.chdir(book)
    assert check_book.check(book / "html", book) == []
    assert check_book.main("html") == 0
    assert "every page and figure is there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ('<img src="gone.png">', "figure gone.png is missing or empty"),
        ('<script src="https://cdn.org/x.js"></script>', "<script> asks for https://cdn.org/x.js"),
        ('<link rel="stylesheet" href="//cdn.org/x.css">', "<link> asks for //cdn.org/x.css"),
        ('<link rel="preconnect" href="https://cdn.org">', "<link> asks for https://cdn.org"),
        ('<img srcset="f.png 1x, https://x.org/b.png 2x">', "<img> asks for https://x.org/b.png"),
        ('<iframe src="https://x.org"></iframe>', "<iframe> asks for https://x.org"),
        ('<style>@import "https://x.org/f.css";</style>', "a style asks for https://x.org/f.css"),
        ("<p style=\"background: url('//x.org/a.png')\">", "a style asks for //x.org/a.png"),
        ('<div class="system-message warning">', "a message of the builder"),
    ],
)
def test_each_fault_of_a_page_is_named(book, page, message):
    (book / "html/book/a.html").write_text(page, encoding="utf-8")
    assert f"book/a: {message}" in check_book.check(book / "html", book)


def test_missing_pages_figures_and_styles_are_named(book):
    (book / "html/book/a.html").unlink()
    (book / "html/executed/intro.html").write_text("<p>no figure</p>", encoding="utf-8")
    (book / "html/style.css").write_text("@import url(https://x.org/f.css)", encoding="utf-8")
    (book / "html/search.html").write_text('<script src="http://x.org/a.js">', encoding="utf-8")
    assert check_book.check(book / "html", book) == [
        "executed/intro: shows 0 figures, its notebook made 1",
        "book/a: the page is missing",
        "search.html: <script> asks for http://x.org/a.js",
        "style.css: asks for https://x.org/f.css",
    ]


def test_an_empty_figure_is_a_fault(book):
    (book / "html/book/f.png").write_bytes(b"")
    assert check_book.check(book / "html", book) == ["book/a: figure f.png is missing or empty"]


def test_equations_that_docstrings_cite_are_links_but_not_in_formulas():
    lines = ["Descent, [DOT19] eq. (22), eqs. 23 and eq. (999)::", "", "    T(y), eq. (22)", "", "Then eq. (22)."]
    book_pages.link_equations(None, "function", "f", None, None, lines)
    link = "`(22) <theory.html#equation-eq-22>`__"
    assert lines[0] == f"Descent, [DOT19] eq. {link}, eqs. {link.replace('22', '23')} and eq. (999)::"
    assert lines[2:] == ["    T(y), eq. (22)", "", f"Then eq. {link}."]


def test_the_reference_has_a_page_for_every_room_and_the_front_door_first():
    page = ["a\n<!-- front door -->\nb\n<!-- rooms -->\n"]
    reference.fill(None, "book/api", page)
    assert all(f"`dot.{name} <dotlib." in page[0].split("\nb\n")[0] for name in dotlib.__all__)
    rooms = {path.stem.removeprefix("api-") for path in (ROOT / "book").glob("api-*.md")}
    assert rooms == set(reference.rooms()) == set(re.findall(r"<api-(\w+)>", page[0]))
    assert "<!--" not in page[0]


def test_every_module_is_in_the_reference_or_internal():
    named = []
    for room in reference.rooms():
        page = [(ROOT / f"book/api-{room}.md").read_text(encoding="utf-8")]
        reference.fill(None, f"book/api-{room}", page)
        named += re.findall(r"automodule:: (\S+)", page[0])
        assert "<!--" not in page[0]
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "dotlib").rglob("*.py")
        if path.name != "__init__.py"
    }
    internal = {module for module in modules if module.split(".")[1] in reference.INTERNAL}
    single_pages = {module for module in modules if module.split(".")[1] == "evaluation"} - {*named}
    assert len(named) == len(set(named)) and {*named} == modules - internal - single_pages
    assert {f"dotlib.evaluation.{module}" for module in reference.EVALUATION} <= {*named}


def test_executed_pages_follow_the_run(tmp_path):
    runs, pages = tmp_path / "runs", tmp_path / "pages"
    runs.mkdir()
    pages.mkdir()
    (pages / "old.ipynb").write_text("old", encoding="utf-8")
    (runs / "new.ipynb").write_text("new", encoding="utf-8")
    (runs / ".half.1.part.ipynb").write_text("half", encoding="utf-8")
    build_book._copy_pages(runs, pages)
    assert [path.name for path in pages.iterdir()] == ["new.ipynb"]


@pytest.mark.skipif(not HTML.exists(), reason="no book was built here (make book)")
def test_the_book_that_is_built_passes():
    assert check_book.check(HTML, ROOT) == []


def test_a_page_says_its_command_its_time_and_its_memory():
    ran = {"input_path": "notebooks/keff.md", "parameters": {"profile": "laptop", "device": "<b>"}, "duration": 92.4}
    text = book_pages.reproduce(ran | {"peak_megabytes": 812})
    assert "papermill notebooks/keff.md keff.ipynb -p device &lt;b&gt; -p profile laptop<" in text
    assert "ran for 1 min 32 s, with up to 812 MB, on" in text
    assert "ran for 9 s on" in book_pages.reproduce(ran | {"duration": 9.4})


def test_the_book_carries_the_records_and_all_their_numbers(tmp_path, monkeypatch):
    record = records.start("keff", profile="laptop", dataset="digits", seed=0, parameters={})
    record.put("k_eff", 1.5, unit="logits per latent distance")
    records.write(record, tmp_path / "kept")
    monkeypatch.setattr(records, "KEPT", tmp_path / "kept")
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path / "html")
    book_pages.copy_records(app)
    copied = tmp_path / "html/results"
    assert (copied / "keff/laptop-digits-s0.json").read_bytes() == (
        tmp_path / "kept/keff/laptop-digits-s0.json"
    ).read_bytes()
    head, line = (copied / "all.csv").read_text(encoding="utf-8").splitlines()
    assert head.startswith("page,profile,dataset,seed,quantity,") and line.startswith("keff,laptop,digits,0,k_eff,")
