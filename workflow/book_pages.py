"""The book's own Sphinx extension: equations cited in docstrings, interactive figures, download and launch buttons."""

import functools
import html
import json
import os
import re
import shutil
from pathlib import Path

import colab
from sphinx.application import Sphinx

from dotlib.plots import interactive
from dotlib.results import records, tidy

ROOT = Path(__file__).resolve().parents[1]
FIGURES = "interactive-figures.js"
BINDER = "https://mybinder.org/v2/gh"
# Objects of other packages have no page here, so references to them cannot resolve.
EQUATION = re.compile(r"\b(eqs?\. )\(?(\d+)\)?")  # as docstrings cite: [DOT19] eq. (23)
FOREIGN = [
    ("py:.*", r"(?!dotlib).*"),
    ("py:class", r"dotlib\.[\w.]+\.(T|Made|Settings|Part)"),
]  # the last: type variables


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", link_equations, priority=600)  # behind napoleon
    app.connect("config-inited", configure)
    app.connect("builder-inited", write_figure_library)
    app.connect("builder-inited", copy_records)
    app.connect("html-page-context", load_figure_library)
    app.connect("html-page-context", add_buttons, priority=900)  # behind the theme's own
    app.connect("html-page-context", say_how_to_reproduce)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def configure(app: Sphinx, config) -> None:
    """Settings that YAML cannot express, and the repository's address from the environment."""
    config.nitpick_ignore_regex = [*config.nitpick_ignore_regex, *FOREIGN]
    leave_out(app, "sphinx_thebe")
    options = config.html_theme_options
    options["repository_url"] = os.environ.get("DOTLIB_REPOSITORY") or options.get("repository_url") or ""
    options["navbar_persistent"] = []  # the search field is in the side bar already
    options["use_repository_button"] = bool(options["repository_url"])


def leave_out(app: Sphinx, extension: str) -> None:
    """Take back what an extension of Jupyter Book's own announced: thebe names an address elsewhere on every page."""
    for listener in [each for many in app.events.listeners.values() for each in many]:
        if listener.handler.__module__.split(".")[0] == extension:
            app.disconnect(listener.id)
    style = extension.replace("_", "-") + ".css"
    app.registry.css_files = [file for file in app.registry.css_files if file[0] != style]


def link_equations(app, what, name, obj, options, lines) -> None:
    """In a docstring after napoleon, link what cites an equation, as [DOT19] eq. (23), to book/theory."""
    literal = None  # indentation of the paragraph that announced a literal block
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        if literal is None:
            lines[i] = EQUATION.sub(lambda m: m.group(1) + _linked(m.group(2)), line)
            literal = indent if line.rstrip().endswith("::") else None


def _linked(number: str) -> str:
    if number not in _labelled():
        return f"({number})"
    return f"`({number}) <theory.html#equation-eq-{number}>`__"


@functools.cache
def _labelled() -> set[str]:
    """Numbers N of the equations that book/theory labels eq-N."""
    text = (ROOT / "book" / "theory.md").read_text(encoding="utf-8")
    return set(re.findall(r"(?:\$\$ \(|label: *)eq-(\d+)", text))


REPRODUCE = """<aside class="reproduce"><p><strong>Reproduce this page:</strong>
<code>.venv/bin/papermill {source} {name}.ipynb {parameters}</code>. In this build it ran for {duration}{memory} on
one core, after the steps that <code>make book</code> makes before it.</p></aside>"""


def say_how_to_reproduce(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Below an executed page: its command, and what it took here."""
    path = ROOT / f"{pagename}.ipynb"
    if pagename.startswith("executed/") and path.exists() and "body" in context:
        context["body"] += reproduce(json.loads(path.read_text(encoding="utf-8"))["metadata"]["papermill"])


def reproduce(ran: dict) -> str:
    """HTML: how to run a page again, from what papermill and `dotlib run` noted of its run."""
    name = Path(ran["input_path"]).stem
    parameters = " ".join(f"-p {key} {value}" for key, value in sorted(ran["parameters"].items()))
    minutes, seconds = divmod(round(ran["duration"]), 60)
    duration = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    words = {"source": ran["input_path"], "name": name, "parameters": parameters, "duration": duration}
    peak = f", with up to {ran['peak_megabytes']} MB," if "peak_megabytes" in ran else ""  # not of an older run
    return REPRODUCE.format(memory=peak, **{key: html.escape(word) for key, word in words.items()})


def write_figure_library(app: Sphinx) -> None:
    """What draws interactive figures, out of the installed packages, as one file of the book."""
    if app.builder.format == "html":
        target = Path(app.outdir) / "_static" / FIGURES
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(interactive.library(), encoding="utf-8")


def copy_records(app: Sphinx) -> None:
    """The committed records, and all their numbers in one table, which the page of all records links."""
    if app.builder.format == "html":
        target = Path(app.outdir) / "results"
        shutil.copytree(records.KEPT, target, dirs_exist_ok=True)
        stored = records.stored(records.KEPT)
        tidy.values(stored).to_csv(target / "all.csv", index=False, lineterminator="\n")


def load_figure_library(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """On a page with interactive figures, the file of the book instead of the copies in the notebook's outputs."""
    if interactive.SCRIPT.search(context.get("body") or ""):
        context["body"] = interactive.SCRIPT.sub("", context["body"])
        app.add_js_file(FIGURES)


def add_buttons(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """On an executed page, where a repository is configured: open its notebook on Colab or Binder."""
    address = app.config.html_theme_options["repository_url"].rstrip("/")
    if not pagename.startswith("executed/") or not address.startswith("https://github.com/"):
        return
    place, page = address.removeprefix("https://github.com/").removesuffix(".git"), pagename.removeprefix("executed/")
    binder = f"{BINDER}/{place}/HEAD?urlpath=lab/tree/notebooks/{page}.md"
    buttons = {
        "Colab": (colab.address_of(place, page), "Open the notebook on Colab"),
        "Binder": (binder, "Open the text notebook in JupyterLab on Binder"),
    }
    links = [
        {"type": "link", "text": name, "url": url, "icon": "fas fa-rocket", "tooltip": tooltip}
        for name, (url, tooltip) in buttons.items()
    ]
    context["header_buttons"].append(
        {
            "type": "group",
            "label": "launch-buttons",
            "icon": "fas fa-rocket",
            "tooltip": "Run this notebook elsewhere",
            "buttons": links,
        }
    )
