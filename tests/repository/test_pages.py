"""The prose: its code runs, its labels exist, its equation numbers are the paper's.

Kinds of test: identities, failures.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
PROSE = sorted(BOOK.glob("*.md"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.md"))
CITED = (1, 2, 5, 6, 7, 8, 11, 12, 14, 16, 18, 19, 20, 21, 22, 23, 25, 26, 33, 51, 52, 54, 55, 56)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def equations() -> set[str]:
    return {label for page in PROSE for label in re.findall(r"^\$\$ \((eq-S?\d+)\)$", text(page), re.MULTILINE)}


def labels() -> set[str]:
    """Targets `(name)=` and `:name: name` of all pages."""
    found = set()
    for path in (*PROSE, *NOTEBOOKS):
        found |= set(re.findall(r"^\(([\w-]+)\)=$", text(path), re.MULTILINE))
        found |= set(re.findall(r"^\s*:?name: ([\w-]+)$", text(path), re.MULTILINE))
    return found


def output_of(page: str, folder: Path) -> str:
    """What all Python blocks of a page print, one after the other, in one fresh interpreter."""
    blocks = re.findall(r"^```python\n(.*?)^```$", text(BOOK / page), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 4
    script = folder / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        capture_output=True,
        env=os.environ | {"DOTLIB_ARTIFACTS": str(folder / "artifacts")},
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_code_of_a_new_sampler_runs(tmp_path):
    lines = output_of("add-a-sampler.md", tmp_path).splitlines()
    assert lines[0].startswith("torch.Size([100, 2]) 0.25 Cost(generator=4.0, discriminator=4.0")
    assert "'best of'" in lines[1] and "'MH-GAN'" in lines[1]
    measured = [line.partition(" [")[0] for line in lines[2:]]
    assert measured == ["bare 1 1.0", "best of 2 4.0", "best of 4 8.0", "best of 8 16.0"]


def test_ten_lines_are_ten():
    section = text(ROOT / "notebooks" / "use_your_own_gan.md").split("## Ten lines")[1]
    block = section.split("```{code-cell} python3\n")[2]
    code = [line for line in block.split("```")[0].splitlines() if line.strip()]
    assert len(code) <= 10


def test_every_equation_that_a_docstring_cites_is_on_the_theory_page():
    found = equations()
    assert {f"eq-{number}" for number in CITED} <= found
    cited = set()
    for path in (ROOT / "dotlib").rglob("*.py"):
        cited |= {f"eq-{n}" for n in re.findall(r"eqs?\. \(?(\d+)\)?", text(path))}
    proofs_only = {"eq-49"}  # a step of the paper's proof, named in words in a remark
    assert cited - proofs_only <= found


@pytest.mark.parametrize("path", [*PROSE, *NOTEBOOKS], ids=lambda path: path.stem)
def test_references_have_a_target(path):
    page = text(path)
    known = labels()
    assert set(re.findall(r"\{eq\}`([^`]+)`", page)) <= equations() | known
    for target in re.findall(r"\]\(#([\w-]+)\)", page):
        assert target in known, f"{path.name}: no label {target}"
    documents = yaml.safe_load(text(ROOT / "_toc.yml"))
    pages = {documents["root"]} | {chapter["file"] for part in documents["parts"] for chapter in part["chapters"]}
    for target in re.findall(r"\{doc\}`(?:[^`<]*<)?/([\w/-]+)>?`", page):
        assert target in pages, f"{path.name}: no page {target}"


OPENINGS = ("The paper's claim", "Claim", "The question", "Question", "What must hold", "What the paper claims")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_opens_with_a_claim_or_question_and_its_answer(path):
    """The first page promises it, and opens with the scorecard. The last page says what ran, and claims nothing."""
    opening = re.search(r"^# .*?$(.*?)^#", text(path), re.DOTALL | re.MULTILINE)[1]
    if path.stem == "status":
        return
    if path.stem == "intro":
        parts = re.findall(r"\{glue:\w+\} (\w+)", opening)
        assert parts == ["intro_doors", "intro_moving", "intro_scorecard", "intro_strongest"]
        return
    assert re.search(rf"\*\*({'|'.join(OPENINGS)})\.\*\*", opening), "the page does not say what it asks"
    parts = re.findall(r"\{glue:(\w+)\} (\w+)", opening)
    assert parts and parts[0][0] == "md" and parts[0][1].endswith("answer"), (
        "no computed answer before the first section"
    )
    assert [kind for kind, _ in parts[1:2]] in ([], ["figure"]), "a table stands between the answer and its figure"


def test_labels_are_unique():
    found = [
        label for path in (*PROSE, *NOTEBOOKS) for label in re.findall(r"^\(([\w-]+)\)=$", text(path), re.MULTILINE)
    ]
    assert sorted(found) == sorted(set(found))


def test_every_citation_is_in_the_bibliography():
    keys = set(re.findall(r"^@\w+\{([^,]+),$", text(BOOK / "references.bib"), re.MULTILINE))
    for path in (*PROSE, *NOTEBOOKS):
        for cited in re.findall(r"\{cite\}`([^`]+)`", text(path)):
            assert set(cited.split(",")) <= keys, f"{path.name}: {cited}"


def test_the_books_equation_numbers_are_the_papers():
    """Without this extension Sphinx would count: eq-23 would be shown as another number."""
    sphinx = yaml.safe_load(text(ROOT / "_config.yml"))["sphinx"]
    assert sphinx["local_extensions"]["paper_equations"] == "workflow"
    assert sphinx["config"]["math_numfig"] is False


def test_the_segment_of_the_erratum_minimises():
    """The example of the theory page: q = delta_0, p = delta_1, D*(x) = x; all x >= 0 minimise."""
    x = torch.linspace(-1, 3, 401, dtype=torch.float64)
    objective = x.abs() - x
    assert objective.min() == 0
    assert torch.equal(objective == 0, x >= 0)


def test_gaps_of_theorem_2():
    """The table of gaps, -u - f(u), on the theory page, against the objectives of the package."""
    from dotlib.training.objectives import OBJECTIVES

    u = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    gap = {name: -u - OBJECTIVES[name].f(u) for name in ("ns", "hinge", "wgan")}
    torch.testing.assert_close(gap["ns"], torch.log1p(torch.exp(-u)), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gap["hinge"], torch.maximum(-u, torch.ones_like(u)))
    assert (gap["ns"] > 0).all() and (gap["hinge"] >= 1 - 1e-12).all() and (gap["wgan"] == 0).all()


def cells(path: Path) -> tuple[list[str], str]:
    """Python of a notebook's cells, without their options, and the text between them, without the file's header."""
    pattern = r"^```\{code-cell\}[^\n]*\n(?:---\n.*?^---\n|(?::\w+:[^\n]*\n)*)(.*?)^```$"
    whole = text(path).split("---\n", 2)[2]
    flags = re.MULTILINE | re.DOTALL
    return re.findall(pattern, whole, flags), re.sub(pattern, "", whole, flags=flags)


NO_SENTENCE = (
    r"\||```|:{3,}|#|%|:[\w-]+:|\([\w-]+\)=$|\$\$|\+\+\+"  # how lines of tables, options, labels and the like begin
)


def sentences(prose: str) -> list[str]:
    """The lines of a page that a reader reads: no formula, table, option, label or heading."""
    prose = re.sub(r"^\$\$.*?\$\$[^\n]*$|^```\{math\}.*?^```$", "", prose, flags=re.MULTILINE | re.DOTALL)
    return [line for line in map(str.strip, prose.splitlines()) if line and not re.match(NO_SENTENCE, line)]


FOLDED = ("hide-input", "hide-cell", "remove-input", "remove-cell")  # tags of cells whose code a reader has to open


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem != "status"], ids=lambda path: path.stem)
def test_of_what_a_page_shows_at_most_a_third_is_code_and_no_function(path):
    code, prose = cells(path)
    function = r"^\s*(?:async )?(?:def|class) |^\s*\w+ = lambda\b"
    assert len(code) > 3 and not re.search(function, "\n".join(code), re.MULTILINE)
    notebook = jupytext.reads(text(path), fmt="md:myst")
    shown = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and not set(FOLDED) & set(cell.metadata.get("tags", []))
    ]
    words = len(" ".join(shown).split()), len(" ".join(sentences(prose)).split())
    assert words[0] <= sum(words) / 3, f"{words[0]} words of code, {words[1]} of prose"


def shown_twice(page: Path) -> list[str]:
    """What a page glues and also leaves as an output of its cell: a reader would see it again there."""
    source = [re.sub(r"^[%!].*$", "", cell, flags=re.MULTILINE) for cell in cells(page)[0]]
    calls = [node for cell in source for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Call)]
    glued = [call for call in calls if ast.unparse(call.func) == "glue"]
    quiet = [any(ast.unparse(word) == "display=False" for word in call.keywords) for call in glued]
    return [ast.unparse(call.args[0]) for call, told in zip(glued, quiet, strict=True) if not told]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_glued_is_shown_where_the_page_puts_it_and_not_again(path):
    assert shown_twice(path) == []


def test_what_is_glued_and_shown_again_is_seen(tmp_path):
    page = tmp_path / "page.md"
    cell = "```{code-cell} python3\n:tags: [hide-output]\nglue('a', 1,\n     display=False)\nglue('b', f(2))\n```\n"
    page.write_text(f"---\n---\n{cell}", encoding="utf-8")
    assert shown_twice(page) == ["'b'"]


UNASKED = ("intro",)  # pages that ask nothing of their reader
LASTS = r"\b(?:seconds?|minutes?|hours?)\b|\bNo run is needed\b"


def unanswered(page: str) -> list[str]:
    """What a reader misses in a page's questions: all of them, or the time or the folded answer of one."""
    section = re.search(r"^## Try it$(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    asked = re.split(r"^\d+\. ", section[1], flags=re.MULTILINE)[1:] if section else []
    missed = [] if asked else ["no question under 'Try it'"]
    for number, item in enumerate(asked, start=1):
        question, opened, rest = item.partition(":::{dropdown} Answer\n")
        if not opened or not rest.partition(":::")[0].strip():
            missed.append(f"question {number} has no folded answer")
        if not re.search(LASTS, " ".join(question.split()), re.IGNORECASE):
            missed.append(f"question {number} does not say how long it takes")
    return missed


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem not in UNASKED], ids=lambda path: path.stem)
def test_every_question_of_a_page_has_its_time_and_its_folded_answer(path):
    assert unanswered(text(path)) == []


LONG = ", two\n   minutes"
ANSWER = "   :::{dropdown} Answer\n   It rises.\n   :::\n"
ASKED = f"## Try it\n\n1. Run it{LONG}. Predict $x$.\n\n{ANSWER}\nThe end.\n"


@pytest.mark.parametrize(
    ("page", "missed"),
    [
        (ASKED, []),
        (ASKED.replace("two\n   minutes", "no run is needed"), []),
        ("## Results\n", ["no question under 'Try it'"]),
        ("## Try it\n\nTry anything.\n", ["no question under 'Try it'"]),
        (ASKED.replace(LONG, ""), ["question 1 does not say how long it takes"]),
        (ASKED.replace(LONG, "").replace("It rises", "In a minute"), ["question 1 does not say how long it takes"]),
        (ASKED.replace(":::{dropdown} Answer", ":::{note}"), ["question 1 has no folded answer"]),
        (ASKED.replace("   It rises.\n", ""), ["question 1 has no folded answer"]),
        (ASKED.replace("The end.", "2. Run it, a minute. Predict $y$."), ["question 2 has no folded answer"]),
    ],
)  # fmt: skip
def test_a_question_without_its_time_or_answer_is_seen(page, missed):
    assert unanswered(page) == missed
