"""Where in this library a line of code is."""

from __future__ import annotations

from pathlib import Path

LIBRARY = f"{Path(__file__).resolve().parents[1]}/"  # not "retrace": an environment's folder may be called so


def own(filename: str) -> str:
    """A file's path below the library, `studies/safety/train.py` say; empty for any other file."""
    return filename.removeprefix(LIBRARY) if filename.startswith(LIBRARY) else ""
