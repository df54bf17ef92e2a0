"""The first page. Kinds of test: identities (what records say is counted), invariants of the list of items."""

import io
import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from dotlib.evaluation import recording, scorecard
from dotlib.evaluation.scorecard import ITEMS, UNTRAINED, Line, Tally
from dotlib.experiments import intro
from dotlib.results import paper, records

ROOT = Path(__file__).resolve().parents[2]


def test_a_badge_is_a_word_that_leads_to_its_page():
    assert intro.badge("holds", "keff") == "[holds](keff.ipynb){.verdict .holds}"
    assert intro.badge("fails", "keff", "one training") == "[fails](keff.ipynb){.verdict .fails .single}"


def test_the_scorecard_has_a_line_a_claim_with_its_counts():
    of = [Line("DOT raises IS", "tab1_scores", Tally(5, 0, 2), "digits"), Line("T", "theorems", Tally(2, 0, 0), "2-D")]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in intro.scorecard_table(of).splitlines()]
    assert lines[2:] == [
        ["[holds](tab1_scores.ipynb){.verdict .holds}", "DOT raises IS", "digits", "5 / 0 / 2"],
        ["[holds](theorems.ipynb){.verdict .holds}", "T", "2-D", "2 / 0 / 0"],
    ]


def test_the_grid_has_a_row_an_item_and_only_columns_with_words(tmp_path):
    over = {"Table 2, one G with each D": {"mnist, laptop": [("IS", paper.REPLICATED)]}}
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in intro.grid(over, tmp_path, tmp_path).splitlines()
    ]
    assert lines[0] == ["item of the paper", "MNIST"] and len(lines) == 2 + len(ITEMS)
    words = {line[0]: line[1] for line in lines[2:]}
    assert words.pop("[Table 2, one G with each D](tab2_swap.ipynb)") == "[holds](tab2_swap.ipynb){.verdict .holds}"
    assert set(words.values()) == {""}


def test_no_cell_of_the_map_mixes_words_over_trainings_with_words_on_one(tmp_path, monkeypatch):
    """Every word on single trainings stands behind a head of its own, in both columns."""
    built = tmp_path / "built"
    for item in ITEMS:
        dataset = next(iter(next(iter(item.runs.values()))))
        record = records.start(item.stem, profile="smoke", dataset=dataset, seed=0, parameters={})
        record.verdicts["without projection"] = paper.UNDECIDED
        if item.stem == "tab1_scores":
            record.put("fid", 1.0, method="dot", setting=20, judge=recording.MEAN, unit="")
        records.write(record, built)
    monkeypatch.setattr(records, "BUILT", built)
    for item, row in zip(ITEMS, intro.map_rows({}, "smoke", 0), strict=False):
        assert row[0] == item.title and row[3] != "-"
        assert row[3].startswith("one training: ") != (item.stem in UNTRAINED)
        assert row[2] == "-" or row[2].startswith("one training: ")


def test_images_that_are_copies_stand_in_brackets(tmp_path):
    record = records.start("tab2_swap", profile="laptop", dataset="cifar10", seed=0, parameters={})
    record.verdicts["FID"] = f"{paper.NOT_RESOLVED} (measured: 1)"
    record.made["images"] = {"test": "a copy", "floor": "a copy"}
    records.write(record, tmp_path)
    item = next(item for item in ITEMS if item.stem == "tab2_swap")
    told = intro.one_training(item, ["laptop"], tmp_path)
    assert told == "one training: CIFAR-10: FID: print does not resolve it (1) [a copy]"
    assert intro.one_training(item, ["smoke"], tmp_path) == "-"


def test_networks_of_table_4_in_each_profile():
    assert intro.networks("smoke") == "D 128 units wide instead of 512"
    assert intro.networks("paper") == "used as published"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an empty build
    return intro.map_rows({}, "smoke", 0)


def test_each_item_has_one_row_that_says_something(rows):
    assert len({row[0] for row in rows}) == len(rows) == len(ITEMS) + len(intro.USED) + 1
    assert all(len(row) == 4 and all(row) for row in rows)
    by_item = {row[0]: row[1:] for row in rows}
    assert by_item["Figure 3, swissroll"][2] == "-" and "reproduced" in by_item["Figure 3, swissroll"][1]
    assert by_item["Table 3, conditional DOT"][0] == "{doc}`/executed/tab3_conditional`"
    assert "DOTLIB_SNGAN" in by_item["Figure 1, ImageNet samples"][2]
    assert not any("not attempted" in cell for row in rows for cell in row[2:])


def test_verdicts_over_trainings_stand_before_those_on_one_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    over = {
        "Figure 2, constants along training": {"digits, laptop": [("a", paper.UNDECIDED)]},
        "Table 2, one G with each D": {"digits, laptop": [("FID", paper.CONTRADICTED)] * 2},
    }
    kept = {row[0]: row[2] for row in intro.map_rows(over, "smoke", 0)}
    words = kept["Figure 2, constants along training"]
    assert words.startswith("over trainings: digits, laptop: undecided (1); one training: digits: ")
    assert kept["Table 2, one G with each D"] == "over trainings: digits, laptop: FID: contradicted (2)"


def pages_of_the_book():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]}


def test_the_pages_of_the_map_and_of_the_doors_are_pages_of_the_book(rows):
    assert {row[1].strip("`").removeprefix("{doc}`/") for row in rows} <= pages_of_the_book()
    assert {page for _, pages in intro.DOORS for page in pages} <= pages_of_the_book()


def test_the_minutes_of_a_door_are_those_of_its_prose(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/a.md").write_text("one two three\n```python\nfour five\n```\nsix", encoding="utf-8")
    assert intro.words(tmp_path, "book/a") == 4
    lines = intro.doors(ROOT).splitlines()
    assert len(lines) == 4
    for line, (purpose, pages) in zip(lines, intro.DOORS, strict=True):
        minutes = int(re.search(r"(\d+) min", line)[1])
        assert purpose in line and (minutes - 1) * 230 < sum(intro.words(ROOT, page) for page in pages) <= minutes * 230


@pytest.mark.usefixtures("tmp_path")
def test_the_moving_picture_has_a_frame_for_each_step_it_keeps():
    picture = Image.open(io.BytesIO(intro.moving("smoke")))
    assert picture.format == "GIF" and picture.n_frames > 2 and picture.width > 1.5 * picture.height


def test_every_report_has_a_page_of_the_book_and_its_counts():
    rows = intro.report_rows({"otgan": "mnist8, laptop: reproduced (3)"})
    assert {row[1].strip("`").removeprefix("{doc}`/") for row in rows} <= pages_of_the_book()
    by_title = {row[0]: row[3] for row in rows}
    assert by_title["*Optimal Transport GAN*"] == "mnist8, laptop: reproduced (3)"
    assert {row[3] for row in intro.report_rows({})} == {"-"}


def test_a_page_whose_words_are_on_one_training_says_so_before_anything_else():
    """Before its parameters; a page with words over trainings is given to the map by its experiment."""
    judged = scorecard.over_trainings()
    over = {item.stem for item in ITEMS if item.title in judged} - {"fig3_toy"}
    alone = {item.stem for item in ITEMS} - over - set(UNTRAINED)
    assert {"fig2_training", "fig4_spaces", "fig9_histories", "projection", "fig3_toy"} == alone
    for stem in alone:
        page = (ROOT / f"notebooks/{stem}.md").read_text(encoding="utf-8")
        assert "*one training*" in page.partition("## Parameters")[0], stem


# --- the text of the findings ---------------------------------------------------------------------------------

LONGEST = 60  # words of a finding outside its fold; a computed number counts as one


def findings():
    """Of each finding of the page: its text, and what is folded below it."""
    page = (ROOT / "notebooks/intro.md").read_text(encoding="utf-8")
    listed = page.partition("## Eight findings")[2].partition("```{glue:md} found_counts")[0]
    for text in re.split(r"^\d\. ", listed, flags=re.MULTILINE)[1:]:
        said, _, folded = text.partition(":::{dropdown}")
        yield said, folded


def test_a_finding_is_short_and_folds_who_said_it_before_and_what_would_change_our_mind():
    assert len(list(findings())) == 8
    for said, folded in findings():
        words = re.sub(r"\{\w+(?::\w+)?\}`[^`]*`|\$[^$]*\$", "0", said).replace("*", "").split()
        assert len(words) <= LONGEST, f"{len(words)} words: {said[:60]}"
        assert "{glue:text}" in said and "*Before:*" in folded
        assert "*What would change our mind:*" in " ".join(folded.split())
