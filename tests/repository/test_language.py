"""The language of the pages: short sentences without phrases that say nothing. Kinds of test: invariants, failures."""

import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("book/*.md")), *sorted(ROOT.glob("notebooks/*.md"))]
PAGES += [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
MEDIAN, LONGEST, SEMICOLONS = 20, 40, 1  # words of the median sentence and of the longest; semicolons in one
BANNED = {  # what no page says, and why
    r"simply|obviously|clearly|of course": "who does not see it is told that he should",
    r"note that|it is worth|it should be noted": "delays what the sentence has to say",
    r"in order to": "'to' says it",
    r"leverag\w+|delv\w+|crucial\w*": "the language of advertisements",
    r"not (?:just|merely)": "denies what nobody has said",
    r"—|–|--": "a dash: a full stop, a comma or brackets say how two thoughts hang together",
}
OWED: dict[str, int] = {}  # page: faults it still has; may only shrink
PARSER = MarkdownIt("commonmark").enable("table")
for plugin in (front_matter_plugin, dollarmath_plugin, myst_block_plugin, myst_role_plugin, colon_fence_plugin):
    PARSER.use(plugin)
WORDS_INSIDE = ("admonition", "dropdown", "figure", "glue:figure", "glossary", "grid-item", "grid", "note", "warning")


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs, items and captions of a page, each formula, code and reference one word; no code, table, heading."""
    tokens = PARSER.parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline" and before.type == "paragraph_open":
            yield "".join(spoken(child) for child in token.children)
        elif token.type in ("fence", "colon_fence") and re.match(rf"\{{({'|'.join(WORDS_INSIDE)})\}}", token.info):
            yield from paragraphs(re.sub(r"\A(?:\s*:[\w-]+:.*\n)*", "", token.content))


def spoken(token) -> str:
    """The words of a piece of a paragraph."""
    if token.type == "myst_role":
        shown = re.match(r"(.*?)\s*<[^>]*>$", token.content, re.DOTALL)
        return "" if token.meta["name"] == "cite" else shown[1] if shown else "Reference"
    return {"text": token.content, "softbreak": " ", "code_inline": "Code", "math_inline": "Formula"}.get(
        token.type, ""
    )


def sentences(text: str) -> list[str]:
    """All sentences of three words or more; what is shorter opens a paragraph, as **Claim.** does."""
    parts = (part for words in paragraphs(text) for part in re.split(r"(?<=[.!?])[\"')]*\s+(?![a-z(])", words))
    return [part for part in parts if len(part.split()) > 2]


def faults(text: str) -> list[str]:
    """What a reader would stumble over, one line each."""
    said = sentences(text)
    lengths = [len(sentence.split()) for sentence in said]
    found = [f"{n} words: {sentence}" for n, sentence in zip(lengths, said, strict=True) if n > LONGEST]
    found += [f"semicolons: {sentence}" for sentence in said if sentence.count(";") > SEMICOLONS]
    if lengths and statistics.median(lengths) > MEDIAN:
        found.append(f"the median sentence has {statistics.median(lengths)} words, more than {MEDIAN}")
    for phrase, reason in BANNED.items():
        pattern = re.compile(rf"(?<!\w)(?:{phrase})(?!\w)", re.IGNORECASE)
        found += [f"{hit[0]!r}, {reason}: {sentence}" for sentence in said if (hit := pattern.search(sentence))]
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_said_as_one_says_it_aloud(path):
    found, owed = faults(path.read_text(encoding="utf-8")), OWED.get(path.stem, 0)
    assert len(found) <= owed, "\n".join(found)
    assert found or not owed, f"{path.stem} is mended: take it out of OWED"


def test_no_page_is_owed_that_is_gone():
    assert {*OWED} <= {path.stem for path in PAGES}


LONG = " ".join(["A", *["word"] * (LONGEST - 1)])


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f"{LONG}.\n", "the median sentence"),
        (f"Short is good here. And this one also. {LONG} word.\n", f"{LONGEST + 1} words"),
        (f"Short is good here. And this one also.\n\n- {LONG}\n  word.\n", f"{LONGEST + 1} words"),
        (f":::{{dropdown}} Proof\n:class: x\nShort is good. And this is. {LONG} word.\n:::\n", f"{LONGEST + 1} words"),
        (f"```{{figure}} a.png\n:name: f\n\nShort is good. And this is. {LONG} word.\n```\n", f"{LONGEST + 1} words"),
        *((f"This is {phrase} a fault.\n", repr(phrase)) for phrase in ("simply", "Note that", "leveraging", "—")),
        ("One is here; two is here; three is here.\n", "semicolons"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_seen(text, seen):
    (fault,) = faults(text)
    assert fault.startswith(seen)


@pytest.mark.parametrize(
    "text",
    [
        f"# {LONG} {LONG}\n",
        f"| a |\n|:--|\n| simply {LONG} {LONG} |\n",
        f"```{{code-cell}} python3\n# simply {LONG} {LONG}\n```\n",
        f"---\ntitle: simply {LONG} {LONG}\n---\n",
        f"$$\n{LONG} {LONG}\n$$ (eq-1)\n",
        f"It holds by ${LONG}$, `{LONG}` and {{eq}}`eq-1`.\n",
        ":::{admonition} Answer\n:class: answer\n```{glue:md} an_answer\n:format: myst\n```\n:::\n",
    ],
)
def test_what_is_no_sentence_is_not_judged(text):
    assert faults(text) == []
