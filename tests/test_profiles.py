"""Kinds of test: failures."""

import pytest

from dotlib.errors import InputError
from dotlib.profiles import PROFILES, sized


def test_each_profile_finds_its_settings_and_another_word_is_refused():
    sizes = dict(zip(PROFILES, (1, 2, 3), strict=True))
    assert [sized(sizes, profile) for profile in PROFILES] == [1, 2, 3]
    with pytest.raises(InputError, match="profile: unknown 'smok'.*nearest: smoke"):
        sized(sizes, "smok")
