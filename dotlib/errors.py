"""Typed one-line errors, and the checks at public boundaries that raise them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class InputError(ValueError):
    """A wrong argument. The message is one line: name, value found, remedy."""


class UnusableError(InputError):
    """A discriminator that a method cannot work with: its logits are separable, or diverge."""


class FileError(RuntimeError):
    """A file that is unreadable, cut short, damaged, or not what it should be."""


class NothingAcceptedError(RuntimeError):
    """A rejection sampler spent its proposals before it had the samples that were asked for."""


class SettingsDifferError(RuntimeError):
    """Something exists under the same key, but was made with other settings."""


def check_points(name: str, x: Tensor, *, width: int | None = None, rank: int | None = 2) -> None:
    """Refuse anything but a finite floating-point batch. Raises InputError, whose message opens with `name`.

    Expected are `rank` axes, for None two or more, the first of any size but 0, the last of size `width`, for None any.
    """
    import torch  # here, so that the workflow can read names and settings without it

    if not isinstance(x, torch.Tensor):
        raise InputError(f"{name}: expected a torch tensor, found {type(x).__name__}; convert it with torch.as_tensor")
    if not x.is_floating_point():
        raise InputError(f"{name}: expected floating point, found {x.dtype}; call .float() first")
    if x.ndim != rank if rank is not None else x.ndim < 2:
        wanted = f"{rank} axes" if rank is not None else "two or more axes"
        raise InputError(f"{name}: expected {wanted}, found shape {tuple(x.shape)}; put one point in each row")
    if x.shape[0] == 0:
        raise InputError(f"{name}: found an empty batch, shape {tuple(x.shape)}; pass at least 1 row")
    if width is not None and x.shape[-1] != width:
        remedy = "check which space these points live in"
        raise InputError(f"{name}: expected width {width}, found shape {tuple(x.shape)}; {remedy}")
    if not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).reshape(x.shape[0], -1).any(1).sum())
        remedy = "remove them or look for the step that diverged"
        raise InputError(f"{name}: found NaN or infinity in {bad} of {x.shape[0]} rows; {remedy}")


def check_positive(name: str, value: float, remedy: str) -> None:
    """Refuse anything but a finite number above zero. Raises InputError."""
    if not _is_finite(value) or value <= 0:
        raise InputError(f"{name}: expected a finite number > 0, found {value!r}; {remedy}")


def check_not_negative(name: str, value: float, remedy: str) -> None:
    """Refuse anything but a finite number at or above zero. Raises InputError."""
    if not _is_finite(value) or value < 0:
        raise InputError(f"{name}: expected a finite number >= 0, found {value!r}; {remedy}")


def check_count(name: str, value: int, least: int = 1) -> None:
    """Refuse anything but an integer of at least `least`. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        remedy = f"pass a whole number from {least} up"
        raise InputError(f"{name}: expected an integer >= {least}, found {value!r}; {remedy}")


def check_option(name: str, value: str, options: Iterable[str]) -> None:
    """Refuse a word that is not among the options. Raises InputError, listing them."""
    known = sorted(options)
    if value not in known:
        raise InputError(f"{name}: unknown {value!r}; known: {', '.join(known)}{nearest(value, known)}")


def check_device(device: str) -> None:
    """Refuse a device on which torch cannot compute. Raises InputError."""
    import torch  # here, as above

    try:
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"device: cannot use {device!r} ({reason}); use cpu, or cuda where there is one") from error


def refuse_difference(label: str, stored: dict, wanted: dict) -> None:
    """Raise SettingsDifferError, listing each field that differs, unless both are equal."""
    names = [name for name in sorted(stored.keys() | wanted.keys()) if stored.get(name) != wanted.get(name)]
    if names:
        fields = "; ".join(f"{name}: stored {stored.get(name)!r}, wanted {wanted.get(name)!r}" for name in names)
        remedy = "move it away, or ask for the stored settings"
        raise SettingsDifferError(f"{label}: made with other settings ({fields}); {remedy}")


def nearest(value: object, known: Iterable[str]) -> str:
    """'; nearest: X' for a probable slip of the keyboard, else nothing."""
    match = difflib.get_close_matches(str(value), list(known), n=1)
    return f"; nearest: {match[0]}" if match else ""


def one_line(error: BaseException) -> str:
    """What an exception says, on one line: its message, or the name of its kind where it has none."""
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
