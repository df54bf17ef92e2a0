"""Where a number comes from: commit, changed files, device. Kinds of test: identities, failures."""

import subprocess

import torch

from dotlib.results import provenance


def test_source_state_follows_git(tmp_path, monkeypatch):
    """In a repository of our own: clean, then with a changed tracked file, then without git."""

    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    module = tmp_path / "dotlib" / "results" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "dotlib"\n')
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    monkeypatch.setattr(provenance, "__file__", str(module))
    commit, dirty = provenance.source_state()
    assert len(commit) == 40 and not dirty
    (tmp_path / "new_file").write_text("")
    assert provenance.source_state() == (commit, False)  # untracked files change no number
    module.write_text("x = 2\n")
    assert provenance.source_state() == (commit, True)
    monkeypatch.setenv("PATH", "")
    assert provenance.source_state() == ("unknown", True)


def test_the_processor_has_a_name(monkeypatch):
    provenance.device_name.cache_clear()
    assert provenance.device_name("cpu").strip()
    monkeypatch.setattr(provenance.Path, "read_text", lambda *_, **__: "flags : x\n")
    provenance.device_name.cache_clear()
    assert provenance.device_name("cpu") == provenance.platform.machine()

    def unreadable(*_, **__):
        raise OSError

    monkeypatch.setattr(provenance.Path, "read_text", unreadable)
    provenance.device_name.cache_clear()
    assert provenance.device_name("cpu")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device}")
    assert provenance.device_name("cuda:0") == "GPU cuda:0"
    provenance.device_name.cache_clear()
