"""Words for images, descriptions of pages, and what a page loads. Kinds: closed forms, invariances."""

import hashlib
import io
import shutil
import types
from base64 import b64encode

import book_media
import book_pages
import book_weight
import colab
import matplotlib.font_manager
import nbformat
import pytest
from docutils import nodes
from docutils.utils import new_document
from fontTools.ttLib import TTFont
from matplotlib import pyplot as plt
from PIL import Image

from dotlib.plots import style

STYLES = (
    "@import 'a.css';.used{a:b}.gone,.used .x:not(.gone){c:d}@media (x){.gone{e:f}}@media (y){p{g:h}}:is(.gone,.x){i:j}"
)
ICONS = (
    'var p={gone:[8,8,["old"],"f001","M0"],"far-away":[8,8,[],"f002",["M1","M2"]],bars:[8,8,["navicon"],"f0c9","M3"]};'
)


def png(picture):
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def document():
    """Two paragraphs, the second of two sentences with a formula, then an image."""
    made = new_document("page")
    made += nodes.title("", "The page")
    second = nodes.paragraph("", "Then this. It shows ")
    second += [nodes.math("", r"K_\text{eff}"), nodes.Text(" over\ntime:")]
    made += [nodes.paragraph("", "First words."), second, nodes.image(uri="a.png")]
    return made


def test_an_image_is_said_by_the_last_sentence_before_it(document):
    image = document.children[-1]
    assert book_media.words_around(image) == "It shows K_eff over time"
    document.insert(1, document.children.pop())
    assert book_media.words_around(document.children[1]) == "The page"


def test_no_cell_of_a_table_speaks_for_an_image(document):
    entry = nodes.entry("", nodes.paragraph("", "undecided"))
    document.insert(
        len(document.children) - 1, nodes.table("", nodes.tgroup("", nodes.tbody("", nodes.row("", entry))))
    )
    assert book_media.words_around(document.children[-1]) == "It shows K_eff over time"


def test_an_image_of_a_figure_is_said_by_its_caption(document):
    figure = nodes.figure("", nodes.image(uri="b.png"), nodes.caption("", "Samples in data units."))
    document += figure
    assert book_media.words_around(figure.children[0]) == "Samples in data units."


@pytest.mark.parametrize("glued", ["", "application/papermill.record/"])
def test_what_the_author_of_an_image_said_goes_first(tmp_path, glued):
    picture = png(Image.new("L", (4, 4), 0))
    output = nbformat.v4.new_output(
        "display_data",
        data={f"{glued}image/png": b64encode(picture).decode()},
        metadata={"image/png": {"alt": "a black square"}},
    )
    cell = nbformat.v4.new_code_cell("", outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    name = hashlib.sha256(picture).hexdigest()
    assert book_media.alternative_texts(tmp_path / "page.ipynb") == {name: "a black square"}
    assert book_media.alternative_texts(tmp_path / "none.ipynb") == {}


def test_a_diagram_lies_on_white_a_photograph_and_a_drawing_without_ground_do_not(tmp_path):
    for name, colour, expected in (("white", "white", True), ("black", "black", False), ("clear", (0, 0, 0, 0), False)):
        (tmp_path / name).write_bytes(png(Image.new("RGBA", (8, 8), colour)))
        assert book_media.lies_on_white(tmp_path / name) is expected, name
    photograph = style.photographs(plt.figure)()
    for name, text, expected in (
        ("diagram.svg", style.shown(style.figure(plt.figure)())["image/svg+xml"], True),
        ("photographs.svg", style.shown(photograph)["image/svg+xml"], False),
        ("empty.svg", "<svg/>", False),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert book_media.lies_on_white(tmp_path / name) is expected, name


def test_a_page_is_described_by_its_sentences_without_formulas(document):
    document.children[1][0] = nodes.Text('A sentence of more than forty characters, with "marks" & signs.')
    config = types.SimpleNamespace(html_title="the book")
    context = {"title": "<em>A</em> page"}
    book_media.describe_page(types.SimpleNamespace(config=config), "page", "", context, document)
    assert (
        'content="A sentence of more than forty characters, with &quot;marks&quot; &amp; signs."' in context["metatags"]
    )
    context = {"title": "<em>A</em> page"}
    book_media.describe_page(types.SimpleNamespace(config=config), "page", "", context, None)
    assert "A page: a page of the book" in context["metatags"]


def test_styles_and_icons_keep_what_is_named():
    kept = book_weight.with_classes(STYLES, {"used", "x"})
    assert kept == "@import 'a.css';.used{a:b}.gone,.used .x:not(.gone){c:d}@media (y){p{g:h}}:is(.gone,.x){i:j}"
    assert (
        book_weight.with_classes(".bs-tooltip-auto{a:b}", set()) == ".bs-tooltip-auto{a:b}"
    )  # put together by a script
    assert book_weight.with_icons(ICONS, {"navicon"}) == 'var p={bars:[8,8,["navicon"],"f0c9","M3"]};'


def test_a_font_keeps_the_glyphs_that_are_named(tmp_path):
    font = tmp_path / "font.ttf"
    shutil.copyfile(matplotlib.font_manager.findfont("DejaVu Sans"), font)
    book_weight.keep_glyphs(font, {"0041"})
    assert set(TTFont(font).getBestCmap()) == {0x41}
    assert font.stat().st_size < 20_000


def test_what_an_extension_announced_is_taken_back():
    def handler(app):
        """Of an extension."""

    handler.__module__ = "sphinx_thebe.core"
    ours = types.SimpleNamespace(id=1, handler=book_media.describe_page)
    theirs = types.SimpleNamespace(id=2, handler=handler)
    disconnected = []
    app = types.SimpleNamespace(
        events=types.SimpleNamespace(listeners={"html-page-context": [ours, theirs]}),
        registry=types.SimpleNamespace(css_files=[("sphinx-thebe.css", {}), ("custom.css", {})]),
        disconnect=disconnected.append,
    )
    book_pages.leave_out(app, "sphinx_thebe")
    assert disconnected == [2] and app.registry.css_files == [("custom.css", {})]


@pytest.mark.parametrize("address", ["https://github.com/some/where", "https://github.com/some/where.git/"])
def test_buttons_lead_to_colab_and_binder_where_a_repository_is_configured(address):
    config = types.SimpleNamespace(html_theme_options={"repository_url": address.replace(".git/", ".git")})
    context = {"header_buttons": []}
    book_pages.add_buttons(types.SimpleNamespace(config=config), "executed/keff", "", context, None)
    assert [button["url"] for button in context["header_buttons"][0]["buttons"]] == [
        "https://colab.research.google.com/github/some/where/blob/colab/keff.ipynb",
        "https://mybinder.org/v2/gh/some/where/HEAD?urlpath=lab/tree/notebooks/keff.md",
    ]


@pytest.mark.parametrize(("page", "address"), [("executed/keff", ""), ("book/theory", "https://github.com/some/where")])
def test_there_are_no_buttons_without_a_repository_or_a_notebook(page, address):
    config = types.SimpleNamespace(html_theme_options={"repository_url": address})
    context = {"header_buttons": []}
    book_pages.add_buttons(types.SimpleNamespace(config=config), page, "", context, None)
    assert context["header_buttons"] == []


def test_a_notebook_for_colab_fetches_the_repository_first(tmp_path):
    colab.main("https://github.com/some/where", str(tmp_path))
    notebook = nbformat.read(tmp_path / "keff.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert "git clone -q --depth 1 https://github.com/some/where book\n%cd book" in notebook.cells[0].source
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert len(list(tmp_path.iterdir())) > 20
