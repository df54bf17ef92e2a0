"""Settings of the image experiments against the published ones.

Kinds of test: golden numbers ([DOT19] B.2, Tables 5 and 6, typed here from the paper), identities,
failures.
"""

from dataclasses import replace

import pytest

from dotlib.errors import InputError
from dotlib.evaluation.judges import scoring_settings
from dotlib.profiles import PROFILES
from dotlib.training import settings as training_settings
from dotlib.training.settings import image_training


def test_the_paper_profile_is_the_published_one():
    s = image_training("cifar10", "dcgan-sngan-ns", "paper")
    assert (s.generator_updates, s.critic_updates, s.batch_size, s.gp_weight) == (150_000, 5, 64, 0)
    assert (s.lr_G, s.lr_D, s.beta1, s.beta2) == (2e-4, 2e-4, 0.0, 0.9)
    assert (s.width_G, s.width_D, s.bottom, s.channels, s.latent) == (512, 512, 4, 3, 128)
    assert (s.objective, s.spectral_G, s.spectral_D, s.attention) == ("ns", False, True, False)
    assert s.critic_updates_at(0) == 5 and s.split == "train" and s.data_size == 0


def test_what_the_rows_change():
    wgan = image_training("cifar10", "dcgan-wgan-gp", "paper")
    assert (wgan.objective, wgan.gp_weight, wgan.spectral_D) == ("wgan", 10.0, False)
    sagan = image_training("cifar10", "dcgan-sagan-hi", "paper")
    assert (sagan.objective, sagan.spectral_G, sagan.spectral_D, sagan.attention) == ("hinge", True, True, True)
    assert (sagan.critic_updates, sagan.lr_G, sagan.lr_D) == (1, 1e-4, 4e-4)
    assert image_training("stl10", "dcgan-sagan-hi", "paper").bottom == 6
    for dataset, n, updates in (("cifar10", 2, 150_000), ("stl10", 1, 240_000)):
        resnet = image_training(dataset, "resnet-sagan-ns", "paper")
        assert (resnet.latent, resnet.width_G, resnet.width_D) == (128 * n, 128 * n, 128)
        assert resnet.generator_updates == updates


@pytest.mark.parametrize("profile", PROFILES)
def test_every_row_of_every_set_has_settings_of_its_own(profile):
    names = [name for dataset in training_settings.SHAPES for name in training_settings.pair_names(dataset)]
    settings = {name: training_settings.settings_of(name, profile, 3) for name in names}
    assert len({s.key() for s in settings.values()}) == len(names) == 35
    for name, s in settings.items():
        dataset, architecture, _ = name.split("-", 2)
        assert (s.dataset, s.architecture, s.seed) == (dataset, architecture, 3)


def test_the_conditional_training_is_that_of_the_projection_discriminators_authors():
    """Their configuration for CIFAR-10, and two sizes of it that fit a laptop."""
    s = training_settings.settings_of("cifar10-cond-hi", "paper", 4)
    assert (s.objective, s.generator_updates, s.critic_updates, s.batch_size, s.seed) == ("hinge", 50_000, 5, 64, 4)
    assert (s.lr_G, s.lr_D, s.beta1, s.beta2, s.gp_weight) == (2e-4, 2e-4, 0.0, 0.9, 0)
    assert (s.width_G, s.width_D, s.latent, s.bottom, s.channels, s.classes) == (256, 128, 128, 4, 3, 10)
    assert (s.spectral_G, s.spectral_D) == (False, True)
    digits = training_settings.settings_of("digits-cond-hi", "laptop")
    assert (digits.bottom, digits.channels, digits.width_G, digits.width_D, digits.latent) == (1, 1, 32, 32, 64)
    assert digits.generator_updates == 1_500 and digits.critic_updates_at(0) == 5
    assert training_settings.changed_from_published(digits).keys() == {
        "width_G", "width_D", "latent", "generator_updates",
    }  # fmt: skip


@pytest.mark.parametrize("profile", PROFILES)
def test_conditional_pairs_have_settings_and_streams_of_their_own(profile):
    names = [f"{d}-cond-{o}" for d in training_settings.LABELLED for o in training_settings.CONDITIONAL]
    settings = [training_settings.settings_of(name, profile, 3) for name in names]
    assert len({s.key() for s in settings}) == len({(s.dataset, s.row) for s in settings}) == len(names) == 8
    assert [s.critic_updates_at(0) for s in settings] == [5, 1] * 4
    assert all(training_settings.changed_from_published(s).keys().isdisjoint({"critic_updates"}) for s in settings)
    for field in ("critic_updates", "classes", "width_G", "spectral_D", "seed"):
        assert replace(settings[0], **{field: getattr(settings[0], field) + 1}).key() != settings[0].key()


def test_the_wide_pair_is_the_published_row_in_width_and_length_alone():
    """Each of its lengths is a training of its own, whose updates the name says."""
    names = [f"cifar10-dcgan-sngan-ns-{length}" for length in training_settings.WIDE]
    settings = [training_settings.settings_of(name, "laptop", 2) for name in names]
    assert [s.generator_updates for s in settings] == [
        1_000 * int(name.rpartition("-")[2].removesuffix("k")) for name in names
    ]
    plain = image_training("cifar10", "dcgan-sngan-ns", "laptop", 2)
    for s in settings:
        assert training_settings.changed_from_published(s).keys() <= {"width_G", "width_D", "generator_updates"}
        assert s.width_G == s.width_D > plain.width_D and s.generator_updates > plain.generator_updates
        assert s.seed == 2
    assert len({s.key() for s in [plain, *settings]}) == 1 + len(names)
    assert training_settings.settings_of(names[0], "smoke") == image_training("cifar10", "dcgan-sngan-ns", "smoke")


def test_a_name_tells_how_long_the_wide_pair_was_trained():
    lengths = [training_settings.length_of(f"cifar10-dcgan-sngan-ns-{length}") for length in training_settings.WIDE]
    assert lengths == list(training_settings.WIDE)
    assert {training_settings.length_of(name) for name in ("cifar10", *training_settings.pair_names("cifar10"))} == {""}
    assert "wide" not in "".join(training_settings.ROWS), "the wide pair is no row of Table 1"


def test_what_a_profile_changes_in_a_fully_connected_training():
    """ "laptop" is shorter, with larger steps where the report prints them, and nothing else."""
    for name in training_settings.MLP:
        for dataset, updates in (("digits", 3_000), ("mnist", 9_375)):
            s = training_settings.settings_of(f"{dataset}-mlp-{name}", "laptop")
            changed = training_settings.changed_from_published(s)
            assert changed.pop("generator_updates")[1] == updates
            if name.endswith("code"):
                assert changed == {"warmup_updates": (7_500, updates // 5)}
            else:
                assert changed == {"lr_G": (1e-4, 5e-4), "lr_D": (1e-4, 5e-4), "lr_last": (1e-5, 5e-5)}
            whole = training_settings.settings_of(f"{dataset}-mlp-{name}", "paper")
            assert training_settings.changed_from_published(whole) == {}


def test_changes_are_listed_and_the_published_training_has_none():
    assert training_settings.changed_from_published(image_training("stl10", "resnet-sagan-hi", "paper")) == {}
    laptop = image_training("digits", "dcgan-sngan-hi", "laptop")
    changed = training_settings.changed_from_published(laptop)
    assert set(changed) == {"width_G", "width_D", "generator_updates"}
    assert changed["width_G"] == (512, laptop.width_G)
    assert "lr_G" in training_settings.changed_from_published(replace(laptop, lr_G=1e-3))
    assert "split" in training_settings.changed_from_published(replace(laptop, split="paper"))


def test_scoring_follows_the_paper():
    c = scoring_settings("cifar10", "dcgan", "paper")
    assert (c.samples, c.updates, c.lr, c.pairs, c.splits) == (50_000, 20, 0.01, 100, 10)
    assert scoring_settings("cifar10", "resnet", "paper").updates == 10
    assert scoring_settings("digits", "dcgan", "laptop").sets >= 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: image_training("mnits", "dcgan-wgan-gp", "laptop"), "dataset: .*nearest: mnist"),
        (lambda: image_training("mnist", "dcgan-wgan", "laptop"), "objective: .*nearest: wgan-gp"),
        (lambda: image_training("mnist", "dgan-wgan-gp", "laptop"), "architecture: .*nearest: dcgan"),
        (lambda: image_training("mnist", "dcgan-wgan-gp", "papr"), "profile: .*nearest: paper"),
        (lambda: training_settings.conditional_training("mnits", "hi", "laptop"), "dataset: .*nearest: mnist"),
        (lambda: training_settings.conditional_training("stl10", "hi", "laptop"), "dataset: unknown 'stl10'"),
        (lambda: training_settings.conditional_training("mnist", "ns", "laptop"), "objective: unknown 'ns'; known: hi"),
        (lambda: training_settings.conditional_training("mnist", "hi", "papr"), "profile: .*nearest: paper"),
        (lambda: training_settings.conditional_training("mnist", "hi", "paper", -1), "seed: expected an integer"),
        (lambda: training_settings.settings_of("cifar10-dcgan-sngan-ns-wide-10k", "paper"), "profile: 'paper' has no"),
        (lambda: training_settings.wide_training("wide-1k", "laptop"), "length: unknown 'wide-1k'"),
        (lambda: training_settings.settings_of("mnist-dcgan-sngan-ns-wide-10k", "laptop"), "name: unknown"),
        (lambda: training_settings.mlp_training("cifar10", "wgan-gp", "laptop"), "dataset: unknown 'cifar10'"),
        (lambda: training_settings.mlp_training("mnist", "wgan-pg", "laptop"), "objective: .*nearest: wgan-gp"),
        (lambda: image_training("mnist", "dcgan-wgan-gp", "paper", -1), "seed: expected an integer"),
        (lambda: scoring_settings("mnist", "resnett", "paper"), "architecture: .*nearest: resnet"),
        (lambda: training_settings.settings_of("mnist-dcgan-sngan", "paper"), "name: .*nearest: mnist-dcgan-sn"),
    ],
)
def test_slips_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("profile", ["laptop", "paper"])
@pytest.mark.parametrize("dataset", ["mnist", "cifar10", "stl10"])
def test_sets_are_large_enough_for_inception(dataset, profile):
    """FID is refused unless samples exceed its 2,048 features."""
    assert scoring_settings(dataset, "dcgan", profile).samples > 2_048


@pytest.mark.parametrize(
    ("name", "parts", "row"),
    [
        ("swissroll-wgan-gp", ("swissroll", "", "wgan-gp"), "wgan-gp"),
        ("mnist-dcgan-sngan-hi", ("mnist", "dcgan", "sngan-hi"), "dcgan-sngan-hi"),
        ("stl10-resnet-sagan-ns", ("stl10", "resnet", "sagan-ns"), "resnet-sagan-ns"),
        ("digits-cond-hi-1", ("digits", "cond", "hi-1"), "cond-hi-1"),
        ("mnist-mlp-wgan-gp-code", ("mnist", "mlp", "wgan-gp-code"), "mlp-wgan-gp-code"),
        (
            "cifar10-dcgan-sngan-ns-wide-10k",
            ("cifar10", "dcgan", "sngan-ns-wide-10k"),
            "dcgan-sngan-ns-wide-10k",
        ),
    ],
)
def test_a_name_and_its_parts(name, parts, row):
    pair = training_settings.PairName.parse(name)
    assert pair == parts and str(pair) == name and pair.row == row
    with pytest.raises(InputError, match=f"name: unknown '{name}s'; .*nearest: {name}"):
        training_settings.PairName.parse(f"{name}s")
