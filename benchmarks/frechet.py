"""FID of 2,048 features from moments, beside torch-fidelity: seconds, and the relative difference.

A reference judges many sets of samples. torch-fidelity keeps its mean and covariance between them, and solves for the
eigenvalues of a product of covariances each time; dotlib also keeps the Cholesky factor of the reference. So there are
two times of ours: of the first set, with the factor, and of every further one. All moments are there before the clock
starts. Once on one thread, and once on two.

python benchmarks/frechet.py
"""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from threadpoolctl import threadpool_limits

from dotlib.metrics import backends
from dotlib.metrics.frechet import Moments, fid

FEATURES, ROWS, ROUNDS = 2_048, 5_000, 5
LEAST = {1: (2.8, 3.4), 2: (3.0, 4.0)}  # threads -> times as fast at least: the first set, further ones
APART = 1e-6  # relative difference at most


def without_factor(moments: Moments) -> Moments:
    """The same moments before anything was compared with them."""
    fresh = replace(moments)
    fresh.n, fresh.mean, fresh.scatter = moments.n, moments.mean, moments.scatter
    return fresh


def fastest(ways: dict[str, Callable[[], float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of each way, the fastest of ROUNDS in turn, and what it computes."""
    seconds, values = dict.fromkeys(ways, float("inf")), {}
    for _ in range(ROUNDS):
        for way, measure in ways.items():
            start = time.perf_counter()
            values[way] = measure()
            seconds[way] = min(seconds[way], time.perf_counter() - start)
    return seconds, values


def main() -> None:
    """Print all times; fail where ours is not as many times as fast, or differs by more than APART."""
    rng = torch.Generator().manual_seed(0)
    scale = torch.logspace(0, -2, FEATURES)
    real, fake = (Moments.of(torch.randn(ROWS, FEATURES, generator=rng).relu() * scale * size) for size in (1.0, 1.2))
    real.root()
    metric = backends.module("torch_fidelity.metric_fid")
    kept = [{"mu": side.mean.numpy(), "sigma": side.covariance().numpy()} for side in (real, fake)]
    ways = {
        "torch-fidelity, any set": lambda: metric.fid_statistics_to_metric(*kept, False)[metric.KEY_METRIC_FID],
        "dotlib, first set": lambda: fid(real=without_factor(real), fake=fake),
        "dotlib, further sets": lambda: fid(real=real, fake=fake),
    }
    print(f"{torch.backends.cpu.get_cpu_capability()}, FID of {FEATURES} features, seconds, fastest of {ROUNDS}")
    for threads, least in LEAST.items():
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            seconds, values = fastest(ways)
        theirs, *ours = seconds.values()
        times = [theirs / of_ours for of_ours in ours]
        apart = max(abs(value / values["torch-fidelity, any set"] - 1) for value in values.values())
        shown = ", ".join(f"{way} {taken:.2f} ({theirs / taken:.1f} times)" for way, taken in seconds.items())
        print(f"threads {threads}: {shown}; relative difference {apart:.1e}")
        assert all(found >= bar for found, bar in zip(times, least, strict=True)), f"bar: {least} times"
        assert apart <= APART, f"bar: {APART}"


if __name__ == "__main__":
    main()
