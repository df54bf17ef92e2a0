"""torchvision and the metric libraries that need it, imported only when somebody asks.

PyPI's torchvision beside a CPU build of torch cannot load its compiled operators, and its import stops at two names,
``torchvision::nms`` and ``torchvision::qnms``, that nothing here ever calls. Declaring their schemas is enough. It
happens only where the import has failed for that reason.
"""

import functools
import importlib
import sys
import warnings
from types import ModuleType

import torch

from dotlib.errors import InputError, one_line

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_declared: list[torch.library.Library] = []  # torch forgets a schema when its library is collected


@functools.cache
def torchvision() -> ModuleType:
    """The torchvision package. Raises InputError when it is absent or fails for another reason."""
    try:
        return _quietly("torchvision")
    except RuntimeError as error:
        if not any(f"torchvision::{name}" in str(error) for name in SCHEMAS):
            raise _unusable("torchvision", error) from error
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import has left
    _declare_operators()
    return _quietly("torchvision")


def module(name: str) -> ModuleType:
    """A module that needs torchvision, such as "torch_fidelity.metric_kid". Raises InputError when it is absent."""
    torchvision()
    return _quietly(name)


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    _declared.append(library)


def _quietly(name: str) -> ModuleType:
    """Import without a word on stderr, and leave Python's warning filters as they were."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise _unusable(name, error) from error


def _unusable(name: str, error: Exception) -> InputError:
    package = name.partition(".")[0].replace("_", "-")
    return InputError(f"{package}: cannot be imported ({one_line(error)}); pip install {package}")
