"""The book's own Sphinx extension: plain-text docstrings, download and launch buttons."""

import functools
import os
import re
import textwrap
from pathlib import Path

import yaml
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
BINDER = "https://mybinder.org/v2/gh"
# Objects of other packages have no page here, so references to them cannot resolve.
EQUATION = re.compile(r"\b(eqs?\. )\(?(\d+)\)?")  # as docstrings cite: [DOT19] eq. (23)
ARGUMENT = re.compile(r"\w+(, \w+)*:\s+\S")
FOREIGN = [("py:.*", r"(?!dotlib).*")]


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", plain_text)
    app.connect("config-inited", configure)
    app.connect("html-page-context", add_buttons, priority=900)  # behind the theme's own
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def configure(app: Sphinx, config) -> None:
    """Settings that YAML cannot express, and the repository's address from the environment."""
    config.nitpick_ignore_regex = [*config.nitpick_ignore_regex, *FOREIGN]
    options = config.html_theme_options
    options["repository_url"] = os.environ.get("DOTLIB_REPOSITORY") or options.get("repository_url") or ""
    options["navbar_persistent"] = []  # the search field is in the side bar already
    options["use_repository_button"] = bool(options["repository_url"])


def plain_text(app, what, name, obj, options, lines) -> None:
    """Docstrings are plain text, not markup: turn their paragraphs, lists and formulas into RST."""
    text = "\n".join(lines).strip("\n")
    lines[:] = []
    for block in re.split(r"\n\s*\n", text):
        if block.startswith(" "):
            body = textwrap.dedent(block).splitlines()
            lines += [".. code-block:: text", "", *(f"   {line}" for line in body), ""]
        elif ARGUMENT.match(block) and all(ARGUMENT.match(line) or line.startswith(" ") for line in block.splitlines()):
            for entry in re.split(r"\n(?=\S)", block):
                names, meaning = entry.split(":", 1)
                lines.append(f"- ``{names}``: {_prose(meaning)}")
            lines.append("")
        elif block.strip() not in ("", "::"):
            lines += [_prose(block), ""]


def _prose(text: str) -> str:
    text = " ".join(text.split()).removesuffix("::") + (":" if text.endswith("::") else "")
    parts = re.split(r"`+([^`]+)`+", text)  # every second one is code
    parts[1::2] = [f"``{code}``" for code in parts[1::2]]
    parts[::2] = [
        EQUATION.sub(lambda m: m.group(1) + _linked(m.group(2)), re.sub(r"([\\*`|_<>])", r"\\\1", part))
        for part in parts[::2]
    ]
    return "\\ ".join(parts)


def _linked(number: str) -> str:
    if number not in _labelled():
        return f"({number})"
    return f"`({number}) <theory.html#equation-eq-{number}>`__"


@functools.cache
def _labelled() -> set[str]:
    """Numbers N of the equations that book/theory labels eq-N."""
    text = (ROOT / "book" / "theory.md").read_text(encoding="utf-8")
    return set(re.findall(r"(?:\$\$ \(|label: *)eq-(\d+)", text))


def add_buttons(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """On an executed page, where a repository is configured: open its text notebook on Binder."""
    address = app.config.html_theme_options["repository_url"].rstrip("/")
    pages = yaml.safe_load((ROOT / "workflow/pages.yml").read_text(encoding="utf-8"))
    page = pages.get(pagename.removeprefix("executed/"))
    if not page or not address.startswith("https://github.com/"):
        return
    place = address.removeprefix("https://github.com/").removesuffix(".git")
    url = f"{BINDER}/{place}/HEAD?urlpath=lab/tree/notebooks/{page['notebook']}.md"
    context["header_buttons"].append(
        {
            "type": "group",
            "label": "launch-buttons",
            "icon": "fas fa-rocket",
            "tooltip": "Run this notebook elsewhere",
            "buttons": [
                {
                    "type": "link",
                    "text": "Binder",
                    "url": url,
                    "icon": "fas fa-rocket",
                    "tooltip": "Open the text notebook in JupyterLab on Binder",
                }
            ],
        }
    )
