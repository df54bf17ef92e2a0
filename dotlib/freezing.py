"""A trained network made ready for transport: plain weights, no batch norm, no weight gradients."""

import copy
import itertools

from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from dotlib.errors import BadInput
from dotlib.networks.mlp import LeakyReLU
from dotlib.networks.normalisation import thermalise

LINEAR = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def frozen(network: nn.Module, *, iterations: int = 100, fold: bool = True) -> nn.Module:
    """A copy that computes the same function of its input, faster and with less memory.

    network:     G or D, any mode; read, never written.
    iterations:  of `thermalise`, which the copy goes through first.
    fold:        whether batch norms go into the layers before them; if not, values and gradients
                 agree with the thermalised network to the last bit.

    The copy is in evaluation mode and no parameter of it requires a gradient; gradients for the
    input flow. Spectrally normalised weights become plain ones. In each nn.Sequential, a batch norm
    that directly follows a dense or (transposed) convolution layer is folded into it; an activation
    after such a layer overwrites its input. Outputs equal those of ``network.eval()`` after
    ``thermalise(network, iterations)`` up to rounding (1e-5 relative in float32). Gradients then
    jump where rounding moves a unit across the kink of its activation. Speed:
    benchmarks/latent_transport.py. Raises BadInput.
    """
    if not isinstance(network, nn.Module):
        raise BadInput(f"network: found {type(network).__name__}; pass an nn.Module")
    still = copy.deepcopy(network).eval()
    thermalise(still, iterations)
    for module in list(still.modules()):
        if parametrize.is_parametrized(module):
            _bake(module)
    for module in still.modules():
        if isinstance(module, nn.Sequential):
            if fold:
                _fold(module)
            _overwrite(module)
    return still.eval().requires_grad_(False)


def _bake(module: nn.Module) -> None:
    """Turn a parametrised layer into a plain one with the present values, in place.

    torch's own removal changes the class, which a copy shares with the network it was made from.
    """
    values = {name: getattr(module, name).detach().clone() for name in module.parametrizations}
    module.__class__ = module.__class__.__bases__[0]
    del module.parametrizations
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value))


def _fold(sequence: nn.Sequential) -> None:
    """Move each batch norm into the layer before it, in place; an identity stays behind."""
    for at, (before, norm) in enumerate(itertools.pairwise(sequence)):
        if not isinstance(before, LINEAR) or not isinstance(norm, BATCH_NORMS):
            continue
        if norm.running_mean is None:
            raise BadInput("network: its batch norm keeps no running statistics; frozen needs "
                           "track_running_stats=True")
        if isinstance(before, nn.Linear):
            sequence[at] = fuse_linear_bn_eval(before, norm)
        else:
            sequence[at] = fuse_conv_bn_eval(before, norm, isinstance(before, nn.ConvTranspose2d))
        sequence[at + 1] = nn.Identity()


def _overwrite(sequence: nn.Sequential) -> None:
    """Let activations write over the output of the layer before them, which nothing else reads."""
    made_here = False
    for at, part in enumerate(sequence):
        if made_here and isinstance(part, nn.ReLU):
            sequence[at] = nn.ReLU(inplace=True)
        elif isinstance(part, LeakyReLU):
            sequence[at] = nn.LeakyReLU(part.slope, inplace=made_here and part.slope > 0)
        made_here = isinstance(part, LINEAR) or (made_here and isinstance(part, nn.Identity))
