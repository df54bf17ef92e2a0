"""The training of OT-GAN: rhythm, both players, batches, settings of the report.

Kinds of test: golden numbers (the report's settings), identities (whose weights change), second method (Adam's first
step by hand), invariances (stop and resume), failures.
"""

import math
from dataclasses import replace

import pytest
import torch

from dotlib.errors import FileError, InputError, SettingsDifferError
from dotlib.metrics.energy import minibatch_energy
from dotlib.seeding import generator
from dotlib.training import checkpoints, otgan
from dotlib.training.otgan import RUNS, OTGANTraining, is_critic_update
from dotlib.training.trainer import read_log, train

SMALL = OTGANTraining("digits", generator_updates=12, batch_size=4, width_G=8, width_D=8, lr_G=1e-3, lr_D=1e-3)


def weights_of(trainer):
    """Copies, without the running statistics."""
    return {role: [p.detach().clone() for p in network.parameters()] for role, network in trainer.networks.items()}


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_defaults_are_those_of_the_report():
    """3.1: batches of 32, z and features of 16, epsilon 1, 50 iterations, n_gen 5, a step size of 1e-4; 4 epochs."""
    s = OTGANTraining("mnist8")
    assert (s.batch_size, s.latent, s.features, s.epsilon, s.iterations, s.n_gen) == (32, 16, 16, 1.0, 50, 5)
    assert (s.lr_G, s.lr_D, s.architecture, s.rhythm, s.rule, s.gradient) == (
        1e-4,
        1e-4,
        "cnn",
        "meant",
        "all",
        "fixed",
    )
    assert s.generator_updates * 2 * s.batch_size == 4 * 60_000


def test_runs_have_names_and_streams_of_their_own():
    settings = [replace(OTGANTraining("mnist8"), **changes) for changes in RUNS.values()]
    assert len({s.key() for s in settings}) == len({s.row for s in settings}) == len(RUNS) == 6
    assert RUNS["epsilon 0.01"] == {"epsilon": 0.01} and RUNS["batch 8"] == {"batch_size": 8}
    changes = {"rule": "released", "gradient": "unrolled", "rhythm": "printed", "n_gen": 1}
    others = [replace(OTGANTraining("mnist8"), **{name: value}) for name, value in changes.items()]
    assert len({s.row for s in (settings[0], *others)}) == 5


def test_the_critic_learns_at_every_sixth_update():
    assert [t for t in range(1, 13) if is_critic_update(t, 5)] == [6, 12]
    assert [t for t in range(1, 7) if is_critic_update(t, 1)] == [2, 4, 6]


def test_read_literally_the_critic_never_learns():
    assert not any(is_critic_update(t, n_gen, "printed") for t in range(1, 200) for n_gen in (1, 2, 5))


@pytest.mark.parametrize("rhythm", otgan.RHYTHMS)
def test_one_player_moves_at_a_time(rhythm):
    trainer = otgan.trainer(replace(SMALL, rhythm=rhythm))
    moved = []
    for _ in range(12):
        before = weights_of(trainer)
        values = trainer.step()
        after = weights_of(trainer)
        moved.append({role for role in "GD" if not same(before[role], after[role])})
        assert moved[-1] == {"D" if values["critic"] else "G"}
    assert [t for t, roles in enumerate(moved, 1) if roles == {"D"}] == ([6, 12] if rhythm == "meant" else [])


@pytest.mark.parametrize("player", ["G", "D"])
def test_g_lowers_the_loss_that_the_critic_raises(player):
    """Adam's first step is the step size times the sign of the gradient, with an epsilon of 1e-8 beside it."""
    trainer = otgan.trainer(replace(SMALL, n_gen=5))
    trainer.update = 5 if player == "D" else 0
    state, before = trainer.rng.get_state(), weights_of(trainer)[player]
    loss = trainer._loss()
    gradients = torch.autograd.grad(loss, list(trainer.networks[player].parameters()))
    trainer.rng.set_state(state)
    assert trainer.step()["L"] == pytest.approx(float(loss.detach()), abs=1e-5)
    sign = {"D": 1, "G": -1}[player]
    for old, new, gradient in zip(before, weights_of(trainer)[player], gradients, strict=True):
        clear = gradient.abs() > 1e-5
        torch.testing.assert_close((new - old)[clear], sign * 1e-3 * gradient.sign()[clear], rtol=0.02, atol=1e-7)
    assert sum(int((gradient.abs() > 1e-5).sum()) for gradient in gradients) > 100


def test_four_batches_are_drawn_and_y_is_another_pass_than_its_twin():
    """Through one pass for both, batch statistics would make Y depend on the latents of Y'."""
    trainer = otgan.trainer(SMALL)
    passes, looked = [], []
    trainer.G.register_forward_hook(lambda module, z, y: passes.append((z[0].clone(), y.detach())))
    trainer.D.register_forward_hook(lambda module, x, v: looked.append(x[0].detach()))
    trainer.step()
    assert [len(z) for z, _ in passes] == [4, 4] and not torch.equal(passes[0][0], passes[1][0])
    x, x2, y, y2 = looked[0].chunk(4)
    assert torch.equal(y, passes[0][1]) and torch.equal(y2, passes[1][1]) and not torch.equal(x, x2)


def test_every_setting_reaches_the_loss(monkeypatch):
    seen = []

    def spy(real, fake, **options):
        seen.append(options)
        return minibatch_energy(real, fake, **options)

    monkeypatch.setattr(otgan, "minibatch_energy", spy)
    otgan.trainer(replace(SMALL, epsilon=0.3, iterations=7, rule="released", gradient="unrolled")).step()
    assert seen == [{"epsilon": 0.3, "iterations": 7, "rule": "released", "gradient": "unrolled"}]


def test_networks_have_the_sizes_of_the_settings():
    trainer = otgan.trainer(replace(SMALL, latent=7, features=9, width_G=6, width_D=4))
    assert trainer.prior.dim == 7 and trainer.G[0].in_features == 7 and trainer.G[0].out_features == 6 * 4
    assert trainer.D(torch.zeros(2, 1, 8, 8)).shape == (2, 9) and trainer.D[0].out_channels == 2
    mlp = otgan.trainer(replace(OTGANTraining("digits"), architecture="mlp"))
    assert mlp.G[0][0].out_features == 128 and mlp.networks["D"][1][0].in_features == 64


@pytest.mark.parametrize("epsilon", [1.0, math.inf])
def test_stopped_and_resumed_it_ends_as_if_it_had_not_been(tmp_path, epsilon):
    """Seven updates of twelve: Adam of both players, the batch norms, the generator and the place in the rhythm."""
    settings = replace(SMALL, epsilon=epsilon)
    train(otgan.trainer(settings), tmp_path / "whole", log_every=1)
    first = otgan.trainer(settings)
    for _ in range(7):
        first.step()
    (tmp_path / "parts").mkdir()
    checkpoints.save(tmp_path / "parts" / "state.safetensors", *first.state())
    train(otgan.trainer(settings), tmp_path / "parts", log_every=1)
    ends = (checkpoints.load(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    (expected, meta), (found, again) = ends
    assert meta == again and meta["update"] == 12 and expected.keys() == found.keys()
    assert [name for name, t in expected.items() if name != "rng.torch" and not torch.equal(t, found[name])] == []
    assert read_log(tmp_path / "whole")[7:] == read_log(tmp_path / "parts")
    assert [row["critic"] for row in read_log(tmp_path / "whole")] == [0, 0, 0, 0, 0, 1] * 2
    with pytest.raises(SettingsDifferError, match=r"n_gen: stored 5, wanted 4"):
        train(otgan.trainer(replace(settings, n_gen=4)), tmp_path / "parts")
    first.D = first.networks["D"] = torch.nn.Linear(2, 2)
    with pytest.raises(FileError, match="does not fit these networks"):
        first.restore(expected, meta)


@pytest.mark.parametrize("epsilon", [0.05, 1.0])
def test_a_generator_comes_closer_to_the_digits_under_a_fixed_critic(epsilon):
    """The mean of 40 losses of fresh batches, before and after 60 updates of G."""
    settings = replace(SMALL, rhythm="printed", batch_size=16, width_G=16, lr_G=5e-3, epsilon=epsilon)
    trainer = otgan.trainer(settings)

    def mean_loss():
        with torch.no_grad():
            return sum(float(trainer._loss()) for _ in range(40)) / 40

    before = mean_loss()
    for _ in range(60):
        trainer.step()
    assert 0 < mean_loss() < 0.6 * before


def test_weights_follow_the_seed_and_the_data_a_part_of_the_set():
    first, again, other = (otgan.trainer(replace(SMALL, seed=seed)) for seed in (0, 0, 1))
    assert same(weights_of(first)["G"], weights_of(again)["G"]) and not same(
        weights_of(first)["D"][:1], weights_of(other)["D"][:1]
    )
    small = otgan.trainer(replace(SMALL, data_size=3))
    (drawn,) = small.draw_real(200, generator(0, "draw"))
    assert len(drawn.unique(dim=0)) == 3


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(tmp_path))
    return tmp_path


def test_what_was_trained_is_read_back_and_trained_once(place, monkeypatch):
    """The weights and the log are those of a training by hand, and G of every milestone is kept."""
    settings, by_hand = replace(SMALL, generator_updates=24), otgan.trainer(replace(SMALL, generator_updates=24))
    losses = [by_hand.step()["L"] for _ in range(24)]
    first = otgan.trained(settings)
    assert same(weights_of(by_hand)["G"], first.G.parameters()) and same(weights_of(by_hand)["D"], first.D.parameters())
    assert [row["L"] for row in first.log] == losses and [row["update"] for row in first.log] == list(range(1, 25))
    assert not first.G.training and not any(p.requires_grad for p in (*first.G.parameters(), *first.D.parameters()))
    monkeypatch.setattr(otgan, "_make", lambda *given: pytest.fail("trained twice"))
    again = otgan.trained(settings)
    assert (again.sha256, again.log, again.made) == (first.sha256, first.log, first.made) and len(first.sha256) == 64
    assert [file.name for file in (place / "digits-otgan").iterdir() if file.suffix == ".run"] == []
    kept, critics = ({update: of[role] for update, *of in otgan.along(again)} for role in (0, 1))
    assert list(kept) == list(range(2, 25, 2)) and same(kept[24].parameters(), first.G.parameters())
    assert same(critics[24].parameters(), first.D.parameters())
    assert not same(critics[4].parameters(), first.D.parameters()), "the critic of the end"
    z = torch.randn(3, 16, generator=generator(0, "z"))
    with torch.no_grad():
        assert torch.equal(kept[24](z), first.G(z)) and not torch.equal(kept[2](z), first.G(z))


def test_an_unfinished_training_is_continued(place):
    settings = replace(SMALL, generator_updates=8)
    whole = otgan.trained(replace(settings, seed=3))
    begun = otgan.trainer(replace(settings, seed=4))
    for _ in range(5):
        begun.step()
    folder = whole.path.with_name(f"s4-{replace(settings, seed=4).key()}.run")
    checkpoints.save(folder / "state.safetensors", *begun.state())
    rest = otgan.trained(replace(settings, seed=4))
    assert [row["update"] for row in rest.log] == [6, 7, 8] and whole.path != rest.path


def test_files_of_other_networks_and_damaged_ones_are_refused(place):
    settings = replace(SMALL, generator_updates=1)
    found = otgan.trained(settings)
    tensors, meta = checkpoints.load(found.path)
    checkpoints.save(found.path, {**tensors, "G.extra": torch.zeros(1)}, meta)
    with pytest.raises(FileError, match="^weights: not of these networks"):
        otgan.trained(settings)
    checkpoints.save(found.path, tensors, {**meta, "settings": {**meta["settings"], "n_gen": 4}})
    with pytest.raises(SettingsDifferError, match="n_gen: stored 4, wanted 5"):
        otgan.trained(settings)
    found.path.write_bytes(found.path.read_bytes()[:-1])
    with pytest.raises(FileError, match="SHA-256"):
        otgan.trained(settings)
    with pytest.raises(InputError, match="^device: cannot use 'abacus'"):
        otgan.trained(replace(settings, seed=9), "abacus")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rhythm": "print"}, "^rhythm: unknown 'print'.*nearest: printed"),
        ({"n_gen": 0}, "^n_gen: .*found 0"),
        ({"batch_size": 0}, "^batch_size: .*found 0"),
        ({"dataset": "cifar10"}, "^dataset: unknown 'cifar10'"),
        ({"architecture": "dcgan"}, "^architecture: unknown 'dcgan'"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        otgan.trainer(replace(SMALL, **changes))


def test_a_loss_that_is_not_finite_is_an_error_before_any_weight_moves():
    trainer = otgan.trainer(SMALL)
    trainer._loss = lambda: torch.tensor(math.nan, requires_grad=True)
    before = weights_of(trainer)
    with pytest.raises(InputError, match="^settings: training diverged at update 1; lower lr_D"):
        trainer.step()
    assert all(same(before[role], weights_of(trainer)[role]) for role in "GD")
