"""The PDF: every page bound in order, with an outline and links that stay inside. Kinds: identities, failures."""

import io

import chromium
import print_book
import pytest

from dotlib.errors import FileError

pypdf = pytest.importorskip("pypdf", reason="the extra `browser` is not installed")
pytestmark = pytest.mark.browser
TOC = "root: a\nparts:\n- caption: Part\n  chapters:\n  - file: b\n"
PAGE = '<title>t</title><article class="bd-article"><h1>{0}</h1><a href="{1}.html#x">to {1}</a></article>'


@pytest.fixture
def html(tmp_path, monkeypatch):
    """A book of two pages that link to each other."""
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.html").write_text(PAGE.format(f"Page {name}", other), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pages_are_bound_in_order_and_links_lead_to_them(browser, html):
    """The fixture `browser` skips where there is none; its own must not run beside a second playwright."""
    contents = {}
    with chromium.served(html) as address:
        for name in ("a", "b"):
            page = browser.new_page()
            page.goto(f"{address}{name}.html")
            contents[name] = f"Page {name}", page.pdf(**print_book.PAPER)
    bound = pypdf.PdfReader(io.BytesIO(print_book.bound(address, contents, dict(print_book.pages(html)))))
    assert [sheet.extract_text().split("\n")[0] for sheet in bound.pages] == ["Page a", "Page b"]
    assert [entry.title for entry in bound.outline if not isinstance(entry, list)] == ["Page a", "Part"]
    targets = [sheet["/Annots"][0].get_object()["/Dest"][0].get_object() for sheet in bound.pages]
    assert targets == [bound.pages[1].get_object(), bound.pages[0].get_object()]


def test_a_book_that_was_not_built_is_refused_in_a_line(html):
    (html / "b.html").unlink()
    with pytest.raises(FileError, match="b.html: not there; build the book first: make book"):
        print_book.checked(html, ["a", "b"])
