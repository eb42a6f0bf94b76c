"""Set up the pinned environment once, then run a command in it; needs Python 3.11 and nothing else.

    python3 envs/run.py snakemake --cores all

The virtual environment lies in $RETRACE_VENV, or in a folder of the user's cache named after the pins, so
that changed pins get a fresh one. Only the standard library is used here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "envs" / "requirements.txt"


def main(command: list[str]) -> int:
    """Run `command` in the environment; the command's exit status."""
    if sys.version_info[:2] < (3, 11):  # noqa: UP036 - the one line an old Python should print
        print(f"retrace: needs Python 3.11 or newer, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    if not command:
        print("usage: python3 envs/run.py COMMAND [ARG ...]", file=sys.stderr)
        return 2
    place = environment()
    if not (place / "complete").is_file():
        install(place)
    search = os.pathsep.join([str(place / "bin"), os.environ.get("PATH", "")])
    variables = {**os.environ, "PATH": search, "VIRTUAL_ENV": str(place), "PYTHONPATH": str(ROOT / "src")}
    variables.pop("PYTHONHOME", None)
    found = shutil.which(command[0], path=search)
    if found is None:
        print(f"retrace: no command {command[0]!r} in the environment {place}", file=sys.stderr)
        return 127
    return subprocess.run([found, *command[1:]], env=variables, check=False).returncode


def environment() -> Path:
    """Where the virtual environment of the present pins lies."""
    if "RETRACE_VENV" in os.environ:
        return Path(os.environ["RETRACE_VENV"]).absolute()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    name = hashlib.sha256(PINS.read_bytes() + f"{sys.version_info[:2]}".encode()).hexdigest()[:12]
    return cache / "retrace" / f"venv-{name}"


def install(place: Path) -> None:
    """Make the environment; a half-made one has no `complete` file and is made again."""
    print(f"retrace: installing the pins into {place} (some minutes, once)", file=sys.stderr)
    venv.create(place, clear=True, with_pip=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--no-input"]
    for words in (["-r", str(PINS)], ["--no-deps", "-e", str(ROOT)]):
        done = subprocess.run([*pip, *words], check=False)
        if done.returncode:
            sys.exit(f"retrace: pip could not install ({' '.join(words)}); see its message above")
    (place / "complete").touch()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
