"""Set up the pinned environment once, then run a command in it; needs Python 3.11 and nothing else.

    python3 envs/run.py snakemake --cores all

The virtual environment lies in $RETRACE_VENV, or in a folder of the user's cache named after the pins, so
that changed pins get a fresh one. A folder that holds anything else is refused. Only the standard library is
used here.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "envs" / "requirements.txt"
MARK = "made-by-retrace"  # the first file in a new environment: a half-made one is ours to make again


def main(command: list[str]) -> int:
    """Run `command` in the environment; the command's exit status."""
    if sys.version_info[:2] < (3, 11):  # noqa: UP036 - the one line an old Python should print
        print(f"retrace: needs Python 3.11 or newer, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    if not command:
        print("usage: python3 envs/run.py COMMAND [ARG ...]", file=sys.stderr)
        return 2
    cache = cache_folder()
    place = environment(cache)
    if not ready(place):
        install(place)
    search = os.pathsep.join([str(place / "bin"), os.environ.get("PATH", "")])
    ours = {"PATH": search, "VIRTUAL_ENV": str(place), "PYTHONPATH": str(ROOT / "src")}
    variables = {**os.environ, **user(cache), **ours}
    variables.pop("PYTHONHOME", None)
    found = shutil.which(command[0], path=search)
    if found is None:
        print(f"retrace: no command {command[0]!r} in the environment {place}", file=sys.stderr)
        return 127
    return attend([found, *command[1:]], variables)


def attend(words: list[str], variables: dict[str, str]) -> int:
    """Run to the end: Ctrl-C reaches the command, too, and SIGTERM is passed on; it has the time to stop.

    `subprocess.run` would kill it after a quarter of a second.
    """
    signal.signal(signal.SIGINT, lambda *_: None)  # which the command does not inherit
    told: list[int] = []  # to end, while the command is being started
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    process = subprocess.Popen(words, env=variables)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    if told:
        process.terminate()
    status = process.wait()
    return status if status >= 0 else 128 - status  # as a shell says it of one that a signal ended


def refuse(line: str) -> NoReturn:
    """Leave with one line."""
    sys.exit(f"retrace: {line}")


def cache_folder() -> Path:
    """The user's cache folder, made if need be; Snakemake, too, cannot start without one."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        # the XDG specification: empty is unset, and a relative path is to be ignored
        cache = given if given.is_absolute() else Path.home() / ".cache"
        cache.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        refuse(f"no cache folder ({error}); set XDG_CACHE_HOME to a folder that you may write to")
    if not os.access(cache, os.W_OK | os.X_OK):
        refuse(f"{cache}: may not be written; set XDG_CACHE_HOME to a folder that you may write to")
    return cache


def user(cache: Path) -> dict[str, str]:
    """What Snakemake asks of the system about its user, which in a container may know of none."""
    known = {"XDG_CACHE_HOME": str(cache)}
    try:
        known["LOGNAME"] = getpass.getuser()
    except (KeyError, OSError):
        known["LOGNAME"] = str(os.getuid())
    try:
        known["HOME"] = str(Path.home())
    except RuntimeError:
        known["HOME"] = str(cache)
    return known


def environment(cache: Path) -> Path:
    """Where the virtual environment of the present pins lies."""
    if own := os.environ.get("RETRACE_VENV"):
        return Path(own).absolute()
    name = hashlib.sha256(PINS.read_bytes() + f"{sys.version_info[:2]}".encode()).hexdigest()[:12]
    return cache / "retrace" / f"venv-{name}"


def ready(place: Path) -> bool:
    """Whether the environment is there, whole."""
    return all((place / name).is_file() for name in ("complete", "pyvenv.cfg"))


def wait(mark: IO[str], place: Path) -> None:
    """Until no other command installs into `place`."""
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(
            f"retrace: another command is installing the pins into {place}; waiting for it", file=sys.stderr
        )
        fcntl.flock(mark, fcntl.LOCK_EX)


def install(place: Path) -> None:
    """Make the environment; a half-made one has no `complete` file and is made again.

    Only what was made here is ever cleared: a folder that holds anything else is refused. Of several
    commands that find it unmade, one installs and the others wait.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        found = list(place.iterdir())
        if found and not (place / MARK).is_file():
            refuse(f"{place}: holds other files (no {MARK}); set RETRACE_VENV to a new or an empty folder")
        with (place / MARK).open("a") as mark:  # let go however this ends
            wait(mark, place)
            if not ready(place):
                make(place, mark)
    except OSError as error:
        refuse(
            f"{place}: cannot be made ({error.strerror}); set RETRACE_VENV to a folder that you may write to"
        )


def make(place: Path, mark: IO[str]) -> None:
    """A fresh environment with the pins in the place of a half-made one; `mark` is the lock that is held."""
    for path in place.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARK:
            path.unlink()
    print(f"retrace: installing the pins into {place} (some minutes, once)", file=sys.stderr)
    venv.create(place, with_pip=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--no-input"]
    for words in (["-r", str(PINS)], ["--no-deps", "-e", str(ROOT)]):
        # pip holds the file, too: were this process killed, it would go on writing
        done = subprocess.run([*pip, *words], check=False, pass_fds=[mark.fileno()])
        if done.returncode:
            refuse(f"pip could not install ({' '.join(words)}); see its message above")
    (place / "complete").touch()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("retrace: stopped while installing; the same command goes on", file=sys.stderr)
        sys.exit(130)
