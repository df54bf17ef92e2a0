"""KID of 20 subsets of 1,000 rows, 2,048 features and 64, beside torch-fidelity's: seconds, and the difference.

python benchmarks/kid.py
"""

import time

import torch

from dotlib.metrics import backends
from dotlib.metrics.scores import kid

ROWS, SUBSETS, ROUNDS = 2_000, 20, 3
LEAST = {64: 6.0, 2_048: 2.0}  # features -> times as fast at least; of many features the products are most
APART = 1e-9  # relative difference at most


def main() -> None:
    """Print both times in turn; fail where ours is not as many times as fast, or differs by more than APART."""
    metric = backends.module("torch_fidelity.metric_kid")
    torch.set_num_threads(1)
    print(f"{torch.backends.cpu.get_cpu_capability()}, KID of {SUBSETS} subsets, seconds, fastest of {ROUNDS}")
    for features, least in LEAST.items():
        rng = torch.Generator().manual_seed(0)
        real, fake = (torch.randn(ROWS, features, generator=rng).double() * size for size in (1.0, 1.1))
        seed = int(torch.randint(2**32, (1,), generator=torch.Generator().manual_seed(1)))
        options = {"kid_subsets": SUBSETS, "kid_subset_size": 1_000, "rng_seed": seed, "verbose": False}
        seconds, values = {"torch-fidelity": float("inf"), "dotlib": float("inf")}, {}
        for _ in range(ROUNDS):
            start = time.process_time()
            values["torch-fidelity"] = metric.kid_features_to_metric(real, fake, **options)[metric.KEY_METRIC_KID_MEAN]
            seconds["torch-fidelity"] = min(seconds["torch-fidelity"], time.process_time() - start)
            start = time.process_time()
            values["dotlib"] = kid(real=real, fake=fake, rng=torch.Generator().manual_seed(1), subsets=SUBSETS).mean
            seconds["dotlib"] = min(seconds["dotlib"], time.process_time() - start)
        times = seconds["torch-fidelity"] / seconds["dotlib"]
        apart = abs(values["dotlib"] / values["torch-fidelity"] - 1)
        shown = ", ".join(f"{way} {taken:.2f}" for way, taken in seconds.items())
        print(f"{features} features: {shown} ({times:.1f} times as fast); relative difference {apart:.1e}")
        assert times >= least, f"bar: {least} times"
        assert apart <= APART, f"bar: {APART}"


if __name__ == "__main__":
    main()
