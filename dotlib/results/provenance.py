"""Where a number comes from: commit, package versions, device."""

import functools
import platform
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "numpy", "scipy", "POT", "scikit-learn", "matplotlib")


def checkout() -> Path | None:
    """Root of the repository that this code stands in; None for an installed copy, in whatever folder."""
    root = Path(__file__).resolve().parents[2]
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return root if project.get("project", {}).get("name") == "dotlib" else None


def here(device: str = "cpu") -> dict:
    """Commit and dirty flag of the source, versions, and the device that computes."""
    import torch  # here, so that settings and files can be read without it

    commit, dirty = source_state()
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "device": device_name(device),
        "threads": torch.get_num_threads(),
    }


def source_state() -> tuple[str, bool]:
    """(commit, whether tracked files differ from it); ("unknown", True) outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    return commit or "unknown", commit is None or bool(_git("status", "--porcelain", "--untracked-files=no"))


@functools.cache
def device_name(device: str = "cpu") -> str:
    """The accelerator's name, or the processor's."""
    import torch  # here, as above

    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(*arguments: str) -> str | None:
    if (root := checkout()) is None:
        return None
    try:
        return subprocess.run(
            ["git", "-C", root, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
