"""Images a second of one training, as it runs and under each setting that could make it faster.

    python benchmarks/image_training.py [--pair cifar10-dcgan-sngan-hi] [--profile laptop]
                                        [--device cpu] [--rounds 3] [--updates 4]

One update is all of D's updates and the one of G, on random images of the data set's shape. The
settings take turns within one process, and each figure is the median over the rounds. "fused" is
Adam in one kernel, "channels last" the memory order, "bfloat16" autocast in both networks,
"compiled", on an accelerator only, torch.compile of both with captured graphs. Only the first
line is what trainings here do: the others change rounding, and none is taken without a record
that shows the same scores.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch

from dotlib.errors import InputError
from dotlib.seeding import generator
from dotlib.training import settings as training_settings
from dotlib.training.recipes import ImageRecipe
from dotlib.training.settings import ImageTraining
from dotlib.training.trainer import Trainer


def fused(trainer: Trainer) -> None:
    """Adam in one kernel."""
    for optimiser in trainer.optimisers.values():
        for group in optimiser.param_groups:
            group.update(fused=True, foreach=False)


def channels_last(trainer: Trainer) -> None:
    """Weights, and with them activations, in the order of channels last."""
    for network in (trainer.G, trainer.D):
        network.to(memory_format=torch.channels_last)


def bfloat16(trainer: Trainer) -> None:
    """Both networks under autocast; losses and weights stay float32."""
    kind = torch.device(trainer.device).type

    def under(forward: Callable) -> Callable:
        def cast(x: torch.Tensor) -> torch.Tensor:
            with torch.autocast(kind, torch.bfloat16):
                return forward(x).float()

        return cast

    for network in (trainer.G, trainer.D):
        network.forward = under(network.forward)


def compiled(trainer: Trainer) -> None:
    """Both networks compiled, their graphs captured. On a CPU that takes minutes and gains none."""
    if trainer.device == "cpu":
        raise InputError("only on an accelerator")
    for network in (trainer.G, trainer.D):
        network.forward = torch.compile(network.forward, mode="reduce-overhead")


SETTINGS: dict[str, tuple[Callable[[Trainer], None], ...]] = {
    "as it runs": (),
    "fused": (fused,),
    "channels last": (channels_last,),
    "bfloat16": (bfloat16,),
    "compiled": (compiled,),
    "all but compiled": (fused, channels_last, bfloat16),
}


def make(settings: ImageTraining, changes: tuple, device: str) -> Trainer:
    """A trainer on random images, changed."""
    side = 8 * settings.bottom
    images = torch.rand(1_000, settings.channels, side, side, generator=generator(0, "images"))

    def draw(n: int, rng: torch.Generator) -> tuple[torch.Tensor]:
        return (images[torch.randint(len(images), (n,), generator=rng)] * 2 - 1,)

    G, D = ImageRecipe(settings).networks()
    trainer = Trainer(settings, G, D, ImageRecipe(settings).prior, draw, device)
    for change in changes:
        change(trainer)
    return trainer


def timed(trainer: Trainer, updates: int) -> float:
    """Real images that D saw in a second; of this process's own seconds on a CPU."""
    cpu = trainer.device == "cpu"
    wait, clock = (nullcontext, time.process_time) if cpu else (torch.cuda.synchronize, time.perf_counter)
    wait()
    start = clock()
    for _ in range(updates):
        trainer.step()
    wait()
    seen = updates * trainer.settings.critic_updates * trainer.settings.batch_size
    return seen / (clock() - start)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", default="cifar10-dcgan-sngan-hi")
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=4, help="updates of G in a round")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(1)
    settings = training_settings.settings_of(options.pair, options.profile, 0)
    if not isinstance(settings, ImageTraining):
        raise InputError(f"--pair: {options.pair!r} is no image pair; name cifar10-dcgan-sngan-hi")
    trainers, rates = {}, {}
    for name, changes in SETTINGS.items():
        try:
            trainers[name] = make(settings, changes, options.device)
            timed(trainers[name], 2)  # compiles, chooses kernels
            rates[name] = []
        except (RuntimeError, InputError) as error:  # what torch lacks here is a line too
            print(f"{name:18} not here: {str(error).splitlines()[0][:80]}")
    for _ in range(options.rounds):
        for name, times in rates.items():
            times.append(timed(trainers[name], options.updates))
    base = statistics.median(rates["as it runs"])
    for name, found in rates.items():
        middle = statistics.median(found)
        print(f"{name:18} {middle:9,.0f} img/s  x {middle / base:.2f}")


if __name__ == "__main__":
    main()
