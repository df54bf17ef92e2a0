"""Every notebook of the book in the profile `smoke`, as `make book` runs it.

Kinds: invariants (order of pages, nothing on stderr), identities (the records that a page owes).
"""

from pathlib import Path

import nbformat
import yaml

from dotlib import records
from dotlib.image_config import pair_names
from dotlib.notebook import run_notebook

ROOT = Path(__file__).resolve().parents[1]
OWED = {  # page -> records of the build, stem/key
    "theorems": ["theorems/smoke-both-s0"],
    "fig3_toy": ["fig3_toy/smoke-25gaussians-s0", "fig3_toy/smoke-swissroll-s0"],
    "fig3_audit": ["fig3_audit/smoke-25gaussians-s0", "fig3_audit/smoke-swissroll-s0"],
    "tab1": [f"tab1_scores/smoke-{name}-s0" for name in pair_names("digits")],
    "tab2": ["tab2_swap/smoke-digits-s0"], "keff": ["keff/smoke-digits-s0"],
    "fig2": ["fig2_training/smoke-digits-s0"], "fig4": ["fig4_spaces/smoke-digits-s0"],
    "fig9": ["fig9_histories/smoke-digits-s0"], "projection": ["projection/smoke-digits-s0"],
    "intro": [], "status": [],
}


def test_every_page_runs_and_leaves_its_records(tmp_path, monkeypatch):
    for name in ("notebooks", "book", "workflow"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.delenv("DOTLIB_OFFICIAL", raising=False)
    pages = yaml.safe_load(Path("workflow/pages.yml").read_text(encoding="utf-8"))
    assert set(pages) == set(OWED)
    for page in sorted(pages, key=lambda name: pages[name].get("last", False)):
        finished = run_notebook(f"notebooks/{pages[page]['notebook']}.md",
                                f"_build/executed/smoke/{page}.ipynb",
                                pages[page].get("parameters", {}) | {"profile": "smoke"})
        outputs = [o for cell in finished.cells for o in cell.get("outputs", [])]
        assert not [o for o in outputs if o.get("name") == "stderr"], page
        for key in OWED[page]:
            record = records.read(Path("_build/records") / f"{key}.json")
            assert record.values and record.made["seconds"] > 0
            assert set(record.verdicts.values()) == {"smoke: not comparable"}, key
    whole = nbformat.read("_build/executed/smoke/intro.ipynb", as_version=4)
    assert "smoke: not comparable" in nbformat.writes(whole)
