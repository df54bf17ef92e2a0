"""Records of a comparison that stand in for its measurement.

Kinds of test: identities (what is read back is what was written), failures to stand in.
"""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from dotlib.errors import InputError
from dotlib.evaluation import comparison, comparison_records, recording
from dotlib.evaluation.comparison import Comparison, Point
from dotlib.results import records, tidy
from dotlib.samplers.base import Cost
from dotlib.samplers.methods import SamplerSettings

METHODS = ("bare", "DRS", "MH-GAN")
SETTINGS = SamplerSettings(real=torch.eye(3), updates=(5, 20), percentiles=(20.0,), chains=(10, 100))


def scores(fid):
    judged = ({"a": {"fid": each - 1, "kid": 0.25}, "b": {"fid": each + 1, "kid": 0.75}} for each in fid)
    sets = [comparison.over_judges(each) for each in judged]
    return {name: [of[name] for of in sets] for name in sets[0]}


POINTS = [
    Point("bare", 1.0, scores([12.5, 14.0]), [Cost(1, 0, 0, 0.5)] * 2, [Cost()] * 2, []),
    Point(
        "DRS", 20.0, scores([9.0, 10.5]), [Cost(4, 4, 0, 1.5), Cost(5, 5, 0, 2)], [Cost(9, 8, 7, 3)] * 2, [0.25, 0.5]
    ),
    Point("MH-GAN", 10.0, {}, [], [], [], "all images and samples are told apart"),
    Point("MH-GAN", 100.0, scores([8.0, 8.5]), [Cost(100, 90, 0, 2)] * 2, [Cost(1, 2, 3, 4)] * 2, [0.125, 0.5]),
]


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """A comparison whose measurement gives POINTS, and counts how often it was asked."""
    monkeypatch.setattr(records, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(records, "BUILT", tmp_path / "built")
    monkeypatch.setattr(comparison_records, "add_training_provenance", lambda *_: None)
    asked = []

    def measure(*args, **options):
        asked.append((args, options))
        return POINTS

    monkeypatch.setattr(comparison, "measure", measure)
    of = {"label": "digits", "pair": SimpleNamespace(), "settings": SETTINGS, "score": lambda *_: {}, "decides": []}
    origin = SimpleNamespace(path=tmp_path / "pair.safetensors", sha256="00")
    floor = comparison.over_judges({"a": {"fid": 1.0, "kid": 0.0}, "b": {"fid": 3.0, "kid": 0.5}})
    found = Comparison(**of, n=60, sets=2, floor=floor, trained=origin, digests={"classifier 0": "aa"})
    return found, asked


def record_of(compared, *, anew=False, put=None, **options):
    opened = records.start(
        "frontier", profile="laptop", dataset="digits", seed=0, parameters={}, judge="classifier", device="cpu"
    )
    return comparison_records.record_of(opened, compared, METHODS, anew=anew, put=put, **options)


def test_points_are_read_back_from_the_table(compared):
    table = comparison_records.lines(compared[0], POINTS, "classifier")
    keys = [(point.method, point.setting) for point in POINTS]
    refused = {"MH-GAN, 10": POINTS[2].refused}
    assert comparison_records.points_of(table, keys, refused) == POINTS
    one = [replace(point, scores={n: v for n, v in point.scores.items() if "@" not in n}) for point in POINTS]
    alone = replace(compared[0], floor={"fid": 2.0, "kid": 0.25})
    table = comparison_records.lines(alone, one, "classifier")
    assert comparison_records.points_of(reversed(table), keys, refused) == one


def test_a_committed_record_stands_in_for_its_own_pair_and_settings_alone(compared, tmp_path):
    found, asked = compared
    first, points, source = record_of(found)
    assert (points, source) == (POINTS, recording.MEASURED)
    assert asked == [((found, 0, METHODS), {"last": False})]
    assert first.made["weights"] == {"pair.safetensors": "00", "classifier 0": "aa"}
    table = (tmp_path / "built/frontier/laptop-digits-s0.csv").read_bytes()
    (tmp_path / "built").rename(tmp_path / "kept")
    kept, points, source = record_of(found)
    assert (points, kept.content, len(asked)) == (POINTS, first.content, 1)
    assert source == f"recorded at commit {first.made['commit'][:12]}"
    assert (tmp_path / "built/frontier/laptop-digits-s0.csv").read_bytes() == table
    for other in (
        replace(found, settings=replace(SETTINGS, chains=(10, 90))),
        replace(found, n=61),
        replace(found, scoring={"splits": 5}),
        replace(found, trained=SimpleNamespace(path=found.origin.path, sha256="01")),
    ):
        assert record_of(other)[2] == recording.MEASURED
    assert record_of(found, anew=True)[2] == recording.MEASURED


def test_the_last_settings_alone_are_asked_for_and_read(compared, tmp_path, monkeypatch):
    found, asked = compared
    last = [POINTS[0], POINTS[1], POINTS[3]]
    monkeypatch.setattr(comparison, "measure", lambda *args, **options: asked.append((args, options)) or last)
    assert record_of(found, last=True)[1] == last
    assert asked == [((found, 0, METHODS), {"last": True})]
    (tmp_path / "built").rename(tmp_path / "kept")
    _, points, source = record_of(found, last=True)
    assert points == last and source.startswith("recorded") and len(asked) == 1
    assert record_of(found)[2] == recording.MEASURED, "MH-GAN, 10 is not in that record"


def test_a_table_of_before_costs_were_in_it_is_measured_again(compared, tmp_path):
    found, _ = compared
    first, *_ = record_of(found)
    lines = comparison_records.lines(found, POINTS, "classifier")
    without = [{name: value for name, value in line.items() if not name.startswith("once")} for line in lines]
    tidy.write(first, without, tmp_path / "kept")
    assert record_of(found)[2] == recording.MEASURED


def test_a_record_without_a_method_of_today_is_measured_again(compared, tmp_path):
    found, _ = compared
    first, *_ = record_of(found)
    lines = [line for line in comparison_records.lines(found, POINTS, "classifier") if line["method"] != "DRS"]
    tidy.write(first, lines, tmp_path / "kept")
    assert record_of(found)[2] == recording.MEASURED


def test_what_a_page_puts_beside_is_in_the_record_once(compared, tmp_path):
    def put(record, points):
        record.put("points", len(points), unit="")

    found, _ = compared
    assert record_of(found, put=put)[0].get("points").value == 4
    (tmp_path / "built").rename(tmp_path / "kept")
    assert record_of(found, put=put)[0].get("points").value == 4


def test_the_samplers_are_those_of_the_settings(compared):
    found, _ = compared
    keys = [(method, setting) for method, setting, _ in comparison.samplers(found, METHODS)]
    assert keys == [(point.method, point.setting) for point in POINTS]
    last = comparison.samplers(found, ("MH-GAN",), last=True)
    assert [setting for _, setting, _ in last] == [100]
    with pytest.raises(InputError, match="name: unknown 'MHGAN'"):
        comparison.samplers(found, ("MHGAN",))
