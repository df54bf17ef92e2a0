"""Every sampler by name. Kinds: identities (settings reach their sampler), failures."""

import pytest
import torch

from dotlib.errors import InputError
from dotlib.samplers import methods
from dotlib.samplers.calibration import Calibrated
from dotlib.samplers.dot import LatentDOT, TargetDOT

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


@pytest.mark.parametrize(("target", "kind"), [(False, LatentDOT), (True, TargetDOT)])
def test_dot_moves_in_the_space_that_is_asked_for(target, kind):
    settings = methods.SamplerSettings(torch.zeros(3, 2), target=target)
    assert {type(sampler) for sampler in methods.family("DOT", settings).values()} == {kind}


def test_an_unknown_method_is_named():
    with pytest.raises(InputError, match="^name: unknown 'MHGAN'; known: .*; nearest: MH-GAN"):
        methods.family("MHGAN", SETTINGS)
