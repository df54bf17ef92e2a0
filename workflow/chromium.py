"""Chromium for the tests of the rendered book and for its PDF: the system's own, driven by playwright over loopback.

Playwright would download a browser of its own only when told to; here it drives the one that is installed.
"""

import functools
import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # whatever a page asks for, nothing leaves


def program() -> str | None:
    """Path of the installed browser."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def obstacle() -> str | None:
    """Why no browser can be driven here, in one line with the remedy; None when it can."""
    if program() is None:
        return f"not found: {' or '.join(PROGRAMS)}; on Debian, as root: apt-get install chromium"
    missing = [name for name in ("playwright", "axe_playwright_python", "pypdf") if not importlib.util.find_spec(name)]
    if missing:
        return f"no package {', '.join(missing)}; {sys.executable} -m pip install -c constraints.txt -e '.[browser]'"
    return None


@contextmanager
def started() -> Iterator:
    """A headless browser, playwright's `Browser`. Raises RuntimeError with `obstacle()`."""
    if reason := obstacle():
        raise RuntimeError(reason)
    from playwright.sync_api import sync_playwright

    arguments = [NOWHERE, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder at a free port of 127.0.0.1; yields its address, which ends in a slash."""
    handler = functools.partial(_Silent, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
