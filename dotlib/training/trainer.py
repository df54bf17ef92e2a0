"""One training loop for every objective: resumable, logged, and bit-identical after a kill.

Order as in the official code: the discriminator's updates first, each on fresh reals and fresh fakes, then one update
of the generator on new latents ([DOT19] eqs. 3, 4).
"""

import contextlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from dotlib.errors import FileError, InputError, check_count, check_option, one_line, refuse_difference
from dotlib.pairs import Prior, rowwise
from dotlib.results import files
from dotlib.seeding import generator
from dotlib.training import checkpoints
from dotlib.training.objectives import OBJECTIVES, gradient_penalty
from dotlib.training.settings import Training

Draw = Callable[[int, torch.Generator], tuple[Tensor, ...]]
Score = Callable[[nn.Module], dict[str, float]]


@dataclass
class Trainer:
    """The state of one training, and its two updates."""

    settings: Training
    G: nn.Module  # its present weights are the start, as those of D
    D: nn.Module
    prior: Prior
    draw_real: Draw  # (n, rng) -> (x,), training data (n, ...), or (x, y) with labels (n,); rng is the trainer's own
    device: str = "cpu"  # to which G and D go
    classes: int = 0  # of a conditional pair, G(z, y) and D(x, y); 0: neither takes labels
    update: int = 0  # finished updates of G
    rng: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        s = self.settings
        check_option("objective", s.objective, OBJECTIVES)
        for name in ("critic_updates", "warmup_critic_updates", "batch_size"):
            check_count(name, getattr(s, name))
        check_count("classes", self.classes, 0)
        if self.classes and s.gp_weight:
            raise InputError(f"gp_weight: found {s.gp_weight}; the gradient penalty has no labels, pass 0 with classes")
        self.objective = OBJECTIVES[s.objective]
        self.rng = generator(s.seed, "training", s.dataset, *s.row)
        self.networks = {"G": self.G.to(self.device).train(), "D": self.D.to(self.device).train()}
        rates, betas = s.lr_at(0), (float(s.beta1), float(s.beta2))
        self.optimisers = {
            role: torch.optim.Adam(network.parameters(), rates[role], betas, weight_decay=s.decay)
            for role, network in self.networks.items()
        }

    def step(self) -> dict[str, float]:
        """All updates of D that belong to the next update of G, then that one.

        Returns the last V_D, the penalty, and V_G. Raises InputError when one is not finite.
        """
        critic_updates = self.settings.critic_updates_at(self.update)
        for role, lr in self.settings.lr_at(self.update).items():
            self.optimisers[role].param_groups[0]["lr"] = lr
        *_, (value, penalty) = (self._update_discriminator() for _ in range(critic_updates))
        values = {"V_D": float(value), "penalty": float(penalty), "V_G": float(self._update_generator())}
        self.update += 1
        if not all(map(math.isfinite, values.values())):
            raise InputError(
                f"settings: training diverged at update {self.update} ({values}); lower lr_D or raise gp_weight"
            )
        return values

    def _update_discriminator(self) -> tuple[Tensor, Tensor]:
        """One ascent step of V_D - gp_weight penalty, eq. (3)."""
        s = self.settings
        real, *labels = self._reals()
        with torch.no_grad():
            fake, *drawn = self._fakes()
        logits = self._logits(torch.cat([real, fake]), *map(torch.cat, zip(labels, drawn, strict=True)))
        value = self.objective.critic_value(logits[: len(real)], logits[len(real) :])
        penalty = torch.zeros(())
        if s.gp_weight:
            penalty = gradient_penalty(self.D, real, fake, target=s.gp_target, rng=self.rng)
        self.optimisers["D"].zero_grad()
        (s.gp_weight * penalty.to(value) - value).backward()
        self.optimisers["D"].step()
        return value.detach(), penalty.detach()

    def _update_generator(self) -> Tensor:
        """One descent step of V_G, eq. (4). D's weights take no gradient."""
        self.D.requires_grad_(False)
        value = self.objective.generator_value(self._logits(*self._fakes()))
        self.optimisers["G"].zero_grad()
        value.backward()
        self.optimisers["G"].step()
        self.D.requires_grad_(True)
        return value.detach()

    def _latents(self) -> Tensor:
        return self.prior.sample(self.settings.batch_size, self.rng).to(self.device)

    def _reals(self) -> tuple[Tensor, ...]:
        drawn = tuple(part.to(self.device) for part in self.draw_real(self.settings.batch_size, self.rng))
        if len(drawn) != 1 + bool(self.classes):
            wanted = "(x, y)" if self.classes else "(x,)"
            raise InputError(f"draw_real: found {len(drawn)} parts with {self.classes} classes; return {wanted}")
        return drawn

    def _fakes(self) -> tuple[Tensor, ...]:
        """(G(z),), or (G(z, y), y) with uniform labels."""
        z = self._latents()
        if not self.classes:
            return (self.G(z),)
        y = torch.randint(self.classes, (len(z),), generator=self.rng).to(self.device)
        return self.G(z, y), y

    def _logits(self, x: Tensor, *y: Tensor) -> Tensor:
        return rowwise(self.D(x, *y), len(x))

    def state(self) -> tuple[dict[str, Tensor], dict]:
        """Everything that the next step depends on, as tensors and JSON."""
        tensors = {}
        for role, network in self.networks.items():
            tensors |= {f"{role}.{name}": t for name, t in network.state_dict().items()}
            for index, entry in self.optimisers[role].state_dict()["state"].items():
                tensors |= {f"adam_{role}.{index}.{name}": t for name, t in entry.items()}
        tensors |= {"rng.training": self.rng.get_state(), "rng.torch": torch.get_rng_state()}
        if torch.cuda.is_available():
            tensors["rng.cuda"] = torch.cuda.get_rng_state()
        return tensors, {"settings": asdict(self.settings), "update": self.update}

    def restore(self, tensors: dict[str, Tensor], meta: dict) -> None:
        """Continue from what `state` gave. Raises SettingsDifferError, and FileError where it is of other networks."""
        refuse_difference("training state", meta.get("settings", {}), asdict(self.settings))
        try:
            for role, network in self.networks.items():
                network.load_state_dict(checkpoints.part(f"{role}.", tensors))
                optimiser, entries = self.optimisers[role], {}
                for name, t in checkpoints.part(f"adam_{role}.", tensors).items():
                    index, _, key = name.partition(".")
                    entries.setdefault(int(index), {})[key] = t
                optimiser.load_state_dict({"state": entries, "param_groups": optimiser.state_dict()["param_groups"]})
            self.rng.set_state(tensors["rng.training"])
            torch.set_rng_state(tensors["rng.torch"])
            if "rng.cuda" in tensors and torch.cuda.is_available():
                torch.cuda.set_rng_state(tensors["rng.cuda"])
            self.update = meta["update"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise FileError(
                f"training state: it does not fit these networks ({one_line(error)}); delete it and train again"
            ) from error


def train(
    trainer: Trainer,
    folder: Path,
    *,
    score: Score | None = None,
    score_every: int = 100,
    log_every: int = 10,
    checkpoint_seconds: float = 20.0,
    milestones: int = 0,
    along: Path | None = None,
) -> None:
    """Run `trainer` to its last update, continuing what `folder` holds.

    Killed at any moment, the same call continues; on a CPU the end is bit-identical to an uninterrupted run. The folder
    gets `state.safetensors` after `checkpoint_seconds` or more, and `log.jsonl`. `score`, G -> named numbers, is logged
    every `score_every` updates and at the end; it must not draw from the trainer's generator. The folder `along` gets G
    and D at `milestones` times, evenly spaced. Raises SettingsDifferError when `folder` holds a run of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state_file, log_file = folder / "state.safetensors", folder / "log.jsonl"
    if state_file.exists():
        trainer.restore(*checkpoints.load(state_file))
    _truncate_log(log_file, trainer.update)
    total, title, saved = trainer.settings.generator_updates, f"train {trainer.settings.dataset}", time.monotonic()
    kept = {total * (i + 1) // milestones for i in range(milestones)}
    bar = tqdm(total=total, initial=trainer.update, desc=title, unit="update", disable=None)
    with bar, log_file.open("a", encoding="utf-8") as log:
        while trainer.update < total:
            values = trainer.step()
            bar.update()
            at, last = trainer.update, trainer.update == total
            if score is not None and (last or at % score_every == 0):
                values |= score(trainer.G)
            if last or at % log_every == 0:
                log.write(json.dumps({"update": at, **values}) + "\n")
                log.flush()
            if at in kept and along is not None:
                tensors, meta = trainer.state()
                checkpoints.save(along / f"{at:08d}.safetensors", weights(tensors), meta)
            if last or time.monotonic() - saved >= checkpoint_seconds:
                checkpoints.save(state_file, *trainer.state())
                saved = time.monotonic()


def read_log(folder: Path) -> list[dict[str, float]]:
    """The rows of a training log, oldest first."""
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of G and D, of all that a state holds."""
    return {name: t for name, t in tensors.items() if name.startswith(("G.", "D."))}


def _truncate_log(log_file: Path, update: int) -> None:
    """Drop what was logged after the saved state, and a line that a kill cut short."""
    if not log_file.exists():
        return
    kept = []
    with contextlib.suppress(ValueError):  # of the cut line, which is the last
        for line in log_file.read_text(encoding="utf-8").splitlines():
            if json.loads(line)["update"] <= update:
                kept.append(line + "\n")
    files.write_text(log_file, "".join(kept))
