"""The choice of the gradient-penalty weight, and that the settings hold what was chosen.

Kinds of test: second method (the choice from the pairs' own logs), identities, golden numbers (the
committed records).
"""

import numpy as np
import pytest

from dotlib.errors import InputError
from dotlib.experiments import gp_weight
from dotlib.results import records
from dotlib.training import settings as training_settings
from dotlib.training import zoo
from dotlib.training.settings import Training


def tiny(dataset: str, profile: str, seed: int = 0) -> Training:
    """Five updates of small networks; the candidates' learning rates differ in nothing."""
    training_settings.toy_training(dataset, profile, seed)  # the same errors
    return Training(
        dataset,
        generator_updates=5,
        critic_updates=1,
        warmup_updates=0,
        batch_size=8,
        data_size=50,
        width_G=8,
        width_D=8,
        lr_G=1e-2,
        lr_D=1e-2,
        gp_weight=123.0,
        seed=seed,
    )


@pytest.fixture
def record(monkeypatch) -> records.Record:
    monkeypatch.setattr(gp_weight, "toy_training", tiny)
    return gp_weight.gp_weight("swissroll", profile="smoke")


def test_the_lowest_end_is_chosen(record, artifacts):
    """Second method: the logs, read from the three files again."""
    ends = {}
    for weight in (0.1, 1.0, 10.0):
        settings = training_settings.replace(tiny("swissroll", "smoke"), gp_weight=weight)
        trained = zoo.candidate("swissroll-wgan-gp", settings, "smoke")
        scores = [row["emd_g"] for row in trained.log if "emd_g" in row]
        pair = f"gp_weight {weight:g}"
        curve = list(record.rows(quantity="emd", pair=pair))
        assert [row.value for row in curve] == scores and len(scores) >= 1
        assert [row.setting for row in curve] == [row["update"] for row in trained.log if "emd_g" in row]
        ends[weight] = np.mean(scores[-4:])
        assert record.get("emd_last", method="g", pair=pair).value == pytest.approx(ends[weight], rel=1e-12)
        assert record.made["weights"][f"{weight:g}"] == trained.sha256
    assert len(set(ends.values())) == 3  # the weight does something
    assert record.get("chosen").value == min(ends, key=ends.get)
    assert len(list((artifacts / "swissroll-wgan-gp").glob("*.safetensors"))) == 3


def test_the_record_tells_the_settings_and_the_candidates(record):
    assert record.key == "smoke-swissroll-s0" and record.stem == "gp_weight"
    assert record.parameters["gp_weight"] == [0.1, 1.0, 10.0]
    assert record.parameters["generator_updates"] == 5 and record.parameters["last_scores"] == 4
    assert record.parameters.keys() - {"last_scores"} == training_settings.asdict(tiny("swissroll", "smoke")).keys()
    assert {row.unit for row in record.rows(method="g")} == {"squared data units"}


def test_the_choice_follows_the_ends_not_the_order(monkeypatch):
    """Logs made up: the best end is not the best moment, and not the first candidate."""
    curves = {0.1: [9, 1, 1, 1, 8, 8, 8, 8], 1.0: [9, 9, 9, 9, 3, 3, 3, 3], 10.0: [9, 9, 9, 9, 0.5, 6, 6, 6]}

    def candidate(name, settings, profile):
        log = [{"update": 10 * i, "V_D": 0.0} for i in range(1, 17)]
        for row, value in zip(log[1::2], curves[settings.gp_weight], strict=True):
            row["emd_g"] = float(value)
        return zoo.TrainedPair(name, None, settings, None, "ab", log, {})

    monkeypatch.setattr(zoo, "candidate", candidate)
    record = gp_weight.gp_weight("25gaussians", profile="smoke")
    assert record.get("chosen").value == 1.0
    ends = {row.pair: (row.value, row.sd) for row in record.rows(quantity="emd_last")}
    assert ends["gp_weight 1"] == (3.0, 0.0) and ends["gp_weight 0.1"] == (8.0, 0.0)
    assert ends["gp_weight 10"][0] == pytest.approx(18.5 / 4)
    assert [row.setting for row in record.rows(quantity="emd", pair="gp_weight 1")] == list(range(20, 161, 20))


def test_unknown_sets_are_refused():
    with pytest.raises(InputError, match="dataset: unknown 'mnist'; known: 25gaussians, swissroll"):
        gp_weight.gp_weight("mnist", profile="smoke")


@pytest.mark.parametrize("dataset", sorted(training_settings.GP_WEIGHT))
def test_the_settings_hold_what_the_committed_record_chose(dataset):
    record = records.find("gp_weight", profile="laptop", dataset=dataset, folder=records.KEPT)
    if record is None:
        pytest.skip(f"results/gp_weight has no laptop record of {dataset} yet; `dotlib choose-gp-weight` makes it")
    assert training_settings.GP_WEIGHT[dataset] == record.get("chosen").value
    best = min(record.rows(quantity="emd_last"), key=lambda row: row.value)
    assert best.pair == f"gp_weight {record.get('chosen').value:g}"


def test_sets_by_name():
    assert training_settings.toy_datasets("both") == ("25gaussians", "swissroll")
    assert training_settings.toy_datasets("swissroll") == ("swissroll",)
    with pytest.raises(InputError, match="dataset: unknown 'all'"):
        training_settings.toy_datasets("all")
