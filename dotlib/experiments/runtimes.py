"""The four settings whose runtimes [DOT19] B.3 prints: networks, descents, arithmetic.

Seconds of transport on the machine at hand, beside those of [DOT19] B.3.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dotlib import transport
from dotlib.errors import InputError, check_count, check_option, check_positive
from dotlib.networks import conditional, dcgan, mlp
from dotlib.networks.freezing import frozen
from dotlib.pairs import Normal, Pair, Prior, Uniform, autograd_nodes
from dotlib.results import paper, records, tables
from dotlib.seeding import generator
from dotlib.training.settings import SHAPES
from dotlib.transport import Trajectory

UPDATES = 30  # B.3
SETTINGS = {
    "swissroll": "Swissroll",
    "cifar10": "CIFAR-10 (SN-DCGAN)",
    "stl10": "STL-10 (SN-DCGAN)",
    "imagenet": "ImageNet",
}
P100 = 10.6e12  # operations a second in single precision, NVLink model; the PCIe model has 9.3e12


@dataclass(frozen=True)
class Plan:
    """How one setting is timed.

    batches:  samples moved together.
    updates:  that run; fewer than 30 are scaled.
    chunk, series:  N = chunk x each of the series are moved, chunk by chunk; none if it is empty.
    """

    batches: tuple[int, ...]
    updates: int = UPDATES
    chunk: int = 1
    series: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """How much work goes into timing.

    runs:    of each, after one that is not counted.
    narrow:  what the published widths are divided by.
    """

    plans: Mapping[str, Plan]
    runs: int = 10  # B.3
    narrow: int = 1


SIZES = {
    "smoke": Sizes(
        {
            "swissroll": Plan((1, 2, 4), 5, 5, (1, 4, 8)),
            "cifar10": Plan((1, 2, 4), 5),
            "stl10": Plan((1, 2, 4), 5),
            "imagenet": Plan((1, 2), 5),
        },
        runs=2,
        narrow=8,
    ),
    "laptop": Sizes(
        {
            "swissroll": Plan((1, 3, 10, 100, 1_000), 10, 100, (1, 2, 4, 8)),
            "cifar10": Plan((1, 3, 10), 3, 3, (1, 2, 4)),
            "stl10": Plan((1, 3, 10), 2),
            "imagenet": Plan((1,), 2),
        },
        runs=3,
    ),
    "paper": Sizes(
        {
            "swissroll": Plan((1, 10, 100, 1_000, 10_000), 30, 100, (1, 2, 5, 10)),
            "cifar10": Plan((1, 10, 100, 1_000), 30, 100, (1, 2, 5, 10)),
            "stl10": Plan((1, 10, 100, 1_000), 30, 100, (1, 2, 5, 10)),
            "imagenet": Plan((1, 10, 100), 30, 10, (1, 2, 5, 10)),
        }
    ),
}


def sizes(profile: str) -> Sizes:
    """Sizes of a profile. Raises InputError for an unknown one."""
    check_option("profile", profile, SIZES)
    return SIZES[profile]


def printed(name: str) -> paper.Published:
    """Seconds of 30 updates on a P100, B.3. Raises InputError."""
    check_option("name", name, SETTINGS)
    return paper.value(f"b3.{name}.seconds")


def printed_ratio(first: str, second: str) -> tuple[float, float]:
    """First over second in print, and the standard deviation that follows from theirs."""
    a, b = printed(first), printed(second)
    return a.value / b.value, a.value / b.value * math.hypot(a.sd / a.value, b.sd / b.value)


def networks(
    name: str, *, narrow: int = 1, spectral: bool = True, rng: torch.Generator | None = None
) -> tuple[nn.Module, nn.Module, Prior]:
    """G, D and prior of a setting, with their published first weights.

    narrow:    divides the published widths: 1, 2, 4 or 8.
    spectral:  spectral norm in D, image settings.
    rng:       None for torch's own start.
    Raises InputError.
    """
    check_option("name", name, SETTINGS)
    if narrow not in (1, 2, 4, 8):
        raise InputError(f"narrow: found {narrow!r}; the widths can be divided by 1, 2, 4 or 8")
    if name == "swissroll":  # Table 4
        return (
            mlp.toy_generator(rng, width=256 // narrow),
            mlp.toy_discriminator(rng, width=512 // narrow),
            Uniform(2),
        )
    if name == "imagenet":
        G = conditional.Generator(width=64 // narrow, rng=rng)
        D = conditional.Discriminator(width=64 // narrow, spectral=spectral, rng=rng)
        return *conditional.at_class(G, D, 0), Normal(128)
    sizes = {"bottom": SHAPES[name]["bottom"], "width": 512 // narrow}  # Table 5
    return (dcgan.Generator(**sizes, rng=rng), dcgan.Discriminator(**sizes, spectral=spectral, rng=rng), Uniform(128))


@dataclass(frozen=True)
class Subject:
    """A pair of networks, and the descent that the paper uses on it.

    name:  of the setting, a key of SETTINGS.
    """

    name: str
    pair: Pair
    device: str = "cpu"

    @property
    def moves_data(self) -> bool:
        """Whether points of the data space move, as in Figure 3; else latents."""
        return self.name == "swissroll"

    def start(self, rows: int, rng: torch.Generator) -> Tensor:
        """Points to move, (rows, ...), on the device. Raises InputError."""
        check_count("rows", rows)
        z = self.pair.prior.sample(rows, rng).to(self.device)
        with torch.no_grad():
            return self.pair.generate(z) if self.moves_data else z

    def move(self, start: Tensor, updates: int, batch: int | None = None) -> Trajectory:
        """DOT with constant 1: data with Adam, latents with SGD, ImageNet's latents with Adam.

        start:  (rows, ...) from `start`; moved `batch` rows at a time, None for all together.
        """
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


def subject(name: str, *, narrow: int = 1, device: str = "cpu", seed: int = 0) -> Subject:
    """A setting with frozen networks at their first weights, as `networks` has them."""
    G, D, prior = networks(name, narrow=narrow, rng=generator(seed, "runtimes", name))
    G, D = (frozen(network.to(device), iterations=0) for network in (G, D))
    return Subject(name, Pair(G, D, prior), device)


@dataclass(frozen=True)
class Work:
    """What one update of one sample asks for, on any machine.

    flops:  floating-point operations of the forward pass, and of the backward pass to the point.
    links:  operations in the chain of its gradient; each has to be started, whatever the batch.
    """

    flops: int
    links: int

    def largest_batch(self, seconds: float, rate: float = P100) -> float:
        """Samples whose 30 updates fit into the seconds at this many operations a second."""
        check_positive("seconds", seconds, "pass what is printed")
        check_positive("rate", rate, "the P100 has 10.6e12 in single precision")
        return seconds * rate / (UPDATES * self.flops)


def work(name: str, *, narrow: int = 1) -> Work:
    """Counted on shapes, convolutions as plain sums; nothing is computed. Raises InputError."""
    with torch.device("meta"):
        G, D, prior = networks(name, narrow=narrow, spectral=False)
        what = Subject(name, Pair(frozen(G), frozen(D), prior), "meta")
        x = torch.zeros(1, 2 if what.moves_data else prior.dim, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            logit = what.logit(x)
            logit.sum().backward()
    return Work(counter.get_total_flops(), len(autograd_nodes(logit)))


NO_BATCH = "not attempted (no batch size is printed)"
ALIKE = 1.25  # an update lasts as long as a backprop up to this factor; fixed before any run

Clock = Callable[[], tuple[float, float]]  # wall clock and effort, in seconds


def clock_of(device: str) -> Clock:
    """A clock that waits for all that a GPU was given, and reads wall time and effort.

    Effort is what ratios are taken of: on a CPU with one thread the time that this process ran,
    which other programs disturb little, otherwise wall time again.
    """
    gpu = torch.device(device).type == "cuda"

    def read() -> tuple[float, float]:
        if gpu:
            torch.cuda.synchronize(device)
        wall = time.perf_counter()
        return wall, wall if gpu or torch.get_num_threads() > 1 else time.process_time()

    return read


def timed(jobs: Sequence[Callable[[], object]], *, runs: int, clock: Clock) -> np.ndarray:
    """Wall time and effort of the jobs, (jobs, runs, 2), after one call each that is not counted.

    In each run the jobs take turns, so that all of them meet the same machine. Raises InputError.
    """
    check_count("runs", runs)
    for job in jobs:
        job()
    seconds = np.empty((len(jobs), runs, 2))
    for run in range(runs):
        for at, job in enumerate(jobs):
            begin = clock()
            job()
            seconds[at, run] = np.subtract(clock(), begin)
    return seconds


@dataclass(frozen=True)
class Timing:
    """One setting at one batch; every array (runs,), in seconds.

    updates:   that ran in each run.
    seconds:   wall time of 30 updates, the evaluation before the first one included.
    start:     wall time of that evaluation alone, the fastest run.
    effort:    of 30 updates, as `seconds`.
    update:    effort of one update.
    backprop:  effort of one forward and backward pass.
    """

    name: str
    batch: int
    updates: int
    seconds: np.ndarray
    start: float
    effort: np.ndarray
    update: np.ndarray
    backprop: np.ndarray

    @property
    def median(self) -> float:
        """Wall time of 30 updates."""
        return float(np.median(self.seconds))

    @property
    def sample_update(self) -> float:
        """Wall time of one update of one sample, median."""
        return (self.median - self.start) / UPDATES / self.batch

    @property
    def ratio(self) -> float:
        """Effort of one update over that of one backprop in the same run, median."""
        return float(np.median(self.update / self.backprop))

    @property
    def text(self) -> str:
        """Mean and standard deviation of the seconds, to three digits of the mean."""
        mean = self.seconds.mean()
        digits = max(1, 2 - math.floor(math.log10(mean)))
        return tables.plus_minus(mean, self.seconds.std(ddof=1), digits)


def measure(
    what: Subject,
    batch: int,
    *,
    rng: torch.Generator,
    updates: int = UPDATES,
    runs: int = 10,
    clock: Clock | None = None,
) -> Timing:
    """Time 30 updates of one batch, `runs` times; two runs or more.

    A descent of u updates takes a + u b seconds, where a is the one evaluation before the first
    update. Where u is not 30, a run gives a + 30 b; a is then the fastest of `runs` evaluations
    by themselves, so that no disturbance of it makes b negative. Raises InputError.
    """
    check_count("updates", updates)
    check_count("runs", runs, least=2)
    points = what.start(batch, rng)
    jobs = (lambda: what.move(points, updates), lambda: what.move(points, 0), lambda: what.backprop(points))
    whole, once, backprop = timed(jobs, runs=runs, clock=clock or clock_of(what.device))
    start = once.min(0)  # (2,), wall and effort
    moved = whole - start  # (runs, 2), of the updates alone
    seconds, effort = (start + moved * (UPDATES / updates)).T
    return Timing(what.name, batch, updates, seconds, float(start[0]), effort, moved[:, 1] / updates, backprop[:, 1])


@dataclass(frozen=True)
class Line:
    """Least squares through the seconds of moving N samples chunk by chunk: intercept + slope N.

    counts, seconds:  (points,) N and the median over the runs.
    """

    counts: np.ndarray
    seconds: np.ndarray
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


def line(what: Subject, plan: Plan, *, rng: torch.Generator, runs: int, clock: Clock | None = None) -> Line:
    """Time the updates of `plan` on growing N. Raises InputError for fewer than two N."""
    if len(set(plan.series)) < 2:
        raise InputError(f"plan: found the series {plan.series}; a line needs two different N")
    counts, seconds = np.array([plan.chunk * many for many in plan.series]), []
    for n in counts.tolist():
        points = what.start(n, rng)
        job = partial(what.move, points, plan.updates, plan.chunk)
        found = timed([job], runs=runs, clock=clock or clock_of(what.device))
        seconds.append(np.median(found[0, :, 0]))
    slope, intercept = np.polyfit(counts, seconds, 1)
    return Line(counts, np.array(seconds), float(slope), float(intercept))


def batch_reaching(timings: Sequence[Timing], seconds: float) -> str:
    """The batch whose 30 updates take these seconds here, by interpolation of logarithms; as text.

    timings:  of one setting, batches ascending. Outside them the text says on which side it is.
    """
    check_positive("seconds", seconds, "pass what is printed")
    batches, medians = [t.batch for t in timings], np.array([t.median for t in timings])
    if seconds < medians.min():
        return f"longer at {batches[int(medians.argmin())]:,} already"
    if seconds > medians.max():
        return f"above {batches[int(medians.argmax())]:,}"
    found = np.interp(math.log(seconds), np.log(np.maximum.accumulate(medians)), np.log(batches))
    return f"{math.exp(found):,.1f}"


def ratios(timings: Mapping[str, Sequence[Timing]], first: str, second: str) -> dict[int, float]:
    """Effort of 30 updates of the first setting over that of the second: common batch -> ratio."""
    ours, theirs = ({t.batch: float(np.median(t.effort)) for t in timings[name]} for name in (first, second))
    return {batch: ours[batch] / theirs[batch] for batch in ours if batch in theirs}


def judge(ratio: float, *, profile: str) -> str:
    """Verdict on "it scales as the backprop": one update over one backprop, within ALIKE of 1."""
    check_positive("ratio", ratio, "find the clock that stood still")
    if profile == "smoke":
        return paper.SMOKE
    alike = 1 / ALIKE <= ratio <= ALIKE
    return paper.REPRODUCED if alike else paper.NOT_REPRODUCED


def fill(
    record: records.Record,
    timings: Mapping[str, Sequence[Timing]],
    lines: Mapping[str, Line],
    works: Mapping[str, Work],
) -> None:
    """Put everything into the record: name -> its timings, line and work; and the verdicts."""
    for name, some in timings.items():
        for t in some:
            key, n = f"{name}, batch {t.batch}", len(t.seconds)
            record.put(
                f"{key}, 30 updates", float(t.seconds.mean()), unit="seconds", n=n, sd=float(t.seconds.std(ddof=1))
            )
            record.put(f"{key}, 30 updates, median", t.median, unit="seconds", n=n)
            record.put(f"{key}, update / backprop", t.ratio, unit="", n=n)
        record.put(f"{name}, operations of an update", works[name].flops, unit="operations")
        record.put(f"{name}, links of a gradient", works[name].links, unit="")
        smoke = record.profile == "smoke"
        record.verdicts[f"{SETTINGS[name]}, seconds"] = paper.SMOKE if smoke else NO_BATCH
        record.verdicts[f"{SETTINGS[name]}, as the backprop"] = judge(some[-1].ratio, profile=record.profile)
    for batch, value in ratios(timings, "stl10", "cifar10").items():
        record.put(f"stl10 / cifar10, batch {batch}", value, unit="")
    for name, one in lines.items():
        record.put(f"{name}, seconds a sample", one.slope, unit="seconds", n=len(one.counts))
        record.put(f"{name}, distance from the line", one.worst, unit="")


def headline(record: records.Record, timings: Mapping[str, Sequence[Timing]]) -> str:
    """Markdown: print, our smallest and largest batch, the batch that takes as long, verdicts."""
    rows = []
    for name, some in timings.items():
        ends = [f"{t.batch:,}: {t.text}" for t in (some[0], some[-1])]
        rows.append(
            [
                SETTINGS[name],
                tables.plus_minus(printed(name).value, printed(name).sd),
                *ends,
                batch_reaching(some, printed(name).value),
                *(record.verdicts[f"{SETTINGS[name]}, {claim}"] for claim in ("seconds", "as the backprop")),
            ]
        )
    return tables.markdown(
        [
            "30 updates, s",
            "paper, P100",
            "here, batch: s",
            "here, batch: s",
            "batch as long as the print",
            "seconds",
            "as the backprop",
        ],
        rows,
    )
