"""Sinkhorn of 32 problems of 128 x 128, 50 iterations in float64, beside a loop over POT's `sinkhorn_log`.

The costs are those of OT-GAN, one minus the cosine of features, here random ones. Both ways take turns, so that other
work on the machine slows them alike. Once for each epsilon of the report "Optimal Transport GAN"; the smaller one takes
longer, since factors have to go back into the potentials.

Where `ott-jax` or `geomloss` is installed, they run beside them. The first does the same iterations in a compiled
program; the second averages both sides and lowers epsilon step by step, so that it is elsewhere after as many.

python benchmarks/sinkhorn.py
"""

import importlib
import importlib.util
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
OTHERS = {"ott-jax": "ott", "geomloss": "geomloss"}  # package -> module
LEAST, APART = 5.0, 1e-9  # times as fast; difference of two entries over the largest entry


def ways(costs: Tensor, epsilon: float) -> dict[str, Callable[[], np.ndarray]]:
    """All plans, (K, N, M), by POT, by dotlib, and by what else is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns while it compiles POT
        import ot
    weights = np.full(POINTS, 1 / POINTS)
    options = {"method": "sinkhorn_log", "numItermax": ITERATIONS, "stopThr": 0, "warn": False}
    found = {
        "POT": lambda: np.stack([ot.sinkhorn(weights, weights, c, epsilon, **options) for c in costs.numpy()]),
        "dotlib": lambda: np.asarray(plans(costs, epsilon=epsilon, iterations=ITERATIONS).plan),
    }
    if importlib.util.find_spec("ott"):
        found["ott-jax"] = ott_jax(costs.numpy(), epsilon)
    if importlib.util.find_spec("geomloss"):
        geomloss = importlib.import_module("geomloss.ot")
        found["geomloss"] = lambda: np.asarray(geomloss.solve_batch(costs, reg=epsilon, max_iter=ITERATIONS).plan)
    return found


def ott_jax(costs: np.ndarray, epsilon: float) -> Callable[[], np.ndarray]:
    """All plans by ott-jax, compiled at the first call."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    geometry, problem, sinkhorn = (
        importlib.import_module(f"ott.{name}")
        for name in ("geometry.geometry", "problems.linear.linear_problem", "solvers.linear.sinkhorn")
    )
    solver = sinkhorn.Sinkhorn(
        threshold=-1.0, min_iterations=ITERATIONS, max_iterations=ITERATIONS, inner_iterations=ITERATIONS
    )
    plan = jax.jit(jax.vmap(lambda c: solver(problem.LinearProblem(geometry.Geometry(c, epsilon=epsilon))).matrix))
    on_device = jax.numpy.asarray(costs)
    return lambda: np.asarray(plan(on_device))


def main() -> None:
    """Print the times; fail where ours is not LEAST times as fast, or a plan differs by more than APART."""
    x, y = (torch.randn(PROBLEMS, POINTS, FEATURES, generator=generator(0, n), dtype=torch.float64) for n in "xy")
    head = f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} thread(s)"
    print(f"{head}, {PROBLEMS} problems of {POINTS} x {POINTS}, {ITERATIONS} iterations, fastest of {ROUNDS}")
    absent = [package for package, module in OTHERS.items() if not importlib.util.find_spec(module)]
    print(f"not installed, so not compared: {', '.join(absent) or 'none'}")
    for epsilon in EPSILONS:
        solvers = ways(cosine_costs(x, y), epsilon)
        seconds, found = dict.fromkeys(solvers, float("inf")), {}
        for _ in range(ROUNDS):
            for way, solve in solvers.items():
                start = time.perf_counter()
                found[way] = solve()
                seconds[way] = min(seconds[way], time.perf_counter() - start)
        times = seconds["POT"] / seconds["dotlib"]
        apart = {
            way: float(np.abs(plan - found["dotlib"]).max() / found["dotlib"].max()) for way, plan in found.items()
        }
        shown = ", ".join(f"{way} {taken * 1e3:.0f} ms" for way, taken in seconds.items())
        print(f"epsilon {epsilon:g}: {shown} ({times:.1f} times POT)")
        differences = ", ".join(f"{way} {of:.1e}" for way, of in apart.items() if way != "dotlib")
        print(f"  largest difference to dotlib, of the largest entry: {differences}")
        assert times >= LEAST, f"bar: {LEAST} times"
        assert max(of for way, of in apart.items() if way != "geomloss") <= APART, f"bar: {APART}"


if __name__ == "__main__":
    main()
