"""The training loop: killed at any moment it ends as if it had not been.

Kinds of test: invariances (kill and resume, against the run that was left alone), identities (each
update touches its own network), second method (one step of D by hand), failures.

Run as a program, this file is the driver of the kills: it forks trainings and ends them by signal.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from dotlib.errors import FileError, InputError, SettingsDifferError, refuse_difference
from dotlib.networks.mlp import MLP
from dotlib.pairs import Uniform
from dotlib.results import files
from dotlib.seeding import generator
from dotlib.training import checkpoints, recipes, trainer
from dotlib.training.objectives import OBJECTIVES
from dotlib.training.schedules import MLPTraining
from dotlib.training.settings import Training, settings_of
from dotlib.training.trainer import Trainer, read_log, train

UPDATES, KILLS = 20, 20
SETTINGS = Training(
    "ring",
    generator_updates=UPDATES,
    critic_updates=2,
    warmup_updates=3,
    warmup_critic_updates=4,
    batch_size=16,
    gp_weight=0.1,
    lr_G=1e-3,
    lr_D=1e-3,
)


def ring(n: int, rng: torch.Generator) -> tuple[torch.Tensor]:
    angle = 6.28318 * torch.rand(n, generator=rng)
    return (torch.stack([angle.cos(), angle.sin()], dim=1),)


def small_trainer(settings: Training = SETTINGS, D: nn.Module | None = None, G: nn.Module | None = None) -> Trainer:
    G = G or MLP(2, 8, 2, hidden=1, rng=generator(settings.seed, "G"))
    D = D or MLP(2, 8, 1, hidden=1, rng=generator(settings.seed, "D"))
    trainer = Trainer(settings, G, D, Uniform(2), ring)
    torch.manual_seed(1)  # as a new process has one state, whatever drew before
    return trainer


def run(folder: Path, trainer: Trainer | None = None) -> Trainer:
    """Train with a state and a log line after every update."""
    trainer = trainer or small_trainer()
    train(trainer, folder, log_every=1, checkpoint_seconds=0, score_every=4, score=norm_of)
    return trainer


def norm_of(G: nn.Module) -> dict[str, float]:
    return {"norm": float(sum(p.detach().square().sum() for p in G.parameters()))}


def assert_same_end(folder: Path, reference: Path) -> None:
    """Bit for bit: weights, both Adam states, generators, settings, and every row of the log."""
    tensors, meta = checkpoints.load(folder / "state.safetensors")
    expected, expected_meta = checkpoints.load(reference / "state.safetensors")
    assert tensors.keys() == expected.keys()
    differing = [name for name, t in tensors.items() if not torch.equal(t, expected[name])]
    assert differing == []
    assert meta == expected_meta and meta["update"] == UPDATES
    assert (folder / "log.jsonl").read_bytes() == (reference / "log.jsonl").read_bytes()


@pytest.fixture(autouse=True)
def _global_generator_as_before():
    with torch.random.fork_rng(devices=[]):
        yield


# --- kills: the driver -------------------------------------------------------------------------


def watched_training(folder: Path, pipe: int) -> None:
    """A training that reports "u" before each update and "w" inside each writing of a state.

    It pauses after "w", with a temporary file half written, so that a kill can arrive there.
    """
    step, write = Trainer.step, os.fdopen

    def reporting_step(self):
        os.write(pipe, b"u")
        return step(self)

    class SlowFile:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            os.write(pipe, b"w")
            time.sleep(0.005)
            return self.file.write(content[len(content) // 2 :])

        def __getattr__(self, name):
            return getattr(self.file, name)

    Trainer.step = reporting_step
    files.os.fdopen = lambda *arguments: SlowFile(write(*arguments))
    run(folder)


def killed_at(folder: Path, tag: bytes, count: int, delay: float, sign: int) -> dict:
    """Start a training, send it `sign` `delay` seconds after its `count`-th report of `tag`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with open(os.devnull, "w") as silence:
            os.dup2(silence.fileno(), 2)
        if sign == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            watched_training(folder, writer)
            os._exit(0)
        except KeyboardInterrupt:
            os._exit(130)
        finally:
            os._exit(1)
    os.close(writer)
    seen = 0
    while seen < count and (byte := os.read(reader, 1)):
        seen += byte == tag
    time.sleep(delay)
    os.kill(child, sign)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(reader)
    update = 0
    if (folder / "state.safetensors").exists():
        update = checkpoints.load(folder / "state.safetensors")[1]["update"]
    halves = len(list(folder.glob(".state.safetensors.*.part")))
    return {"status": status, "update": update, "halves": halves, "tag": tag.decode()}


def driver(folder: Path) -> None:
    """One run left alone, then KILLS runs that are killed once, and one that is killed often."""
    torch.set_num_threads(1)
    small_trainer()  # torch imports a good part of itself here: once, before the forks
    draw = random.Random(20191)  # the same moments on every machine, up to its speed
    run_child(folder / "alone")
    reports = []
    for kill in range(KILLS):
        tag = b"w" if kill % 3 == 0 else b"u"
        reports.append(
            killed_at(folder / f"kill{kill}", tag, draw.randint(1, UPDATES - 1), draw.uniform(0, 0.004), signal.SIGKILL)
        )
        run_child(folder / f"kill{kill}")
    for kill in range(6):
        reports.append(killed_at(folder / "often", b"uw"[kill % 2 :][:1], 3, 0, signal.SIGKILL))
    run_child(folder / "often")
    for name, sign in (("int", signal.SIGINT), ("term", signal.SIGTERM)):
        reports.append(killed_at(folder / name, b"u", 9, 0, sign))
        run_child(folder / name)
    (folder / "reports.json").write_text(json.dumps(reports))


def run_child(folder: Path) -> None:
    """Train to the end in a process of its own, as after a restart."""
    child = os.fork()
    if child == 0:
        try:
            run(folder)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, folder


# --- kills: the tests --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kills(tmp_path_factory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp("kills")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, str(folder)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "reports.json").read_text())


@pytest.mark.parametrize("kill", [*range(KILLS), "often", "int", "term"])
def test_killed_run_resumes_bit_identically(kills, kill):
    folder, _ = kills
    name = f"kill{kill}" if isinstance(kill, int) else kill
    assert_same_end(folder / name, folder / "alone")


def test_the_kills_hit_running_trainings_and_half_written_files(kills):
    _, reports = kills
    dead = [report for report in reports if report["status"] == -signal.SIGKILL]
    assert len(dead) == KILLS + 6
    assert all(report["update"] < UPDATES for report in dead)
    assert len({report["update"] for report in dead}) >= 8  # moments all along the run
    # a pause of 5 ms after "w" and a delay below 4 ms: most of these end in the pause
    assert sum(report["halves"] > 0 for report in dead if report["tag"] == "w") >= 3
    assert reports[-2]["status"] == 130 and reports[-1]["status"] == -signal.SIGTERM


def test_the_end_does_not_depend_on_the_process(kills, tmp_path):
    """The test process trains the same as the driver's child did."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    run(tmp_path / "here")
    torch.set_num_threads(threads)
    tensors, _ = checkpoints.load(tmp_path / "here" / "state.safetensors")
    expected, _ = checkpoints.load(kills[0] / "alone" / "state.safetensors")
    for name in ("G.0.weight", "D.2.weight", "adam_D.0.exp_avg_sq", "rng.training"):
        assert torch.equal(tensors[name], expected[name])


# --- resuming, inside one process --------------------------------------------------------------


class Stateful(nn.Module):
    """A D whose next output depends on torch's global generator and on buffers."""

    def __init__(self) -> None:
        super().__init__()
        rng = generator(3, "stateful")
        self.first, self.last = MLP(2, 8, 8, hidden=1, rng=rng), MLP(8, 1, 1, hidden=0, rng=rng)
        nn.utils.parametrizations.spectral_norm(self.last[0])
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.5)

    def forward(self, x):
        return self.last(self.drop(self.norm(self.first(x))))


def stop_after(trainer: Trainer, folder: Path, updates: int) -> None:
    """Run until an error after `updates` more updates."""
    calls = iter(range(updates))
    step = trainer.step

    def stopping():
        if next(calls, None) is None:
            raise RuntimeError("stop")
        return step()

    trainer.step = stopping
    with pytest.raises(RuntimeError, match="^stop$"):
        run(folder, trainer)


def stateful_run(folder: Path, stop: int | None) -> None:
    settings = replace(SETTINGS, gp_weight=0.0)
    if stop:
        torch.manual_seed(5)  # from here spectral_norm draws its vectors
        stop_after(small_trainer(settings, Stateful()), folder, stop)
    torch.manual_seed(77 if stop else 5)
    run(folder, small_trainer(settings, Stateful()))


@pytest.mark.parametrize("stop", [1, 11])
def test_spectral_vectors_batch_statistics_and_global_generator_are_restored(tmp_path, stop):
    stateful_run(tmp_path / "alone", None)
    stateful_run(tmp_path / "stopped", stop)
    assert_same_end(tmp_path / "stopped", tmp_path / "alone")
    names = checkpoints.load(tmp_path / "alone" / "state.safetensors")[0]
    assert {"D.norm.running_mean", "D.last.0.parametrizations.weight.0._u"} <= names.keys()


def normalised(outputs: int) -> nn.Module:
    """A network of square normalised layers, whose vectors one power iteration does not bring to their limit."""
    network = MLP(2, 8, outputs, hidden=3, rng=generator(4, str(outputs)))
    for part in network:
        if isinstance(part, nn.Linear):
            nn.utils.parametrizations.spectral_norm(part)  # draws its vectors from torch's global generator
    return network


def test_spectral_vectors_of_both_networks_are_restored(tmp_path):
    """The resumed process has other vectors at first; after a step they would have left other weights."""

    def start(seed: int) -> Trainer:
        torch.manual_seed(seed)
        return small_trainer(replace(SETTINGS, gp_weight=0.0), normalised(1), normalised(2))

    run(tmp_path / "alone", start(5))
    stop_after(start(5), tmp_path / "stopped", 7)
    tensors = checkpoints.load(tmp_path / "stopped" / "state.safetensors")
    resumed = start(77)
    resumed.restore(*tensors)
    for role, network in resumed.networks.items():
        vectors = {name: t for name, t in network.state_dict().items() if name.endswith(("._u", "._v"))}
        lost = [name for name, t in vectors.items() if not torch.equal(t, tensors[0][f"{role}.{name}"])]
        assert len(vectors) == 8 and lost == [], f"not restored in {role}: {lost}"
    run(tmp_path / "stopped", start(77))
    assert_same_end(tmp_path / "stopped", tmp_path / "alone")


def test_resuming_twice_changes_nothing(tmp_path):
    run(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(tmp_path).update == UPDATES
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("rest", ['{"update": 10, "V_D": 9.0}\n{"update": 11, "V_', '{"upda', "{"])
def test_what_was_logged_after_the_saved_state_is_dropped(tmp_path, rest):
    """Whole lines that no saved state holds, and lines that a kill cut short."""
    run(tmp_path / "alone")
    stop_after(small_trainer(), tmp_path / "cut", 9)
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write(rest)
    run(tmp_path / "cut")
    assert_same_end(tmp_path / "cut", tmp_path / "alone")


def test_a_line_without_its_end_of_line_is_repaired(tmp_path):
    run(tmp_path / "alone")
    stop_after(small_trainer(), tmp_path / "cut", 9)
    log = tmp_path / "cut" / "log.jsonl"
    log.write_text(log.read_text().removesuffix("\n"))
    run(tmp_path / "cut")
    assert_same_end(tmp_path / "cut", tmp_path / "alone")


def test_a_kill_while_the_log_is_cut_loses_no_row(tmp_path, monkeypatch):
    """The log is replaced whole; it was once emptied first, and then written."""
    stop_after(small_trainer(), tmp_path, 9)
    before = read_log(tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert read_log(tmp_path) == before and len(before) == 9


def test_crash_while_a_state_is_written_keeps_the_state_before(tmp_path, monkeypatch):
    stop_after(small_trainer(), tmp_path / "cut", 5)
    for stage in ("fsync", "chmod", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(files.os, stage, disk_full)
            with pytest.raises(OSError, match="disk full"):
                run(tmp_path / "cut")
        assert checkpoints.load(tmp_path / "cut" / "state.safetensors")[1]["update"] == 5
    run(tmp_path / "cut")
    run(tmp_path / "alone")
    assert_same_end(tmp_path / "cut", tmp_path / "alone")


def disk_full(*_):
    raise OSError("disk full")


# --- one step ----------------------------------------------------------------------------------


def copies(trainer: Trainer, role: str) -> dict[str, torch.Tensor]:
    tensors, _ = trainer.state()
    return {name: t.clone() for name, t in tensors.items() if name.startswith((f"{role}.", f"adam_{role}."))}


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_each_update_touches_its_own_network_only(objective):
    trainer = small_trainer(replace(SETTINGS, objective=objective))
    trainer.step()
    for update, own, other in ((trainer._update_discriminator, "D", "G"), (trainer._update_generator, "G", "D")):
        own_before, other_before = copies(trainer, own), copies(trainer, other)
        update()
        own_after, other_after = copies(trainer, own), copies(trainer, other)
        assert all(torch.equal(other_before[name], t) for name, t in other_after.items())
        assert all(
            not torch.equal(own_before[f"{own}.{name}"], own_after[f"{own}.{name}"])
            for name in ("0.weight", "2.weight")
        )
    assert all(parameter.requires_grad for parameter in trainer.D.parameters())


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_every_objective_trains(objective):
    """D learns to separate a G that stands far off: V_D rises. Then G follows: it comes closer."""
    settings = replace(SETTINGS, objective=objective, lr_D=1e-2, lr_G=1e-2, gp_weight=0.01)
    trainer = small_trainer(settings)
    with torch.no_grad():
        trainer.G[-1].bias.fill_(4.0)
    values = [float(trainer._update_discriminator()[0]) for _ in range(60)]
    assert sum(values[-5:]) / 5 > sum(values[:5]) / 5 + 0.5

    def distance() -> float:
        with torch.no_grad():
            return float(trainer.G(Uniform(2).sample(200, generator(0, "far"))).norm(dim=1).mean())

    start = distance()
    for _ in range(30):
        trainer._update_generator()
    assert distance() < start - 0.5


def test_one_critic_update_by_hand():
    """The scalar critic D(x) = w x on G = -0.3, WGAN, penalty 3 (|w| - 2)^2, in closed form.

    V_D = w (x + 0.3), and the penalty's derivative is 6 (|w| - 2) sign(w). Adam's first step is
    -lr g/(|g| + 1e-8): its sign is the gradient's and its size is lr to 1e-6 relative.
    """
    settings = replace(SETTINGS, gp_weight=3.0, gp_target=2.0, lr_D=0.01)
    for w, x, sign in ((0.5, -1.0, 1), (0.5, -20.0, -1), (1.9, 0.1, 1), (1.9, 1.0, 1), (2.5, 1.0, -1), (2.5, 5.0, 1)):
        D, G = MLP(1, 1, 1, hidden=0), MLP(1, 1, 1, hidden=0)
        with torch.no_grad():
            D[0].weight.fill_(w)
            G[0].weight.zero_()
            G[0].bias.fill_(-0.3)
            D[0].bias.fill_(7.0)  # V_D is a difference: it drops out
        trainer = Trainer(settings, G, D, Uniform(1), lambda n, rng, x=x: (torch.full((n, 1), x),))
        value, penalty = trainer._update_discriminator()
        assert sign * (x + 0.3 - 6 * (w - 2)) > 0  # the case is what it says
        assert D[0].weight.item() - w == pytest.approx(sign * 0.01, rel=1e-4)  # float32 weights
        assert float(value) == pytest.approx(w * (x + 0.3), rel=1e-5, abs=1e-5)
        assert float(penalty) == pytest.approx((w - 2) ** 2, rel=1e-4)


# --- labels ------------------------------------------------------------------------------------


class Slopes(nn.Module):
    """D(x | y) = w_y x, or G(z | y) = w_y, one number a row; it remembers the labels that it is given."""

    def __init__(self, *slopes: float, of_x: bool) -> None:
        super().__init__()
        self.w, self.of_x, self.seen = nn.Parameter(torch.tensor(slopes)), of_x, []

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        self.seen.append(y)
        return (self.w[y] * (x[:, 0] if self.of_x else 1))[:, None]


def slopes_trainer(**changes) -> Trainer:
    """Real points are 1 + label / 2, with labels 0, 1, 1, 0 again and again; class 2 has none."""
    settings = replace(SETTINGS, gp_weight=0.0, **changes)
    G, D = Slopes(-0.5, 0.25, 2.0, of_x=False), Slopes(1.0, 1.0, 1.0, of_x=True)
    labels = torch.tensor([0, 1, 1, 0]).repeat(settings.batch_size // 4)
    return Trainer(settings, G, D, Uniform(1), lambda n, rng: (1 + labels[:n, None] / 2, labels[:n]), classes=3)


def test_each_network_gets_the_labels_of_its_rows():
    trainer = slopes_trainer()
    for _ in range(40):
        trainer._update_discriminator()
        trainer._update_generator()
        fakes, critics = trainer.G.seen[-2:], trainer.D.seen[-2:]
        assert torch.equal(critics[0], torch.cat([torch.tensor([0, 1, 1, 0]).repeat(4), fakes[0]]))
        assert torch.equal(critics[1], fakes[1]) and not torch.equal(*fakes)
    drawn = torch.cat(trainer.G.seen)  # 1,280 uniform labels of three: each count is 427, s.d. 17
    assert drawn.unique().tolist() == [0, 1, 2] and int(drawn.bincount().max() - drawn.bincount().min()) < 100


def test_one_critic_update_with_labels_by_hand():
    """WGAN, D(x | y) = w_y x: dV_D/dw_k = mean x over reals of class k - mean G over fakes of class k, shares counted.

    Adam's first step is lr along the sign of that, and nothing where it is 0.
    """
    trainer = slopes_trainer(lr_D=0.01, objective="wgan")
    value, _ = trainer._update_discriminator()
    n, (fake,) = 16, trainer.G.seen
    counts = fake.bincount(minlength=3)
    slopes = [1.0 * 8 / n + 0.5 * counts[0] / n, 1.5 * 8 / n - 0.25 * counts[1] / n, -2.0 * counts[2] / n]
    assert float(value) == pytest.approx(float(sum(slopes)), rel=1e-6)  # w = 1 everywhere
    moved = trainer.D.w.detach() - 1
    assert moved.tolist() == pytest.approx([0.01 if slope > 0 else -0.01 for slope in slopes], rel=1e-4)


def test_a_conditional_training_is_resumed_bit_for_bit(tmp_path):
    """The pair of the zoo with its spectral vectors, batch statistics and drawn labels."""
    settings = replace(settings_of("digits-cond-hi", "smoke"), generator_updates=UPDATES, critic_updates=2)

    def start(seed: int) -> Trainer:
        torch.manual_seed(seed)  # from here spectral norm draws its vectors
        return recipes.trainer(settings)

    run(tmp_path / "alone", start(5))
    stop_after(start(5), tmp_path / "stopped", 7)
    run(tmp_path / "stopped", start(77))
    assert_same_end(tmp_path / "stopped", tmp_path / "alone")


@pytest.mark.parametrize("name", ["swissroll-wgan-gp", "digits-resnet-sagan-hi"])
def test_without_labels_a_step_draws_what_it_always_drew(name):
    """Reals, then latents, for each update of D; latents for G; the penalty's mixing weights where there is one.

    So a training of the pairs that came before conditional ones has the same bits.
    """
    settings = replace(settings_of(name, "smoke"), warmup_updates=0, critic_updates=2)
    trainer = recipes.trainer(settings)
    rng = torch.Generator()
    rng.set_state(trainer.rng.get_state())
    trainer.step()
    rows = settings.data_size or 1_197  # digits in "train"
    for _ in range(settings.critic_updates):
        torch.randint(rows, (settings.batch_size,), generator=rng)
        trainer.prior.sample(settings.batch_size, rng)
        if settings.gp_weight:
            torch.rand(settings.batch_size, generator=rng)
    trainer.prior.sample(settings.batch_size, rng)
    assert torch.equal(rng.get_state(), trainer.rng.get_state())


def test_labels_that_do_not_fit_are_refused():
    for draw, classes, message in (
        (ring, 3, r"^draw_real: found 1 parts with 3 classes; return \(x, y\)$"),
        (
            lambda n, rng: (*ring(n, rng), torch.zeros(n)),
            0,
            r"^draw_real: found 2 parts with 0 c.*; return \(x,\)$",
        ),
    ):
        trainer = Trainer(
            replace(SETTINGS, gp_weight=0.0), MLP(2, 8, 2), MLP(2, 8, 1), Uniform(2), draw, "cpu", classes
        )
        with pytest.raises(InputError, match=message):
            trainer.step()
    with pytest.raises(InputError, match=r"^gp_weight: found 0\.1; the gradient penalty has no labels, pass 0 with"):
        Trainer(SETTINGS, MLP(2, 8, 2), MLP(2, 8, 1), Uniform(2), ring, classes=3)
    with pytest.raises(InputError, match="^classes: expected an integer >= 0, found -1"):
        Trainer(SETTINGS, MLP(2, 8, 2), MLP(2, 8, 1), Uniform(2), ring, classes=-1)


def test_schedule_of_critic_updates(monkeypatch):
    """[DOT19] B.1: 100 updates of D for each of the first 25 of G, then 10."""
    published = Training("25gaussians")
    counts = [published.critic_updates_at(update) for update in range(30)]
    assert counts == [100] * 25 + [10] * 5
    done = []
    discriminator, gen = Trainer._update_discriminator, Trainer._update_generator
    monkeypatch.setattr(Trainer, "_update_discriminator", lambda self: (done.append("D"), discriminator(self))[1])
    monkeypatch.setattr(Trainer, "_update_generator", lambda self: (done.append("G"), gen(self))[1])
    trainer = small_trainer()
    for _ in range(5):
        trainer.step()
    assert "".join(done) == "DDDDG" * 3 + "DDG" * 2
    assert trainer.update == 5


def test_two_learning_rates():
    trainer = small_trainer(replace(SETTINGS, lr_G=1e-5, lr_D=2e-2, beta1=0, beta2=0.9))
    groups = {role: o.param_groups[0] for role, o in trainer.optimisers.items()}
    assert (groups["G"]["lr"], groups["D"]["lr"]) == (1e-5, 2e-2)
    assert groups["D"]["betas"] == (0.0, 0.9)
    before = small_trainer().D[0].weight.detach().clone()
    trainer._update_discriminator()
    moved = (trainer.D[0].weight.detach() - before).abs()
    assert float(moved.max()) == pytest.approx(2e-2, rel=1e-3)  # Adam's first step is lr


def test_scores_and_log_rows_come_at_their_updates(tmp_path):
    trainer = small_trainer(replace(SETTINGS, generator_updates=18))
    train(trainer, tmp_path, log_every=4, score_every=8, score=norm_of)
    rows = read_log(tmp_path)
    assert [row["update"] for row in rows] == [4, 8, 12, 16, 18]
    assert [row["update"] for row in rows if "norm" in row] == [8, 16, 18]
    assert {"V_D", "V_G", "penalty"} <= rows[0].keys()


def test_states_are_saved_no_more_often_than_asked(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(trainer.checkpoints, "save", lambda *_: saved.append(1))
    train(small_trainer(), tmp_path / "rare", checkpoint_seconds=3600)
    assert len(saved) == 1  # the end
    train(small_trainer(), tmp_path / "each", checkpoint_seconds=0)
    assert len(saved) == 1 + UPDATES


# --- failures ----------------------------------------------------------------------------------


def test_other_settings_are_refused_naming_the_difference(tmp_path):
    stop_after(small_trainer(), tmp_path, 2)
    kept = (tmp_path / "state.safetensors").read_bytes()
    other = replace(SETTINGS, lr_D=5e-4, seed=1)
    with pytest.raises(
        SettingsDifferError,
        match=r"lr_D: stored 0.001, wanted 0.0005; seed: stored 0, "
        "wanted 1",
    ) as caught:
        run(tmp_path, small_trainer(other))
    assert "\n" not in str(caught.value) and "batch_size" not in str(caught.value)
    assert (tmp_path / "state.safetensors").read_bytes() == kept
    assert len(read_log(tmp_path)) == 2


def test_refuse_difference_counts_a_missing_field():
    refuse_difference("x", {"a": 1}, {"a": 1})
    with pytest.raises(SettingsDifferError, match="b: stored None, wanted 2"):
        refuse_difference("x", {"a": 1}, {"a": 1, "b": 2})


FALLING = MLPTraining(
    "ring", generator_updates=UPDATES, critic_updates=2, batch_size=16, lr_G=2e-3, lr_D=1e-3, lr_last=1e-4,
    weight_decay=0.3, beta1=0.0, beta2=0.9,
)  # fmt: skip


@pytest.mark.parametrize("update", [0, 7, UPDATES - 1])
def test_the_step_of_an_update_is_that_of_its_settings_and_weights_decay(update):
    """Second method: the first step of Adam with beta1 = 0 is lr g / (|g| + eps), where g has the decay times w."""
    trainer = small_trainer(replace(FALLING, critic_updates=1))
    trainer.update, old = update, [p.detach().clone() for p in trainer.D.parameters()]
    old_G, rng = [p.detach().clone() for p in trainer.G.parameters()], trainer.rng.get_state()
    trainer.step()
    twin = small_trainer(replace(FALLING, critic_updates=1))
    twin.rng.set_state(rng)
    (real,) = twin.draw_real(16, twin.rng)
    loss = twin.D(twin.G(twin.prior.sample(16, twin.rng)).detach()).mean() - twin.D(real).mean()
    slopes = torch.autograd.grad(loss, list(twin.D.parameters()), allow_unused=True)
    lr = FALLING.lr_at(update)
    for new, before, slope in zip(trainer.D.parameters(), old, slopes, strict=True):
        g = 0.3 * before + (0 if slope is None else slope)
        torch.testing.assert_close(new.detach(), before - lr["D"] * g / (g.abs() + 1e-8), rtol=0, atol=1e-6)
    moved = max(float((p.detach() - q).abs().max()) for p, q in zip(trainer.G.parameters(), old_G, strict=True))
    assert moved == pytest.approx(lr["G"], rel=0.02)


def test_a_killed_training_goes_on_with_the_step_size_of_its_update(tmp_path):
    run(tmp_path / "whole", small_trainer(FALLING))
    stop_after(small_trainer(FALLING), tmp_path / "cut", 7)
    run(tmp_path / "cut", small_trainer(FALLING))
    assert_same_end(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize("field", ["lr_D", "lr_G"])
def test_divergence_is_an_error_and_the_last_good_state_stays(tmp_path, field):
    trainer = small_trainer(replace(SETTINGS, **{field: 1e30}))
    with pytest.raises(
        InputError,
        match=r"^settings: training diverged at update \d+ .*nan.*"
        "lower lr_D or raise gp_weight$",
    ) as caught:
        run(tmp_path, trainer)
    assert "\n" not in str(caught.value)
    state = tmp_path / "state.safetensors"
    assert not state.exists() or checkpoints.load(state)[1]["update"] < trainer.update


def test_wrong_settings_are_refused_by_name():
    for field, value, message in (
        ("objective", "wgam", "objective: unknown 'wgam'.*nearest: wgan"),
        ("critic_updates", 0, "critic_updates: expected an integer >= 1"),
        ("batch_size", -1, "batch_size: .* found -1"),
    ):
        with pytest.raises(InputError, match=message):
            small_trainer(replace(SETTINGS, **{field: value}))


def test_damaged_state_is_refused(tmp_path):
    stop_after(small_trainer(), tmp_path, 2)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(FileError, match="SHA-256"):
        run(tmp_path)


@pytest.mark.parametrize("change", ["shape", "missing", "extra", "generator", "foreign"])
def test_state_of_other_networks_is_refused_in_one_line(tmp_path, change):
    tensors, meta = small_trainer().state()
    if change == "shape":
        tensors["G.0.weight"] = torch.zeros(9, 2)
    elif change == "missing":
        del tensors["D.0.bias"]
    elif change == "extra":
        tensors["D.7.bias"] = torch.zeros(1)
    elif change == "generator":
        tensors["rng.training"] = tensors["rng.training"][:-1]
    else:
        del meta["update"]
    checkpoints.save(tmp_path / "state.safetensors", tensors, meta)
    with pytest.raises(FileError, match="^training state: it does not fit these networks") as caught:
        run(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_discriminator_with_a_wrong_shape_is_refused():
    with pytest.raises(InputError, match="discriminator: returned shape"):
        small_trainer(D=MLP(2, 8, 3)).step()


if __name__ == "__main__":
    driver(Path(sys.argv[1]))
