"""Which data sets of the catalogue are the user's own."""

from __future__ import annotations

from pathlib import Path

from retrace.data.catalogue import CATALOGUE, entries

OWN = Path("data/own")  # never data/raw, which belongs to DVC


def own_sets(root: Path) -> tuple[str, ...]:
    """Names of the catalogue's sets that lie in data/own/; none where there is no catalogue."""
    if not (root / CATALOGUE).is_file():
        return ()
    return tuple(name for name, row in entries(root).items() if Path(row.file).parent == OWN)
