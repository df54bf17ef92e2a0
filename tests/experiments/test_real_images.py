"""Real images against real images. Kinds of test: 0 within its error, a planted fault, identities."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from dotlib.data import images
from dotlib.data.images import image_set
from dotlib.evaluation import judges
from dotlib.experiments import real_images
from dotlib.metrics import scores
from dotlib.results import records, tidy
from dotlib.seeding import generator

SETTINGS = real_images.settings_of("digits")


@pytest.fixture(scope="module")
def artifact_folder(judged):
    """One folder, so that the five judges of the digits are fit once."""
    return judged()


@pytest.fixture
def panel():
    """The judges of the book."""
    return {f"classifier {seed}": judges.classifier("digits", profile="laptop", seed=seed) for seed in judges.SEEDS}


@pytest.fixture
def record(panel):
    record = real_images.open_record("digits", "laptop")
    real_images.fill_record(record, panel, real_images.measure(panel, "digits", SETTINGS))
    return record


def ordered(name: str, split: str) -> images.ImageSet:
    """A split sorted by label, as a file may be by writer or difficulty."""
    whole = image_set(name, split)
    assert whole.labels is not None
    rows = whole.labels.argsort(stable=True)
    return dataclasses.replace(whole, images=whole.images[rows], labels=whole.labels[rows], fingerprint="sorted")


def test_kid_of_real_images_is_within_its_standard_error_of_0_for_every_judge(record):
    found = real_images.frame(record).set_index("comparison").loc[real_images.USED]
    assert set(found["judge"]) == {f"classifier {seed}" for seed in judges.SEEDS} and (found["blocks"] == 2).all()
    assert (found["z"].abs() <= 1).all(), found  # the seeds are fixed; of other draws about a third is outside
    assert (found["p"] > 0.05).all()


def test_the_first_rows_of_a_sorted_file_are_seen_by_every_judge(panel, monkeypatch):
    monkeypatch.setattr(real_images, "image_set", ordered)
    record = real_images.open_record("digits", "laptop")
    real_images.fill_record(record, panel, real_images.measure(panel, "digits", SETTINGS))
    found = real_images.frame(record).set_index("comparison")
    assert (found.loc[real_images.FIRST, "p"] < 0.05).all(), "half of a sorted file passes for the whole"
    assert (found.loc[real_images.USED, "p"] > 0.05).all(), "random draws depend on the order of the file"


def test_blocks_share_no_image_and_have_their_sides():
    features = {
        real_images.REFERENCE: torch.arange(100.0)[:, None],
        real_images.FLOOR: 100 + torch.arange(70.0)[:, None],
    }
    for comparison, (n, real_side) in {
        real_images.USED: (7, range(100)),
        real_images.SAME: (3, range(100, 170)),
        real_images.FIRST: (5, range(50)),
    }.items():
        found = real_images.blocks(features, comparison, 10, generator(0, "blocks"))
        assert len(found) == n and all(len(side) == 10 for both in found for side in both), comparison
        rows = torch.cat([torch.cat(both) for both in found]).flatten().tolist()
        assert len(rows) == len(set(rows)), f"{comparison}: an image is in two blocks"
        assert {int(row) for real, _ in found for row in real} <= {*real_side}, comparison
        assert min(int(row) for _, fake in found for row in fake) >= 100, comparison


def test_a_line_is_the_kid_of_its_block(panel):
    name, judge = next(iter(panel.items()))
    lines = pd.DataFrame(real_images.measure({name: judge}, "digits", SETTINGS))
    assert not lines.duplicated(["judge", "comparison", "block"]).any()
    features = {split: judge(image_set("digits", split).images)[0] for split in judges.SPLITS["classifier"]}
    rng = generator(0, "real images", "digits", real_images.USED)
    real, fake = real_images.blocks(features, real_images.USED, SETTINGS.block, rng)[1]
    whole = scores.kid(real=real, fake=fake, rng=rng, subsets=1, subset_size=SETTINGS.block).mean  # no draw is left
    found = lines.query("comparison == @real_images.USED and block == 1")["kid"].item()
    assert found == pytest.approx(whole, rel=1e-6)


def test_judges_are_measured_once(panel, record, monkeypatch):
    monkeypatch.setattr(real_images, "blocks", None)
    assert len(real_images.measure(panel, "digits", SETTINGS)) == 5 * (2 + 1 + 1)


def test_the_record_has_means_over_blocks_and_the_table_their_values(panel, record, tmp_path):
    lines = real_images.measure(panel, "digits", SETTINGS)
    tidy.write(record, lines, tmp_path)
    table = tidy.of(records.read(tmp_path / "real_images" / "laptop-digits-s0.json"), tmp_path)
    of = table.query("judge == 'classifier 2' and comparison == @real_images.USED")
    row = record.get("kid", method=real_images.USED, judge="classifier 2")
    assert row.value == pytest.approx(of["kid"].mean(), rel=1e-5) and row.n == len(of) == 2
    line = real_images.frame(record).query("judge == 'classifier 2' and comparison == @real_images.USED").iloc[0]
    assert line["z"] == pytest.approx(of["kid"].mean() / (np.hypot(*of["error"]) / 2), rel=1e-5)
    assert record.get("p", method=real_images.USED, judge="classifier 2").value == pytest.approx(
        of["p_of_mean"].iloc[0]
    )
    assert record.get("accuracy", judge="classifier 2").value == panel["classifier 2"].accuracy > 0.95
    assert record.get("live features", judge="classifier 2").value == 64
    assert record.made["images"] == {"test": "built into scikit-learn", "floor": "built into scikit-learn"}


def synthetic() -> records.Record:
    """A record with a KID of each judge in units of its standard error, and its p-value."""
    record = records.start("real_images", profile="laptop", dataset="digits", seed=0, parameters={})
    for comparison in real_images.COMPARED:
        for judge, (z, p) in enumerate([(0.5, 0.3), (-1.5, 0.95), (2.5, 0.02), (9.0, 0.001), (-0.9, 0.7)]):
            where = {"method": comparison, "judge": f"classifier {judge}", "unit": ""}
            record.put("kid", 3 * z, n=5, **where)
            record.put("standard error", 3.0, n=5, **where)
            record.put("p", p, n=1_000, **where)
    return record


def test_the_summary_counts_judges_and_tests_by_holm():
    record = synthetic()
    line = real_images.summary_table({"digits": record}).splitlines()[2]
    assert [cell.strip() for cell in line.strip("|").split("|")][2:] == [
        *("5", "2", "3", "1", "-1.5 to +9.0"),
        "0.79",  # twice the mean of 0.3, 0.95, 0.02, 0.001 and 0.7
    ]
    p = real_images.frame(record).query("comparison == @real_images.USED")["p"].to_numpy()
    assert p == pytest.approx([0.9, 1.0, 0.08, 0.005, 1.0])


def test_the_answer_follows_the_record_and_the_figure_has_its_values():
    record = synthetic()
    text = real_images.answer({"digits, this build": record})
    assert "many of the judges: 3 of 5 (digits, this build; p = 0.79 together)." in text
    assert "by Holm's correction: 1 of 5 (digits, this build)." in text and text.count(". ") == 2
    row = record.get("kid", method=real_images.USED, judge="classifier 4")
    record.content[row.key] = dataclasses.replace(row, value=30.0)
    seen = record.get("p", method=real_images.FIRST, judge="classifier 2")
    record.content[seen.key] = dataclasses.replace(seen, value=0.001)
    changed = real_images.answer({"digits, this build": record})
    assert "2 of 5 (digits, this build; p =" in changed and "correction: 2 of 5 (digits, this build)." in changed
    (drawn,) = real_images.in_errors({"digits, this build": record}).values()
    assert list(drawn) == list(real_images.COMPARED)
    assert drawn[real_images.USED] == pytest.approx([0.5, -1.5, 2.5, 9.0, 10.0])


def test_judges_that_see_the_same_are_one_witness_and_not_five():
    """Five equal p-values of 0.04 are no 0.04^5; uniform ones that all agree reject in 5 % of draws at most."""
    assert real_images.together([0.04] * 5) == pytest.approx(0.08) and real_images.together([0.9, 0.8]) == 1
    p = np.random.default_rng(0).uniform(size=20_000)
    assert np.mean([real_images.together([value] * 5) < 0.05 for value in p]) == pytest.approx(0.025, abs=0.005)


def test_a_record_under_judges_of_before_is_named(record):
    assert record.made["judges"] == "JudgeTraining" and real_images.of_other_judges({"digits": record}) == ""
    old = dataclasses.replace(record, dataset="cifar10", made={})
    new = dataclasses.replace(old, made={"judges": "ResidualTraining"})
    text = real_images.of_other_judges({"digits": record, "CIFAR, old": old, "CIFAR, new": new})
    assert "CIFAR, old" in text and "CIFAR, new" not in text and "digits" not in text


def test_committed_records_of_other_data_stand_beside_this_build(record, tmp_path, monkeypatch):
    other = dataclasses.replace(record, dataset="cifar10", made=record.made | {"images": {"test": "a copy"}})
    tidy.write(other, [{"x": 1}], tmp_path)
    monkeypatch.setattr(records, "KEPT", tmp_path)
    runs = real_images.with_kept(record)
    assert list(runs) == ["digits, this build", "cifar10, a copy, recorded"]
    assert len(real_images.judge_table(runs).splitlines()) == 2 + 10
    assert len(real_images.kid_table(record).splitlines()) == 2 + 15
