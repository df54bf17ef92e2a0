"""One browser for all tests of this folder; where none can be driven they are skipped, with the reason."""

import chromium
import pytest


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    if reason := chromium.obstacle():
        pytest.skip(reason)
    with chromium.started() as started:
        yield started
