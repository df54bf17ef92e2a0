"""What `make book PROFILE=smoke` leaves here: every page without a warning, with its records. `make test-book` asks.

Kinds: invariants (nothing on stderr, no number of a smoke run compared), identities (the records that a page owes).
"""

import re
from pathlib import Path

import nbformat
import pytest

from dotlib.results import records
from dotlib.training.settings import pair_names

pytestmark = pytest.mark.book
ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"
OWED = {  # page -> records of the build, stem/key
    "theorems": ["theorems/smoke-both-s0"],
    "fig3_toy": ["fig3_toy/smoke-25gaussians-s0", "fig3_toy/smoke-swissroll-s0"],
    "fig3_audit": ["fig3_audit/smoke-25gaussians-s0", "fig3_audit/smoke-swissroll-s0"],
    "tab1_scores": [f"tab1_scores/smoke-{name}-s0" for name in pair_names("digits")],
    "transport_matters": ["transport_matters/smoke-digits-dcgan-sngan-ns-s0"],
    "tab2_swap": ["tab2_swap/smoke-digits-dcgan-sagan-hi-s0"],
    "tab3_conditional": ["tab3_conditional/smoke-digits-cond-hi-s0"],
    "keff": ["keff/smoke-digits-s0"],
    "fig2_training": ["fig2_training/smoke-digits-s0"],
    "fig4_spaces": ["fig4_spaces/smoke-digits-s0"],
    "fig9_histories": ["fig9_histories/smoke-digits-s0"],
    "projection": ["projection/smoke-digits-s0"],
    "real_images": ["real_images/smoke-digits-s0"],
    "tab7_mhgan": ["tab7_mhgan/smoke-digits-dcgan-sagan-ns-s0"],
    "frontier": ["frontier/smoke-digits-dcgan-sagan-ns-s0"],
    "frontier_2d": [
        f"frontier_2d/smoke-{name}-s0"
        for name in ("25gaussians", "25gaussians-oracle", "swissroll", "swissroll-oracle")
    ],
    "calibration": ["calibration/smoke-digits-s0"],
    "runtimes": ["runtimes/smoke-all-s0"],
    "wgan_mnist": ["wgan_mnist/smoke-digits-mlp-wgan-gp-s0"],
    "otgan": ["otgan/smoke-digits-s0"],
    "embedded": ["embedded/smoke-digits-resnet-sagan-hi-s0"],
}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.md"))
# No claim is judged there, or none by one training.
UNJUDGED = (
    "transport_matters",
    "real_images",
    "tab2_swap",
    "tab3_conditional",
    "tab7_mhgan",
    "frontier",
    "frontier_2d",
    "calibration",
    "wgan_mnist",
    "otgan",
    "embedded",
)


def test_every_page_that_writes_a_record_owes_one():
    writes = re.compile(r"\b\w+\.(write|record_of)\b")
    assert {path.stem for path in NOTEBOOKS if writes.search(path.read_text(encoding="utf-8"))} == {*OWED}


@pytest.mark.parametrize("page", [path.stem for path in NOTEBOOKS])
def test_a_page_ran_without_a_warning_and_left_its_records(page):
    log = (BUILD / f"logs/smoke/page-{page}.log").read_text(encoding="utf-8").splitlines()
    assert [line for line in log if not line.startswith("at work for ")] == []  # which a long cell of a busy machine is
    finished = nbformat.read(BUILD / f"executed/smoke/{page}.ipynb", as_version=4)
    outputs = [output for cell in finished.cells for output in cell.get("outputs", [])]
    assert outputs and not [output for output in outputs if output.get("name") == "stderr"]
    for key in OWED.get(page, ()):
        record = records.read(BUILD / f"records/{key}.json")
        assert record.content and record.made["seconds"] > 0
        words = set() if page in UNJUDGED else {"smoke: not comparable"}
        assert set(record.verdicts.values()) == words, key


def test_the_map_compares_nothing_of_a_smoke_run():
    whole = nbformat.read(BUILD / "executed/smoke/intro.ipynb", as_version=4)
    assert "smoke: not comparable" in nbformat.writes(whole)


@pytest.mark.parametrize("page", [path.stem for path in NOTEBOOKS])
def test_every_figure_of_a_page_has_something_above_its_caption(page):
    """A figure that is glued and not shown leaves a caption alone."""
    html = (BUILD / f"html/executed/{page}.html").read_text(encoding="utf-8")
    figures = re.findall(r"<figure\b.*?</figure>", html, re.DOTALL)
    alone = [
        each for each in figures if not re.search(r"<(?:img|svg|object|video|canvas|table|div class=\"dot-)", each)
    ]
    assert alone == []
