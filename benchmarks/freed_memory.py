"""Speed of one training update of the MNIST pair with attention, as is and with freed memory kept.

    python benchmarks/freed_memory.py [--rounds 3] [--updates 12]

The C library reads these variables when a process starts, so each figure is of a fresh process: the
median process time of an update, on one thread, in turn. Random images stand in for MNIST's.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

import torch

from dotlib.seeding import generator
from dotlib.training.recipes import ImageRecipe
from dotlib.training.settings import image_training
from dotlib.training.trainer import Trainer

KEPT = {"MALLOC_TRIM_THRESHOLD_": "2147483647", "MALLOC_MMAP_MAX_": "0"}  # as workflow/Snakefile sets them


def measure(updates: int) -> str:
    """Milliseconds of an update, page faults of an update, and the most memory held, in MB."""
    torch.set_num_threads(1)
    settings = image_training("mnist", "dcgan-sagan-hi", "laptop")
    images = torch.rand(1_000, 1, 32, 32, generator=generator(0, "images")) * 2 - 1

    def draw(n: int, rng: torch.Generator) -> tuple[torch.Tensor]:
        return (images[torch.randint(len(images), (n,), generator=rng)],)

    trainer = Trainer(settings, *ImageRecipe(settings).networks(), ImageRecipe(settings).prior, draw)
    for _ in range(3):  # the first ones pay for imports and for memory
        trainer.step()
    first, times = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, []
    for _ in range(updates):
        start = time.process_time()
        trainer.step()
        times.append(time.process_time() - start)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (
        f"{1e3 * statistics.median(times):8.1f} ms {(usage.ru_minflt - first) // updates:9,}"
        f" faults {usage.ru_maxrss / 1e3:7.0f} MB"
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind")
    parser.add_argument("--updates", type=int, default=12, help="measured updates of each")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(measure(options.updates))
        return
    for _ in range(options.rounds):
        for kind, variables in (("as is", {}), ("kept", KEPT)):
            found = subprocess.run(
                [sys.executable, __file__, "--once", "--updates", str(options.updates)],
                env={name: value for name, value in os.environ.items() if name not in KEPT} | variables,
                check=True,
                capture_output=True,
                text=True,
            )
            print(f"{kind:6} {found.stdout.rstrip()}", flush=True)


if __name__ == "__main__":
    main()
