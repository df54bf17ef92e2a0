"""The page of all records. Kinds of test: identities (what is counted and linked is there)."""

import re

from dotlib.experiments import all_records
from dotlib.results import records, tidy


def recorded(stem="keff", dataset="digits", profile="laptop", seed=0):
    record = records.start(stem, profile=profile, dataset=dataset, seed=seed, parameters={})
    record.put("k_eff", 1.5, method="own", n=3, interval=(1.0, 2.0), unit="logits per latent distance")
    record.put("fid", 2.0, setting=20, unit="squared feature units")
    record.made |= {"commit": "0123456789abcdef", "device": "a <machine>", "started": 86_400.0, "seconds": 90.0}
    return record


def test_the_answer_counts_records_pages_numbers_and_tables():
    stored = [recorded(), recorded(seed=1), recorded("otgan", profile="paper")]
    text = all_records.answer(stored, 2)
    assert text.startswith(
        "3 records of 2 pages hold 6 numbers: 2 of the profile *laptop* and 1 of the profile *paper*. 2 of them have a "
    )
    assert len(re.findall(r"\. [A-Z2]", text)) == 2
    assert all_records.answer([], 0) == "No record is committed."


def test_a_line_links_its_page_and_each_file_and_is_escaped():
    html = all_records.table([recorded()], {"keff/laptop-digits-s0": ["json", "csv"]})
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert len(cells) == len(all_records.HEADS) == html.count("<th ")
    assert html.count("data-filter") == len(all_records.FILTERED)
    assert cells[:8] == [
        "<a href='keff.html'>keff</a>",
        "digits",
        "laptop",
        "0",
        "2",
        "1970-01-02",
        "1.5",
        "<span class='device'>a &lt;machine&gt;</span>",
    ]
    folder = "../results/keff/laptop-digits-s0"
    assert cells[9] == f"<a href='{folder}.json' download>JSON</a>, <a href='{folder}.csv' download>CSV</a>"
    assert "<a" not in all_records.table([recorded("gp_weight")], {"gp_weight/laptop-digits-s0": []})


def test_every_committed_record_is_listed_once_with_the_files_it_has():
    stored = records.stored(records.KEPT)
    beside = all_records.endings(records.KEPT)
    assert list(beside) == [f"{record.stem}/{record.key}" for record in stored]
    html = all_records.table(stored, beside)
    linked = re.findall(rf"href='{re.escape(all_records.FOLDER)}/([^']*)'", html)
    assert sorted(linked) == sorted(
        str(path.relative_to(records.KEPT)) for path in records.KEPT.glob("*/*") if path.suffix != ".md"
    )
    pages = {path.stem for path in (records.KEPT.parent / "notebooks").glob("*.md")}
    assert set(re.findall(r"href='(\w+)\.html'", html)) <= pages


def test_all_numbers_in_one_table_are_the_records_numbers():
    stored = [recorded(), recorded("otgan", seed=4)]
    frame = tidy.values(stored)
    assert len(frame) == 4 and set(frame.commit) == {"0123456789abcdef"}
    line = frame.query("page == 'otgan' and quantity == 'k_eff'").iloc[0]
    assert (line.seed, line.method, line.value, line.low, line.high, line.n) == (4, "own", 1.5, 1.0, 2.0, 3)
