"""What every test gets: artifacts of its own, never those of the repository."""

import pytest


@pytest.fixture
def artifact_folder(tmp_path):
    """Where artifacts go. A module whose tests share what they train overrides this with its own scope."""
    return tmp_path / "artifacts"


@pytest.fixture(autouse=True)
def artifacts(artifact_folder, monkeypatch):
    """The folder of artifacts, for this test and the processes that it starts, which take committed pairs first."""
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(artifact_folder))
    monkeypatch.delenv("DOTLIB_TRAIN", raising=False)
    return artifact_folder
