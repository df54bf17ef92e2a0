"""Named generators: independent, and the same everywhere.

Kinds of test: identities, statistics of independence, golden numbers.
"""

import itertools
import math

import numpy as np
import torch

from dotlib import seeding

GOLDEN_TORCH = [1649865187, 535040714, 473155003]
GOLDEN_NUMPY = [835147633, 138476786, 168852963]
GOLDEN_SEED = 3868541420020878296
NAMES = [(0, "a"), (0, "b"), (1, "a"), (0, "a", "b"), (0, "ab"), (0,), (10, ""), (1, "0"), (0, "a", "")]


def test_golden_first_draws():
    """A run of one version must be the run of the next. Made by this file's own calls with torch
    2.13.0 and NumPy 2.4 on x86-64, in the first version; exact, as the states are integers, and
    both libraries keep these streams. Python's own hash would change from process to process."""
    rng = seeding.generator(0, "golden")
    assert torch.randint(2**31, (3,), generator=rng).tolist() == GOLDEN_TORCH
    assert seeding.numpy_rng(0, "golden").integers(2**31, size=3).tolist() == GOLDEN_NUMPY
    assert seeding.generator(7, "x", "y").initial_seed() == GOLDEN_SEED


def test_every_name_and_seed_has_its_own_stream():
    """And unequal names stay unequal where their letters join to the same word."""
    seeds = [seeding.generator(*name).initial_seed() for name in NAMES]
    assert len(set(seeds)) == len(NAMES)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_are_uncorrelated():
    """36 correlations of 10,000 normal draws: each N(0, 0.01), so 5 sd is 0.05."""
    for draws in (
        torch.stack([torch.randn(10_000, generator=seeding.generator(*name)) for name in NAMES]),
        torch.from_numpy(np.stack([seeding.numpy_rng(*name).standard_normal(10_000) for name in NAMES])),
    ):
        correlations = torch.corrcoef(draws)
        for i, j in itertools.combinations(range(len(NAMES)), 2):
            assert abs(float(correlations[i, j])) < 5 / math.sqrt(10_000)


def test_neighbouring_seeds_are_unrelated():
    bits = [seeding.generator(seed, "x").initial_seed() for seed in range(200)]
    ones = [(a ^ b).bit_count() for a, b in itertools.pairwise(bits)]
    assert 63 / 2 - 5 * 3.97 / math.sqrt(199) < sum(ones) / 199 < 63 / 2 + 5 * 3.97 / math.sqrt(199)


def test_one_call_does_not_disturb_another():
    a = seeding.generator(0, "a")
    first = torch.rand(2, generator=a)
    seeding.generator(0, "b")
    torch.rand(5)
    rest = torch.rand(2, generator=a)
    again = torch.rand(4, generator=seeding.generator(0, "a"))
    assert torch.equal(torch.cat([first, rest]), again)


def test_the_global_generators_are_left_alone():
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    torch.rand(3, generator=seeding.generator(0, "a"))
    seeding.numpy_rng(0, "a").normal()
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002


def test_generators_are_on_the_cpu():
    assert seeding.generator(0, "a").device.type == "cpu"


def test_strict_sets_deterministic_kernels_and_full_precision():
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
    )
    try:
        torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("medium")
        seeding.strict()
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark and not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
        torch.set_float32_matmul_precision(before[2])
        torch.backends.cudnn.allow_tf32 = before[3]
