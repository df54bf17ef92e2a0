"""Plant each fault of faults.yml in a copy of the checkout, and see that its test fails: python tests/plant_faults.py.

Words after the name choose the faults that have one of them. Ends with 1 where a fault is not caught, or where the text
in which it is planted has changed: then the fault goes to its present place. Some fifteen seconds a fault.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
FAULTS = yaml.safe_load((ROOT / "tests" / "faults.yml").read_text(encoding="utf-8"))
FAILED = 1  # exit status of pytest where tests ran, and some failed


def copied(folder: Path) -> Path:
    """A clone of the checkout with the package and the tests as they are now."""
    clone = folder / "checkout"
    subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(clone)], check=True)
    for name in ("dotlib", "tests"):
        shutil.rmtree(clone / name)
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    return clone


def outcome(clone: Path, fault: dict[str, str]) -> tuple[bool, str]:
    """Whether the test of a fault fails with it, and what pytest says."""
    path = clone / "dotlib" / fault["file"]
    sound = path.read_text(encoding="utf-8")
    if sound.count(fault["old"]) != 1:
        return False, f"{fault['file']} has its text {sound.count(fault['old'])} times; plant it at its present place"
    path.write_text(sound.replace(fault["old"], fault["new"]), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "--tb=short", f"tests/{fault['test']}"]
    environment = os.environ | {"PYTHONPATH": str(clone), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    path.write_text(sound, encoding="utf-8")
    errors = [line.removeprefix("E").strip() for line in run.stdout.splitlines() if line.startswith("E  ")]
    return run.returncode == FAILED, (errors or run.stdout.splitlines()[-1:] or ["nothing"])[0]


def main(words: list[str]) -> int:
    """Plant the faults that are chosen; give the exit status."""
    chosen = [fault for fault in FAULTS if not words or any(word in fault["fault"] for word in words)]
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        clone = copied(Path(folder))
        for fault in chosen:
            caught, message = outcome(clone, fault)
            missed += not caught
            print(f"{'caught' if caught else 'MISSED'}: {fault['fault']}\n    {message[:150]}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} faults are caught")
    return int(missed > 0 or not chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
