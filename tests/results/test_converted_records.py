"""No value of a committed record changed when their flat names became rows.

Kinds of test: golden numbers (digests, taken from the committed files while their values still had flat names; the
names are rebuilt here from the rows), failures, identities (a second conversion changes nothing).
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import convert_records
import pytest

from dotlib.results import records

DIGESTS = json.loads(Path(__file__).with_name("record_digests.json").read_text(encoding="utf-8"))


def digest(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def flat_name(stem: str, row: records.Row) -> str:
    """The name of a row's value before there were rows."""
    if stem == "gp_weight" and row.pair:
        return {"emd": "emd_g_", "emd_last": "end_"}[row.quantity] + row.pair.removeprefix("gp_weight ")
    if not row.method:
        return f"accuracy of {row.judge}" if row.judge else row.quantity
    if stem == "fig3_toy":
        return f"{row.method}_minus_{row.against}" if row.against else f"emd_{row.method}"
    if row.method == "real":
        return "floor_n" if row.quantity == "images" else f"floor_{row.quantity}"
    difference, judge = f"_minus_{row.against}" * bool(row.against), f"_{row.judge}" * bool(row.judge)
    return f"{row.method}{row.setting}{difference}_{row.quantity}{judge}"


def flat_values(record: records.Record) -> dict:
    """Every value of a record under its old name, a curve as one list beside its updates."""
    values = {}
    for row in record.rows():
        entry = {"value": row.value, "unit": row.unit, "sd": row.sd, "n": row.n}
        entry["interval"] = None if row.low is None else list(row.interval)
        entry = {name: part for name, part in entry.items() if part is not None}
        name = flat_name(record.stem, row)
        if name.startswith("emd_g_"):
            values.setdefault(name, {"value": [], "unit": row.unit})["value"].append(row.value)
            updates = values.setdefault("updates", {"value": [], "unit": "updates of G"})["value"]
            updates += [row.setting] if row.setting not in updates else []
        else:
            assert name not in values
            values[name] = entry
    return values


@pytest.mark.parametrize("path", DIGESTS)
def test_every_value_of_a_committed_record_survived(path):
    record = records.read(records.KEPT / path)
    values = flat_values(record)
    assert len(values) == DIGESTS[path]["count"]
    assert digest(values) == DIGESTS[path]["values"]
    rest = {name: part for name, part in vars(record).items() if name not in ("content", "verdicts")}
    assert digest(rest) == DIGESTS[path]["rest"]
    value, *_ = (row for row in record.content.values() if row.value)
    record.content[value.key] = replace(value, value=value.value * (1 + 1e-12))
    assert digest(flat_values(record)) != DIGESTS[path]["values"]


@pytest.fixture
def convert(capsys):
    """What one conversion of a folder says."""

    def said(folder: Path) -> str:
        convert_records.main([str(folder)])
        return capsys.readouterr().out

    return said


def flat_file(folder: Path, values: dict, stem: str = "fig3_toy") -> Path:
    path = folder / stem / "paper-swissroll-s0.json"
    path.parent.mkdir()
    content = {"stem": stem, "profile": "paper", "dataset": "swissroll", "seed": 0, "parameters": {"trials": 7}}
    content |= {"values": values}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_converted_file_is_left_as_it_is(convert, tmp_path):
    entry = {"value": -1.5, "unit": "squared data units", "n": 3, "interval": [-2.0, -1.0]}
    path = flat_file(tmp_path, dict.fromkeys(("dot_minus_naive", "dot_minus_g", "naive_minus_g"), entry))
    assert convert(tmp_path) == f"{path}: rows\n{path}: verdicts\n"
    row = records.read(path).get("emd", method="dot", against="naive")
    assert (row.value, row.interval, row.n, row.unit) == (-1.5, (-2.0, -1.0), 3, "squared data units")
    assert records.read(path).parameters == {"trials": 7}
    text = path.read_bytes()
    assert convert(tmp_path) == "" and path.read_bytes() == text


def test_a_curve_keeps_its_order(convert, tmp_path):
    updates = {"value": [10, 20, 30], "unit": "updates of G"}
    curve = {"value": [3.0, 1.0, 2.0], "unit": "squared data units"}
    path = flat_file(tmp_path, {"updates": updates, "emd_g_0.1": curve}, stem="gp_weight")
    assert convert(tmp_path) == f"{path}: rows\n"
    rows = [(row.setting, row.value) for row in records.read(path).rows(quantity="emd")]
    assert rows == [(10, 3.0), (20, 1.0), (30, 2.0)]


def test_committed_verdicts_are_those_of_the_rows():
    """Where this fails, a rule has changed or a record has come: `python workflow/convert_records.py results`."""
    kept = [records.read(path) for path in sorted(records.KEPT.glob("*/*.json"))]
    typed = {(record.stem, record.key): dict(record.verdicts) for record in kept}
    convert_records.judge(kept)
    assert {(record.stem, record.key): record.verdicts for record in kept} == typed
    assert sum(map(len, typed.values())) >= 46


def test_old_words_are_replaced_and_no_number_changes(convert, tmp_path):
    names = (
        "fig3_toy/paper-swissroll-s0",
        "fig2_training/laptop-digits-s0",
        "tab1_scores/laptop-mnist-dcgan-sngan-ns-s0",
    )
    for path in (tmp_path / f"{name}.json" for name in names):
        record = records.read(records.KEPT / path.relative_to(tmp_path))
        record.verdicts = dict.fromkeys(record.verdicts, "same sign") | {"gone": "reproduced"}
        records.write(record, path.parents[1])
    assert convert(tmp_path).count(": verdicts\n") == len(names)
    for path in (tmp_path / f"{name}.json" for name in names):
        record, kept = records.read(path), records.read(records.KEPT / path.relative_to(tmp_path))
        assert record.content == kept.content and record.made == kept.made
        assert record.verdicts.keys() == kept.verdicts.keys() and "same sign" not in record.verdicts.values()
    assert convert(tmp_path) == ""


def test_an_unknown_name_stops_the_conversion_and_leaves_the_file(convert, tmp_path):
    path = flat_file(tmp_path, {"emd_dotty": {"value": 1.0, "unit": ""}})
    text = path.read_bytes()
    with pytest.raises(ValueError, match="has the value 'emd_dotty', which no pattern knows"):
        convert(tmp_path)
    assert path.read_bytes() == text
