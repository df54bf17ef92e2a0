"""Sphinx extension: what stands behind a link, shown when a reader points at it.

Words of the glossary, but for common ones, are linked at their first use on a page. For each of them, and each
labelled equation, its HTML goes into one file, which book/_static/previews.js reads; citations carry their entry as a
title already. All of it is in the book.
"""

import json
import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import glossary
from sphinx.application import Sphinx

PAGE = "book/glossary"
DATA = "previews-data.js"
OTHERS = {  # spelling on a page -> the glossary's word
    "earth mover's distance": "EMD",
    "IS": "inception score",
    "modes": "mode",
    "judges": "judge",
    "anchors": "anchor",
    "latents": "latent",
    "discriminator optimal transport": "DOT",
}
COMMON = {"set", "share", "row", "training"}  # have another meaning in most sentences; linked by hand, with {term}
SKIPPED = (nodes.reference, nodes.literal, nodes.title, nodes.math, nodes.target, nodes.term, nodes.caption, nodes.raw)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", link_terms)
    app.connect("env-updated", write_previews)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def definitions(doctree: nodes.document) -> dict[str, tuple[str, nodes.Node]]:
    """Word of the glossary -> its anchor and its definition."""
    found = {}
    for item in (item for group in doctree.findall(glossary) for item in group.findall(nodes.definition_list_item)):
        term = next(item.findall(nodes.term))
        found[term.astext()] = term["ids"][0], next(item.findall(nodes.definition))
    return found


def link_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the first use of each word in the text of a page, not in headings, code, formulas and links."""
    if docname == PAGE or PAGE not in app.env.found_docs:
        return
    anchors = {word: anchor for word, (anchor, _) in definitions(app.env.get_doctree(PAGE)).items()}
    of = {word: word for word in anchors if word not in COMMON} | {
        other: word for other, word in OTHERS.items() if word in anchors
    }
    base = app.builder.get_relative_uri(docname, PAGE) if app.builder.format == "html" else ""
    for text in list(doctree.findall(nodes.Text)):
        if base and not _inside(text, SKIPPED) and _inside(text, (nodes.paragraph,)):
            _link(text, of, anchors, base)


def _link(text: nodes.Text, of: dict[str, str], anchors: dict[str, str], base: str) -> None:
    """Put a link in the place of the first word in this text that has none yet; `of` loses what is linked."""
    words = sorted(of, key=len, reverse=True)
    found = re.search(rf"\b({'|'.join(map(re.escape, words))})\b", text.astext()) if words else None
    if found is None:
        return
    word, whole = of[found[1]], text.astext()
    for spelling in [spelling for spelling, known in of.items() if known == word]:
        del of[spelling]
    link = nodes.reference("", found[1], refuri=f"{base}#{anchors[word]}", classes=["term"], internal=True)
    rest = nodes.Text(whole[found.end() :])
    text.parent.replace(text, [nodes.Text(whole[: found.start()]), link, rest])
    _link(rest, of, anchors, base)


def _inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def write_previews(app: Sphinx, env) -> None:
    """One script that holds the previews: address from the root of the book -> HTML."""
    if app.builder.format != "html":
        return
    of = {}
    if PAGE in env.found_docs:
        for anchor, definition in definitions(env.get_doctree(PAGE)).values():
            of[f"{PAGE}.html#{anchor}"] = _html(definition)
    for label, (docname, _) in env.get_domain("math").equations.items():
        for block in env.get_doctree(docname).findall(nodes.math_block):
            if block.get("label") == label:
                of[f"{docname}.html#{block['ids'][0]}"] = rf"\[{escape(block.astext().strip())}\]"
    target = Path(app.outdir) / "_static" / DATA
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"window.previews = {json.dumps(of)};\n", encoding="utf-8")


def _html(definition: nodes.Node) -> str:
    """A definition as plain HTML: its words, code and formulas."""
    parts = []
    for node in definition.findall(lambda node: isinstance(node, (nodes.Text, nodes.math))):
        if isinstance(node, nodes.math):
            parts.append(rf"\({escape(node.astext())}\)")
        elif not _inside(node, (nodes.math,)):
            parts.append(escape(node.astext()))
    return "".join(parts)
