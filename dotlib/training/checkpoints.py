"""Tensors and JSON in one file that vouches for itself: safetensors with a SHA-256 inside.

The digest covers every byte of the file, itself replaced by zeros, so any flipped or missing byte is found before a
tensor is read. Nothing is ever unpickled.
"""

import hashlib
import json
import re
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from dotlib.errors import FileError
from dotlib.results import files, provenance

FORMAT = "dotlib-1"
_BLANK = "0" * 64
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')


def save(path: Path, tensors: dict[str, Tensor], meta: dict) -> str:
    """Write tensors (any shapes) and JSON-able `meta` to `path`, atomically. Gives the digest that records name."""
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    header = {"format": FORMAT, "meta": json.dumps(meta, sort_keys=True), "sha256": _BLANK}
    content = safetensors.torch.save(tensors, metadata=header)
    digest = hashlib.sha256(content).hexdigest()
    start, end = _digest_span(content, path)
    files.write_bytes(path, content[:start] + digest.encode() + content[end:])
    return digest


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    """The tensors, on the CPU, and the meta of a file. Raises FileError where it is missing, damaged, or foreign."""
    content = _verified(path)[0]
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        if header["format"] != FORMAT:
            raise FileError(
                f"{path}: format {header['format']!r}, this version reads {FORMAT!r}; delete the file and make it again"
            )
        return safetensors.torch.load(content), json.loads(header["meta"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path}: not a checkpoint of this suite ({error}); delete it and make it again") from error


def digest(path: Path) -> str:
    """The SHA-256 stored in a checkpoint, after checking it against the content."""
    return _verified(path)[1]


def part(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, under what follows it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


TENSORS = files.Store(
    ".safetensors", lambda path, tensors: save(path, tensors, {"made": provenance.here()}), lambda path: load(path)[0]
)


def _verified(path: Path) -> tuple[bytes, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); train it, or correct the path") from error
    start, end = _digest_span(content, path)
    stored = content[start:end].decode()
    blank = content[:start] + _BLANK.encode() + content[end:]
    if hashlib.sha256(blank).hexdigest() != stored:
        raise FileError(
            f"{path}: its SHA-256 does not match its content; the file is damaged or "
            "was cut short: delete it and make it again"
        )
    return content, stored


def _digest_span(content: bytes, path: Path) -> tuple[int, int]:
    length = int.from_bytes(content[:8], "little")
    matches = list(_DIGEST.finditer(content, 8, min(8 + length, len(content))))
    if len(matches) != 1:
        raise FileError(
            f"{path}: no SHA-256 in its header; not a checkpoint of this suite, or damaged: delete it and make it again"
        )
    return matches[0].span(1)
