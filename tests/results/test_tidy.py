"""Tables beside records: round trip, the digest binds both, failures."""

import pytest

from dotlib.errors import FileError, InputError
from dotlib.results import records, tidy

ROWS = [{"method": "DOT", "set": i, "judge": "a", "fid": 1.0 / (3 + i)} for i in range(4)]


@pytest.fixture
def record():
    return records.start("example", profile="laptop", dataset="digits", seed=3, parameters={})


def test_a_table_comes_back_to_seven_digits(record, tmp_path):
    path = tidy.write(record, ROWS, tmp_path)
    frame = tidy.of(records.read(path), tmp_path)
    assert list(frame.columns) == list(ROWS[0]) and len(frame) == 4
    assert frame["fid"].tolist() == pytest.approx([row["fid"] for row in ROWS], rel=1e-6)
    assert tidy.read("example", profile="laptop", dataset="digits", seed=3, folder=tmp_path).equals(frame)
    assert tidy.stored(tmp_path, "example")[["dataset", "seed"]].drop_duplicates().to_numpy().tolist() == [
        ["digits", 3]
    ]


def test_tables_of_several_records_are_one(tmp_path):
    for seed in (0, 1):
        tidy.write(
            records.start("example", profile="laptop", dataset="digits", seed=seed, parameters={}), ROWS, tmp_path
        )
    frame = tidy.stored(tmp_path, "example")
    assert frame.groupby("seed").size().tolist() == [4, 4]
    assert tidy.stored(tmp_path, "another").empty


def test_a_committed_table_is_that_of_its_record_and_small():
    tables = sorted(records.KEPT.glob("*/*.csv"))
    assert len(tables) >= 35
    for path in tables:
        record = records.read(path.with_suffix(".json"))
        assert len(tidy.of(record, records.KEPT)) == record.made["table"]["rows"]
        assert path.stat().st_size < 150_000
    kept = [record for record in records.stored(records.KEPT) if "table" in record.made]
    assert [path.stem for path in tables] == [record.key for record in kept]


def test_a_table_that_is_not_the_records_is_refused(record, tmp_path):
    path = tidy.write(record, ROWS, tmp_path)
    table = path.with_suffix(".csv")
    table.write_text(table.read_text().replace("0.25", "0.26"))
    with pytest.raises(FileError, match="is not the table that its record was written with"):
        tidy.of(records.read(path), tmp_path)
    table.unlink()
    with pytest.raises(FileError, match="no table beside its record"):
        tidy.of(records.read(path), tmp_path)
    with pytest.raises(FileError, match="no such record"):
        tidy.read("example", profile="laptop", dataset="mnist", folder=tmp_path)


def test_a_number_that_is_not_finite_is_refused(record, tmp_path):
    with pytest.raises(InputError, match="column 'fid'"):
        tidy.write(record, [*ROWS, ROWS[0] | {"fid": float("nan")}], tmp_path)
    assert not list(tmp_path.iterdir())


def test_keeping_a_record_keeps_its_table(record, tmp_path, monkeypatch):
    record.made["dirty"] = False
    path = tidy.write(record, ROWS, tmp_path / "built")
    target = records.keep(path, tmp_path / "kept")
    assert tidy.of(records.read(target), tmp_path / "kept")["fid"].notna().all()
