"""One training measured: sizes by profile, refusals. What its lines hold is tested where they are made."""

import pytest

from dotlib.errors import InputError
from dotlib.evaluation import one_training


def test_every_score_sees_all_rows_of_two_sets():
    for name, sizes in {"digits-dcgan-wgan-gp": (2, 600), "mnist-dcgan-wgan-gp": (2, 2_500)}.items():
        settings = one_training.scoring(one_training.image_pair_name(name), "laptop")
        assert (settings.sets, settings.samples) == sizes and settings.kept == settings.samples


def test_batches_are_small_where_attention_would_fill_the_memory():
    names = ("mnist-dcgan-sngan-ns", "mnist-dcgan-sagan-ns", "digits-resnet-sagan-hi")
    assert [one_training.scoring(one_training.image_pair_name(n), "laptop").batch for n in names] == [250, 50, 250]


def test_a_2d_pair_has_no_images_to_score():
    with pytest.raises(InputError, match=r"^name: '25gaussians-wgan-gp' is a 2-D pair; name an image pair"):
        one_training.image_pair_name("25gaussians-wgan-gp")
