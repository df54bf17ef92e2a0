"""Every sampler by name. Kinds: identities (settings reach their sampler), failures."""

import dataclasses

import pytest
import torch

from dotlib.errors import InputError
from dotlib.samplers import methods
from dotlib.samplers.calibration import Calibrated
from dotlib.samplers.dot import Bare, LatentDOT, TargetDOT
from dotlib.samplers.langevin import DDLS, DGflow
from dotlib.samplers.rejection import DRS, MHGAN, OBRS
from dotlib.transport import SGD

SETTINGS = methods.SamplerSettings(torch.zeros(3, 2), updates=(2, 4), chains=(7,), budgets=(0.3,), burn_in=50, fakes=9)


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_method_has_a_sampler_for_each_setting(name):
    family = methods.family(name, SETTINGS)
    assert family and all(isinstance(sampler, methods.Sampler) for sampler in family.values())


def test_settings_reach_their_sampler():
    assert {n: sampler.steps for n, sampler in methods.family("DOT", SETTINGS).items()} == {2: 2, 4: 4}
    (chain,) = methods.family("MH-GAN", SETTINGS).values()
    assert isinstance(chain, Calibrated) and (chain.inner.steps, chain.fakes) == (7, 9)
    assert torch.equal(chain.real, SETTINGS.real) and chain.calibration == "logistic"
    assert methods.family("OBRS", SETTINGS)[0.3].inner.burn_in == 50
    assert methods.family("naive", SETTINGS)[2].cost == "none"


DEFAULTS = {  # of what every method on a pair gets; the sources stand beside the fields
    "calibration": "logistic",
    "fakes": 1_000,
    "burn_in": 10_000,
    "target": False,
    "optimizer": SGD(0.01),
    "updates": (5, 10, 20),
    "percentiles": (20, 60, 95),
    "budgets": (0.8, 0.4, 0.1),
    "chains": (10, 100, 500),
    "langevin": (20, 100, 500),
    "flow": (5, 10, 25),
}
DOT = {"steps": 20, "optimizer": SGD(0.01), "k_eff": None, "pairs": 100, "repeats": 10}
LAST = {  # name -> the sampler at its last setting, with every option written out
    "bare": Bare(),
    "DOT": LatentDOT(**DOT, cost="l2", variant="paper"),
    "DOT exact": LatentDOT(**DOT, cost="l2", variant="exact"),
    "naive": LatentDOT(**DOT, cost="none", variant="paper"),
    "DRS": DRS(percentile=95, budget=None, burn_in=10_000, eps=1e-8, limit=1_000),
    "OBRS": OBRS(budget=0.1, burn_in=10_000, limit=1_000),
    "MH-GAN": MHGAN(steps=500, start=SETTINGS.real, restart="generator", attempts=10),
    "DDLS": DDLS(steps=500, step=0.01, block=None),
} | {f"DGflow {f}": DGflow(f=f, eta=0.1, gamma=0.01, steps=25, block=None) for f in ("KL", "JS", "logD")}


def test_the_settings_of_all_methods_have_the_defaults_of_their_sources():
    found = {f.name: f.default for f in dataclasses.fields(methods.SamplerSettings) if f.name != "real"}
    assert found.keys() == DEFAULTS.keys()
    wrong = {name: value for name, value in found.items() if value != DEFAULTS[name]}
    assert not wrong, f"defaults of no source: {wrong}"


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_name_leads_to_its_sampler_with_the_options_of_its_source(name):
    *_, sampler = methods.family(name, methods.SamplerSettings(SETTINGS.real)).values()
    if name not in ("bare", "DOT", "DOT exact", "naive"):
        assert (type(sampler), sampler.calibration, sampler.fakes) == (Calibrated, "logistic", 1_000)
        sampler = sampler.inner
    assert type(sampler) is type(LAST[name])
    source = vars(LAST[name])  # the tensor of starts is one object, or another
    wrong = {k: v for k, v in vars(sampler).items() if v is not source[k] and (k == "start" or v != source[k])}
    assert not wrong, f"options of no source: {wrong}"


@pytest.mark.parametrize(("target", "kind"), [(False, LatentDOT), (True, TargetDOT)])
def test_dot_moves_in_the_space_that_is_asked_for(target, kind):
    settings = methods.SamplerSettings(torch.zeros(3, 2), target=target)
    assert {type(sampler) for sampler in methods.family("DOT", settings).values()} == {kind}


def test_an_unknown_method_is_named():
    with pytest.raises(InputError, match="^name: unknown 'MHGAN'; known: .*; nearest: MH-GAN"):
        methods.family("MHGAN", SETTINGS)
