"""Every sampler of the book by name. A new one is a file with a `Sampler` and a line in METHODS.

Each name leads to a family: the sampler for each setting, from the least effort to the most. The setting is what the
method's authors vary: updates, length of a chain, percentile, share of proposals to accept.
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

Family = dict[float, Sampler]  # setting -> sampler


@dataclass(frozen=True, eq=False)
class SamplerSettings:
    """What holds for every method on one pair, and the settings of each: updates, percentiles, ..., flow."""

    real: Tensor  # (R, ...) data in the units of G: calibrates D, and starts the chains of MH-GAN
    calibration: str = "logistic"  # of D, for the methods that read density ratios; "none" for an oracle
    fakes: int = 1_000  # samples of G for calibration; [DOT19] B.2, for MH-GAN
    burn_in: int = 10_000  # proposals behind maxima and thresholds
    target: bool = False  # DOT and the naive ascent move points of data space, as Figure 3 does
    optimizer: transport.SGD | transport.Adam = transport.LATENT_SGD  # of DOT and the naive ascent
    updates: tuple[int, ...] = (5, 10, 20)  # 20: [DOT19] B.2
    percentiles: tuple[float, ...] = (20, 60, 95)  # 60, 95: reference program of DRS
    budgets: tuple[float, ...] = (0.8, 0.4, 0.1)
    chains: tuple[int, ...] = (10, 100, 500)  # 500: [DOT19] B.2
    langevin: tuple[int, ...] = (20, 100, 500)
    flow: tuple[int, ...] = (5, 10, 25)  # 25: reference program of DGflow

    def calibrated(self, inner: Sampler) -> Sampler:
        """The sampler on the calibrated discriminator."""
        return Calibrated(inner, self.real, self.calibration, self.fakes)

    def transport(self, **options) -> Family:
        """DOT or the naive ascent in this pair's space, for every number of updates."""
        kind = TargetDOT if self.target else LatentDOT
        return {n: kind(steps=n, optimizer=self.optimizer, **options) for n in self.updates}

    def gradient_flow(self, f: str) -> Family:
        """DGflow of one divergence."""
        return {n: self.calibrated(DGflow(f, steps=n)) for n in self.flow}


METHODS: dict[str, Callable[[SamplerSettings], Family]] = {
    "bare": lambda settings: {1: Bare()},
    "DOT": lambda settings: settings.transport(),
    "DOT exact": lambda settings: settings.transport(variant="exact"),
    "naive": lambda settings: settings.transport(cost="none"),
    "DRS": lambda settings: {p: settings.calibrated(DRS(p, burn_in=settings.burn_in)) for p in settings.percentiles},
    "OBRS": lambda settings: {b: settings.calibrated(OBRS(b, settings.burn_in)) for b in settings.budgets},
    "MH-GAN": lambda settings: {n: settings.calibrated(MHGAN(n, settings.real)) for n in settings.chains},
    "DDLS": lambda settings: {n: settings.calibrated(DDLS(steps=n)) for n in settings.langevin},
    "DGflow KL": lambda settings: settings.gradient_flow("KL"),
    "DGflow JS": lambda settings: settings.gradient_flow("JS"),
    "DGflow logD": lambda settings: settings.gradient_flow("logD"),
}


def family(name: str, settings: SamplerSettings) -> Family:
    """The samplers of one method, by setting. Raises InputError for no method."""
    check_option("name", name, METHODS)
    return METHODS[name](settings)
