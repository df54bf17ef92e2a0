"""Files that are written whole or not at all, and one maker at a time."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, sync it, then rename.

    A reader sees the old file or the new one, never a part, also after a power cut.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode())


@contextlib.contextmanager
def only_maker(path: Path) -> Iterator[None]:
    """Hold the lock of `path`: a second process waits here until the first has made the file.

    The operating system frees the lock when its holder dies, so a kill leaves nothing to clean.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(path.name + ".lock")):
        yield


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
