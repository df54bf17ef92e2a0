"""Table 3 on the public weights: samples are moved, judged and kept shard by shard, so that a killed job continues.

A trial is one set of latents for all columns. What a judge says of a shard is kept, not its images: 12 kB a sample and
column under Inception. The reference is a folder of ImageNet in its usual layout, `train/<wnid>/*.JPEG`, each file
squeezed to 299 x 299 as the paper does it; its statistics are running ones, kept after every shard.
"""

import functools
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from dotlib import transport
from dotlib.data import images
from dotlib.errors import FileError, InputError, check_count, check_option, one_line
from dotlib.evaluation.conditional import UPDATES
from dotlib.evaluation.judges import Judge
from dotlib.metrics.frechet import Moments, fid
from dotlib.metrics.scores import SCORES, InceptionScore
from dotlib.pairs import Pair
from dotlib.results import files, records
from dotlib.results.records import Record
from dotlib.seeding import generator
from dotlib.training import checkpoints
from dotlib.training.imagenet import PublicPair
from dotlib.transport import lipschitz

STEM = "tab3_public"  # of the records of trials
VARIABLE = "DOTLIB_IMAGENET"  # names the folder that holds train/
LABELS = ("balanced", "uniform")  # uniform: drawn with replacement, as released
SIDE = 299  # pixels of a reference file, whatever judge looks at it
FILES = 1_000  # of the reference, between two writings of its state


@dataclass(frozen=True)
class Job:
    """One trial of Table 3."""

    trial: int  # 1 and 2 have k = 1, 3 and 4 k_eff(y)
    labels: str = "balanced"
    samples: int = 50_000
    shard: int = 500  # samples that are kept together
    batch: int = 50  # samples that are moved together, as released
    pairs: int = 50  # of latents, for k_eff(y)
    splits: int = 10  # of the inception score
    seed: int = 0

    def __post_init__(self) -> None:
        check_option("trial", str(self.trial), "1234")
        check_option("labels", self.labels, LABELS)
        for name in ("samples", "shard", "batch", "pairs", "splits"):
            check_count(name, getattr(self, name))

    def shards(self) -> Iterator[tuple[int, int]]:
        """(number, samples) of every shard."""
        for number, first in enumerate(range(0, self.samples, self.shard)):
            yield number, min(self.shard, self.samples - first)


@dataclass(frozen=True)
class Row:
    """A row of Table 3, by the number of updates."""

    is_mean: dict[int, float]
    is_sd: dict[int, float]  # over the splits, as printed
    fid: dict[int, float] = field(default_factory=dict)  # empty without a reference
    seconds: float = 0.0  # of moving one sample by all updates


def classes_of(pair: Pair) -> int:
    """How many labels the pair has. Raises InputError for another pair."""
    classes = getattr(pair.generator, "classes", None)
    if not isinstance(classes, int):
        raise InputError("pair: its generator has no classes; pass a conditional pair whose labels are not bound")
    return classes


def drawn(job: Job, classes: int, number: int, samples: int, dim: int) -> tuple[Tensor, Tensor]:
    """Latents (samples, dim) of N(0, I) and labels of one shard; balanced ones go on where the shard before ended."""
    rng = generator(job.seed, "Table 3", str(job.trial), job.labels, str(number))
    z = torch.randn(samples, dim, generator=rng)
    if job.labels == "uniform":
        return z, torch.randint(classes, (samples,), generator=rng)
    return z, (torch.arange(samples) + number * job.shard) % classes


def row(public: PublicPair, judge: Judge, job: Job, reference: Moments | None = None) -> Row:
    """One trial: its shards, made or read back, and their scores; FID where there is a reference.

    Raises InputError, before anything is moved, where the samples are too few for FID.
    """
    if reference is not None and job.samples <= judge.dim:
        few = f"{job.samples:,}, too few for FID with {judge.dim:,} features of {judge.name}"
        raise InputError(f"samples: {few}; take more, or give no reference")
    constants = _constants(public, job)
    collectors = {u: InceptionScore(total=job.samples, classes=judge.classes, splits=job.splits) for u in (0, *UPDATES)}
    moments, seconds = {u: Moments(judge.dim) for u in collectors}, 0.0
    for number, samples in tqdm(list(job.shards()), f"Table 3, trial {job.trial}", unit="shard", disable=None):
        shard = files.cached(
            f"table3/{job.labels}-trial{job.trial}",
            f"shard{number}",
            functools.partial(_shard, public, judge, job, constants, number, samples),
            decides=[job, constants, public.digests, judge.sha256, str(public.pair.device)],
            store=checkpoints.TENSORS,
        )
        for update, collector in collectors.items():
            collector.add(shard[f"{update}.logits"])
            moments[update].add(shard[f"{update}.features"])
        seconds += float(shard["seconds"])
    scores = {update: collector.value() for update, collector in collectors.items()}
    means, sds = ({update: value[at] for update, value in scores.items()} for at in (0, 1))
    distances = {} if reference is None else {u: fid(real=reference, fake=of) for u, of in moments.items()}
    return Row(means, sds, distances, seconds / job.samples)


def open_record(public: PublicPair, judge: Judge, job: Job, profile: str) -> Record:
    """Start the record of one trial; to be called before the work, which it times."""
    started = {"dataset": f"imagenet-trial{job.trial}-{job.labels}", "parameters": asdict(job), "judge": judge.name}
    return records.start(STEM, profile=profile, seed=job.seed, device=str(public.pair.device), **started)


def fill_record(record: Record, public: PublicPair, judge: Judge, found: Row, reference: Moments | None) -> None:
    """Put scores by the number of updates, seconds, digests, sigmas and what the reference is into a record."""
    record.made["weights"] = public.digests | {judge.name: judge.sha256}
    record.made["images"] = {"reference": f"{reference.n:,} files of train/" if reference is not None else "none"}
    samples, splits = record.parameters["samples"], record.parameters["splits"]
    for update, value in found.is_mean.items():
        sd = found.is_sd[update]
        record.put("is_mean", value, setting=update, sd=sd, n=splits, judge=judge.name, unit="")
    for update, value in found.fid.items():
        record.put("fid", value, setting=update, n=samples, unit=SCORES["fid"].unit, judge=judge.name)
    record.put("seconds a sample", found.seconds, n=samples, unit="seconds")
    for layer, ratio in public.ratios.items():
        record.put("sigma over its limit", ratio, method=layer, unit="")


def _constants(public: PublicPair, job: Job) -> list[float]:
    """k of every label: 1, or k_eff(y) of eq. (26), a single maximum as in the paper."""
    classes = classes_of(public.pair)
    if job.trial in (1, 2):
        return [1.0] * classes

    def measured() -> list[float]:
        rng = generator(job.seed, "Table 3", "k_eff(y)", str(job.trial))
        return lipschitz.class_constants(public.pair, classes, n_pairs=job.pairs, rng=rng)[:, 0].tolist()

    decides = [public.digests, classes, job.pairs, job.seed, job.trial, str(public.pair.device)]
    return files.cached(f"table3/trial{job.trial}", "constants", measured, decides=decides)


def _shard(
    public: PublicPair, judge: Judge, job: Job, constants: list[float], number: int, samples: int
) -> dict[str, Tensor]:
    """Of one shard: "<updates>.features", "<updates>.logits", and "seconds", in which its samples were moved."""
    pair = public.pair
    z, labels = drawn(job, classes_of(pair), number, samples, pair.prior.dim)
    started = time.perf_counter()
    path = transport.latent_dot(
        bound := pair.conditioned_on(labels),
        z.to(pair.device),
        torch.tensor(constants)[labels],
        steps=UPDATES[-1],
        snapshots=(0, *UPDATES),
        optimizer=transport.Adam(0.01),
        batch_size=job.batch,
    )
    shard = {"seconds": torch.tensor(time.perf_counter() - started)}
    for update, latents in zip(path.steps, path.points, strict=True):
        answers = []
        for rows, part in zip(latents.split(job.batch), bound.split(samples, job.batch), strict=True):
            with torch.no_grad():
                answers.append(judge(images.to_uint8(part.generate(rows).cpu())))
        features, logits = (torch.cat(of) for of in zip(*answers, strict=True))
        shard |= {f"{update}.features": features, f"{update}.logits": logits}
    return shard


# --- the reference --------------------------------------------------------------------------------


def imagenet_folder() -> Path | None:
    """The folder named by $DOTLIB_IMAGENET; None where it is unset or empty."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def reference(folder: Path, judge: Judge) -> Moments:
    """Running moments of a judge's features over `train/<wnid>/*.JPEG`, from where an earlier call was killed.

    Memory is that of one shard. Raises FileError for a folder without such files, and for a file that is no image.
    """
    listed = sorted(folder.glob("train/*/*.JPEG"))
    if not listed:
        raise FileError(f"{folder}: holds no train/<wnid>/*.JPEG; name the folder of ImageNet's files in {VARIABLE}")
    names = "\n".join(f"{path.relative_to(folder)} {path.stat().st_size}" for path in listed)
    key = hashlib.sha256(f"{judge.sha256}\n{SIDE}\n{names}".encode()).hexdigest()[:12]
    state = files.artifacts() / "imagenet" / f"{key}.safetensors"
    moments = Moments(judge.dim)
    if state.exists():
        tensors, meta = checkpoints.load(state)
        moments.n, moments.mean, moments.scatter = meta["files"], tensors["mean"], tensors["scatter"]
    with tqdm(total=len(listed), initial=moments.n, desc="ImageNet", unit="file", disable=None) as bar:
        while moments.n < len(listed):
            rows = listed[moments.n : moments.n + FILES]
            for batch in (rows[at : at + judge.batch] for at in range(0, len(rows), judge.batch)):
                moments.add(judge(torch.stack([squeezed(path) for path in batch]))[0])
                bar.update(len(batch))
            checkpoints.save(state, {"mean": moments.mean, "scatter": moments.scatter}, {"files": moments.n})
    return moments


def squeezed(path: Path) -> Tensor:
    """(3, 299, 299) uint8 of one file, without regard to its shape. Raises FileError."""
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError) as error:
        raise FileError(f"{path}: no readable image ({one_line(error)}); restore it, or take it out") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)
