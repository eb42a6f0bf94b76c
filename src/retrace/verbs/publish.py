"""Copy a keyed product to the names that people know, and forget the stamps of earlier ones."""

from __future__ import annotations

from pathlib import Path

from retrace.files import write_atomic
from retrace.jobs import PublishJob


def run(job: PublishJob, root: Path, kept: Path) -> None:
    """Copy every file of `job.copies` from `kept` to `root`; the workflow touches the stamp in `job.out`."""
    for copy, source in job.copies.items():
        write_atomic(root / copy, (kept / source).read_bytes())
    stamp = root / job.out[0]
    stem = stamp.name.rsplit("-", 1)[0]
    for other in stamp.parent.glob(f"{stem}-*"):
        if other != stamp and other.name.rsplit("-", 1)[0] == stem:
            other.unlink()
