"""Copy a keyed product to the names that people know, and forget the stamps of earlier ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retrace.files import write_atomic


def run(spec: dict[str, Any], root: Path) -> None:
    """Copy every file of `spec["copies"]`; the workflow then touches the stamp named in `spec["out"]`."""
    for source, copy in spec["copies"].items():
        write_atomic(root / copy, (root / source).read_bytes())
    stamp = root / spec["out"][0]
    stem = stamp.name.rsplit("-", 1)[0]
    for other in stamp.parent.glob(f"{stem}-*"):
        if other != stamp and other.name.rsplit("-", 1)[0] == stem:
            other.unlink()
