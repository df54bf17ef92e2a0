"""The four settings whose runtimes [DOT19] B.3 prints: networks, descents, arithmetic, seconds on this machine."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dotlib import transport
from dotlib.errors import InputError, UnusableError, check_count, check_option, check_positive
from dotlib.metrics import intervals
from dotlib.networks import conditional, dcgan, mlp
from dotlib.networks.freezing import frozen
from dotlib.networks.layers import Design
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.results import paper, records, tables
from dotlib.training.settings import SHAPES

STEPS = ()
UPDATES = 30  # B.3
WORKLOADS = {
    "swissroll": "Swissroll",
    "cifar10": "CIFAR-10 (SN-DCGAN)",
    "stl10": "STL-10 (SN-DCGAN)",
    "imagenet": "ImageNet",
}
P100 = 10.6e12  # operations a second in single precision, NVLink model; the PCIe model has 9.3e12
NO_BATCH = "not attempted (no batch size is printed)"
ALIKE = 1.25  # an update lasts as long as a backprop up to this factor; fixed before any run

BACKPROP = "update over backprop"  # name of the ratio in the record
Ratio = tuple[float, tuple[float, float]]  # geometric mean over the runs, and its 95 % t-interval


@dataclass(frozen=True)
class Plan:
    """How one setting is timed."""

    batches: tuple[int, ...]  # samples moved together
    updates: int = UPDATES  # that run; fewer than 30 are scaled
    chunk: int = 1  # samples moved together on the line of N
    series: tuple[int, ...] = ()  # N = chunk x each of these


@dataclass(frozen=True)
class Settings:
    """How much work goes into timing."""

    plans: Mapping[str, Plan]
    runs: int = 10  # B.3; of each, after one that is not counted
    narrow: int = 1  # divides the published widths


_FEW, _PUBLISHED = Plan((1, 2, 4), 5), Plan((1, 10, 100, 1_000), 30, 100, (1, 2, 5, 10))
SETTINGS = {
    "smoke": Settings(
        {"swissroll": Plan((1, 2, 4), 5, 5, (1, 4, 8)), "cifar10": _FEW, "stl10": _FEW, "imagenet": Plan((1, 2), 5)},
        runs=2,
        narrow=8,
    ),
    "laptop": Settings(
        {"swissroll": Plan((1, 3, 10, 100, 1_000), 10, 100, (1, 2, 4, 8)), "cifar10": Plan((1, 3, 10), 3, 3, (1, 2, 4))}
        | {"stl10": Plan((1, 3, 10), 2), "imagenet": Plan((1,), 2)},
        runs=3,
    ),
    "paper": Settings(
        {"swissroll": Plan((1, 10, 100, 1_000, 10_000), 30, 100, (1, 2, 5, 10)), "cifar10": _PUBLISHED}
        | {"stl10": _PUBLISHED, "imagenet": Plan((1, 10, 100), 30, 10, (1, 2, 5, 10))}
    ),
}


@dataclass(frozen=True)
class Workload:
    """A pair of networks, and the descent that the paper uses on it; `name` is a key of WORKLOADS."""

    name: str
    pair: Pair

    @property
    def moves_data(self) -> bool:
        """Whether points of the data space move, as in Figure 3; else latents."""
        return self.name == "swissroll"

    def start(self, rows: int, rng: torch.Generator) -> Tensor:
        """Points to move, (rows, ...), on the device of the pair. Raises InputError."""
        check_count("rows", rows)
        z = self.pair.prior.sample(rows, rng).to(self.pair.device)
        with torch.no_grad():
            return self.pair.generate(z) if self.moves_data else z

    def move(self, start: Tensor, updates: int, batch: int | None = None) -> transport.Trajectory:
        """DOT with constant 1, `batch` rows at a time: data with Adam, latents with SGD, ImageNet's with Adam."""
        if self.moves_data:
            return transport.target_dot(self.pair.logit, start, 1.0, steps=updates, batch_size=batch)
        rule = transport.TARGET_ADAM if self.name == "imagenet" else transport.LATENT_SGD
        return transport.latent_dot(self.pair, start, 1.0, steps=updates, optimizer=rule, batch_size=batch)

    def logit(self, x: Tensor) -> Tensor:
        """What is differentiated: D(x), or D(G(z)) of latents. (B, ...) -> (B,)."""
        return self.pair.logit(x) if self.moves_data else self.pair.latent_logit(x)

    def backprop(self, start: Tensor) -> Tensor:
        """One forward and backward pass and nothing else: the gradient of the logits."""
        x = start.detach().requires_grad_(True)
        return torch.autograd.grad(self.logit(x).sum(), x)[0]


def workload(
    name: str, *, narrow: int = 1, spectral: bool = True, device: str | None = None, rng: torch.Generator | None = None
) -> Workload:
    """A setting with frozen networks at their published first weights, from rng or torch's own start.

    `narrow` divides the published widths by 1, 2, 4 or 8. `spectral`: spectral norm in D, image settings. Raises
    InputError for an unknown name or another divisor.
    """
    check_option("name", name, WORKLOADS)
    if narrow not in (1, 2, 4, 8):
        raise InputError(f"narrow: found {narrow!r}; the widths can be divided by 1, 2, 4 or 8")
    if name == "swissroll":  # Table 4
        G, D = mlp.toy_generator(rng, width=256 // narrow), mlp.toy_discriminator(rng, width=512 // narrow)
        prior = Uniform(2)
    elif name == "imagenet":
        G = conditional.Generator(width=64 // narrow, rng=rng)
        D = conditional.Discriminator(width=64 // narrow, spectral=spectral, rng=rng)
        prior = Normal(128)
    else:  # Table 5
        bottom, width, prior = SHAPES[name]["bottom"], 512 // narrow, Uniform(128)
        G = dcgan.Generator(Design(width, bottom, rng=rng))
        D = dcgan.Discriminator(Design(width, bottom, spectral=spectral, rng=rng))
    pair = Pair(frozen(G.to(device), iterations=0), frozen(D.to(device), iterations=0), prior)
    return Workload(name, pair.conditioned_on(0) if name == "imagenet" else pair)


@dataclass(frozen=True)
class Work:
    """What one update of one sample asks for, on any machine."""

    flops: int  # floating-point operations of the forward pass, and of the backward pass to the point
    links: int  # operations in the chain of its gradient; each has to be started, whatever the batch


def work(name: str, *, narrow: int = 1) -> Work:
    """Counted on shapes, convolutions as plain sums; nothing is computed. Raises InputError."""
    with torch.device("meta"):
        counted = workload(name, narrow=narrow, spectral=False)
        x = torch.zeros(1, counted.pair.prior.dim, requires_grad=True)  # points have as many coordinates as latents
        with FlopCounterMode(display=False) as counter:
            logit = counted.logit(x)
            logit.sum().backward()
    todo, seen = [logit.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [following for following, _ in node.next_functions]
    return Work(counter.get_total_flops(), len(seen))


def work_table(works: Mapping[str, Work]) -> str:
    """Markdown: the arithmetic of each setting beside the printed seconds; works: key of WORKLOADS -> its work."""
    rows, base = [], works["cifar10"]
    for name, work in works.items():
        seconds, ratio = paper.value(f"b3.{name}.seconds"), paper.ratio(f"b3.{name}.seconds", "b3.cifar10.seconds")
        cells = [f"{work.flops / 1e9:.3g}", work.links, f"{work.flops / base.flops:.3g}"]
        cells += [f"{work.links / base.links:.2f}", tables.plus_minus(*ratio, digits=2) if work != base else "1"]
        rows.append([WORKLOADS[name], *cells, f"{seconds.value * P100 / (UPDATES * work.flops):,.0f}"])
    heads = ["10⁹ operations an update and sample", "links", "operations / CIFAR-10", "links / CIFAR-10"]
    return tables.markdown(["setting", *heads, "printed seconds / CIFAR-10", "largest batch on a P100"], rows)


def clock(device: torch.device) -> np.ndarray:
    """Wall time and effort in seconds, (2,), once a GPU has done all that it was given.

    Effort is what ratios are taken of: on a CPU with one thread the time that this process ran, which other programs
    disturb little, otherwise wall time again.
    """
    gpu = device.type == "cuda"
    if gpu:
        torch.cuda.synchronize(device)
    wall = time.perf_counter()
    return np.array([wall, wall if gpu or torch.get_num_threads() > 1 else time.process_time()])


def timed(jobs: Sequence[Callable[[], object]], *, runs: int, device: torch.device) -> np.ndarray:
    """Wall time and effort, (jobs, runs, 2): jobs take turns, after one call each uncounted. Raises InputError."""
    check_count("runs", runs)
    for job in jobs:
        job()
    seconds = np.empty((len(jobs), runs, 2))
    for run in range(runs):
        for at, job in enumerate(jobs):
            begin = clock(device)
            job()
            seconds[at, run] = clock(device) - begin
    return seconds


@dataclass(frozen=True)
class Timing:
    """One setting at one batch; every array (runs,), in seconds."""

    batch: int
    updates: int  # that ran in each run
    seconds: np.ndarray  # wall time of 30 updates, the evaluation before the first one included
    start: float  # wall time of that evaluation alone, the fastest run
    effort: np.ndarray  # of 30 updates, as `seconds`
    update: np.ndarray  # effort of one update
    backprop: np.ndarray  # effort of one forward and backward pass

    @property
    def median(self) -> float:
        """Wall time of 30 updates."""
        return float(np.median(self.seconds))

    @property
    def sample_update(self) -> float:
        """Wall time of one update of one sample, median."""
        return (self.median - self.start) / UPDATES / self.batch

    @property
    def ratio(self) -> Ratio:
        """Effort of one update over that of one backprop in the same run."""
        return intervals.geometric(self.update / self.backprop)

    @property
    def text(self) -> str:
        """Mean and standard deviation of the seconds, to three digits of the mean."""
        mean = self.seconds.mean()
        return tables.plus_minus(mean, self.seconds.std(ddof=1), max(1, 2 - math.floor(math.log10(mean))))


Timings = Mapping[str, Sequence[Timing]]  # key of WORKLOADS -> its batches, ascending


AGAIN = 50  # evaluations more, where other programs disturbed all before


def measure(workload: Workload, batch: int, *, rng: torch.Generator, updates: int = UPDATES, runs: int = 10) -> Timing:
    """Time 30 updates of one batch, `runs` times; two runs or more.

    A descent of u updates takes a + u b seconds, where a is the one evaluation before the first update. Where u is not
    30, a run gives a + 30 b; a is then the fastest of `runs` evaluations by themselves, of more where all of them were
    so disturbed that b would not be positive. Raises InputError, and UnusableError on a machine that is too busy.
    """
    check_count("updates", updates)
    check_count("runs", runs, least=2)
    points = workload.start(batch, rng)
    jobs = [partial(workload.move, points, many) for many in (updates, 0)] + [partial(workload.backprop, points)]
    whole, once, backprop = timed(jobs, runs=runs, device=workload.pair.device)
    start = once.min(0)  # (2,), wall and effort
    for _ in range(AGAIN):
        if (start < whole.min(0)).all():
            break
        start = np.minimum(start, timed(jobs[1:2], runs=1, device=workload.pair.device)[0, 0])
    else:
        raise UnusableError(
            f"runs: none of {runs + AGAIN} evaluations was faster than {updates} updates; this machine is too busy, "
            "time it when nothing else runs"
        )
    moved = whole - start  # (runs, 2), of the updates alone
    seconds, effort = (start + moved * (UPDATES / updates)).T
    return Timing(batch, updates, seconds, float(start[0]), effort, moved[:, 1] / updates, backprop[:, 1])


@dataclass(frozen=True)
class Line:
    """Least squares through the seconds of moving N samples chunk by chunk: intercept + slope N."""

    counts: np.ndarray  # (points,) N
    seconds: np.ndarray  # (points,) median over the runs
    slope: float
    intercept: float

    @property
    def fitted(self) -> np.ndarray:
        """(points,) seconds on the line."""
        return self.intercept + self.slope * self.counts

    @property
    def worst(self) -> float:
        """Largest distance of a point from the line, as a share of its seconds."""
        return float(np.abs(self.fitted / self.seconds - 1).max())


def line(workload: Workload, plan: Plan, *, rng: torch.Generator, runs: int) -> Line:
    """Time the updates of `plan` on growing N. Raises InputError for fewer than two N."""
    if len(set(plan.series)) < 2:
        raise InputError(f"plan: found the series {plan.series}; a line needs two different N")
    counts, seconds = np.array([plan.chunk * many for many in plan.series]), []
    for n in counts.tolist():
        job = partial(workload.move, workload.start(n, rng), plan.updates, plan.chunk)
        seconds.append(np.median(timed([job], runs=runs, device=workload.pair.device)[0, :, 0]))
    slope, intercept = np.polyfit(counts, seconds, 1)
    return Line(counts, np.array(seconds), float(slope), float(intercept))


def batch_reaching(timings: Sequence[Timing], seconds: float) -> str:
    """The batch whose 30 updates take these seconds, interpolated in logarithms, or on which side it lies; as text."""
    check_positive("seconds", seconds, "pass what is printed")
    batches, medians = [t.batch for t in timings], np.array([t.median for t in timings])
    if seconds < medians.min():
        return f"longer at {batches[int(medians.argmin())]:,} already"
    if seconds > medians.max():
        return f"above {batches[int(medians.argmax())]:,}"
    log_batch = np.interp(math.log(seconds), np.log(np.maximum.accumulate(medians)), np.log(batches))
    return f"{math.exp(log_batch):,.1f}"


def ratios(timings: Timings, first: str, second: str) -> dict[int, Ratio]:
    """Effort of 30 updates of the first setting over that of the second: common batch -> ratio."""
    ours, theirs = ({t.batch: t.effort for t in timings[name]} for name in (first, second))
    return {batch: intervals.geometric(ours[batch] / theirs[batch]) for batch in ours if batch in theirs}


def shown(ratio: Ratio) -> str:
    """A ratio and its interval: "1.04 [1.01, 1.07]"."""
    mean, (low, high) = ratio
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def verdict(ratio: Ratio, *, profile: str) -> str:
    """Verdict on "it scales as the backprop": the interval of one update over one backprop, within ALIKE of 1.

    Reproduced where all of it is within, contradicted where all of it is beyond, undecided where the runs do not tell.
    """
    low, high = ratio[1]
    check_positive("ratio", low, "find the clock that stood still")
    within, beyond = low >= 1 / ALIKE and high <= ALIKE, high < 1 / ALIKE or low > ALIKE
    word = paper.REPRODUCED if within else paper.CONTRADICTED if beyond else paper.UNDECIDED
    return paper.unless_smoke(word, profile=profile)


def fill_record(record: records.Record, timings: Timings, lines: Mapping[str, Line], works: Mapping[str, Work]) -> None:
    """Put everything into the record, and the verdicts; each argument by the key of WORKLOADS."""
    for name, of_batches in timings.items():
        for t in of_batches:
            key, n = {"method": name, "setting": t.batch}, len(t.seconds)
            record.put_trials("seconds of 30 updates", t.seconds, **key, unit="seconds")
            record.put("median seconds of 30 updates", t.median, **key, unit="seconds", n=n)
            ratio, ends = t.ratio
            record.put(BACKPROP, ratio, **key, unit="", n=n, interval=ends)
        record.put("operations of an update", works[name].flops, method=name, unit="operations")
        record.put("links of a gradient", works[name].links, method=name, unit="")
        record.verdicts[f"{WORKLOADS[name]}, seconds"] = paper.unless_smoke(NO_BATCH, profile=record.profile)
        record.verdicts[f"{WORKLOADS[name]}, as the backprop"] = verdict(of_batches[-1].ratio, profile=record.profile)
    for batch, (value, ends) in ratios(timings, "stl10", "cifar10").items():
        n = len(timings["stl10"][0].seconds)
        record.put("STL-10 over CIFAR-10", value, setting=batch, unit="", n=n, interval=ends)
    for name, fit in lines.items():
        record.put("seconds a sample", fit.slope, method=name, unit="seconds", n=len(fit.counts))
        record.put("distance from the line", fit.worst, method=name, unit="")


def answer(record: records.Record) -> str:
    """For which settings an update costs what its gradient costs, by which ratios, and what these do not show."""
    judged: dict[str, list[str]] = {}
    ratios = []
    for name, last in {row.method: row for row in record.rows(quantity=BACKPROP)}.items():
        label = WORKLOADS[name]
        judged.setdefault(record.verdicts[f"{label}, as the backprop"], []).append(label)
        ratios.append(f"{shown((last.value, last.interval))} ({label}, batch {last.setting:,}, {last.n} runs)")
    words = "; ".join(f"{word} for {', '.join(labels)}" for word, labels in judged.items())
    threads = record.made["threads"]
    return (
        f"At the largest batch timed, that an update costs what its gradient costs is {words}. An update takes "
        f"{', '.join(ratios)} times as long as one forward and backward pass, geometric means with 95 % intervals over "
        f"the runs. This is one machine ({record.made['device']}, threads: {threads}), and the printed seconds are "
        "compared with none of ours, since no batch is printed with them."
    )


def ends(record: records.Record) -> dict[str, tuple[float, float, float]]:
    """Low end, mean and high end of an update over a backprop for each setting and batch, by its label."""
    rows = list(record.rows(quantity=BACKPROP))
    return {
        f"{WORKLOADS[row.method]}, batch {row.setting:,}": (row.interval[0], row.value, row.interval[1]) for row in rows
    }


def headline(record: records.Record, timings: Timings) -> str:
    """Markdown: print, our smallest and largest batch, the batch as long as the print, the ratio there, verdicts."""
    rows, claims = [], ("seconds", "as the backprop")
    for name, of_batches in timings.items():
        printed = paper.value(f"b3.{name}.seconds")
        row = [WORKLOADS[name], tables.plus_minus(printed.value, printed.sd)]
        row += [f"{t.batch:,}: {t.text}" for t in (of_batches[0], of_batches[-1])]
        row += [batch_reaching(of_batches, printed.value), shown(of_batches[-1].ratio)]
        rows.append(row + [record.verdicts[f"{WORKLOADS[name]}, {claim}"] for claim in claims])
    header = ["30 updates, s", "paper, P100", "here, batch: s", "here, batch: s", "batch as long as the print"]
    header += ["update / backprop"]
    return tables.markdown([*header, *claims], rows)
