"""Sinkhorn of 32 problems of 128 x 128, 50 iterations in float64, beside a loop over POT's `sinkhorn_log`.

The costs are those of OT-GAN, one minus the cosine of features, here random ones. Both ways take turns, so that other
work on the machine slows them alike. Once for each epsilon of the report "Optimal Transport GAN"; the smaller one takes
longer, since factors have to go back into the potentials.

python benchmarks/sinkhorn.py
"""

import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dotlib.metrics.sinkhorn import cosine_costs, plans
from dotlib.seeding import generator

PROBLEMS, POINTS, FEATURES, ITERATIONS, ROUNDS = 32, 128, 16, 50, 5
EPSILONS = (1.0, 0.01)
LEAST, APART = 5.0, 1e-9  # times as fast; difference of two entries over the largest entry


def both(costs: Tensor, epsilon: float) -> dict[str, Callable[[], np.ndarray]]:
    """All plans, (K, N, M), by POT and by dotlib."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns while it compiles POT
        import ot
    weights = np.full(POINTS, 1 / POINTS)
    options = {"method": "sinkhorn_log", "numItermax": ITERATIONS, "stopThr": 0, "warn": False}
    return {
        "POT": lambda: np.stack([ot.sinkhorn(weights, weights, c, epsilon, **options) for c in costs.numpy()]),
        "dotlib": lambda: np.asarray(plans(costs, epsilon=epsilon, iterations=ITERATIONS).plan),
    }


def main() -> None:
    """Print the times; fail where ours is not LEAST times as fast, or a plan differs by more than APART."""
    x, y = (torch.randn(PROBLEMS, POINTS, FEATURES, generator=generator(0, n), dtype=torch.float64) for n in "xy")
    head = f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} thread(s)"
    print(f"{head}, {PROBLEMS} problems of {POINTS} x {POINTS}, {ITERATIONS} iterations, fastest of {ROUNDS}")
    for epsilon in EPSILONS:
        ways = both(cosine_costs(x, y), epsilon)
        seconds, found = dict.fromkeys(ways, float("inf")), {}
        for _ in range(ROUNDS):
            for way, solve in ways.items():
                start = time.perf_counter()
                found[way] = solve()
                seconds[way] = min(seconds[way], time.perf_counter() - start)
        times = seconds["POT"] / seconds["dotlib"]
        apart = float(np.abs(found["POT"] - found["dotlib"]).max() / found["POT"].max())
        shown = ", ".join(f"{way} {taken * 1e3:.0f} ms" for way, taken in seconds.items())
        print(f"epsilon {epsilon:g}: {shown} ({times:.1f} times); largest difference {apart:.1e} of the largest entry")
        assert times >= LEAST, f"bar: {LEAST} times"
        assert apart <= APART, f"bar: {APART}"


if __name__ == "__main__":
    main()
