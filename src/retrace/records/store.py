"""DVC around the workflow, never inside it: restore data, pull evidence as a union, publish."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from retrace.data import catalogue, sets
from retrace.errors import RetraceError, unknown
from retrace.files import set_aside, sha256, write_atomic

STORE = "dvcstore/files/md5"  # the repository's own remote: read as it is, which needs neither git nor DVC
CHATTER = ("Having any troubles", "Is your cache up to date", "<http")  # what DVC says beside a reason
# what Retrace itself leaves is named by a key, or lies in a folder that is
OURS = re.compile(r"-[0-9a-f]{12}[./]")


class Tracked:
    """The files of one DVC pointer; it is never checked out, which would delete what lies beside them.

    `md5` gives their digests by path (relative to the root); RetraceError where DVC cannot bring the listing.
    """

    def __init__(self, root: Path, pointer: str) -> None:
        self._root, self._pointer = root, pointer
        out = yaml.safe_load((root / pointer).read_text())["outs"][0]
        place = Path(pointer).parent / out["path"]
        self.md5: dict[str, str] = {place.as_posix(): out["md5"]}
        if out["md5"].endswith(".dir"):
            listing: list[dict[str, Any]] = json.loads(self._object(out["md5"]))
            self.md5 = {(place / entry["relpath"]).as_posix(): entry["md5"] for entry in listing}

    def read(self, file: str) -> bytes:
        """The content of a file as published; RetraceError when the remote lacks it or holds it damaged."""
        return self._object(self.md5[file])

    @cached_property
    def _cache(self) -> Path:
        return Path(dvc(self._root, "cache", "dir").strip()) / "files" / "md5"

    def _object(self, md5: str) -> bytes:
        shipped = self._root / STORE / md5[:2] / md5[2:]
        if _has(shipped, md5):
            return shipped.read_bytes()
        path = self._cache / md5[:2] / md5[2:]
        if not _has(path, md5):
            if path.exists():
                set_aside(path)
            dvc(self._root, "fetch", self._pointer)
        if not _has(path, md5):
            raise RetraceError(f"{path}: not in the DVC cache; the remote lacks it or holds it damaged")
        return path.read_bytes()


def _has(path: Path, md5: str) -> bool:
    digest = md5.removesuffix(".dir")
    return path.is_file() and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == digest


def restore_data(root: Path) -> None:
    """Bring data files that are missing from the DVC remote (the repository's own by default).

    Nothing here is overwritten or deleted; a missing file that DVC does not know is left to whoever reads it.
    """
    missing = [file for file in _data_files(root) if not (root / file).is_file()]
    for pointer in sorted({pointer for file in missing if (pointer := _pointer(root, file))}):
        tracked = Tracked(root, pointer)
        found = [file for file in missing if file in tracked.md5]
        if found:
            print(f"retrace: bringing {len(found)} data files ({pointer})", file=sys.stderr)
        for file in found:
            write_atomic(root / file, tracked.read(file))


def restore(root: Path, file: str) -> Path | None:
    """Put one data file of the catalogue back as published; where a file of other content was set aside.

    Raises RetraceError, with nothing changed, when the catalogue does not name the file, or DVC has no copy
    of it with the catalogue's digest.
    """
    rows = _data_files(root)
    if file not in rows:
        raise RetraceError(f"{catalogue.CATALOGUE}: {unknown('file', file, rows)}")
    pointer = _pointer(root, file)
    tracked = Tracked(root, pointer) if pointer else None
    if tracked is None or file not in tracked.md5:
        raise RetraceError(f"{file}: DVC has no copy of it; put your own back ({catalogue.OWN})")
    data = tracked.read(file)
    if sha256(data) != rows[file]:
        raise RetraceError(
            f"{file}: what {pointer} names is not what {catalogue.CATALOGUE} says "
            f"(SHA-256 {sha256(data)[:12]}, catalogue {rows[file][:12]}); bring the two to the same commit"
        )
    path = root / file
    aside = set_aside(path) if path.exists() and path.read_bytes() != data else None
    write_atomic(path, data)
    return aside


def _data_files(root: Path) -> dict[str, str]:
    """SHA-256 by file of the catalogue's sets that are files here."""
    rows = catalogue.entries(root).values()
    return {row.file: row.sha256 for row in rows if not sets.in_package(row.file)}


def _pointer(root: Path, file: str) -> str | None:
    """The DVC file that may name a data file: its own, or the repository's."""
    return next((name for name in (f"{file}.dvc", "data.dvc") if (root / name).is_file()), None)


def pull(root: Path) -> tuple[int, int]:
    """Add the published evidence to what is here; nothing here is deleted or overwritten.

    Returns how many files were added and how many were here already. Raises RetraceError when the
    remote lacks an object or holds a damaged one.
    """
    restore_data(root)
    if not (root / "evidence.dvc").is_file():
        raise RetraceError("nothing has been published yet: there is no evidence.dvc")
    tracked = Tracked(root, "evidence.dvc")
    missing = [file for file in tracked.md5 if not (root / file).exists()]
    for file in missing:
        write_atomic(root / file, tracked.read(file))
    return len(missing), len(tracked.md5) - len(missing)


def publish(root: Path, keep: Iterable[str] | None = None) -> int:
    """Version all evidence here, together with what was published before, and push it.

    Returns the number of evidence files. Nothing published is lost: a pull comes first. With `keep`, the
    paths that a sheet reaches, all other evidence is dropped after the pull.
    """
    if (root / "evidence.dvc").is_file():
        pull(root)
    if keep is not None:
        for path in unreached(root, keep):
            if path.is_relative_to(root / "evidence"):
                path.unlink()
    dvc(root, "add", "evidence")
    dvc(root, "push", "evidence.dvc", "data.dvc")
    return len(Tracked(root, "evidence.dvc").md5)


def unreached(root: Path, reached: Iterable[str]) -> list[Path]:
    """Evidence, scratch and product files that nothing reaches at any scale, and files set aside.

    What a user put beside them is not among them.
    """
    keep = {root / path for path in reached}
    folders = [
        root / "evidence",
        *(root / "results" / name for name in ("scratch", "judge", "draw", "report")),
    ]
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file() and path not in keep)
    return sorted(path for path in found if OURS.search(path.relative_to(root).as_posix()))


def dvc(root: Path, *words: str) -> str:
    """Run one DVC command in the repository; its output. RetraceError with its reason when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        command = f"dvc {' '.join(words)}"
        if not (root / ".git").exists():
            raise RetraceError(f"{command} failed: DVC needs a git repository; make one with: git init")
        raise RetraceError(f"{command} failed: {reason(done.stderr or done.stdout)} (see: {command} -v)")
    return done.stdout


def reason(said: str) -> str:
    """Why a DVC command failed, in one line: from its first error on, without the pages it points to."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["no message"]
    first = next((place for place, line in enumerate(lines) if line.startswith("ERROR:")), len(lines) - 1)
    told = " ".join(line for line in lines[first:] if not line.startswith(CHATTER))
    return told.removeprefix("ERROR:").strip()[:400]
