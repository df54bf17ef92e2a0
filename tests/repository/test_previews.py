"""Words of the glossary, and what links show. Kinds of test: a small book built whole, identities."""

import json
import re
from pathlib import Path

import pytest
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
CONF = """
import sys
sys.path.insert(0, {workflow!r})
extensions = ["myst_parser", "previews"]
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
"""
GLOSSARY = """# Glossary

:::{glossary}
FID
  A distance of features, with $x < y$ in it. It is <low> for good samples.

judge
  The network that measures.

set
  Samples that are scored together.
:::
"""
PAGE = """# FID is no link in a heading

Code `FID` and [a link about FID](#here) stay. Here FID is first, then judges, then FID again, a prejudged one, a set.

(here)=
## Here

$$ x < y $$ (eq-1)
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of two pages in HTML."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "book").mkdir()
    (folder / "conf.py").write_text(CONF.format(workflow=str(ROOT / "workflow")), encoding="utf-8")
    (folder / "book" / "glossary.md").write_text(GLOSSARY, encoding="utf-8")
    (folder / "index.md").write_text(PAGE + "\n```{toctree}\nbook/glossary\n```\n", encoding="utf-8")
    Sphinx(folder, folder, folder / "html", folder / "trees", "html", status=None, freshenv=True).build()
    return folder / "html"


def test_the_first_use_of_a_word_in_the_text_is_linked_and_no_other(book):
    page = (book / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'<a class="term[^"]*" href="([^"]*)">([^<]*)</a>', page)
    assert links == [("book/glossary.html#term-FID", "FID"), ("book/glossary.html#term-judge", "judges")]
    assert re.search(r"Here <a [^>]*>FID</a> is first, then <a [^>]*>judges</a>, then FID again", page)
    assert 'class="term' not in (book / "book/glossary.html").read_text(encoding="utf-8")


def test_each_preview_has_the_address_of_its_target(book):
    text = (book / "_static/previews-data.js").read_text(encoding="utf-8")
    previews = json.loads(text.removeprefix("window.previews = ").rstrip(";\n"))
    assert previews["book/glossary.html#term-FID"] == (
        r"A distance of features, with \(x &lt; y\) in it. It is &lt;low&gt; for good samples."
    )
    assert previews["index.html#equation-eq-1"] == r"\[x &lt; y\]"
    for address in previews:
        name, anchor = address.split("#")
        assert f'id="{anchor}"' in (book / name).read_text(encoding="utf-8")
    assert len(previews) == 4


def test_the_glossary_has_the_words_of_the_tables_and_each_word_once():
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^([^\s:#`(*\[][^\n]*)\n  \S", text, re.MULTILINE)
    assert {"EMD", "FID", "KID", "k_eff", "bare", "floor", "judge", "pair", "record", "verdict"} <= set(words)
    assert len(words) == len(set(words)) > 25
