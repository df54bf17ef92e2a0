"""The three sizes of a run, and one lookup of the settings that belong to each."""

from collections.abc import Mapping
from typing import TypeVar

from dotlib.errors import check_option

PROFILES = ("smoke", "laptop", "paper")
Settings = TypeVar("Settings")


def sized(settings: Mapping[str, Settings], profile: str) -> Settings:
    """The settings of a profile. Raises InputError for an unknown one."""
    check_option("profile", profile, settings)
    return settings[profile]
