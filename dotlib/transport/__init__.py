"""The paper: Algorithms 1 and 2 (`dot`), and the Lipschitz constants that they divide by (`lipschitz`)."""

from dotlib.transport.dot import (
    LATENT_SGD,
    SGD,
    TARGET_ADAM,
    VARIANTS,
    Adam,
    Optimizer,
    Trajectory,
    Variant,
    latent_dot,
    target_dot,
)
from dotlib.transport.lipschitz import LipschitzEstimate, curve, latent_constant, pooled_constant, target_constant

__all__ = [
    "LATENT_SGD",
    "SGD",
    "TARGET_ADAM",
    "VARIANTS",
    "Adam",
    "LipschitzEstimate",
    "Optimizer",
    "Trajectory",
    "Variant",
    "curve",
    "latent_constant",
    "latent_dot",
    "pooled_constant",
    "target_constant",
    "target_dot",
]
