"""Sphinx extension: a page loads no more than the book shows. The last thing that a build does.

The theme brings two thousand icons, as a script and as a font, and the styles of everything that it could show: two
megabytes a page. Kept is what a page or a script of the book names. `book_pictures` has the rest.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import book_pictures
from fontTools import subset
from sphinx.application import Sphinx

SCRIPT, STYLES = "_static/scripts/fontawesome.js", "_static/styles/pydata-sphinx-theme.css"
OTHER_STYLES = ("basic.css", "mystnb*.css", "sphinx-design*.css", "styles/sphinx-book-theme.css")
FONT = "_static/vendor/fontawesome/webfonts/fa-solid-900.ttf"
# One icon of the script: name:[width,height,[other names],"code point","path" or ["path","path"]],
ICON = re.compile(r'"?([\w$-]+)"?:\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\["[^"]*"(?:,"[^"]*")*\])\],?')
NAMED_ICON = re.compile(r"\bfa-([a-z0-9-]+)")
CLASSES = re.compile(r'class="([^"]*)"')
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
NOT = re.compile(r":not\([^)]*\)")
OTHER_FORMAT = re.compile(r'url\([^)]*fa-solid-900\.woff2\) format\("?woff2"?\),')
MADE_BY_SCRIPTS = re.compile(r"(bs|only)-")  # how classes begin that a script puts together
CODE_POINT = re.compile(r'"\\(f[0-9a-f]{3})"')


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("build-finished", lighten, priority=900)  # behind the themes, which copy their files
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def lighten(app: Sphinx, exception: Exception | None) -> None:
    """Rewrite the theme's files and the pictures of a book of HTML."""
    out = Path(app.outdir)
    if exception is not None or app.builder.format != "html" or not (out / STYLES).exists():
        return
    pages = [path for path in out.rglob("*.html") if not {"_static", "_sources"} & set(path.relative_to(out).parts)]
    scripts = [path for path in out.glob("_static/**/*.js") if path != out / SCRIPT and "mathjax" not in path.parts]
    texts = [path.read_text(encoding="utf-8") for path in pages]
    codes = [path.read_text(encoding="utf-8") for path in scripts]
    names = {name for text in texts for classes in CLASSES.findall(text) for name in classes.split()}
    names |= {word for code in codes for word in re.findall(r"[\w-]+", code)}
    icons = {name for text in (*texts, *codes) for name in NAMED_ICON.findall(text)}
    _rewrite(out / SCRIPT, lambda text: with_icons(text, icons))
    _rewrite(out / STYLES, lambda text: OTHER_FORMAT.sub("", with_classes(text, names)))
    for path in (path for pattern in OTHER_STYLES for path in out.glob(f"_static/{pattern}")):
        _rewrite(path, lambda text: with_classes(text, names))
    keep_glyphs(out / FONT, set(CODE_POINT.findall((out / STYLES).read_text(encoding="utf-8"))))
    book_pictures.lighten(out, pages)


def _rewrite(path: Path, change) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def with_icons(library: str, names: set[str]) -> str:
    """The script of the icons with those of these names alone."""
    return ICON.sub(lambda icon: icon[0] if names & {icon[1], *re.findall(r"[\w-]+", icon[2])} else "", library)


def with_classes(styles: str, names: set[str]) -> str:
    """The styles without rules for classes that are not among the names."""
    kept = []
    for head, body in _rules(re.sub(r"/\*.*?\*/", "", styles, flags=re.DOTALL)):
        start = head.lstrip()
        if body is None or (start.startswith("@") and not start.startswith(("@media", "@supports"))):
            kept.append(head if body is None else f"{head}{{{body}}}")
        elif start.startswith("@"):
            inside = with_classes(body, names)
            kept.append(f"{head}{{{inside}}}" if inside.strip() else "")
        else:
            used = [part for part in head.split(",") if _shown(part, names)]
            whole = head if "(" in head else ",".join(used)  # a comma inside of brackets separates no selectors
            kept.append(f"{whole}{{{body}}}" if used else "")
    return "".join(kept)


def _shown(selector: str, names: set[str]) -> bool:
    classes = CLASS.findall(NOT.sub("", selector))
    return all(name in names or MADE_BY_SCRIPTS.match(name) for name in classes)


def _rules(styles: str) -> Iterator[tuple[str, str | None]]:
    """(selector or at-rule, what is between its braces), in order; statements without braces have None."""
    at = 0
    while (brace := styles.find("{", at)) >= 0:
        end = styles.find(";", at, brace)
        if end >= 0:
            yield styles[at : end + 1], None
            at = end + 1
            continue
        depth, end = 1, brace + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(styles[end], 0)
            end += 1
        yield styles[at:brace], styles[brace + 1 : end - 1]
        at = end
    yield styles[at:], None


def keep_glyphs(font: Path, codes: set[str]) -> None:
    """Of the font of the icons, the glyphs of these code points."""
    options = subset.Options()
    opened = subset.load_font(str(font), options)
    chooser = subset.Subsetter(options)
    chooser.populate(unicodes=[int(code, 16) for code in codes])
    chooser.subset(opened)
    subset.save_font(opened, str(font), options)
