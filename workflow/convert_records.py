"""Bring committed records to the form of today: `python workflow/convert_records.py results`.

Records of before there were rows get them. Then the verdicts of the pages below are made again from the rows, by the
rules of today and for the rows of a table together, so that a rule that changes, and a record that joins a table, reach
all of them. Numbers never change. A file that says the same already is left as it is. A name that no pattern knows
stops the run before that file is touched; each file is replaced whole or not at all.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from dotlib.experiments import fig2_training, fig3_toy, tab1_scores
from dotlib.results import files, records

METHOD, QUANTITY = (
    "(?P<method>dot|naive|k1|bare|g|real)",
    "(?P<quantity>fid|is_mean|kid|precision|recall|density|coverage)",
)
PATTERNS = {  # stem -> names of its values; where a pattern has no group, the quantity follows it
    "fig3_toy": {
        "(?P<quantity>K_eff)": {},
        f"emd_{METHOD}": {"quantity": "emd"},
        f"{METHOD}_minus_(?P<against>naive|g)": {"quantity": "emd"},
    },
    "gp_weight": {
        "(?P<quantity>chosen|margin)": {},
        "emd_g_(?P<pair>.+)": {"quantity": "emd", "method": "g"},
        "end_(?P<pair>.+)": {"quantity": "emd_last", "method": "g"},
    },
    "tab1_scores": {
        "(?P<quantity>k_eff|K_eff)": {},
        "accuracy of (?P<judge>.+)": {"quantity": "accuracy"},
        "floor_n": {"quantity": "images", "method": "real"},
        f"floor_{QUANTITY}": {"method": "real"},
        f"{METHOD}_{QUANTITY}": {},
        rf"{METHOD}(?P<setting>[12]0)_{QUANTITY}": {},
        rf"{METHOD}(?P<setting>[12]0)_minus_(?P<against>bare)_{QUANTITY}(_(?P<judge>classifier \d))?": {},
    },
}
ONE_RECORD_A_TABLE = {"fig2_training": fig2_training.put_verdicts, "fig3_toy": fig3_toy.put_verdicts}


def key_of(stem: str, name: str) -> dict:
    """The fields of the row that a value's old name stands for. Raises ValueError for an unknown one."""
    for pattern, fields in PATTERNS[stem].items():
        if match := re.fullmatch(pattern, name):
            key = fields | {field: text for field, text in match.groupdict().items() if text}
            if "setting" in key:
                key["setting"] = int(key["setting"])
            if "pair" in key:
                key["pair"] = f"gp_weight {key['pair']}"
            return key
    raise ValueError(f"name: a record of {stem} has the value {name!r}, which no pattern knows; add one")


def converted(old: dict) -> records.Record:
    """The record whose file said `old`, with its values as rows."""
    values = old.pop("values")
    record = records.Record(**old)
    updates = values.pop("updates", {}).get("value")
    for name, entry in values.items():
        key = key_of(record.stem, name)
        if isinstance(entry["value"], list):  # a curve over the updates
            for update, value in zip(updates, entry["value"], strict=True):
                record.put(**key, setting=update, **entry | {"value": value})
        else:
            record.put(**key, **entry)
    return record


def judge(kept: Sequence[records.Record]) -> None:
    """Put the verdicts of these records anew; other pages make theirs from more than rows, and keep them."""
    for record in kept:
        if record.stem in ONE_RECORD_A_TABLE:
            record.verdicts.clear()
            ONE_RECORD_A_TABLE[record.stem](record)
    columns: dict[str, dict[str, records.Record]] = {}
    for record in (record for record in kept if record.stem == "tab1_scores"):
        record.verdicts.clear()
        columns.setdefault(tab1_scores.label_of(record, ""), {})[record.parameters["row"]] = record
    for rows in columns.values():
        tab1_scores.put_verdicts(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert every record below the folders that are named, and judge it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    for folder in parser.parse_args(arguments).folders:
        for path in sorted(folder.rglob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            if "rows" not in content:
                files.write_text(path, records.text_of(converted(content)))
                print(f"{path}: rows")
        kept = {path: records.read(path) for path in sorted(folder.rglob("*.json"))}
        judge([*kept.values()])
        for path, record in kept.items():
            if records.text_of(record) != path.read_text(encoding="utf-8"):
                files.write_text(path, records.text_of(record))
                print(f"{path}: verdicts")


if __name__ == "__main__":
    main()
