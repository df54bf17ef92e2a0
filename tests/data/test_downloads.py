"""Official files: checked wherever they come from, and one clear line when they cannot be had.

All against a server on 127.0.0.1; a fixture cuts off every other address. Kinds of test: failures
(each answer that a server may give, a cache that cannot be written, a killed process), identities.
"""

import contextlib
import gzip
import hashlib
import http.server
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pooch
import pytest

from dotlib.data import downloads
from dotlib.data.downloads import MD5, SOURCES, Source
from dotlib.errors import FileError, InputError
from dotlib.seeding import numpy_rng

CONTENT = numpy_rng(0, "downloads").bytes(200_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"\n <!DOCTYPE html><html><body>Sign in to this network</body></html>" * 3_000


@dataclass
class Server:
    """Answers by path; each answer gets the handler. Counts what it is asked."""

    port: int
    asked: list[str] = field(default_factory=list)
    answers: dict[str, Callable] = field(default_factory=dict)

    def url(self, path: str, answer: Callable) -> str:
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.port}{path}"


def sends(content: bytes, *, declared: int | None = None, status: int = 200, pause: float = 0):
    """An answer. declared: Content-Length, where it is not the truth. pause: s before the body."""

    def answer(handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if declared is None else declared))
        handler.end_headers()
        time.sleep(pause)
        with contextlib.suppress(OSError):  # the client may be gone
            handler.wfile.write(content)

    return answer


def in_turn(*answers):
    """The first answer first, then the second ..."""
    left = list(answers)
    return lambda handler: left.pop(0)(handler)


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known.asked.append(self.path)
            known.answers[self.path](self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        known = Server(httpd.server_port)
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield known
        httpd.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An own cache, no $DOTLIB_DATA, no way outside, and no waiting between two attempts."""
    connect = socket.socket.connect

    def only_here(self, address):
        assert address[0] == "127.0.0.1", f"a test asked for {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda _: None))
    for name in ("DOTLIB_DATA", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "cache"
    monkeypatch.setenv("DOTLIB_CACHE", str(folder))
    return folder


@pytest.fixture
def publish(monkeypatch):
    """Adds a source named "file.bin"; sha256 and size are those of CONTENT unless given."""

    def add(*urls: str, sha256: str = DIGEST, size: int = len(CONTENT), packed: bool = False):
        monkeypatch.setitem(SOURCES, "file.bin", Source(urls, sha256, size, packed))

    return add


def refused(match: str) -> str:
    with pytest.raises(FileError, match=match) as caught:
        downloads.fetch("file.bin")
    text = str(caught.value)
    assert "\n" not in text and len(text) < 900
    assert SOURCES["file.bin"].urls[0] in text and SOURCES["file.bin"].sha256 in text
    assert "put the file into the folder that DOTLIB_DATA names" in text
    return text


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


# --- downloads that succeed ----------------------------------------------------------------------


def test_a_file_is_downloaded_once_and_checked_each_time(server, cache, publish, capfd):
    publish(server.url("/f", sends(CONTENT)))
    path = downloads.fetch("file.bin")
    assert path == cache / "file.bin" and path.read_bytes() == CONTENT
    assert names(cache) <= {"file.bin", "file.bin.lock"}
    assert downloads.fetch("file.bin") == path and server.asked == ["/f"]
    assert capfd.readouterr() == ("", "")  # no bar and no log where this is no terminal
    for damaged in (CONTENT[:-1], CONTENT[:-1] + b"x", b"", PAGE):
        path.write_bytes(damaged)
        assert downloads.fetch("file.bin").read_bytes() == CONTENT
    assert server.asked == ["/f"] * 5


def test_a_bar_on_a_terminal(server, publish, monkeypatch):
    publish(server.url("/f", sends(CONTENT)))
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    downloads.fetch("file.bin")
    assert "200k/200k" in terminal.getvalue()


@pytest.mark.parametrize(
    "first",
    [sends(b"no", status=503), sends(CONTENT[:-5]), sends(PAGE), sends(CONTENT[:9], declared=len(CONTENT))],
    ids=["503", "short", "page", "broken off"],
)
def test_one_retry(server, publish, first):
    publish(server.url("/f", in_turn(first, sends(CONTENT))))
    assert downloads.fetch("file.bin").read_bytes() == CONTENT
    assert server.asked == ["/f", "/f"]


@pytest.mark.parametrize(
    "first", [sends(b"", status=404), sends(PAGE), sends(CONTENT + b"\0")], ids=["404", "page", "wrong"]
)
def test_a_mirror_is_asked_when_the_first_address_fails(server, publish, first):
    publish(server.url("/f", first), server.url("/mirror", sends(CONTENT)))
    assert downloads.fetch("file.bin").read_bytes() == CONTENT
    assert server.asked == ["/f", "/f", "/mirror"]


def test_a_gz_file_packed_anew_is_the_same_file(server, publish):
    """With `packed`, the digest is that of the content."""
    for level in (1, 9):
        other = gzip.compress(CONTENT, level, mtime=level)
        publish(server.url(f"/{level}", sends(other)), size=0, packed=True)
        path = downloads.fetch("file.bin")
        assert path.read_bytes() == other
        path.unlink()


# --- downloads that fail -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (sends(b"denied", status=403), "HTTP status 403"),
        (sends(b"none", status=404), "HTTP status 404"),
        (sends(b"busy", status=503), "HTTP status 503"),
        (sends(PAGE), "a web page, not the file"),
        (sends(CONTENT[:-1] + b"x"), "its sha256 is [0-9a-f]{12}..., not the published one"),
        (sends(CONTENT + b"x"), "its sha256 is [0-9a-f]{12}..., not the published one"),
        *(
            (
                sends(CONTENT[: len(CONTENT) * share // 100]),
                f"cut short, {len(CONTENT) * share // 100:,} of 200,000 bytes",
            )
            for share in (0, 25, 50, 75, 99)
        ),
        *((sends(CONTENT[: len(CONTENT) * share // 100], declared=len(CONTENT)), "cut short") for share in (0, 50, 99)),
    ],
    ids=[
        "403",
        "404",
        "503",
        "page",
        "changed",
        "longer",
        "0 %",
        "25 %",
        "50 %",
        "75 %",
        "99 %",
        "broken off at 0 %",
        "at 50 %",
        "at 99 %",
    ],
)
def test_each_bad_answer_gives_one_clear_line(server, cache, publish, answer, match):
    publish(server.url("/f", answer))
    text = refused(f"^file.bin: no download succeeded .http://127.0.0.1:[0-9]+/f: {match}")
    assert text.count("http://") == 2  # the reason, and the remedy
    assert server.asked == ["/f"] * 2
    assert names(cache) <= {"file.bin.lock"}


def test_all_addresses_are_named_when_all_fail(server, publish):
    publish(server.url("/a", sends(b"", status=404)), server.url("/b", sends(PAGE)))
    refused("/a: HTTP status 404; http://127.0.0.1:[0-9]+/b: a web page")
    assert server.asked == ["/a", "/a", "/b", "/b"]


def test_no_connection(publish):
    with socket.socket() as taken:  # bound and not listening: refuses
        taken.bind(("127.0.0.1", 0))
        publish(f"http://127.0.0.1:{taken.getsockname()[1]}/f")
        refused("/f: no connection.; get http")


def test_no_answer_in_time(server, publish, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
    publish(server.url("/f", sends(CONTENT, pause=0.6)))
    refused("/f: no (answer within 0.2 s|connection)")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (gzip.compress(CONTENT)[:-1], "cannot be read .Compressed file ended"),
        (gzip.compress(CONTENT)[:1_000], "cannot be read .Compressed file ended"),
        (gzip.compress(CONTENT + b"x"), "its sha256 is"),
        (CONTENT, "cannot be read .Not a gzipped file"),
    ],
    ids=["less 1", "1,000 bytes", "other", "no gz"],
)
def test_bad_packed_files(server, publish, content, match):
    publish(server.url("/f", sends(content)), size=0, packed=True)
    assert "once unpacked" in refused(match)


def test_unknown_names():
    with pytest.raises(InputError, match="name: unknown 'cifar-10.tar.gz'; known: cifar-10-binary"):
        downloads.fetch("cifar-10.tar.gz")


# --- a cache that cannot be used -----------------------------------------------------------------


def test_a_file_in_place_of_the_cache_folder(server, cache, publish):
    publish(server.url("/f", sends(CONTENT)))
    cache.write_text("not a folder")
    refused("cache: the cache cannot be used .File exists.; set DOTLIB_CACHE to another folder, or")
    assert server.asked == []


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs user ids")
def test_a_cache_that_is_read_only(server, publish, monkeypatch):
    """Root may write everywhere, so the test puts on another user's rights."""
    publish(server.url("/f", sends(CONTENT)))
    folder = Path(tempfile.mkdtemp())
    monkeypatch.setenv("DOTLIB_CACHE", str(folder))
    folder.chmod(0o555)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65_534)
        refused("the cache cannot be used .Permission denied.; set DOTLIB_CACHE")
        assert server.asked == []
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        (folder / "file.bin").write_bytes(CONTENT)
        folder.chmod(0o555)
        if root:
            os.seteuid(65_534)
        assert downloads.fetch("file.bin").read_bytes() == CONTENT  # already there: only read
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_a_full_disk(server, cache, publish, monkeypatch):
    publish(server.url("/f", sends(CONTENT)))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "_checked", lambda _: full)
    refused("the cache cannot be used .No space left on device.")
    assert names(cache) <= {"file.bin.lock"}


# --- several processes ---------------------------------------------------------------------------

FETCH = textwrap.dedent("""
    import sys
    from dotlib.data import downloads
    from dotlib.data.downloads import SOURCES, Source
    url, sha256, size = sys.argv[1:]
    SOURCES["file.bin"] = Source((url,), sha256, int(size))
    print(downloads.fetch("file.bin"))
    """)


def other_process(url: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, DIGEST, str(len(CONTENT))],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_two_processes_at_once_download_once(server, cache):
    url = server.url("/f", sends(CONTENT, pause=1.0))
    both = [other_process(url) for _ in range(2)]
    assert [process.communicate(timeout=30)[0].strip() for process in both] == [str(cache / "file.bin")] * 2
    assert server.asked == ["/f"] and (cache / "file.bin").read_bytes() == CONTENT


def test_a_killed_download_leaves_nothing_that_hinders(server, cache, publish):
    started = threading.Event()

    def stalls(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:100_000])
        started.set()
        time.sleep(0.5)

    url = server.url("/f", in_turn(stalls, sends(CONTENT)))
    process = other_process(url)
    assert started.wait(30)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert not (cache / "file.bin").exists()
    publish(url)
    assert downloads.fetch("file.bin").read_bytes() == CONTENT


def test_importing_opens_no_connection():
    code = (
        "import sys\n"
        "def hook(event, _):\n"
        "    assert not event.startswith('socket.connect') and event != 'socket.getaddrinfo'\n"
        "sys.addaudithook(hook)\n"
        "import dotlib.data.downloads, dotlib.data.readers\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_source_in_a_folder_is_kept_in_that_folder(server, cache, monkeypatch):
    """Fashion-MNIST's files are called as MNIST's, so they have a folder, of the cache and of DOTLIB_DATA."""
    answers = in_turn(sends(PAGE), sends(PAGE), sends(CONTENT))
    monkeypatch.setitem(SOURCES, "set/f.gz", Source((server.url("/f.gz", answers),), DIGEST, len(CONTENT)))
    with pytest.raises(FileError, match="^set/f.gz: no download .*folder that DOTLIB_DATA names, under set$"):
        downloads.fetch("set/f.gz")
    assert downloads.fetch("set/f.gz") == cache / "set" / "f.gz"
    assert (cache / "set" / "f.gz").read_bytes() == CONTENT and names(cache) == {"set"}
    assert server.asked == ["/f.gz"] * 3


# --- the folder $DOTLIB_DATA ---------------------------------------------------------------------


def test_a_file_in_the_given_folder_is_used(server, tmp_path, publish, monkeypatch, cache):
    publish(server.url("/f", sends(CONTENT)))
    monkeypatch.setenv("DOTLIB_DATA", str(tmp_path))
    refused(f"^{re.escape(str(tmp_path))}: holds no file.bin; get http.*or unset DOTLIB_DATA")
    (tmp_path / "file.bin").write_bytes(CONTENT)
    assert downloads.fetch("file.bin") == tmp_path / "file.bin"
    for damaged, match in (
        (PAGE, "a web page"),
        (CONTENT[:-1], "cut short, 199,999 of 200,000"),
        (CONTENT[:-1] + b"x", "its sha256 is"),
    ):
        (tmp_path / "file.bin").write_bytes(damaged)
        refused(f"^{re.escape(str(tmp_path / 'file.bin'))}: {match}")
    (tmp_path / "file.bin").unlink()
    (tmp_path / "file.bin").mkdir()
    refused("file.bin: cannot be read .Is a directory")
    (tmp_path / "file.bin").rmdir()
    cache.mkdir()
    (cache / "file.bin").write_bytes(CONTENT)
    assert downloads.fetch("file.bin") == cache / "file.bin"  # downloaded before
    assert server.asked == []


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("DOTLIB_DATA", "")
    monkeypatch.setenv("DOTLIB_CACHE", "")
    assert downloads.data_folder() is None
    assert downloads.cache_folder() == pooch.os_cache("dotlib")


# --- members of archives and folders -------------------------------------------------------------

MEMBERS = {f"set/{name}.bin": name.encode() * 50 for name in ("b", "a", "c")}


def packed(members: dict[str, bytes], extra: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info in extra:
            tar.addfile(info)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archived(cache: Path, monkeypatch, content: bytes) -> None:
    """Put an archive into the cache, with the digest known."""
    cache.mkdir(exist_ok=True)
    (cache / "file.bin").write_bytes(content)
    monkeypatch.setitem(
        SOURCES, "file.bin", Source(("http://127.0.0.1:9/f",), hashlib.sha256(content).hexdigest(), len(content))
    )


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def read(wanted) -> dict[str, tuple[bytes, int, str]]:
    return {
        part.name: (part.read(7) + part.read(), part.size, part.origin())
        for part in downloads.parts(wanted, "file.bin")
    }


def test_members_of_an_archive(cache, monkeypatch, tmp_path):
    escape = {"../evil": b"x", str(tmp_path / "evil"): b"x", "other/a.bin": b"x"}
    archived(cache, monkeypatch, packed(escape | MEMBERS))
    found = read(["set/a.bin", "set/b.bin"])
    assert found == {name: (MEMBERS[name], 50, downloads.OFFICIAL) for name in ("set/a.bin", "set/b.bin")}
    assert not (tmp_path / "evil").exists() and names(cache) <= {"file.bin", "file.bin.lock"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (packed({"set/b.bin": b"x", "a.bin": b"x", "set/a.bin.old": b"x"}), "holds no set/a.bin; del"),
        (packed({}), "holds no set/a.bin; delete it"),
        (packed({}, (link("set/a.bin", "../../secret"),)), "holds no set/a.bin"),
        (packed(MEMBERS)[:60], "not a whole tar.gz archive|cannot be read"),
        (b"text", "not a whole tar.gz archive .*not a gz"),
        (b"", "not a whole tar.gz archive"),
        (gzip.compress(b"no tar" * 999), "not a whole tar.gz archive"),
    ],
    ids=["other", "empty", "link", "short", "text", "nothing", "no tar"],
)
def test_bad_archives(cache, monkeypatch, content, match):
    archived(cache, monkeypatch, content)
    with pytest.raises(FileError, match=match) as caught:
        read(["set/a.bin"])
    assert "\n" not in str(caught.value) and "again" in str(caught.value)


@pytest.mark.parametrize("share", [30, 60, 90, 99])
def test_an_archive_that_breaks_off_in_a_member(cache, monkeypatch, share):
    """Its digest is known here, so that only reading it can tell."""
    content = packed({"set/a.bin": CONTENT})
    archived(cache, monkeypatch, content[: len(content) * share // 100])
    with pytest.raises(FileError, match="a.bin: cannot be read|not a whole tar.gz") as caught:
        read(["set/a.bin"])
    assert "\n" not in str(caught.value) and "again" in str(caught.value)


def test_members_of_a_folder(cache, monkeypatch, tmp_path):
    archived(cache, monkeypatch, b"")
    monkeypatch.setenv("DOTLIB_DATA", str(tmp_path))
    (tmp_path / "set").mkdir()
    for name, content in MEMBERS.items():
        (tmp_path / name).write_bytes(content)
    assert read(sorted(MEMBERS)) == {name: (content, 50, downloads.UNKNOWN) for name, content in MEMBERS.items()}
    monkeypatch.setitem(MD5, "set/a.bin", hashlib.md5(MEMBERS["set/a.bin"]).hexdigest())
    (tmp_path / "set" / "ORIGIN.txt").write_text(" A JPEG copy \nmore\n")
    assert [read([name])[name][2] for name in sorted(MEMBERS)] == [downloads.OFFICIAL_MD5, "A JPEG copy", "A JPEG copy"]
    (tmp_path / "set/b.bin").unlink()
    with pytest.raises(
        FileError,
        match=r"set/b.bin: cannot be read .No such file.*; take it from "
        "file.bin: get http.*DOTLIB_DATA names",
    ):
        read(["set/a.bin", "set/b.bin"])


def test_notes(tmp_path):
    assert downloads.note(tmp_path) == downloads.UNKNOWN
    for content, expected in (
        (b"", downloads.UNKNOWN),
        (b"\nx", downloads.UNKNOWN),
        (b"a b\r\nc", "a b"),
        (b"\xff", "\ufffd"),
    ):
        (tmp_path / "ORIGIN.txt").write_bytes(content)
        assert downloads.note(tmp_path) == expected


def test_several_origins_count_as_the_weakest():
    best, good, none = downloads.OFFICIAL, downloads.OFFICIAL_MD5, downloads.UNKNOWN
    assert downloads.weakest([best, best]) == best and downloads.weakest([best, good]) == good
    assert downloads.weakest([good, "a", none]) == "a" and downloads.weakest([none, best]) == none


# --- the table -----------------------------------------------------------------------------------


def test_the_published_table_is_well_formed():
    for name, source in SOURCES.items():
        assert re.fullmatch("[0-9a-f]{64}", source.sha256) and (source.size == 0) == source.packed
        assert source.urls and all(
            url.startswith("https://") and url.endswith(f"/{Path(name).name}") for url in source.urls
        )
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in MD5.values())
    assert len({source.sha256 for source in SOURCES.values()}) == len(SOURCES) == 11
    assert len(set(MD5.values())) == len(MD5) == 11
    weights = "pt_inception-2015-12-05-6726825d.pth"  # the name carries the first digits
    assert SOURCES[weights].sha256.startswith("6726825d")
