"""Table 3 on the public weights, with narrow networks and a small judge in their place.

Kinds of test: second method (a shard by plain calls, the reference in one piece), resuming, closed forms of the labels,
failures.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dotlib import steps, transport
from dotlib.data import images
from dotlib.errors import FileError, InputError
from dotlib.evaluation import judges, public_pair
from dotlib.evaluation.judges import Judge
from dotlib.evaluation.public_pair import Job
from dotlib.metrics.frechet import Moments, fid
from dotlib.metrics.scores import InceptionScore
from dotlib.networks import conditional
from dotlib.pairs import Normal, Pair
from dotlib.results import files, records
from dotlib.seeding import generator, numpy_rng
from dotlib.training import imagenet
from dotlib.training.imagenet import PublicPair
from dotlib.transport import lipschitz

CLASSES, DIM = 3, 5
JOB = Job(1, samples=14, shard=6, batch=4, pairs=5, splits=2)


class Look(nn.Module):
    """Features and logits of an image are fixed linear maps of its mean colours in four corners."""

    def __init__(self, dim: int = DIM) -> None:
        super().__init__()
        self.dim, weights = dim, torch.randn(12, dim + CLASSES, generator=generator(0, "look"))
        self.map = nn.Parameter(weights, requires_grad=False)

    def forward(self, x):
        both = nn.functional.adaptive_avg_pool2d(x, 2).flatten(1) @ self.map
        return both[:, : self.dim], both[:, self.dim :]


@pytest.fixture
def judge():
    return Judge("look", Look().eval(), images.to_float, DIM, CLASSES, "j" * 64, batch=3)


@pytest.fixture
def public():
    sizes = {"bottom": 1, "classes": CLASSES, "ladder": conditional.CIFAR, "width": 4}
    G = conditional.Generator(**sizes, latent=6, rng=generator(0, "G")).eval().requires_grad_(False)
    D = conditional.Discriminator(**sizes, spectral=False, rng=generator(0, "D")).eval().requires_grad_(False)
    return PublicPair(Pair(G, D, Normal(6)), {"G": "g" * 64}, {"l7": 0.99})


@pytest.fixture
def folder(tmp_path):
    """Seven files in ImageNet's layout, of different shapes, one of them grey."""
    rng = numpy_rng(0, "files")
    for index in range(7):
        place = tmp_path / "set" / "train" / f"n0000{index % 3}"
        place.mkdir(parents=True, exist_ok=True)
        shape = (20 + index, 30) if index == 3 else (20 + index, 30, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(place / f"{index}.JPEG")
    return tmp_path / "set"


# --- a trial ------------------------------------------------------------------------------------------


def test_a_shard_is_what_plain_calls_give(public, judge, artifacts):
    """Second method: the whole trial by hand, with k = 1 and with k_eff(y)."""
    for trial in (2, 3):
        job = replace(JOB, trial=trial)
        k = torch.ones(CLASSES)
        if trial == 3:
            rng = generator(0, "Table 3", "k_eff(y)", "3")
            k = lipschitz.class_constants(public.pair, CLASSES, n_pairs=5, rng=rng)[:, 0]
        answers = []
        for number, samples in ((0, 6), (1, 6), (2, 2)):
            z, y = public_pair.drawn(job, CLASSES, number, samples, 6)
            bound = public.pair.conditioned_on(y)
            end = transport.latent_dot(bound, z, k[y], steps=16, optimizer=transport.Adam(0.01)).final
            answers.append(judge(images.to_uint8(bound.generate(end))))
        features, logits = (torch.cat(of) for of in zip(*answers, strict=True))
        score = InceptionScore(total=14, classes=CLASSES, splits=2)
        score.add(logits)
        real = Moments.of(torch.randn(40, DIM, generator=generator(0, "real")))
        row = public_pair.row(public, judge, job, real)
        assert row.is_mean[16] == pytest.approx(score.value()[0], rel=1e-3)  # a grey level may round the other way
        assert row.fid[16] == pytest.approx(fid(real=real, fake=Moments.of(features)), rel=1e-3)
        assert set(row.fid) == {0, 4, 16, 32} and row.seconds > 0


def test_a_killed_job_makes_what_is_missing_and_ends_the_same(public, judge, artifacts, monkeypatch):
    made, shard = [], public_pair._shard

    def dies_at(last):
        def counted(*arguments):
            if arguments[-2] == last:
                raise KeyboardInterrupt
            made.append(arguments[-2])
            return shard(*arguments)

        counted.__module__ = shard.__module__
        return counted

    real = Moments.of(torch.randn(40, DIM, generator=generator(0, "real")))
    whole = public_pair.row(public, judge, replace(JOB, seed=0, shard=6), real)
    (files.artifacts() / "table3").rename(files.artifacts() / "table3 of before")
    monkeypatch.setattr(public_pair, "_shard", dies_at(1))
    with pytest.raises(KeyboardInterrupt):
        public_pair.row(public, judge, JOB, real)
    monkeypatch.setattr(public_pair, "_shard", dies_at(None))
    first, again = public_pair.row(public, judge, JOB, real), public_pair.row(public, judge, JOB, real)
    assert made == [0, 1, 2] and first == again and set(first.fid) == {0, 4, 16, 32}
    assert (first.fid, first.is_mean, first.is_sd) == (whole.fid, whole.is_mean, whole.is_sd)


def test_the_seconds_are_those_of_moving_one_sample(public, judge, artifacts, monkeypatch):
    """A clock that gains 7 s a look: three shards of two looks each take 21 s, for 14 samples."""
    looks = iter(range(0, 1_000, 7))
    monkeypatch.setattr(public_pair.time, "perf_counter", lambda: float(next(looks)))
    assert public_pair.row(public, judge, JOB).seconds == pytest.approx(3 * 7 / 14)


def test_too_few_samples_for_fid_are_refused_before_anything_is_moved(public, judge, artifacts, monkeypatch):
    monkeypatch.setattr(public_pair, "_shard", lambda *_: pytest.fail("a shard was made"))
    real = Moments.of(torch.randn(40, DIM, generator=generator(0, "real")))
    with pytest.raises(InputError, match="^samples: 5, too few for FID with 5 features of look; take more, or"):
        public_pair.row(public, judge, replace(JOB, samples=5), real)


def test_columns_share_their_samples_and_trials_and_shards_do_not():
    z = public_pair.drawn(JOB, CLASSES, 0, 6, 6)[0]
    others = [public_pair.drawn(replace(JOB, **change), CLASSES, 0, 6, 6)[0] for change in ({"trial": 2}, {"seed": 1})]
    others.append(public_pair.drawn(JOB, CLASSES, 1, 6, 6)[0])
    assert not any(torch.equal(z, other) for other in others)


def test_balanced_labels_go_on_from_shard_to_shard_and_uniform_ones_are_drawn():
    job = replace(JOB, samples=15, shard=4)
    assert list(job.shards()) == [(0, 4), (1, 4), (2, 4), (3, 3)]
    labels = torch.cat([public_pair.drawn(job, CLASSES, number, n, 6)[1] for number, n in job.shards()])
    assert labels.tolist() == [0, 1, 2] * 5
    uniform = replace(JOB, labels="uniform", samples=3_000, shard=3_000)
    counts = public_pair.drawn(uniform, CLASSES, 0, 3_000, 6)[1].bincount()  # 1,000 each, s.d. 26
    assert len(counts) == CLASSES and 0 < int(counts.max() - counts.min()) < 200


def test_a_file_is_squeezed_whole_with_its_colours_and_sides_where_they_were(tmp_path):
    """Left half red, right half blue, the upper quarter green: nothing is cut off, turned or exchanged."""
    pixels = np.zeros((40, 20, 3), np.uint8)
    pixels[:, :10], pixels[:, 10:], pixels[:10] = (255, 0, 0), (0, 0, 255), (0, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    found = public_pair.squeezed(tmp_path / "x.png")
    places = {(20, 150): 1, (150, 40): 0, (280, 40): 0, (150, 260): 2, (280, 260): 2}  # (row, column) -> channel
    for (row, column), channel in places.items():
        assert found[:, row, column].tolist() == [255 * (channel == k) for k in range(3)]
    ramp = np.repeat(np.array([[[0] * 3, [255] * 3]], np.uint8), 2, axis=0)
    Image.fromarray(ramp).save(tmp_path / "y.png")
    line = public_pair.squeezed(tmp_path / "y.png")[0, 0].int()
    x = ((torch.arange(299) + 0.5) * 2 / 299 - 0.5).clamp(0, 1) * 255  # bilinear: between the centres of two pixels
    assert (line - x).abs().max() <= 1


# --- the reference --------------------------------------------------------------------------------------


def test_the_reference_is_that_of_all_files_squeezed_and_continues(folder, judge, artifacts, monkeypatch):
    paths = sorted(folder.glob("train/*/*.JPEG"))
    squeezed = torch.stack([public_pair.squeezed(path) for path in paths])
    assert squeezed.shape == (7, 3, 299, 299) and squeezed.dtype == torch.uint8
    assert torch.equal(squeezed[paths.index(folder / "train/n00000/3.JPEG")].float().std(0), torch.zeros(299, 299))
    monkeypatch.setattr(public_pair, "FILES", 2)
    seen, read = [], public_pair.squeezed

    def dies(path):
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(path)
        return read(path)

    monkeypatch.setattr(public_pair, "squeezed", dies)
    with pytest.raises(KeyboardInterrupt):
        public_pair.reference(folder, judge)
    monkeypatch.setattr(public_pair, "squeezed", lambda path: seen.append(path) or read(path))
    found = public_pair.reference(folder, judge)
    assert seen == [*paths[:5], *paths[4:]], "two files at a time: the state has four, the fifth is read again"
    whole = Moments.of(judge(squeezed)[0])
    assert found.n == 7 and torch.allclose(found.mean, whole.mean, atol=1e-12)
    assert torch.allclose(found.scatter, whole.scatter, atol=1e-10)
    again = public_pair.reference(folder, judge)
    assert len(seen) == 8 and torch.equal(again.scatter, found.scatter)  # read back
    (folder / "train" / "n00000" / "0.JPEG").unlink()
    assert public_pair.reference(folder, judge).n == 6  # other files, another reference


def test_a_folder_that_does_not_serve_is_refused(folder, judge, tmp_path, artifacts, monkeypatch):
    with pytest.raises(FileError, match="^.*: holds no train/<wnid>/.*; name the folder of ImageNet's files in DOTLIB"):
        public_pair.reference(tmp_path / "empty", judge)
    (folder / "train" / "n00001" / "1.JPEG").write_bytes(b"<html>")
    with pytest.raises(FileError, match="1.JPEG: no readable image .*restore it, or take it out$"):
        public_pair.reference(folder, judge)
    monkeypatch.setenv(public_pair.VARIABLE, str(folder))
    assert public_pair.imagenet_folder() == folder
    monkeypatch.setenv(public_pair.VARIABLE, "")
    assert public_pair.imagenet_folder() is None


# --- the step -------------------------------------------------------------------------------------------


def test_the_step_prints_a_row_of_table_3(public, judge, folder, artifacts, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where its records go
    monkeypatch.setattr(imagenet, "load_conditional", lambda: public)
    monkeypatch.setattr(judges, "inception", lambda: judge)
    monkeypatch.delenv(public_pair.VARIABLE, raising=False)
    text = steps.run("table3", "3-uniform", profile="smoke", seed=0, device="cpu").splitlines()
    assert [line.split(":")[0] for line in text[:4]] == ["0 updates", "4 updates", "16 updates", "32 updates"]
    assert text[0].endswith("FID not measured, DOTLIB_IMAGENET names no folder") and text[4].endswith("for 32 updates")
    record = records.read(Path(text[5]))
    assert record.key == "smoke-imagenet-trial3-uniform-look-s0" and record.stem == public_pair.STEM
    assert record.made["weights"] == {"G": "g" * 64, "look": "j" * 64} and record.made["images"] == {
        "reference": "none"
    }
    (score,) = record.rows(quantity="is_mean", setting=16)
    assert (
        text[2]
        == f"16 updates: IS {score.value:.2f}({score.sd:.2f}), FID not measured, DOTLIB_IMAGENET names no folder"
    )
    assert record.parameters["samples"] == 20 and record.get("sigma over its limit", method="l7").value == 0.99
    monkeypatch.setenv(public_pair.VARIABLE, str(folder))
    row = steps.run("table3", "1", profile="smoke", seed=0, device="cpu").splitlines()
    record = records.read(Path(row[5]))
    assert record.made["images"] == {"reference": "7 files of train/"}
    for line, update in zip(row[:4], (0, 4, 16, 32), strict=True):
        (distance,) = record.rows(quantity="fid", setting=update)
        assert line.endswith(f"FID {distance.value:.2f}") and distance.n == 20
    monkeypatch.setattr(public_pair, "reference", lambda *_: pytest.fail("a file was read"))
    monkeypatch.setattr(judges, "inception", lambda: replace(judge, network=Look(20).eval(), dim=20))
    few = steps.run("table3", "2", profile="smoke", seed=0, device="cpu")
    assert "FID not measured, 20 samples are too few" in few
    monkeypatch.setattr(judges, "efficientnet", lambda: pytest.fail("another judge was asked for"))
    with pytest.raises(pytest.fail.Exception, match="another judge"):
        steps.run("table3", "1", profile="smoke", seed=0, judge="efficientnet", device="cpu")


def test_a_trial_has_the_published_number_of_samples(public, judge, artifacts, monkeypatch):
    jobs = []
    monkeypatch.setattr(imagenet, "load_conditional", lambda: public)
    monkeypatch.setattr(judges, "inception", lambda: judge)
    monkeypatch.setattr(public_pair, "row", lambda _public, _judge, job, _: jobs.append(job) or pytest.fail("enough"))
    for profile in ("smoke", "laptop", "paper"):
        with pytest.raises(pytest.fail.Exception, match="enough"):
            steps.run("table3", "4", profile=profile, seed=3, device="cpu")
    torch.use_deterministic_algorithms(False)
    assert [(job.samples, job.trial, job.labels, job.seed) for job in jobs] == [
        (n, 4, "balanced", 3) for n in (20, 2_500, 50_000)
    ]


def test_words_that_name_no_trial_are_refused(public, judge):
    for options, match in (
        ({"trial": 5}, "^trial: unknown '5'; known: 1, 2, 3, 4"),
        ({"trial": "x"}, "^trial: unknown 'x'"),
        ({"trial": 1, "labels": "balance"}, "^labels: unknown 'balance'.*nearest: balanced"),
        ({"trial": 1, "samples": 0}, "^samples: expected an integer >= 1"),
    ):
        with pytest.raises(InputError, match=match):
            Job(**options)
    bound = PublicPair(public.pair.conditioned_on(0), {}, {})
    with pytest.raises(InputError, match="^pair: its generator has no classes"):
        public_pair.row(bound, judge, JOB)
