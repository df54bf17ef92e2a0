"""Trained pairs by name: loaded when they exist, trained once when they do not."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from dotlib import atomic, checkpoints, data, metrics, priors, provenance
from dotlib.catalog import path_of, settings_of
from dotlib.config import Training, refuse_difference
from dotlib.errors import BadFile, BadInput
from dotlib.networks import mlp
from dotlib.pairs import Pair
from dotlib.seeding import generator, numpy_rng
from dotlib.training import Trainer, read_log, train

SCORES, SCORE_SETS, SCORE_POINTS = 50, 4, 1_000  # along a training; sets and points of each


@dataclass(frozen=True)
class TrainedPair:
    """A pair and where it comes from.

    pair:      G, D, prior, in evaluation mode.
    settings:  how it was trained.
    path:      its file; sha256 is that file's digest, for records.
    log:       rows of the training log.
    made:      provenance and seconds of the training.
    """

    name: str
    pair: Pair
    settings: Training
    path: Path
    sha256: str
    log: list[dict[str, float]]
    made: dict


def pair(name: str, *, profile: str, seed: int = 0, device: str = "cpu") -> TrainedPair:
    """Load a pair, or train it first; a second process that wants it waits for the first.

    name:     one of `catalog.NAMES`, "<dataset>-wgan-gp".
    profile:  "smoke", "laptop" or "paper".
    device:   where it is trained, if it must be; the pair itself is loaded on the CPU.
    Raises BadInput for unknown names and devices, BadFile for a damaged artifact.
    """
    return candidate(name, settings_of(name, profile, seed), profile, device)


def candidate(name: str, settings: Training, profile: str, device: str = "cpu") -> TrainedPair:
    """`pair`, under settings of your own. The profile only opens the file's name."""
    path = path_of(name, settings, profile)
    if not path.exists():
        with atomic.only_maker(path):
            if not path.exists():
                make(settings, path, device)
    return load(name, settings, path)


def load(name: str, settings: Training, path: Path) -> TrainedPair:
    """Read a pair's file. Raises BadFile when damaged, SettingsDiffer when it is another's."""
    tensors, meta = checkpoints.load(path)
    refuse_difference(str(path), meta.get("settings", {}), asdict(settings))
    G, D = _networks(settings)
    try:
        for prefix, network in (("G.", G), ("D.", D)):
            network.load_state_dict({key[2:]: t for key, t in tensors.items() if key[:2] == prefix})
            network.eval().requires_grad_(False)
        log, made = meta["log"], meta["made"]
    except (KeyError, RuntimeError) as error:
        raise BadFile(f"{path}: does not hold this pair ({' '.join(str(error).split())}); "
                      "delete it and train again") from error
    return TrainedPair(name, Pair(G, D, priors.Uniform(2)), settings, path,
                       checkpoints.digest(path), log, made)


def make(settings: Training, path: Path, device: str = "cpu") -> None:
    """Train on one thread (fastest for networks of this size) and write the pair to `path`.

    The unfinished state lies beside it in `<path>.run`, and a killed training continues from it.
    Raises BadInput where torch has no such device.
    """
    _check_device(device)
    folder = path.with_suffix(".run")
    started, threads = time.monotonic(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trainer = toy_trainer(settings, device)
        train(trainer, folder, score=toy_score(settings),
              score_every=max(1, settings.generator_updates // SCORES))
    finally:
        torch.set_num_threads(threads)
    tensors, _ = trainer.state()
    weights = {name: t for name, t in tensors.items() if name[:2] in ("G.", "D.")}
    made = provenance.here(device) | {"seconds_since_resume": round(time.monotonic() - started, 1)}
    checkpoints.save(path, weights, {"settings": asdict(settings), "log": read_log(folder),
                                     "made": made})
    shutil.rmtree(folder)  # with what killed writers may have left in it


def toy_data(settings: Training) -> data.ToyData:
    """The training set of a 2-D pair: the same for every pair of one seed."""
    return data.toy(settings.dataset, numpy_rng(settings.seed, "data", settings.dataset),
                    size=settings.data_size, noise=settings.noise)


def toy_trainer(settings: Training, device: str = "cpu") -> Trainer:
    """Fresh networks of [DOT19] Table 4 and their trainer."""
    G, D = _networks(settings)
    points = toy_data(settings).points

    def draw_real(n: int, rng: torch.Generator) -> torch.Tensor:
        return points[torch.randint(len(points), (n,), generator=rng)]

    return Trainer(settings, G, D, priors.Uniform(2), draw_real, device)


def toy_score(settings: Training) -> Callable[[nn.Module], dict[str, float]]:
    """G's own score while it trains: mean EMD of 4 sets of 1,000 points against training points.

    Cost squared l2 as published. Latents and targets are the same at every call, and the Gaussians'
    targets hold 40 points of each mode, so that changes of G are not drowned by the draw.
    """
    rng = generator(settings.seed, "score", settings.dataset)
    training_set = toy_data(settings)
    sampling = "random" if training_set.modes is None else "balanced"
    n = min(SCORE_POINTS, len(training_set.points))
    sets = [(priors.Uniform(2).sample(n, rng), training_set.draw(n, rng, sampling=sampling))
            for _ in range(SCORE_SETS)]

    @torch.no_grad()
    def score(G: nn.Module) -> dict[str, float]:
        device = next(G.parameters()).device
        made = [G(z.to(device)).cpu() for z, _ in sets]
        return {"emd_g": sum(metrics.emd(y, x) for y, (_, x) in zip(made, sets, strict=True))
                / SCORE_SETS}

    return score


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(f"device: cannot use {device!r} ({reason}); use cpu, or cuda where there "
                       "is one") from error


def _networks(settings: Training) -> tuple[mlp.MLP, mlp.MLP]:
    """G and D as the training starts them."""
    return (mlp.toy_generator(generator(settings.seed, "weights", "G"), width=settings.width_G),
            mlp.toy_discriminator(generator(settings.seed, "weights", "D"),
                                  width=settings.width_D))
