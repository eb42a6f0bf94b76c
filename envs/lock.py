"""Resolve requirements.in and write requirements.txt, the pins of the whole environment.

    python envs/lock.py

What torch pins by itself for one kind of accelerator (nvidia-*, cuda-*, triton) is left out, and so are
local version suffixes, so that other machines can install the same file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SKIPPED = ("nvidia-", "cuda-", "triton")
HEAD = "# Every package of the environment, pinned: the closure of requirements.in (python envs/lock.py).\n"


def main() -> None:
    """Ask pip for the closure without installing it; write it sorted by name."""
    words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    command = [sys.executable, "-m", "pip", *words, "-r", str(HERE / "requirements.in")]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = {entry["metadata"]["name"].lower().replace("_", "-"): entry for entry in report["install"]}
    pins = {name: entry["metadata"]["version"].split("+")[0] for name, entry in found.items()}
    lines = [f"{name}=={pins[name]}\n" for name in sorted(pins) if not name.startswith(SKIPPED)]
    (HERE / "requirements.txt").write_text(HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
