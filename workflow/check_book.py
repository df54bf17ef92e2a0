"""Check the built book: check_book.py [FOLDER_OF_HTML].

Every page of _toc.yml is there with its figures, no error was published, and neither a page nor its
styles ask another machine for anything.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import yaml

LOADING = {  # element -> attributes whose address the browser fetches by itself
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "track": ("src",),
    "input": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
FETCHED_LINKS = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
    "apple-touch-icon",
    "shortcut",
}
EXTERNAL = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", re.IGNORECASE)
HIDDEN = {"remove-cell", "remove-output", "hide-output"}


class Page(HTMLParser):
    """What one page loads: (element, address) in order, and the text of its styles."""

    def __init__(self, path):
        super().__init__()
        self.loaded, self.styles, self.faults, self._in_style = [], [], [], False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect the addresses of one element."""
        values = {name: value or "" for name, value in attrs}
        for name in LOADING.get(tag, ()):
            for part in values.get(name, "").split(",") if name == "srcset" else [values.get(name, "")]:
                if part.strip():
                    self.loaded.append((tag, part.split()[0] if name == "srcset" else part))
        if tag == "link" and FETCHED_LINKS & set(values.get("rel", "").lower().split()):
            self.loaded.append((tag, values.get("href", "")))
        self.styles.append(values.get("style", ""))
        self._in_style = tag == "style"
        if "system-message" in values.get("class", "").split():
            self.faults.append("a message of the builder")

    def handle_endtag(self, tag):
        """Leave a style element."""
        self._in_style = False

    def handle_data(self, data):
        """Collect the text of a style element."""
        if self._in_style:
            self.styles.append(data)


def check(html, root="."):
    """All faults found, one line each."""
    html, root = Path(html), Path(root)
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
    faults = []
    for name in names:
        path = html / f"{name}.html"
        if not path.is_file():
            faults.append(f"{name}: the page is missing")
            continue
        faults += [f"{name}: {fault}" for fault in _page_faults(path, root / f"{name}.ipynb")]
    for path in sorted(html.rglob("*.html")):
        if str(path.relative_to(html).with_suffix("")) not in names:
            faults += [f"{path.relative_to(html)}: {fault}" for fault in _page_faults(path, None)]
    for path in sorted(html.rglob("*.css")):
        faults += [
            f"{path.relative_to(html)}: asks for {url}" for url in external_in_style(path.read_text(encoding="utf-8"))
        ]
    return faults


def _page_faults(path, notebook):
    page = Page(path)
    faults = list(page.faults)
    faults += [f"<{tag}> asks for {url}" for tag, url in page.loaded if EXTERNAL.match(url)]
    faults += [f"a style asks for {url}" for url in external_in_style("\n".join(page.styles))]
    images = [url for tag, url in page.loaded if tag in ("img", "source", "video")]
    for url in images:
        if not url.startswith("data:") and not EXTERNAL.match(url):
            file = path.parent / unquote(urlsplit(url).path)
            if not file.is_file() or file.stat().st_size == 0:
                faults.append(f"figure {url} is missing or empty")
    if notebook is not None and notebook.exists():
        wanted = _figures(notebook)
        if len(images) < wanted:
            faults.append(f"shows {len(images)} figures, its notebook made {wanted}")
    return faults


def _figures(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [
        output
        for cell in cells
        if cell.cell_type == "code" and not HIDDEN & set(cell.metadata.get("tags", []))
        for output in cell.outputs
    ]
    return sum(any(kind.startswith("image/") for kind in output.get("data", {})) for output in outputs)


def external_in_style(text):
    """External addresses in a style sheet or a style attribute."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found = [one or two for one, two in IN_STYLE.findall(text)]
    return [url.strip() for url in found if EXTERNAL.match(url.strip())]


def main(html="_build/html"):
    """Print the faults; exit status 0 when there are none."""
    faults = check(html)
    print(
        "\n".join(faults) or f"{html}: every page and figure is there, nothing is external",
        file=sys.stderr if faults else sys.stdout,
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
