"""Write constraints.txt from pyproject.toml.

A pin stays unless its package is named. What is new gets the newest version that fits, what nothing needs goes.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "constraints.txt"
HEADER = "# Made by `python workflow/pin.py` from pyproject.toml: exact versions of all that `make` installs."


def main(arguments=None):
    """Rewrite the pins, or print the lowest versions that pyproject.toml admits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lowest", action="store_true", help="print the lowest versions instead")
    parser.add_argument("names", nargs="*", metavar="NAME", help="packages that get their newest version")
    options = parser.parse_args(arguments)
    if options.lowest:
        print(*lowest(requirements()), sep="\n")
    else:
        kept = [line for line in pins() if canonical(line.split("==")[0]) not in map(canonical, options.names)]
        PINS.write_text("\n".join([HEADER, *resolved(kept), ""]), encoding="utf-8")


def canonical(name):
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins():
    """The lines 'name==version' of constraints.txt."""
    return [line for line in PINS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def requirements():
    """Every direct requirement, those of the extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [line for group in (project["dependencies"], *project["optional-dependencies"].values()) for line in group]


def lowest(lines):
    """'name>=1,<2' -> 'name==1' for every requirement."""
    return [re.sub(r"^([\w.-]+)>=([^,;]+).*$", r"\1==\2", line) for line in lines]


def resolved(kept):
    """What pip would install into an empty environment; no local versions, so that any build will do."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    run = subprocess.run(
        [*command, "-c", "/dev/stdin", *requirements()],
        input="\n".join(kept),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        sys.exit(run.stderr)
    found = [package["metadata"] for package in json.loads(run.stdout)["install"]]
    return [f"{p['name']}=={p['version'].split('+')[0]}" for p in sorted(found, key=lambda p: canonical(p["name"]))]


if __name__ == "__main__":
    main()
