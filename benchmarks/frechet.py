"""FID of 2,048 features from moments, beside torch-fidelity: seconds, and the relative difference.

python benchmarks/frechet.py
"""

import statistics
import time

import torch

from dotlib.metrics import backends
from dotlib.metrics.frechet import Moments, fid

FEATURES, ROWS, ROUNDS = 2_048, 5_000, 3
FASTER, APART = 4.0, 1e-6  # at least; at most


def main() -> None:
    """Print both times; fail where ours is not FASTER times as fast, or differs by more than APART."""
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    scale = torch.logspace(0, -2, FEATURES)
    real, fake = (Moments.of(torch.randn(ROWS, FEATURES, generator=rng).relu() * scale * size) for size in (1.0, 1.2))
    metric = backends.module("torch_fidelity.metric_fid")

    def theirs() -> float:
        sides = [{"mu": side.mean.numpy(), "sigma": side.covariance().numpy()} for side in (real, fake)]
        return metric.fid_statistics_to_metric(*sides, verbose=False)[metric.KEY_METRIC_FID]

    ways = {"dotlib": lambda: fid(real=real, fake=fake), "torch-fidelity": theirs}
    seconds, values = {way: [] for way in ways}, {}
    for _ in range(ROUNDS):  # in turn
        for way, measure in ways.items():
            start = time.process_time()
            values[way] = measure()
            seconds[way].append(time.process_time() - start)
    ours, other = (statistics.median(seconds[way]) for way in ways)
    apart = abs(values["dotlib"] / values["torch-fidelity"] - 1)
    print(f"{torch.backends.cpu.get_cpu_capability()}, one thread, seconds of the processor, median of {ROUNDS}")
    print(f"FID of {FEATURES} features: {ours:.2f} s, torch-fidelity {other:.2f} s, {other / ours:.1f} times as long")
    print(f"relative difference {apart:.1e}")
    assert other / ours >= FASTER, f"bar: {FASTER} times"
    assert apart <= APART, f"bar: {APART}"


if __name__ == "__main__":
    main()
