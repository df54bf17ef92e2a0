"""Every sampler of the book by name. A new one is a file with a `Sampler` and a line in METHODS.

Each name leads to a family: settings of its one dial, the sampler for each, from the least effort
to the most. The dial is what the method's authors turn: updates, length of a chain, percentile,
share of proposals to accept.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from dotlib import transport
from dotlib.errors import check_option
from dotlib.samplers.base import Sampler
from dotlib.samplers.calibration import Calibrated
from dotlib.samplers.dot import Bare, LatentDOT, TargetDOT
from dotlib.samplers.langevin import DDLS, DGflow
from dotlib.samplers.rejection import DRS, MHGAN, OBRS

Family = dict[float, Sampler]  # setting of the dial -> sampler


@dataclass(frozen=True, eq=False)
class SamplerSettings:
    """What every method is granted on one pair.

    real:         (R, ...) data in the units of G: calibrates D, and starts the chains of MH-GAN.
    how:          calibration of D for the methods that read density ratios, "none" for an oracle.
    fakes:        samples of G for calibration.
    burn_in:      proposals behind maxima and thresholds.
    target:       DOT and the naive ascent move points of data space, as Figure 3 does.
    optimizer:    of DOT and the naive ascent.
    updates, percentiles, budgets, chains, langevin, flow:  settings of the dials.
    """

    real: Tensor
    how: str = "logistic"
    fakes: int = 1_000  # [DOT19] B.2, for MH-GAN
    burn_in: int = 10_000
    target: bool = False
    optimizer: transport.SGD | transport.Adam = transport.LATENT_SGD
    updates: tuple[int, ...] = (5, 10, 20)  # 20: [DOT19] B.2
    percentiles: tuple[float, ...] = (20, 60, 95)  # 60, 95: reference program of DRS
    budgets: tuple[float, ...] = (0.8, 0.4, 0.1)
    chains: tuple[int, ...] = (10, 100, 500)  # 500: [DOT19] B.2
    langevin: tuple[int, ...] = (20, 100, 500)
    flow: tuple[int, ...] = (5, 10, 25)  # 25: reference program of DGflow

    def calibrated(self, inner: Sampler) -> Sampler:
        """The sampler on the calibrated discriminator."""
        return Calibrated(inner, self.real, self.how, self.fakes)

    def transport(self, **options) -> Family:
        """DOT or the naive ascent in this pair's space, for every number of updates."""
        kind = TargetDOT if self.target else LatentDOT
        return {n: kind(steps=n, optimizer=self.optimizer, **options) for n in self.updates}

    def gradient_flow(self, f: str) -> Family:
        """DGflow of one divergence."""
        return {n: self.calibrated(DGflow(f, steps=n)) for n in self.flow}


METHODS: dict[str, Callable[[SamplerSettings], Family]] = {
    "bare": lambda t: {1: Bare()},
    "DOT": lambda t: t.transport(),
    "DOT exact": lambda t: t.transport(variant="exact"),
    "naive": lambda t: t.transport(cost="none"),
    "DRS": lambda t: {p: t.calibrated(DRS(p, burn_in=t.burn_in)) for p in t.percentiles},
    "OBRS": lambda t: {b: t.calibrated(OBRS(b, t.burn_in)) for b in t.budgets},
    "MH-GAN": lambda t: {n: t.calibrated(MHGAN(n, t.real)) for n in t.chains},
    "DDLS": lambda t: {n: t.calibrated(DDLS(steps=n)) for n in t.langevin},
    "DGflow KL": lambda t: t.gradient_flow("KL"),
    "DGflow JS": lambda t: t.gradient_flow("JS"),
    "DGflow logD": lambda t: t.gradient_flow("logD"),
}


def family(name: str, terms: SamplerSettings) -> Family:
    """The samplers of one method, by the setting of their dial. Raises InputError for no method."""
    check_option("name", name, METHODS)
    return METHODS[name](terms)


def named(name: str, terms: SamplerSettings) -> Sampler:
    """The method at the last setting of its dial: the published one, where there is one."""
    return list(family(name, terms).values())[-1]
