"""Randomness: one integer becomes named, independent generators. Nothing else draws seeds."""

import hashlib

import numpy as np
import torch

from dotlib.errors import check_count


def generator(seed: int, *names: str) -> torch.Generator:
    """A CPU generator for one purpose, for example ``generator(0, "fig3", "latents")``.

    The state depends on the seed and the names alone (SHA-256), so two purposes never share a stream and adding a
    purpose changes no other one. Draws stay on the CPU: neither device nor batch size changes a sample.
    """
    return torch.Generator().manual_seed(_number(seed, names))


def numpy_rng(seed: int, *names: str) -> np.random.Generator:
    """The same for NumPy and for libraries that build on it."""
    return np.random.default_rng(_number(seed, names))


def strict() -> None:
    """Deterministic kernels only, and no TF32. Called by `paper` runs; see book/protocol."""
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def _number(seed: int, names: tuple[str, ...]) -> int:
    check_count("seed", seed, 0)
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes seeds below 2**63
