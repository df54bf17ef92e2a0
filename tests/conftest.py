"""What every test gets: artifacts of its own, never those of the repository."""

import os

import pytest


@pytest.fixture
def artifact_folder(tmp_path):
    """Where artifacts go. A module whose tests share what they train overrides this with its own scope."""
    return tmp_path / "artifacts"


@pytest.fixture(scope="session")
def judged(tmp_path_factory):
    """Makes folders of artifacts that share the judges, and other folders by name: each is made once in a run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(*names):
        made = tmp_path_factory.mktemp("artifacts")
        for name in ("judges", *names):
            (shared / f"shared-{name}").mkdir(exist_ok=True)
            (made / name).symlink_to(shared / f"shared-{name}")
        return made

    return folder


@pytest.fixture(autouse=True)
def artifacts(artifact_folder, monkeypatch):
    """The folder of artifacts, for this test and the processes that it starts, which take committed pairs first."""
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(artifact_folder))
    monkeypatch.delenv("DOTLIB_TRAIN", raising=False)
    monkeypatch.delenv("DOTLIB_MEASURE", raising=False)
    return artifact_folder
