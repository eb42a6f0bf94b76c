"""Resolve requirements.in and write requirements.txt, the pins of the whole environment.

    python envs/lock.py

What torch pins by itself for one kind of accelerator (nvidia-*, cuda-*, triton) is left out, and so are
local version suffixes, so that other machines can install the same file. requirements-slurm.txt and the like
hold what an optional set adds to them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SKIPPED = ("nvidia-", "cuda-", "triton")
HEAD = "# Every package of the environment, pinned: the closure of requirements.in (python envs/lock.py).\n"
EXTRA = "# What {} beside requirements.txt, pinned (python envs/lock.py); install with --no-deps.\n"
ALONE = "# What {} needs, pinned (python envs/lock.py); install into an environment of its own.\n"
EXTRAS = {
    "slurm": "Slurm needs",
    "storage": "files on other storage need",
    "kubernetes": "Kubernetes needs, and the test that stands in for it,",
}


def main() -> None:
    """Ask pip for the closures without installing them; write them sorted by name."""
    pins = closure("requirements.in")
    write("requirements.txt", HEAD, pins)
    for name, needs in EXTRAS.items():
        more = closure("requirements.in", f"requirements-{name}.in") - pins
        write(f"requirements-{name}.txt", EXTRA.format(needs), more)
    site = closure("requirements-site.in")
    write("requirements-site.txt", ALONE.format("the site of the documentation"), site)


def closure(*names: str) -> set[str]:
    """The pins (`name==version`) of everything that these files ask for."""
    words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    files = [word for name in names for word in ("-r", str(HERE / name))]
    command = [sys.executable, "-m", "pip", *words, *files]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = {entry["metadata"]["name"].lower().replace("_", "-"): entry for entry in report["install"]}
    return {
        f"{name}=={entry['metadata']['version'].split('+')[0]}"
        for name, entry in found.items()
        if not name.startswith(SKIPPED)
    }


def write(name: str, head: str, pins: set[str]) -> None:
    """Write pins, one a line, below a comment."""
    lines = [f"{pin}\n" for pin in sorted(pins, key=lambda pin: pin.split("==")[0])]
    (HERE / name).write_text(head + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
