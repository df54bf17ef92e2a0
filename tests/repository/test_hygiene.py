"""Rules of the house that a syntax tree can show. Each rule is also shown to catch an offender."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "dotlib").rglob("*.py"))
CODE = MODULES + sorted(
    path for folder in ("tests", "workflow", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
COMPARISONS = {"allclose", "isclose", "equal", "array_equal", "equals"}
MODULE_LINES, FUNCTION_LINES = 400, 40


def dotted(node) -> str:
    """'np.random.normal' for such an expression, '' for others."""
    try:
        return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
    except RecursionError:
        return ""


def in_raises(tree) -> set[int]:
    """Identities of all nodes below `with pytest.raises`."""
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and any("raises" in ast.unparse(item.context_expr) for item in node.items)
    ]
    return {id(node) for block in blocks for node in ast.walk(block)}


def dropped_comparisons(tree) -> list[int]:
    """Lines with a comparison whose answer nobody reads."""
    expected = in_raises(tree)
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and dotted(node.value.func).split(".")[-1] in COMPARISONS
        and id(node) not in expected
    ]


def unsafe_reads(tree) -> list[str]:
    """Ways to read a file that can run code from it."""
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
            if {"pickle", "dill", "joblib", "cloudpickle"} & {n.split(".")[0] for n in names}:
                faults.append(f"line {node.lineno}: imports pickle")
        if not isinstance(node, ast.Call):
            continue
        options = {k.arg: ast.unparse(k.value) for k in node.keywords}
        name = dotted(node.func)
        if name in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
            faults.append(f"line {node.lineno}: np.load without allow_pickle=False")
        if name == "torch.load" and options.get("weights_only") != "True":
            faults.append(f"line {node.lineno}: torch.load without weights_only=True")
        if name in ("yaml.load", "yaml.unsafe_load", "eval", "exec"):
            faults.append(f"line {node.lineno}: {name}")
    return faults


def unseeded_draws(tree) -> list[str]:
    """Draws from a global random state."""
    faults = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        given = {keyword.arg for keyword in node.keywords}
        if re.fullmatch(r"torch\.(rand|randn|randint|randperm|bernoulli|multinomial|normal)", name):
            if "generator" not in given:
                faults.append(f"line {node.lineno}: {name} without generator")
        elif re.match(r"(np|numpy)\.random\.|random\.", name) and name not in (
            "np.random.default_rng",
            "np.random.RandomState",
            "np.random.Generator",
            "np.random.SeedSequence",
        ):
            faults.append(f"line {node.lineno}: {name}")
        elif name in ("np.random.default_rng", "np.random.RandomState") and not (node.args or given):
            faults.append(f"line {node.lineno}: {name} without a seed")
        elif re.fullmatch(r"torch\.(cuda\.)?(manual_seed|manual_seed_all|seed)", name):
            faults.append(f"line {node.lineno}: {name} changes the global state")
    return faults


def code_lines(function, text: str) -> int:
    """Lines of a function with code: no docstring, no comment-only or blank lines."""
    lines = range(function.lineno, function.end_lineno + 1)
    if ast.get_docstring(function) is not None:
        note = function.body[0]
        lines = [n for n in lines if not note.lineno <= n <= note.end_lineno]
    source = text.splitlines()
    return sum(bool(source[n - 1].strip()) and not source[n - 1].strip().startswith("#") for n in lines)


def substitutions(tree) -> list[str]:
    """What Sphinx would take for a substitution in a docstring, as in |x|; blocks and literals with bars are none."""
    scopes = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module))
    plain = (re.sub(r"::\n(\n|[ \t]+[^\n]*\n?)+|``[^`]*``", " ", f"{ast.get_docstring(node)}\n") for node in scopes)
    return [
        match.group()
        for text in plain
        for match in re.finditer(r"(?<![\w|])\|(?=[^\s|])[^|\n]*[^\s|]?\|(?![\w|])", text)
    ]


def undocumented(tree) -> list[str]:
    """Public functions, classes and methods without a docstring."""
    missing = [] if ast.get_docstring(tree) else ["the module"]
    scopes = [
        ("", tree),
        *((f"{n.name}.", n) for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")),
    ]
    for prefix, scope in scopes:
        for node in scope.body:
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                missing.append(prefix + node.name)
    return missing


def parse(path):
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path):
    """A file's name in test reports."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CODE, ids=name)
def test_no_comparison_is_dropped_and_no_read_is_unsafe(path):
    tree = parse(path)
    assert dropped_comparisons(tree) == []
    if path in MODULES or path.parent.name in ("workflow", "benchmarks"):
        assert unsafe_reads(tree) == []


def long_functions(tree: ast.Module, text: str) -> list[str]:
    """Names and lines of the functions with too many lines of code; two of one name are two."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = [(node.name, node.lineno, code_lines(node, text)) for node in nodes]
    return [f"{name}, line {line}: {lines}" for name, line, lines in lengths if lines > FUNCTION_LINES]


def test_a_long_method_is_seen_beside_a_short_one_of_its_name():
    lines = "\n".join(f"        x{i} = {i}" for i in range(FUNCTION_LINES))
    text = f"class A:\n    def f(self):\n{lines}\n\n\nclass B:\n    def f(self):\n        return 1\n"
    assert long_functions(ast.parse(text), text) == [f"f, line 2: {FUNCTION_LINES + 1}"]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_is_small_documented_and_seeded(path):
    text, tree = path.read_text(encoding="utf-8"), parse(path)
    assert len(text.splitlines()) <= MODULE_LINES
    assert long_functions(tree, text) == []
    assert undocumented(tree) == []
    assert substitutions(tree) == []
    assert unseeded_draws(tree) == []


def test_bars_that_sphinx_would_take_for_a_substitution_are_seen():
    texts = {
        "|g . z| is": 1,
        "of |z|, and": 1,
        "``|z|`` and ||z||": 0,
        "with::\n\n    K = |x|\n\nwords": 0,
        "a | b | c": 0,
    }
    assert {text: len(substitutions(ast.parse(f'"""{text}"""'))) for text in texts} == texts


def test_rules_catch_offenders():
    bad = ast.parse(
        "np.allclose(a, b)\nassert np.allclose(a, b)\nwith pytest.raises(ValueError):\n    torch.equal(a, b)\n"
    )
    assert dropped_comparisons(bad) == [1]
    bad = ast.parse(
        "import pickle\nnp.load(f)\nnp.load(f, allow_pickle=False)\ntorch.load(f)\nyaml.load(f)\nyaml.safe_load(f)\n"
    )
    assert len(unsafe_reads(bad)) == 4
    bad = ast.parse(
        "torch.randn(3)\ntorch.randn(3, generator=g)\nnp.random.normal(3)\n"
        "np.random.default_rng()\nnp.random.default_rng(3)\ntorch.manual_seed(0)\n"
        "np.random.RandomState()\nnp.random.RandomState(3)\n"
    )
    assert len(unseeded_draws(bad)) == 5
    text = "def f(x):\n" + "    x += 1\n" * 40
    assert code_lines(ast.parse(text).body[0], text) == FUNCTION_LINES + 1
    text = "def f(x):\n    'doc'\n\n    # why\n    return x\n"
    assert code_lines(ast.parse(text).body[0], text) == 2
    assert undocumented(
        ast.parse("'m'\ndef f(): pass\ndef _g(): pass\nclass C:\n    'd'\n    def m(self): pass\n")
    ) == ["f", "C.m"]


def tracked() -> list[Path]:
    """Files that git tracks; all files but ignored ones where this is no checkout."""
    try:
        run = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a checkout")
    return [ROOT / line for line in run.stdout.splitlines() if (ROOT / line).is_file()]


def test_no_notebook_output_and_no_weights_but_shipped_pairs_are_tracked():
    kinds = {".ipynb", ".npz", ".npy", ".pt", ".pth", ".pkl", ".safetensors"}
    outside = [path for path in tracked() if path.suffix in kinds and path.parents[1] != ROOT / "pairs"]
    assert outside == []  # in pairs/ every file is in the table that tests/training/test_shipped.py checks


def test_no_path_of_one_machine_is_written_down():
    pattern = re.compile(r"(?<![\w.{}])/(?:home|root|Users|work|mnt|opt)/\w")
    texts = {".py", ".md", ".yml", ".yaml", ".toml", ".json", ".txt", ".cfg", ".cff", ""}
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.suffix in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line) and path != Path(__file__).resolve()
    ]
    assert found == []


def test_what_the_readme_shows_and_names_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    named = re.findall(r"`((?:book|notebooks|workflow|results|dotlib)/[\w./-]+)`", text)
    assert shown and named
    missing = [name for name in shown + named if not (ROOT / name).exists()]
    assert not missing
