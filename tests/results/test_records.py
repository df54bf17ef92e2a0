"""Records and provenance: what is written can be read, found, kept, or is refused.

Kinds of test: identities (round trip), failures.
"""

import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from dotlib.errors import FileError, InputError, SettingsDifferError
from dotlib.results import provenance, records


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    """BUILT is a path relative to where the build runs; KEPT becomes a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(records, "KEPT", tmp_path / "results")


def started(profile: str = "laptop", **parameters) -> records.Record:
    return records.start(
        "fig9",
        profile=profile,
        dataset="toy",
        seed=3,
        parameters=parameters or {"steps": 5, "betas": (0.0, 0.9)},
        weights={"G": "ab" * 32},
    )


def filled(**options) -> records.Record:
    record = started(**options)
    record.put("emd", 0.0523, method="dot", unit="squared data units", sd=0.004, n=30)
    record.put("emd", -0.03, method="dot", against="g", unit="squared data units", interval=(-0.05, -0.01))
    for update, value in ((10, 3.0), (20, 2.0), (30, 1.5)):
        record.put("loss", value, setting=update, unit="")
    record.verdicts["G"] = "reproduced"
    return record


def clean(record: records.Record) -> records.Record:
    record.made["dirty"] = False
    return record


# --- round trip --------------------------------------------------------------------------------


def test_written_record_is_read_back_equal():
    record = filled()
    path = records.write(record)
    assert path == Path("_build/records/fig9/laptop-toy-s3.json")
    again = records.read(path)
    assert again == record
    assert [(row.setting, row.value) for row in again.rows(quantity="loss")] == [(10, 3.0), (20, 2.0), (30, 1.5)]
    emd = again.get("emd", method="dot")
    assert (emd.value, emd.sd, emd.n, emd.unit) == (0.0523, 0.004, 30, "squared data units")
    assert again.get("emd", method="dot", against="g").interval == (-0.05, -0.01)
    assert again.parameters == {"steps": 5, "betas": [0.0, 0.9]}
    assert records.write(again) == path  # a second time, over the first


def test_a_record_says_what_made_it():
    made = filled().made
    assert made["weights"] == {"G": "ab" * 32} and made["threads"] >= 1
    assert made["versions"]["torch"] == torch.__version__.split("+")[0] or (
        made["versions"]["torch"] == torch.__version__
    )
    assert set(provenance.PACKAGES) < made["versions"].keys()
    assert isinstance(made["dirty"], bool) and made["commit"] and made["device"]
    record = filled()
    records.write(record)
    assert 0 <= record.made["seconds"] < 60


def test_the_file_is_stable_text():
    """Sorted keys, then one line a row: a record that is made again gives a small diff."""
    text = records.write(filled()).read_text(encoding="utf-8")
    assert text.endswith("}\n") and not text.endswith("\n\n")
    *keys, last = json.loads(text)
    assert keys == sorted(keys) and last == "rows"
    assert '  {"quantity": "loss", "setting": 20, "value": 2.0},\n' in text


# --- finding and keeping -----------------------------------------------------------------------


def test_find_prefers_this_build_to_the_kept_record():
    key = {"profile": "laptop", "dataset": "toy", "seed": 3}
    assert records.find("fig9", **key) is None
    kept = clean(filled())
    records.write(kept, records.KEPT)
    assert records.find("fig9", **key).get("emd", method="dot").value == 0.0523
    newer = started()
    newer.put("emd", 0.9, method="dot", unit="")
    records.write(newer)
    assert records.find("fig9", **key).get("emd", method="dot").value == 0.9
    assert records.find("fig9", **key, folder=records.KEPT).get("emd", method="dot").value == 0.0523
    assert records.find("fig9", profile="paper", dataset="toy", seed=3) is None
    assert records.find("fig9", profile="laptop", dataset="toy") is None  # seed 0


def test_stored_records_are_those_of_a_folder_or_of_one_experiment():
    filled_in = filled()
    records.write(filled_in)
    other = records.start("fig3", profile="smoke", dataset="toy", seed=0, parameters={})
    records.write(other)
    assert records.stored(records.BUILT) == [other, filled_in]
    assert records.stored(records.BUILT, "fig9") == [filled_in] and records.stored(records.KEPT) == []


def test_keep_copies_and_replaces_only_the_same_settings():
    path = records.write(clean(filled()))
    target = records.keep(path, records.KEPT)
    assert target == records.KEPT / "fig9" / "laptop-toy-s3.json"
    assert target.read_bytes() == path.read_bytes()
    assert records.keep(path, records.KEPT) == target  # the same again
    other = clean(filled(steps=6))
    records.write(other)
    with pytest.raises(SettingsDifferError, match="steps: stored 5, wanted 6"):
        records.keep(path, records.KEPT)
    assert records.read(target).parameters["steps"] == 5


def test_keep_refuses_smoke_and_changed_source():
    with pytest.raises(InputError, match="is a smoke run; smoke numbers are never kept"):
        records.keep(records.write(clean(filled(profile="smoke"))), records.KEPT)
    record = filled()
    record.made["dirty"] = True
    with pytest.raises(InputError, match="was made from changed source; commit"):
        records.keep(records.write(record), records.KEPT)
    del record.made["dirty"]
    with pytest.raises(InputError, match="changed source"):
        records.keep(records.write(record), records.KEPT)
    shows = clean(filled())
    shows.made["trials"] = "recorded at commit 0123456789ab"
    with pytest.raises(InputError, match="shows trials of a committed record; measure them with -p anew true"):
        records.keep(records.write(shows), records.KEPT)
    assert not records.KEPT.exists()


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, [1.0, -math.inf], [1.0], np.float32(1), torch.tensor(1.0), {1.0}, 1j, "1", None],
)
def test_what_is_not_a_finite_number_is_refused(value):
    record = started()
    with pytest.raises(InputError, match="^value: x is not finite or not a number") as caught:
        record.put("x", value, unit="")
    assert "\n" not in str(caught.value) and record.content == {}


def test_other_parts_must_be_finite_too():
    for part in ({"sd": float("nan")}, {"interval": (0.0, float("inf"))}):
        with pytest.raises(InputError, match="not finite"):
            started().put("x", 1.0, unit="", **part)


def test_keys_are_taken_once_and_missing_ones_get_a_hint():
    record = filled()
    with pytest.raises(InputError, match="quantity: emd, method=dot is in this record already"):
        record.put("emd", 1.0, method="dot", unit="")
    for key in ({"method": "dto"}, {"method": "dot", "setting": 5}, {"method": "dot", "pair": "x"}, {}):
        with pytest.raises(InputError, match="quantity: no emd.* in the record fig9/laptop-toy-s3; nearest: emd, meth"):
            record.get("emd", **key)
    with pytest.raises(InputError, match="interval: emd, method=dot has none; put one with the value"):
        _ = record.get("emd", method="dot").interval
    with pytest.raises(InputError, match="where: unknown 'methods'; known: .*nearest: method"):
        record.rows(methods="dot")


def test_keys_are_checked():
    with pytest.raises(InputError, match="profile: unknown 'lap'"):
        started(profile="lap")
    with pytest.raises(InputError, match="seed: expected an integer >= 0, found -1"):
        records.start("x", profile="smoke", dataset="d", seed=-1, parameters={})


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"stem": "x"}', '{"unknown": 1}', "\x00", "7"])
def test_broken_files_are_refused(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(FileError, match="record.json: not a record .*its notebook again") as caught:
        records.read(path)
    assert "\n" not in str(caught.value)


def test_missing_unreadable_and_binary_files_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"absent: no such record \(No such file.*run its notebook"):
        records.read(tmp_path / "absent")
    with pytest.raises(FileError, match="Is a directory"):
        records.read(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not a record"):
        records.read(tmp_path / "binary")


@pytest.mark.parametrize(("judge", "dataset"), [("classifier", "mnist"), ("inception", "mnist-inception")])
def test_a_judge_is_a_parameter_and_names_the_record_unless_it_is_the_classifier(judge, dataset):
    record = records.start("page", profile="smoke", dataset="mnist", seed=0, parameters={"sets": 2}, judge=judge)
    assert (record.dataset, record.parameters) == (dataset, {"sets": 2, "judge": judge})


def test_an_installed_copy_knows_no_commit_and_says_where_committed_records_are(tmp_path, monkeypatch):
    """Also where the environment lies in a repository, which is another one."""
    site = tmp_path / "lib" / "site-packages"
    monkeypatch.setattr(provenance, "__file__", str(site / "dotlib" / "results" / "provenance.py"))
    site.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for project in (None, "not TOML", '[project]\nname = "another"'):
        if project:
            (site / "pyproject.toml").write_text(project, encoding="utf-8")
        assert provenance.checkout() is None and provenance.source_state() == ("unknown", True)
    path = records.write(clean(filled()))
    key = {"profile": "laptop", "dataset": "toy", "seed": 3}
    assert records.find("fig9", **key) is not None
    for ask in (
        lambda: records.find("fig9", profile="paper", dataset="toy"),
        lambda: records.stored(records.KEPT),
        lambda: records.keep(path, records.KEPT),
    ):
        with pytest.raises(FileError, match="results: committed records come with the repository; run from a checkout"):
            ask()
