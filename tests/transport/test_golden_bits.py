"""Algorithms 1 and 2, and the Langevin chains, give the bits that were recorded before they were rewritten.

Golden numbers, from commit dbfbe26 by ``python tests/transport/test_golden_bits.py``, which writes golden_bits.json
anew. G and D are elementwise ``+ - * /`` and sums of two numbers in float64, and learning rates are powers of two, so
a third of the cases have the same bits on every IEEE processor, whatever its vector width and with or without fused
multiply-add. Such a case is compared bit by bit everywhere. Three things are not portable: torch's `vector_norm` (the
"shifted" norm) and Adam's second moment may or may not fuse a product and a sum, and the noise of a Langevin chain
takes logarithms. Their cases are compared bit by bit under the same torch and instruction set as the record's, and to
`ROUNDING` elsewhere.
"""

import itertools
import json
import platform
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dotlib.pairs import Normal, Pair, Uniform
from dotlib.samplers.langevin import DDLS, DGflow
from dotlib.seeding import generator
from dotlib.transport import SGD, VARIANTS, Adam, Variant, latent_dot, target_dot

GOLDEN = Path(__file__).with_name("golden_bits.json")
ROUNDING = 1e-13  # float64, numbers of order 1: 1e-16 an operation, four steps that amplify it by less than 100

START = torch.tensor([[0.25, -0.55], [0.97, 0.7], [-0.9, 1.0]], dtype=torch.float64)
STRETCH, CENTRE = (torch.tensor(v, dtype=torch.float64) for v in ([1.25, -0.75], [0.6, -0.3]))
K, DELTA, LR, STEPS = 1.5, 2**-5, 2**-4, 4
OPTIMIZERS = {"sgd": SGD(LR), "adam": Adam(LR), "adam-momentum": Adam(LR, (0.5, 0.75))}
COSTS = {"l2": "l2", "sqeuclidean": "sqeuclidean", "none": "none", "callable": lambda a, b: (a - b).abs().sum(1)}
SINGLE = {
    "-".join(words): Variant(*words)
    for words in itertools.product(
        ("fixed", "aliased"), ("none", "sqrt_dim", "constant", "norm"), ("shifted", "smooth")
    )
}


def G(z: Tensor) -> Tensor:
    return STRETCH.to(z) * z + 0.125


def D(x: Tensor) -> Tensor:
    """Bumps and dips: a logit that no row shares."""
    return (2 / (1 + (x - CENTRE.to(x)).square())).sum(1) - (0.25 * x).square().sum(1)


class FixedUniform(Uniform):
    """U[-1, 1]^2, whose first draws are `START`."""

    def sample(self, n, rng):
        return START[:n]


class FixedNormal(Normal):
    """N(0, I), whose first draws are `START`."""

    def sample(self, n, rng):
        return START[:n]


PRIORS = {"uniform": FixedUniform(2), "normal": FixedNormal(2)}


def move(space: str, start: Tensor = START, **options):
    if space == "target":
        return target_dot(D, start, K, **options)
    return latent_dot(Pair(G, D, PRIORS[space]), start, K, **options)


def transports() -> dict[str, dict]:
    """Name of a case -> space and options of one transport."""
    cases = {}
    for space, (v, variant), (c, cost), (o, optimizer) in itertools.product(
        ("target", *PRIORS), VARIANTS.items(), COSTS.items(), list(OPTIMIZERS.items())[:2]
    ):
        options = {"variant": variant, "cost": cost, "optimizer": optimizer}
        cases[f"{space} {v} {c} {o}"] = {"space": space, **options}
        if space == "target":
            cases[f"{space} {v} {c} {o} clip"] = {"space": space, "clip": 0.96, **options}
    for space, (v, variant) in itertools.product(PRIORS, SINGLE.items()):
        if space == "normal" or variant.projection == "none":
            cases[f"{space} {v} l2 sgd"] = {"space": space, "variant": variant, "cost": "l2", "optimizer": SGD(LR)}
    for space, v in itertools.product(("target", *PRIORS), ("paper", "exact")):
        cases[f"{space} {v} l2 adam-momentum"] = {
            "space": space, "variant": VARIANTS[v], "cost": "l2", "optimizer": OPTIMIZERS["adam-momentum"],
        }  # fmt: skip
    return cases


TRANSPORTS = transports()
DEFAULTS = ("target defaults", "uniform defaults", "normal defaults")
CHAINS = {
    **{f"{prior} DDLS": (prior, DDLS(steps=3, step=0.25, block=2)) for prior in PRIORS},
    **{
        f"{prior} DGflow {f} {gamma:g}": (prior, DGflow(f=f, eta=0.25, gamma=gamma, steps=3, block=2))
        for prior, f, gamma in itertools.product(PRIORS, ("KL", "JS", "logD"), (0.0, 0.125))
    },
}


def portable(case: str) -> bool:
    """Whether the same bits come out on every IEEE processor."""
    if case in CHAINS:
        return case.endswith("KL 0")  # no noise
    options = TRANSPORTS.get(case)
    return (
        options is not None
        and isinstance(options["optimizer"], SGD)
        and (options["cost"] != "l2" or options["variant"].norm == "smooth")
    )


def compute(case: str, **changes) -> dict[str, Tensor]:
    """What one case gives: the numbers that are recorded."""
    if case in CHAINS:
        prior, sampler = CHAINS[case]
        return {"latents": sampler.draw(Pair(G, D, PRIORS[prior]), 3, generator(0, "golden")).latents}
    if case in DEFAULTS:
        return {"points": move(case.split(maxsplit=1)[0], steps=STEPS).final}
    if case not in TRANSPORTS:  # float32
        space, variant, _ = case.split()
        t = move(space, START.float(), variant=variant, optimizer=SGD(LR), delta=DELTA, steps=STEPS)
        return {"points": t.points, "objective": t.objective}
    t = move(**({"steps": STEPS, "delta": DELTA, "snapshots": [2]} | TRANSPORTS[case] | changes))
    assert t.steps == (2, STEPS)
    return {"points": t.points, "objective": t.objective}


CASES = (
    *TRANSPORTS,
    *DEFAULTS,
    *(f"{s} {v} float32" for s in ("target", *PRIORS) for v in ("paper", "exact")),
    *CHAINS,
)


def written(values: dict[str, Tensor]) -> dict[str, str]:
    return {name: " ".join(x.hex() for x in v.flatten().tolist()) for name, v in values.items()}


def kernels() -> str:
    """What decides the bits of the cases that are not portable."""
    torch_version = torch.__version__.split("+")[0]
    return f"torch {torch_version}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


@cache
def record() -> dict:
    return json.loads(GOLDEN.read_text())


def check(case: str, values: dict[str, Tensor]) -> None:
    golden = record()
    expected = golden["cases"][case]
    if portable(case) or golden["kernels"] == kernels():
        assert written(values) == expected
        return
    tolerance = 1e-5 if case.endswith("float32") else ROUNDING
    assert values.keys() == expected.keys()
    for name, v in values.items():
        numbers = torch.tensor([float.fromhex(x) for x in expected[name].split()], dtype=v.dtype)
        torch.testing.assert_close(v.flatten(), numbers, rtol=0, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_recorded(case):
    check(case, compute(case))


@pytest.mark.parametrize("case", [case for case in TRANSPORTS if portable(case)])
def test_the_bits_do_not_depend_on_the_batch_size(case):
    check(case, compute(case, batch_size=2))


def test_every_record_is_compared_and_a_third_are_portable():
    assert set(record()["cases"]) == set(CASES)
    assert sum(map(portable, CASES)) > len(CASES) / 3


def main() -> None:
    """Write the golden numbers of the code as it is."""
    lines = [f"  {json.dumps(case)}: {json.dumps(written(compute(case)))}" for case in CASES]
    head = f'{{"kernels": {json.dumps(kernels())},\n "cases": {{\n'
    GOLDEN.write_text(head + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main()
