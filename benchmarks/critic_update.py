"""Speed of one critic update of the 2-D experiment, with two forms of the leaky ReLU.

    python benchmarks/critic_update.py [--rounds 40] [--batch 256]

torch's nn.LeakyReLU against dotlib's constant mask: the same networks, the same draws, in turn, in
one process on one thread. The figure is the median of the process time, which other programs on
the machine disturb little.
"""

import argparse
import statistics
import time

import torch
from torch import nn

from dotlib.networks.mlp import MLP, LeakyReLU, toy_discriminator, toy_generator
from dotlib.pairs import Uniform
from dotlib.seeding import generator
from dotlib.training.settings import Training
from dotlib.training.trainer import Trainer


def with_torchs(network: MLP) -> MLP:
    """The same network with torch's activation."""
    for index, layer in enumerate(network):
        if isinstance(layer, LeakyReLU):
            network[index] = nn.LeakyReLU(layer.slope)
    return network


def trainers(batch: int) -> dict[str, Trainer]:
    """Two trainers that differ in the activation alone."""
    settings = Training("25gaussians", batch_size=batch, gp_weight=0.1)
    points = torch.randn(10_000, 2, generator=generator(0, "points"))

    def draw(n: int, rng: torch.Generator) -> tuple[torch.Tensor]:
        return (points[torch.randint(len(points), (n,), generator=rng)],)

    found = {}
    for name, form in (("nn.LeakyReLU", with_torchs), ("constant mask", lambda network: network)):
        G, D = toy_generator(generator(0, "G")), toy_discriminator(generator(0, "D"))
        found[name] = Trainer(settings, form(G), form(D), Uniform(2), draw)
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40, help="measured updates of each form")
    parser.add_argument("--batch", type=int, default=256, help="points in a batch")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pairs = trainers(options.batch)
    times: dict[str, list[float]] = {name: [] for name in pairs}
    for turn in range(options.rounds + 5):
        for name, trainer in pairs.items():
            start = time.process_time()
            trainer._update_discriminator()
            if turn >= 5:  # the first ones pay for imports and for memory
                times[name].append(1e3 * (time.process_time() - start))
    slow, fast = (statistics.median(values) for values in times.values())
    weights = [trainer.D[0].weight.detach() for trainer in pairs.values()]
    print(f"one critic update, batch {options.batch}, torch {torch.__version__}, one thread")
    for name, values in times.items():
        low, _, high = statistics.quantiles(values, n=4)
        print(f"{name:14s} {statistics.median(values):7.2f} ms  (quartiles {low:.2f}, {high:.2f})")
    print(f"saved          {1 - fast / slow:7.1%}")
    difference = (weights[0] - weights[1]).abs().max()
    print(f"largest difference between the two first layers: {difference:.1e}")


if __name__ == "__main__":
    main()
