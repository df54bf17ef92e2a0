"""Published files of the image part: where they lie, and the digests they must have.

Official files: from the folder $DOTLIB_DATA, else the cache, else downloaded; always checked.

With DOTLIB_DATA set, nothing is downloaded. The cache is $DOTLIB_CACHE, or the place where the operating system wants
caches. Archives are read member by member and never unpacked to disk.
"""

import contextlib
import gzip
import hashlib
import logging
import os
import sys
import tarfile
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import requests
import yaml

from dotlib.errors import FileError, check_option, one_line
from dotlib.results import files


@dataclass(frozen=True)
class Source:
    """A published file."""

    urls: tuple[str, ...]  # where it lies; each is asked twice, in this order
    sha256: str  # of the file; with `packed`, of what the gz file holds, so that a copy packed anew passes too
    size: int = 0  # bytes of the file, 0 with `packed`
    packed: bool = False


_LISTED = yaml.safe_load(Path(__file__).with_name("sources.yml").read_text(encoding="utf-8"))
SOURCES = {name: Source(**(entry | {"urls": tuple(entry["urls"])})) for name, entry in _LISTED["sources"].items()}
MD5: dict[str, str] = _LISTED["md5"]  # of unpacked members

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # tqdm looks for notebook widgets, and says so on stderr
    import pooch

OFFICIAL = "official content, sha256 verified"
OFFICIAL_MD5 = "official content, md5 verified"
UNKNOWN = "local copy, not verified"
TIMEOUT = 30  # seconds without a byte
_DAMAGE = (OSError, EOFError, zlib.error, tarfile.TarError)


@dataclass
class Part:
    """One file of a data set, open for reading."""

    name: str  # as in its archive, "folder/file"
    label: str  # for errors
    size: int  # bytes
    file: BinaryIO
    folder: Path | None  # None: from an archive whose sha256 has been checked
    _md5: "hashlib._Hash" = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    def read(self, n: int = -1) -> bytes:
        """The next n bytes, or all that is left. Raises FileError."""
        try:
            content = self.file.read(n)
        except _DAMAGE as error:
            raise FileError(f"{self.label}: cannot be read ({one_line(error)}); download it again") from error
        if self.folder is not None:
            self._md5.update(content)
        return content

    def origin(self) -> str:
        """Where the content comes from; to be asked once all of it is read."""
        if self.folder is None:
            return OFFICIAL
        return OFFICIAL_MD5 if self._md5.hexdigest() == MD5.get(self.name) else note(self.folder)


def data_folder() -> Path | None:
    """The folder named by $DOTLIB_DATA; None where the variable is unset or empty."""
    name = os.environ.get("DOTLIB_DATA")
    return Path(name) if name else None


def cache_folder() -> Path:
    """Where downloads are kept: $DOTLIB_CACHE, else the operating system's cache folder."""
    return Path(os.environ.get("DOTLIB_CACHE") or pooch.os_cache("dotlib"))


def fetch(name: str) -> Path:
    """The path of an official file, by its key in SOURCES, whose sha256 has just been checked.

    It is looked for in $DOTLIB_DATA, then in the cache; then downloaded, unless DOTLIB_DATA is set. Of two processes
    that ask at once, the second waits for the first. Raises InputError for an unknown name, and FileError, one line
    with addresses, digest and what to do by hand, when the file cannot be had or is not the published one.
    """
    check_option("name", name, SOURCES)
    source, given, path = SOURCES[name], data_folder(), cache_folder() / name
    if given is not None and (given / name).exists():
        if wrong := fault(given / name, source):
            raise FileError(f"{given / name}: {wrong}; {by_hand(name)}")
        return given / name
    if path.exists() and not fault(path, source):
        return path
    if given is not None:
        raise FileError(f"{given}: holds no {name}; {by_hand(name)}, or unset DOTLIB_DATA to have it downloaded")
    try:
        with files.only_maker(path):
            if fault(path, source):
                path.unlink(missing_ok=True)
                _download(name, source)
    except OSError as error:
        remedy = f"set DOTLIB_CACHE to another folder, or {by_hand(name)}"
        raise FileError(f"{path.parent}: the cache cannot be used ({one_line(error)}); {remedy}") from error
    return path


def fault(path: Path, source: Source) -> str:
    """What is wrong with a file, in words; "" for the published one."""
    try:
        with path.open("rb") as file:
            if file.read(512).lstrip()[:1] == b"<":
                return "a web page, not the file"
        size = path.stat().st_size
        if size < source.size:
            return f"cut short, {size:,} of {source.size:,} bytes"
        with gzip.open(path) if source.packed else path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except _DAMAGE as error:
        return f"cannot be read ({one_line(error)})"
    return "" if digest == source.sha256 else f"its sha256 is {digest[:12]}..., not the published one"


def by_hand(name: str) -> str:
    """The remedy where a download fails, without a full stop."""
    source = SOURCES[name]
    digest = source.sha256 + " once unpacked" * source.packed
    below = f", under {folder}" if (folder := name.rpartition("/")[0]) else ""
    place = f"put the file into the folder that DOTLIB_DATA names{below}"
    return f"get {source.urls[0]} by hand (sha256 {digest}) and {place}"


def parts(names: Sequence[str], archive: str) -> Iterator[Part]:
    """Files of a data set, "folder/file", one after the other in any order, each open until the next is asked for.

    They come from the archive, a key of SOURCES, where $DOTLIB_DATA has no such folder. Raises FileError for a missing
    or unreadable file.
    """
    given = data_folder()
    if given is None or not (given / names[0]).parent.is_dir():
        yield from _members(fetch(archive), names)
        return
    for name in names:
        path = given / name
        try:
            file = path.open("rb")
        except OSError as error:
            remedy = f"take it from {archive}: {by_hand(archive)}"
            raise FileError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
        with file:
            yield Part(name, str(path), path.stat().st_size, file, path.parent)


def note(folder: Path) -> str:
    """First line of ORIGIN.txt in a folder of data, or that nothing is known."""
    with contextlib.suppress(OSError):
        text = (folder / "ORIGIN.txt").read_text(encoding="utf-8", errors="replace")
        return text.partition("\n")[0].strip() or UNKNOWN
    return UNKNOWN


def weakest(origins: Iterable[str]) -> str:
    """One origin for several files: the first that is not official, if there is one."""
    rank = {OFFICIAL: 2, OFFICIAL_MD5: 1}
    return min(origins, key=lambda origin: rank.get(origin, 0))


def _members(path: Path, names: Sequence[str]) -> Iterator[Part]:
    wanted = set(names)
    try:
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                if member.name in wanted and member.isfile():
                    wanted.remove(member.name)
                    file = cast(BinaryIO, tar.extractfile(member))
                    yield Part(member.name, f"{path}: {member.name}", member.size, file, None)
                if not wanted:
                    return
    except _DAMAGE as error:
        words = f"not a whole tar.gz archive ({one_line(error)})"
        raise FileError(f"{path}: {words}; delete it and download it again") from error
    raise FileError(f"{path}: holds no {', '.join(sorted(wanted))}; delete it and download it again")


def _download(name: str, source: Source) -> None:
    """Ask each address twice, into a temporary file that is renamed once it is right."""
    pooch.get_logger().setLevel(logging.WARNING)
    faults = []
    for url in source.urls:
        registry = pooch.create(cache_folder(), "", registry={name: None}, urls={name: url}, retry_if_failed=1)
        try:
            registry.fetch(name, downloader=_checked(source))
            return
        except (requests.RequestException, ValueError) as error:
            faults.append(f"{url}: {_reason(error)}")
    raise FileError(f"{name}: no download succeeded ({'; '.join(faults)}); {by_hand(name)}")


def _checked(source: Source) -> Any:
    """Pooch's HTTP download, followed by our check; a bar on a terminal only."""
    http = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=1 << 20, timeout=TIMEOUT)

    def download(url: str, output_file: str, registry: object) -> None:
        http(url, output_file, registry)
        if wrong := fault(Path(output_file), source):
            raise ValueError(wrong)

    return download


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "cut short on the way"
    return "no connection" if isinstance(error, requests.ConnectionError) else one_line(error)
