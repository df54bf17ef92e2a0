"""Runtimes: the clock, what it is read around, and what is made of its seconds.

Kinds of test: closed forms (a clock that evaluations wind, operations by hand), identities (the transport itself
runs, the stated number of times), second method (central differences), invariances, failures.
"""

import math
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from dotlib import profiles, transport
from dotlib.errors import InputError, UnusableError
from dotlib.experiments import runtimes
from dotlib.experiments.runtimes import WORKLOADS, Plan, Timing, Workload
from dotlib.networks.mlp import MLP
from dotlib.pairs import Pair, Uniform
from dotlib.results import paper, records
from dotlib.samplers.base import Metered
from dotlib.seeding import generator

CPU = torch.device("cpu")


def rng():
    return generator(0, "runtimes")


def tiny(name="cifar10", cls=Pair):
    """A setting's descent on networks of a few weights."""
    networks = [MLP(2, 4, out, hidden=1, rng=generator(0, str(out))).eval().requires_grad_(False) for out in (2, 1)]
    return Workload(name, cls(*networks, Uniform(2)))


@dataclass
class Wound:
    """A clock that only the work winds: `forward` and `backward` seconds a row.

    Wall time runs at a pace, the next one of the list after each pair of reads; effort at pace 1.
    """

    forward: float = 1.0
    backward: float = 0.25
    wall: float = 100.0
    effort: float = 7.0
    pace: list = field(default_factory=lambda: [1.0])
    reads: int = 0

    def __call__(self, device):
        self.reads += 1
        self.pace = self.pace[1:] + self.pace[:1] if self.reads % 2 == 0 else self.pace
        return np.array([self.wall, self.effort])

    def wind(self, seconds: float) -> None:
        self.wall += self.pace[0] * seconds
        self.effort += seconds


@pytest.fixture
def wind(monkeypatch):
    """Puts a clock in the place of the real one, and gives it back."""

    def start(clock):
        monkeypatch.setattr(runtimes, "clock", clock)
        return clock

    return start


def wound(clock, name="cifar10"):
    """A workload whose discriminator winds the clock, forward and backward."""
    pair = tiny(name).pair

    def D(x: Tensor) -> Tensor:
        logits = pair.discriminator(x)
        clock.wind(clock.forward * len(x))
        if logits.requires_grad:
            logits.register_hook(lambda g: clock.wind(clock.backward * len(x)))
        return logits

    return Workload(name, replace(pair, discriminator=D))


# --- the clock ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["swissroll", "cifar10", "imagenet"])
@pytest.mark.parametrize("updates", [1, 4, 30])
@pytest.mark.parametrize("batch", [1, 3])
def test_thirty_updates_last_thirty_one_forwards_and_thirty_backwards(wind, name, updates, batch):
    """Whatever number of updates ran: 31 x 1 + 30 x 0.25 seconds a row."""
    clock = wind(Wound())
    timing = runtimes.measure(wound(clock, name), batch, rng=rng(), updates=updates, runs=3)
    assert timing.seconds == pytest.approx([38.5 * batch] * 3, rel=1e-12)
    assert timing.start == batch and timing.median == 38.5 * batch
    assert timing.backprop == pytest.approx([1.25 * batch] * 3)
    assert timing.sample_update == pytest.approx(1.25) and timing.ratio[0] == pytest.approx(1)
    assert timing.batch == batch and timing.updates == updates


def test_mean_and_sd_are_those_of_the_runs(wind):
    """Runs at paces 1, 2 and 4: 30 updates last 38.5, 77 and 154 seconds, and always 38.5 of work.

    A run has three jobs in turn; the uncounted calls before it do not read the clock.
    """
    clock = wind(Wound(pace=[1.0] * 3 + [2.0] * 3 + [4.0] * 3))
    timing = runtimes.measure(wound(clock), 1, rng=rng(), runs=3)
    assert timing.seconds == pytest.approx([38.5, 77, 154])
    assert timing.median == pytest.approx(77)
    mean = 38.5 * 7 / 3
    assert timing.seconds.mean() == pytest.approx(mean)
    assert timing.seconds.std(ddof=1) == pytest.approx(math.sqrt(sum((s - mean) ** 2 for s in (38.5, 77, 154)) / 2))
    assert timing.text == f"{mean:.1f}\u00a0±\u00a0{timing.seconds.std(ddof=1):.1f}"
    assert timing.effort == pytest.approx([38.5] * 3) and timing.ratio[0] == pytest.approx(1)
    assert clock.reads == 3 * 2 * 3  # begin and end of three jobs in three runs


def test_the_first_call_is_not_counted_and_jobs_take_turns(wind):
    slow, clock, order = [50.0], wind(Wound()), []

    def job(name, seconds):
        order.append(name)
        clock.wind(slow.pop() if slow else seconds)

    seconds = runtimes.timed([lambda: job("a", 2.0), lambda: job("b", 3.0)], runs=4, device=CPU)
    assert seconds.tolist() == [[[2.0, 2.0]] * 4, [[3.0, 3.0]] * 4]
    assert order == ["a", "b"] * 5


def test_a_disturbed_start_cannot_make_an_update_negative(wind):
    """One of three evaluations of the start is 1,000 times slower; the other two decide."""
    clock = wind(Wound(pace=[1.0, 1.0, 1.0, 1.0, 1000.0, 1.0, 1.0, 1.0, 1.0]))
    timing = runtimes.measure(wound(clock), 1, rng=rng(), updates=2, runs=3)
    assert timing.start == 1 and timing.seconds == pytest.approx([38.5] * 3)


def test_where_every_start_was_disturbed_it_is_timed_again(wind):
    """Both evaluations of the start are 1,000 times slower than two updates; the next one, a tenth slower, decides."""
    clock = wind(Wound(pace=[1.0, 1000.0, 1.0] * 2 + [1.1]))
    timing = runtimes.measure(wound(clock), 1, rng=rng(), updates=2, runs=2)
    assert timing.start == pytest.approx(1.1) and (timing.update > 0).all() and timing.text


def test_a_machine_that_is_never_quiet_is_refused(wind):
    """Every evaluation of the start is slower than the fastest updates after it."""
    clock = wind(Wound(pace=[1.0, 1000.0, 1.0] * 2 + [1000.0] * 60))
    with pytest.raises(UnusableError, match="too busy"):
        runtimes.measure(wound(clock), 1, rng=rng(), updates=2, runs=2)


def test_the_real_clock_runs():
    """Jobs that work until wall time and effort have both moved far enough; two updates alone may be too short."""

    def work(seconds):
        begin = runtimes.clock(CPU)
        while (runtimes.clock(CPU) - begin).min() < seconds:
            math.sqrt(seconds)

    limits = np.array([0.005, 0.01])
    seconds = runtimes.timed([partial(work, limit) for limit in limits], runs=2, device=CPU)
    assert (seconds >= limits[:, None, None]).all() and np.isfinite(seconds).all()
    timing = runtimes.measure(tiny(), 2, rng=rng(), updates=2, runs=2)
    assert timing.seconds.shape == (2,) and np.isfinite(timing.seconds).all()


# --- what is timed -----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "through_G"), [("swissroll", 0), ("cifar10", 1), ("imagenet", 1)])
def test_the_transport_runs_the_stated_number_of_updates(name, through_G):
    """Counted by a metered pair: (1 warm + runs) of u updates, of none, and of one backprop."""
    workload, updates, runs, batch = tiny(name, Metered), 7, 2, 3
    runtimes.measure(workload, batch, rng=rng(), updates=updates, runs=runs)
    rows = (1 + runs) * batch
    cost = workload.pair.read()
    assert cost.backward == rows * (updates + 1)
    assert cost.discriminator == rows * ((updates + 1) + 1 + 1)
    # target space generates its starting points once
    assert cost.generator == (cost.discriminator if through_G else batch)


def test_moves_are_those_of_the_public_transport():
    z = Uniform(2).sample(5, rng())
    for name, optimizer in (
        ("cifar10", transport.SGD(0.01)),
        ("stl10", transport.SGD(0.01)),
        ("imagenet", transport.Adam(0.01, (0.0, 0.9))),
    ):
        workload = tiny(name)
        assert torch.equal(workload.start(5, rng()), z)
        ends = [workload.move(z, 4, batch).final for batch in (None, 5)]
        ends.append(transport.latent_dot(workload.pair, z, 1.0, steps=4, optimizer=optimizer).final)
        assert torch.equal(ends[0], ends[2]) and torch.equal(ends[0], ends[1])
    workload = tiny("swissroll")
    y = workload.start(5, rng())
    assert torch.equal(y, workload.pair.generate(z))
    end = transport.target_dot(workload.pair.discriminator, y, 1.0, steps=4).final
    assert torch.equal(workload.move(y, 4).final, end) and not torch.equal(end, y)


def test_backprop_is_the_gradient_of_the_logit():
    workload, z = tiny(), Uniform(2).sample(3, rng()).double()
    workload = replace(
        workload, pair=Pair(workload.pair.generator.double(), workload.pair.discriminator.double(), workload.pair.prior)
    )
    g, step = workload.backprop(z), 1e-6
    for i in range(2):
        e = step * torch.eye(2, dtype=torch.float64)[i]
        slope = (workload.pair.latent_logit(z + e) - workload.pair.latent_logit(z - e)) / (2 * step)
        assert torch.allclose(g[:, i], slope, rtol=1e-6, atol=1e-8)
    assert not z.requires_grad


@pytest.mark.parametrize("name", WORKLOADS)
def test_workloads_are_frozen_and_of_the_stated_shape(name):
    workload = runtimes.workload(name, narrow=8, rng=rng())
    shape = {"swissroll": (2,), "cifar10": (3, 32, 32), "stl10": (3, 48, 48), "imagenet": (3, 128, 128)}[name]
    z = workload.pair.prior.sample(2, rng())
    assert workload.pair.generate(z).shape == (2, *shape)
    for network in (workload.pair.generator, workload.pair.discriminator):
        assert not any(p.requires_grad for p in network.parameters())
        assert not any("parametrizations" in key for key in network.state_dict())
    g = workload.backprop(workload.start(2, rng())).abs()
    assert float(g.max()) > 1e-25  # far from the denormal numbers that slow a processor down
    assert torch.equal(runtimes.workload(name, narrow=8, rng=rng()).pair.generate(z), workload.pair.generate(z))


# --- arithmetic --------------------------------------------------------------------------------


def test_operations_of_the_swissroll_and_dcgan_by_hand():
    """Two operations a product, forward and backward: 4 products; D of Table 4, pair of Table 5."""
    assert runtimes.work("swissroll").flops == 4 * (2 * 512 + 2 * 512 * 512 + 512)

    def dcgan(bottom):
        places = bottom * bottom
        G = 128 * 512 * places + places * 16 * (512 * 256 + 4 * 256 * 128 + 16 * 128 * 64) + 64 * places * 64 * 3 * 9
        D = places * (
            64 * 9 * 3 * 64
            + 16 * (16 * 64 * 128 + 4 * 128 * 256 + 256 * 512)
            + 9 * (16 * 128 * 128 + 4 * 256 * 256 + 512 * 512)
            + 512
        )
        return 4 * (G + D)

    assert runtimes.work("cifar10").flops == dcgan(4)
    assert runtimes.work("stl10").flops == dcgan(6) == dcgan(4) * 9 // 4


def test_operations_of_imagenet_by_hand():
    """A 3 x 3 convolution at each side of a block and a 1 x 1 beside, at their resolutions."""
    G, D, side = 128 * 16_384 + 128 * 128 * 27 * 64, 0, 8
    for i, o in ((1024, 1024), (1024, 512), (512, 256), (256, 128), (128, 64)):
        G += side * side * (9 * i * o + 9 * o * o + i * o)
        side *= 2
    D += 128 * 128 * (27 * 64 + 9 * 64 * 64) + 64 * 64 * 3 * 64
    for i, o, side in ((64, 128, 64), (128, 256, 32), (256, 512, 16), (512, 1024, 8)):
        D += side * side * (9 * i * i + 9 * i * o + i * o)
    D += 4 * 4 * 2 * 9 * 1024 * 1024 + 1024
    assert runtimes.work("imagenet").flops == 4 * (G + D)


def test_links_do_not_depend_on_the_size_of_images_or_networks():
    links = {name: runtimes.work(name).links for name in WORKLOADS}
    assert links["cifar10"] == links["stl10"] < links["imagenet"]
    assert links["swissroll"] < links["cifar10"]
    for name in WORKLOADS:
        narrow = runtimes.work(name, narrow=8)
        assert narrow.links == links[name] and narrow.flops < runtimes.work(name).flops / 16


def test_the_printed_seconds():
    assert [paper.value(f"b3.{name}.seconds").value for name in WORKLOADS] == [0.310, 1.04, 1.05, 2.52]


def test_the_table_of_arithmetic_has_the_print_beside_it():
    """Twice the operations and 1.25 times the links of CIFAR-10; and 1.04 s hold 1.04 x 10.6e12 / 30 of them."""
    works = {"cifar10": runtimes.Work(10**9, 4), "stl10": runtimes.Work(2 * 10**9, 5)}
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in runtimes.work_table(works).splitlines()]
    assert lines[2] == ["CIFAR-10 (SN-DCGAN)", "1", "4", "1", "1.00", "1", "367"]
    assert lines[3][1:5] == ["2", "5", "2", "1.25"] and lines[3][6] == "186"  # 1.05 x 10.6e12 / 60 / 1e9
    assert lines[3][5].startswith("1.01\u00a0±")


def test_every_profile_has_every_setting_and_paper_is_as_published():
    """A figure joins the batches of a setting, so they are the first ones of the longest list."""
    for profile in ("smoke", "laptop", "paper"):
        settings = profiles.sized(runtimes.SETTINGS, profile)
        longest = max((plan.batches for plan in settings.plans.values()), key=len)
        assert list(settings.plans) == list(WORKLOADS) and sorted(set(longest)) == list(longest)
        assert all(plan.batches == longest[: len(plan.batches)] for plan in settings.plans.values())
        assert settings.runs >= 2 and settings.narrow == (8 if profile == "smoke" else 1)
    assert settings.runs == 10 and {plan.updates for plan in settings.plans.values()} == {30}


# --- lines, batches, ratios ----------------------------------------------------------------------


def test_a_line_is_found_and_its_worst_point_measured(wind):
    """31 forwards and 30 backwards a row, so 38.5 s a sample; a clock's constant is 0."""
    clock = wind(Wound())
    line = runtimes.line(wound(clock), Plan((1,), 30, 2, (1, 2, 5)), rng=rng(), runs=2)
    assert line.counts.tolist() == [2, 4, 10]
    assert line.slope == pytest.approx(38.5) and line.worst < 1e-12
    assert line.intercept == pytest.approx(0, abs=1e-9)
    bent = runtimes.Line(np.array([1, 2]), np.array([1.0, 4.0]), slope=2.0, intercept=0.0)
    assert bent.worst == pytest.approx(1.0)  # 2 where 1 was measured


def at(batch, seconds):
    """A timing with these seconds and as much effort; one update costs one backprop."""
    seconds = np.array(seconds)
    ones = 0 * seconds + 1
    return Timing(batch, 30, seconds, 0.0, seconds, ones, ones)


def test_the_batch_that_takes_as_long():
    """Seconds 2 b: logarithms are on a line, so every number inside is exact."""
    timings = [at(b, [2.0 * b] * 3) for b in (1, 10, 100)]
    assert [runtimes.batch_reaching(timings, s) for s in (2, 14, 60, 200)] == ["1.0", "7.0", "30.0", "100.0"]
    assert runtimes.batch_reaching(timings, 1.9) == "longer at 1 already"
    assert runtimes.batch_reaching(timings, 201) == "above 100"


def test_ratios_use_the_batches_of_both():
    """1/2, 2 and 8: logarithms of 2 a step of log 4 apart, so the half width is log 4 times 4.303 / sqrt 3."""
    timings = {"a": [at(1, [1.0, 4.0, 16.0]), at(7, [1.0] * 3)], "b": [at(1, [2.0] * 3), at(9, [8.0] * 3)]}
    found = runtimes.ratios(timings, "a", "b")
    (mean, (low, high)) = found[1]
    assert list(found) == [1] and mean == pytest.approx(2.0)
    assert math.log(high / mean) == pytest.approx(math.log(mean / low)) == pytest.approx(math.log(4) * 2.484, rel=1e-3)


def test_the_ratio_pairs_what_met_the_same_machine_and_knows_its_scatter():
    """The third run is twice as slow in both; what remains is 1.0, 1.1 and 1.2 of one backprop."""
    backprop = np.array([1.0, 1.0, 2.0])
    timing = replace(at(1, [1.0] * 3), update=backprop * [1.0, 1.1, 1.2], backprop=backprop)
    mean, (low, high) = timing.ratio
    assert mean == pytest.approx((1.0 * 1.1 * 1.2) ** (1 / 3))
    logs = np.log([1.0, 1.1, 1.2])
    assert math.log(high / low) / 2 == pytest.approx(4.3027 * logs.std(ddof=1) / math.sqrt(3), rel=1e-4)
    assert runtimes.shown(timing.ratio) == f"{mean:.2f} [{low:.2f}, {high:.2f}]"


# --- verdicts and records ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((0.8, 1.25), paper.REPRODUCED),
        ((1.0, 1.1), paper.REPRODUCED),
        ((1.0, 1.26), paper.UNDECIDED),
        ((0.79, 1.0), paper.UNDECIDED),
        ((0.5, 2.0), paper.UNDECIDED),
        ((1.26, 1.5), paper.CONTRADICTED),
        ((0.6, 0.79), paper.CONTRADICTED),
    ],
)
def test_the_verdict_on_the_backprop_is_that_of_the_whole_interval(ends, verdict):
    assert runtimes.verdict((1.0, ends), profile="laptop") == verdict
    assert runtimes.verdict((1.0, ends), profile="smoke") == paper.SMOKE


@pytest.mark.parametrize("profile", ["smoke", "laptop"])
def test_the_record_never_judges_seconds(profile):
    record = records.start("runtimes", profile=profile, dataset="all", seed=0, parameters={})
    timings = {"cifar10": [at(1, [2.0, 4.0])], "stl10": [at(1, [3.0, 3.0])]}
    lines = {"cifar10": runtimes.Line(np.array([1, 2]), np.array([1.0, 2.0]), 1.0, 0.0)}
    runtimes.fill_record(record, timings, lines, {name: runtimes.Work(5, 4) for name in timings})
    assert record.get("seconds of 30 updates", method="cifar10", setting=1).value == 3
    over = record.get("STL-10 over CIFAR-10", setting=1)
    assert over.value == pytest.approx(3 / 8**0.5) and over.interval[0] < over.value < over.interval[1]
    alike = record.get("update over backprop", method="cifar10", setting=1)
    assert (alike.value, alike.interval, alike.n) == (1, (1, 1), 2)
    assert record.get("seconds of 30 updates", method="cifar10", setting=1).sd == pytest.approx(math.sqrt(2))
    seconds = {v for claim, v in record.verdicts.items() if claim.endswith("seconds")}
    assert seconds == {paper.SMOKE if profile == "smoke" else runtimes.NO_BATCH}
    assert len(record.verdicts) == 4
    text = runtimes.headline(record, timings)
    assert "1.040\u00a0±\u00a00.010" in text and "longer at 1 already" in text


def test_the_answer_and_its_figure_are_those_of_the_record():
    """The largest batch of each setting speaks: one is twice too slow there, and at batch 1 it is not."""
    record = records.start("runtimes", profile="laptop", dataset="all", seed=0, parameters={})
    timings = {"cifar10": [at(1, [2.0, 4.0]), at(3, [2.0, 4.0])], "stl10": [at(1, [3.0, 3.0])]}
    timings["cifar10"][1] = replace(timings["cifar10"][1], update=2.0 * timings["cifar10"][1].backprop)
    runtimes.fill_record(record, timings, {}, {name: runtimes.Work(5, 4) for name in timings})
    text = runtimes.answer(record)
    assert (
        "contradicted for CIFAR-10 (SN-DCGAN); reproduced for STL-10 (SN-DCGAN). An update takes 2.00 [2.00, " in text
    )
    assert (
        "2.00] (CIFAR-10 (SN-DCGAN), batch 3, 2 runs), 1.00 [1.00, 1.00] (STL-10 (SN-DCGAN), batch 1, 2 runs)" in text
    )
    assert f"one machine ({record.made['device']}, threads: " in text
    record.verdicts["STL-10 (SN-DCGAN), as the backprop"] = paper.UNDECIDED
    assert "contradicted for CIFAR-10 (SN-DCGAN); undecided for STL-10 (SN-DCGAN)." in runtimes.answer(record)
    assert list(runtimes.ends(record)) == [
        *("CIFAR-10 (SN-DCGAN), batch 1", "CIFAR-10 (SN-DCGAN), batch 3", "STL-10 (SN-DCGAN), batch 1")
    ]
    assert runtimes.ends(record)["CIFAR-10 (SN-DCGAN), batch 3"] == pytest.approx((2, 2, 2))


def test_bad_arguments_are_refused_by_name():
    workload = tiny()
    for options, message in (
        ({"updates": 0}, "updates: .*found 0"),
        ({"runs": 1}, "runs: .* >= 2"),
        ({"runs": 2.5}, "runs: .*found 2.5"),
    ):
        with pytest.raises(InputError, match=message):
            runtimes.measure(workload, 1, rng=rng(), **options)
    with pytest.raises(InputError, match="runs: .*found 0"):
        runtimes.timed([lambda: None], runs=0, device=CPU)
    with pytest.raises(InputError, match=r"plan: found the series \(3, 3\); .*two different N"):
        runtimes.line(workload, Plan((1,), 1, 1, (3, 3)), rng=rng(), runs=2)
    for bad in (0.0, math.nan):
        with pytest.raises(InputError, match="ratio: "):
            runtimes.verdict((1.0, (bad, 1.0)), profile="laptop")
        with pytest.raises(InputError, match="seconds: "):
            runtimes.batch_reaching([at(1, [1.0] * 2)], bad)


def test_bad_workloads_are_refused_by_name():
    for make in (runtimes.workload, runtimes.work):
        with pytest.raises(InputError, match="name: unknown 'cifar'; .*nearest: cifar10"):
            make("cifar")
    with pytest.raises(InputError, match="narrow: found 3"):
        runtimes.workload("swissroll", narrow=3)
    with pytest.raises(InputError, match="rows: .*found 0"):
        tiny().start(0, rng())
