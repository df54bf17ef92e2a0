"""Print the built book: print_book.py [FOLDER_OF_HTML [PDF]]. Chromium prints each page, pypdf binds them.

Pages come in the order of _toc.yml, each as an entry of the PDF's outline under its part; links between pages lead to
where these begin.
"""

import io
import sys
from pathlib import Path
from urllib.parse import urldefrag

import chromium
import yaml

from dotlib.errors import FileError
from dotlib.results import files

PAPER = {"format": "A4", "print_background": True, "margin": dict.fromkeys(("top", "bottom", "left", "right"), "15mm")}
# As on a screen in daylight, without what surrounds a page there; what is folded is open, but for code.
PRINTED = """
.bd-header, .bd-sidebar, .bd-header-article, .prev-next-footer, .bd-footer, .bd-footer-content, .pst-js-only,
.controls, .headerlink, .copybtn, .filters { display: none !important }
.bd-main, .bd-content, .bd-article-container, .bd-article { display: block !important; max-width: none !important;
overflow: visible !important; padding: 0 !important; margin: 0 !important }
figure, tr, img, svg { break-inside: avoid }"""
OPEN = "() => document.querySelectorAll('details.sd-dropdown').forEach((each) => (each.open = true))"
DRAWN = "async () => { if (window.MathJax && MathJax.startup) await MathJax.startup.promise; }"


def pages(root: Path = Path()) -> list[tuple[str, str | None]]:
    """(page, part) in the order of the book; the first has no part."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = [(chapter["file"], part["caption"]) for part in toc["parts"] for chapter in part["chapters"]]
    return [(toc["root"], None), *parts]


def checked(html: Path, names: list[str]) -> list[str]:
    """The names, all of which are pages of the folder. Raises FileError for one that is not."""
    for name in names:
        if not (html / f"{name}.html").is_file():
            raise FileError(f"{html / name}.html: not there; build the book first: make book")
    return names


def printed(html: Path, names: list[str]) -> tuple[str, dict[str, tuple[str, bytes]]]:
    """The address at which the book was served, and page -> (title, PDF)."""
    found = {}
    with chromium.started() as browser, chromium.served(html) as address:
        page = browser.new_page(color_scheme="light")
        for name in checked(html, names):
            page.goto(f"{address}{name}.html", wait_until="load")
            page.evaluate(DRAWN)
            page.evaluate(OPEN)
            page.emulate_media(media="screen")
            page.add_style_tag(content=PRINTED)
            title = page.evaluate("() => document.querySelector('h1')?.firstChild.textContent.trim() || document.title")
            found[name] = title, page.pdf(**PAPER)
    return address, found


def bound(address: str, contents: dict[str, tuple[str, bytes]], parts: dict[str, str | None]) -> bytes:
    """One PDF of all pages, with an outline, whose links to a page of the book lead to its first sheet."""
    from pypdf import PdfWriter

    writer, first, entries = PdfWriter(), {}, {}
    for name, (title, content) in contents.items():
        first[f"{address}{name}.html"] = at = len(writer.pages)
        writer.append(io.BytesIO(content), import_outline=False)
        part = parts.get(name)
        if part is not None and part not in entries:
            entries[part] = writer.add_outline_item(title=part, page_number=at)
        writer.add_outline_item(title=title, page_number=at, parent=entries.get(part))
    for sheet in writer.pages:
        for link in sheet.get("/Annots") or []:
            _lead_inside(link.get_object(), writer, first)
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


def _lead_inside(link, writer, first: dict[str, int]) -> None:
    from pypdf.generic import ArrayObject, NameObject

    action = link.get("/A", {}).get_object() if "/A" in link else {}
    target = first.get(urldefrag(str(action.get("/URI", "")))[0])
    if target is not None:
        del link["/A"]
        reference = writer.pages[target].indirect_reference
        link[NameObject("/Dest")] = ArrayObject([reference, NameObject("/Fit")])


def main(html: str = "_build/html", pdf: str = "_build/book.pdf") -> int:
    """Exit status 0 when the PDF is the book."""
    if reason := chromium.obstacle():
        print(f"pdf: {reason}", file=sys.stderr)
        return 1
    parts = dict(pages())
    try:
        address, contents = printed(Path(html), list(parts))
    except FileError as error:
        print(f"pdf: {error}", file=sys.stderr)
        return 1
    files.write_bytes(Path(pdf), bound(address, contents, parts))
    print(f"{pdf}: {Path(pdf).stat().st_size / 1e6:.1f} MB, the {len(contents)} pages of {html}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
