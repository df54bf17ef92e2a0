"""The book's own Sphinx extension for images and for what a page says of itself.

Every image has words for readers who do not see it, and a figure on white is turned dark with the page. A page has a
description. Of MathJax it loads what draws formulas; `book_weight` has the rest of what makes pages light.
"""

import hashlib
import io
import json
import re
from binascii import a2b_base64
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
MATHJAX = {"loader": {"load": ["input/tex", "output/chtml", "a11y/assistive-mml"]}}
SENTENCE = re.compile(r"(?<=[.:?!])\s+")
SAID = 300  # characters of an alternative text or a description, about
GLUED = "application/papermill.record/"  # before the kind of what a cell glues and does not show
FORMULA = "\0"
WHITE = 250  # grey level of 255 from which the corner of a figure is its paper
WHITE_GROUND = re.compile(r'<g id="patch_1">\s*<path[^>]*style="fill: #ffffff')  # the first thing that matplotlib draws


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("config-inited", draw_formulas_only, priority=900)
    app.connect("doctree-resolved", describe_images)
    app.connect("html-page-context", describe_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def draw_formulas_only(app: Sphinx, config) -> None:
    """MathJax without its menu and its speech: half a megabyte less. What a screen reader reads stays."""
    config.mathjax_path = "mathjax/startup.js"
    config.mathjax3_config = (config.mathjax3_config or {}) | MATHJAX


def describe_images(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give every image its words, and mark those that lie on white."""
    authored = alternative_texts(ROOT / f"{docname}.ipynb")
    for image in doctree.findall(nodes.image):
        uri = image.get("candidates", {}).get("*") or image["uri"]
        path = Path(app.srcdir, uri) if Path(app.srcdir, uri).is_file() else Path(app.outdir, "_images", Path(uri).name)
        image["alt"] = image.get("alt") or authored.get(Path(uri).stem) or words_around(image)
        if path.is_file() and lies_on_white(path):
            image["classes"] = [*image.get("classes", []), "on-white"]


def alternative_texts(notebook: Path) -> dict[str, str]:
    """SHA-256 of an image of an executed notebook -> the words that its author gave it, `Image(..., alt=...)`."""
    if not notebook.exists():
        return {}
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", []) if "data" in output]
    return {
        hashlib.sha256(a2b_base64("".join(content))).hexdigest(): alt
        for output in outputs
        for kind, content in output["data"].items()
        if (plain := kind.removeprefix(GLUED)).startswith("image/")
        and (alt := output.get("metadata", {}).get(plain, {}).get("alt"))
    }


def words_around(image: nodes.image) -> str:
    """The caption of an image; without one, the last sentence before it outside of tables; else the page's title."""
    figure = next(_parents(image, nodes.figure), None)
    if figure is not None and (captions := list(figure.findall(nodes.caption))):
        return shortened(SENTENCE.split(plain(captions[0])))
    for place in (image, *_parents(image, nodes.Element)):
        siblings = place.parent.children if place.parent is not None else []
        for before in reversed(siblings[: siblings.index(place)] if place in siblings else []):
            paragraphs = before.findall(nodes.paragraph) if before.children else []
            if texts := [plain(each) for each in paragraphs if not any(_parents(each, nodes.entry))]:
                return shortened(SENTENCE.split(texts[-1])[-1:]).rstrip(":")
    return plain(next(iter(image.document.findall(nodes.title)), nodes.title("", "a figure")))


def _parents(node: nodes.Node, kind: type) -> Iterable[nodes.Element]:
    while (node := node.parent) is not None:
        if isinstance(node, kind):
            yield node


def plain(node: nodes.Element, formula: str | None = None) -> str:
    """The text of a node on one line; formulas in words of their own, or all as `formula`."""
    if isinstance(node, (nodes.math, nodes.math_block)):
        return spoken(node.astext()) if formula is None else formula
    if isinstance(node, nodes.Text):
        return re.sub(r"\s+", " ", node.astext())
    return "".join(plain(child, formula) for child in node.children)


def spoken(latex: str) -> str:
    r"""A short formula without its commands: K_\text{eff} is K_eff."""
    named = re.sub(r"\\(?:text|mathrm|mathbf|operatorname)\{([^}]*)\}", r"\1", latex)
    return re.sub(r"\s+", " ", re.sub(r"[{}$]|\\[,;! ]", "", named).replace("\\", " ")).strip()


def shortened(sentences: list[str]) -> str:
    """As many whole sentences as fit, the first in any case."""
    text = sentences[0]
    for sentence in sentences[1:]:
        if len(text) + len(sentence) >= SAID:
            break
        text += f" {sentence}"
    return text.strip()


def lies_on_white(path: Path) -> bool:
    """Whether a picture has white, opaque corners, as a diagram has and a photograph has not, or a drawing a ground."""
    if path.suffix == ".svg":
        return bool(WHITE_GROUND.search(path.read_text(encoding="utf-8")))
    picture = Image.open(io.BytesIO(path.read_bytes())).convert("RGBA")
    width, height = picture.size
    corners = [picture.getpixel((x, y)) for x in (0, width - 1) for y in (0, height - 1)]
    return all(min(corner) >= WHITE for corner in corners)


def describe_page(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """What search engines and previews show of a page: its first sentences that hold no formula."""
    title = re.sub(r"<[^>]*>", "", context.get("title") or pagename)
    text = f"{title}: a page of the book “{app.config.html_title}”."
    if doctree is not None:
        paragraphs = [plain(each, FORMULA) for each in doctree.findall(nodes.paragraph)][:8]
        sentences = [s for each in paragraphs for s in SENTENCE.split(each) if FORMULA not in s and len(s) > 40]
        text = shortened(sentences) if sentences else text
    escaped = nodes.unescape(text).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    context["metatags"] = context.get("metatags", "") + f'\n    <meta name="description" content="{escaped}" />'
