"""Side by side, same work, same run: snapshots, EMD solvers, throughput of the 2-D transport.

Run ``python benchmarks/transport.py``; about a minute. Each figure is the best of the repeats, in
seconds of processor time on one thread, so other work on the machine counts little.
"""

import time
from collections.abc import Callable

import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from dotlib import seeding
from dotlib.metrics import optimal_transport
from dotlib.networks.mlp import toy_discriminator, toy_generator
from dotlib.pairs import Pair, Uniform
from dotlib.transport import Adam, latent_dot, target_dot

POINTS, STEPS = 1_000, 100  # of the paper's 2-D experiment, B.1


def best(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest processor time of `work`, after one call that is not counted."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def row(what: str, seconds: float, note: str = "") -> None:
    """Print one line of the table."""
    print(f"{what:<58} {seconds:>9.3f} s  {note}")


def snapshots(pair: Pair, y: torch.Tensor) -> None:
    """The curve over all step counts: one pass against a restart from step 0 for each."""
    few = y[:100]
    one = best(lambda: target_dot(pair.logit, few, 1.7, steps=STEPS, snapshots=range(STEPS + 1)))
    many = best(lambda: [target_dot(pair.logit, few, 1.7, steps=n) for n in range(STEPS + 1)], 1)
    row("100 points, steps 0..100, one pass", one)
    row("100 points, steps 0..100, restarted for each", many, f"{many / one:.0f} times the time")


def emd_solvers(x: torch.Tensor, y: torch.Tensor) -> None:
    """The exact distance, same costs: POT with its certificate, and scipy's assignment."""
    for cost in optimal_transport.COSTS:
        pot = best(lambda cost=cost: optimal_transport.emd(x, y, cost=cost))
        scipy = best(lambda cost=cost: _assignment(x, y, cost))
        difference = abs(optimal_transport.emd(x, y, cost=cost) - _assignment(x, y, cost))
        row(f"EMD 1000 x 1000, {cost}, metrics.emd (POT)", pot)
        row(
            f"EMD 1000 x 1000, {cost}, scipy's assignment",
            scipy,
            f"{scipy / pot:.1f} times the time; values differ by {difference:.0e}",
        )


def _assignment(x: torch.Tensor, y: torch.Tensor, cost: str) -> float:
    costs = cdist(x.double().numpy(), y.double().numpy(), cost)
    return costs[linear_sum_assignment(costs)].mean()


def throughput(pair: Pair, y: torch.Tensor, z_y: torch.Tensor) -> None:
    """Points times steps a second with the paper's networks, D's weights without and with grad."""
    adam, work = Adam(0.01, (0.0, 0.9)), POINTS * STEPS
    for wanted in (False, True):
        pair.discriminator.requires_grad_(wanted)
        seconds = best(lambda: target_dot(pair.logit, y, 1.7, steps=STEPS, optimizer=adam))
        row(
            f"target_dot, 1000 points, 100 steps, D requires grad: {wanted}",
            seconds,
            f"{work / seconds:,.0f} points x steps / s",
        )
    seconds = best(lambda: latent_dot(pair, z_y, 1.0, steps=STEPS))
    row("latent_dot, 1000 latents, 100 steps", seconds, f"{work / seconds:,.0f} points x steps / s")


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    rng = seeding.generator(0, "benchmark", "transport")
    pair = Pair(toy_generator(rng).eval(), toy_discriminator(rng).eval(), Uniform(2))
    z_y = pair.prior.sample(POINTS, rng)
    with torch.no_grad():
        y = pair.generate(z_y)
    throughput(pair, y, z_y)
    snapshots(pair, y)
    emd_solvers(y, torch.randn(POINTS, 2, generator=rng))


if __name__ == "__main__":
    main()
