"""When the Slurm of the cluster tests refuses to start, and what the profile asks for. Kinds: failures, invariants."""

import io
from pathlib import Path

import pytest
from cluster import loopback_slurm
from snakemake.profiles import ProfileConfigFileParser

PROFILE = Path(__file__).resolve().parents[2] / "workflow/profiles/slurm/config.yaml"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine on which nothing is in the way; returns the path of its slurm.conf, which does not exist."""
    monkeypatch.setattr(loopback_slurm, "CONF", tmp_path / "slurm.conf")
    monkeypatch.setattr(loopback_slurm.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(loopback_slurm.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(loopback_slurm.os, "geteuid", lambda: 0)
    monkeypatch.setattr(loopback_slurm, "processes", lambda: [(1, "init", b"")])
    return tmp_path / "slurm.conf"


def test_an_empty_machine_is_used(machine):
    assert loopback_slurm.obstacle() is None
    machine.write_text(loopback_slurm.OURS + "/tmp/of-a-killed-session\n", "utf-8")
    assert loopback_slurm.obstacle() is None


def test_missing_programs_are_named_with_their_packages(machine, monkeypatch):
    monkeypatch.setattr(loopback_slurm.shutil, "which", lambda name: None if name == "munged" else name)
    assert loopback_slurm.obstacle() == "not found: munged; as root: apt-get install slurm-wlm munge"


def test_a_missing_plugin_is_named(machine, monkeypatch):
    monkeypatch.setattr(loopback_slurm.importlib.util, "find_spec", lambda name: None)
    assert "pip install -c constraints.txt -e '.[cluster]'" in loopback_slurm.obstacle()


def test_nobody_but_root_starts_daemons(machine, monkeypatch):
    monkeypatch.setattr(loopback_slurm.os, "geteuid", lambda: 1000)
    assert loopback_slurm.obstacle() == "Slurm's daemons need root"


def test_the_slurm_of_others_is_left_alone(machine, monkeypatch):
    machine.write_text("ClusterName=theirs\n", "utf-8")
    with pytest.raises(RuntimeError, match="slurm.conf belongs to another Slurm"), loopback_slurm.running():
        pass
    assert machine.read_text("utf-8") == "ClusterName=theirs\n"
    machine.unlink()
    monkeypatch.setattr(loopback_slurm, "processes", lambda: [(1, "init", b""), (7, "slurmctld", b"")])
    with pytest.raises(RuntimeError, match="already running: slurmctld"), loopback_slurm.running():
        pass
    assert not machine.exists()


def settings():
    """The settings of the profile as snakemake reads them."""
    stream = io.StringIO(PROFILE.read_text("utf-8"))
    stream.name = str(PROFILE)
    return ProfileConfigFileParser().parse(stream)


def test_account_and_partition_are_asked_for_where_the_environment_has_them(monkeypatch):
    for name in ("SBATCH_ACCOUNT", "SBATCH_PARTITION"):
        monkeypatch.delenv(name, raising=False)
    alone = settings()["default-resources"]
    assert not [entry for entry in alone if "slurm" in entry]
    monkeypatch.setenv("SBATCH_ACCOUNT", "01234")  # text, even where it looks like a number
    monkeypatch.setenv("SBATCH_PARTITION", "all")  # a name of Python's
    assert settings()["default-resources"] == ["slurm_account='01234'", "slurm_partition='all'", *alone]


def test_failed_jobs_are_seen_without_accounting():
    assert settings()["slurm-status-command"] == "squeue"
