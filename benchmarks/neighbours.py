"""Precision, recall, density and coverage, beside torch-fidelity's precision and recall alone: seconds, and difference.

python benchmarks/neighbours.py
"""

import time

import torch

from dotlib.metrics import backends
from dotlib.metrics.neighbours import BLOCK, neighbourhoods

SIZES, ROUNDS = ((600, 64), (5_000, 256)), 3  # (rows of each side, features): digits, and images
LEAST = 1.2  # times as fast at least, with two scores more
APART = 1e-6  # its shares are means in float32


def main() -> None:
    """Print both times in turn; fail where ours is not as many times as fast, or differs by more than APART."""
    metric = backends.module("torch_fidelity.metric_prc")
    torch.set_num_threads(1)
    print(f"{torch.backends.cpu.get_cpu_capability()}, neighbourhoods of both sides, seconds, fastest of {ROUNDS}")
    for rows, features in SIZES:
        rng = torch.Generator().manual_seed(0)
        real, fake = (torch.randn(rows, features, generator=rng).double() * size for size in (1.0, 1.1))
        options = {"prc_neighborhood": 3, "prc_batch_size": BLOCK, "save_cpu_ram": True, "verbose": False}
        seconds = {"torch-fidelity": float("inf"), "dotlib": float("inf")}
        for _ in range(ROUNDS):
            start = time.process_time()
            theirs = metric.prc_features_to_metric(fake, real, **options)
            seconds["torch-fidelity"] = min(seconds["torch-fidelity"], time.process_time() - start)
            start = time.process_time()
            ours = neighbourhoods(real=real, fake=fake)[0]
            seconds["dotlib"] = min(seconds["dotlib"], time.process_time() - start)
        values = (ours.precision - theirs["precision"], ours.recall - theirs["recall"])
        times, apart = seconds["torch-fidelity"] / seconds["dotlib"], max(map(abs, values))
        shown = ", ".join(f"{way} {taken:.3f}" for way, taken in seconds.items())
        print(f"{rows} x {features}: {shown} ({times:.1f} times as fast); difference {apart:.1e}")
        assert times >= LEAST, f"bar: {LEAST} times"
        assert apart <= APART, f"bar: {APART}"


if __name__ == "__main__":
    main()
