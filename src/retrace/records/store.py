"""DVC around the workflow, never inside it: restore data, pull evidence as a union, publish."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from retrace.data import catalogue, sets
from retrace.errors import RetraceError
from retrace.files import write_atomic


def restore_data(root: Path) -> None:
    """Bring data files that are missing from the DVC remote (the repository's own by default)."""
    kept = [entry.file for entry in catalogue.entries(root).values() if not sets.in_package(entry.file)]
    missing = [file for file in kept if not (root / file).is_file()]
    if missing and (root / "data.dvc").is_file():
        print(f"retrace: pulling {len(missing)} data files (dvc pull data.dvc)", file=sys.stderr)
        dvc(root, "pull", "data.dvc")


def pull(root: Path) -> tuple[int, int]:
    """Add the published evidence to what is here; nothing here is deleted or overwritten.

    Returns how many files were added and how many were here already. Raises RetraceError when the
    remote lacks an object or holds a damaged one.
    """
    restore_data(root)
    if not (root / "evidence.dvc").is_file():
        raise RetraceError("nothing has been published yet: there is no evidence.dvc")
    dvc(root, "fetch", "evidence.dvc")
    added = kept = 0
    for name, md5 in _listing(root, root / "evidence.dvc"):
        path = root / "evidence" / name
        if path.exists():
            kept += 1
            continue
        data = _object(root, md5).read_bytes()
        write_atomic(path, data)
        added += 1
    return added, kept


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
    return sum(1 for _ in _listing(root, root / "evidence.dvc"))


def unreached(root: Path, reached: Iterable[str]) -> list[Path]:
    """Evidence, scratch and product files that nothing reaches at any scale, and files set aside."""
    keep = {root / path for path in reached}
    folders = [
        root / "evidence",
        *(root / "results" / name for name in ("scratch", "judge", "draw", "report")),
    ]
    return sorted(p for folder in folders for p in folder.rglob("*") if p.is_file() and p not in keep)


def _listing(root: Path, pointer: Path) -> list[tuple[str, str]]:
    out = yaml.safe_load(pointer.read_text())["outs"][0]
    entries: list[dict[str, Any]] = json.loads(_object(root, out["md5"]).read_bytes())
    return [(entry["relpath"], entry["md5"]) for entry in entries]


def _object(root: Path, md5: str) -> Path:
    path = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    if not path.is_file():
        raise RetraceError(
            f"{path.relative_to(root)}: not in the DVC cache; the remote lacks it or holds it damaged"
        )
    return path


def dvc(root: Path, *words: str) -> None:
    """Run one DVC command in the repository; RetraceError with its last line when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        command = f"dvc {' '.join(words)}"
        raise RetraceError(f"{command} failed: {lines[-1]} (in a git clone, see: {command} -v)")
