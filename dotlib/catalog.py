"""Names of the trained pairs, and where their files lie. Light: the workflow asks it first."""

import os
from pathlib import Path

from dotlib.config import Training, toy_training
from dotlib.errors import BadInput, nearest
from dotlib.image_config import KINDS, SHAPES, image_training

NAMES = {"25gaussians-wgan-gp": "25gaussians", "swissroll-wgan-gp": "swissroll"}  # -> data set
IMAGE_NAMES = {
    f"{dataset}-{architecture}-{kind}": (dataset, f"{architecture}-{kind}")
    for dataset in SHAPES
    for architecture in ("dcgan", "resnet")
    for kind in KINDS
}


def artifacts() -> Path:
    """Folder of trained pairs: $DOTLIB_ARTIFACTS, else _build/artifacts here."""
    return Path(os.environ.get("DOTLIB_ARTIFACTS", "_build/artifacts"))


def settings_of(name: str, profile: str, seed: int = 0) -> Training:
    """Training settings of a named pair. Raises BadInput for an unknown name or profile."""
    if name in NAMES:
        return toy_training(NAMES[name], profile, seed)
    if name in IMAGE_NAMES:
        return image_training(*IMAGE_NAMES[name], profile, seed)
    raise BadInput(
        f"name: unknown {name!r}; known: {', '.join(NAMES)}, "
        f"<{'|'.join(SHAPES)}>-<dcgan|resnet>-<{'|'.join(KINDS)}>"
        f"{nearest(name, [*NAMES, *IMAGE_NAMES])}"
    )


def artifact_path(name: str, *, profile: str, seed: int = 0) -> Path:
    """The file of a pair. Its name carries a hash of the training settings."""
    return path_of(name, settings_of(name, profile, seed), profile)


def path_of(name: str, settings: Training, profile: str) -> Path:
    """The file of a pair with these settings."""
    return artifacts() / name / f"{profile}-s{settings.seed}-{settings.key()}.safetensors"
