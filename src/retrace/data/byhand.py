"""Data sets that torchvision does not know and the user puts in place: Purchase100 and CINIC-10."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from retrace.data.images import Images

SOURCES = {
    "purchase100": "github.com/privacytrustlab/datasets, dataset_purchase.tgz",
    "cinic10": "doi.org/10.7488/ds/2448, CINIC-10.tar.gz",
}
CINIC10_PARTS = ("train", "valid", "test")


def listing_digest(place: Path) -> str:
    """SHA-256 over names and sizes of the files under `place`, or `absent`.

    These sets have no published checksum to hold them to, and reading 270,000 pictures to plan a run
    would take minutes: a file changed without changing its size goes unnoticed.
    """
    if not place.exists():
        return "absent"
    found = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(place.parent).as_posix()} {path.stat().st_size}" for path in found]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read(name: str, place: Path, classes: int) -> Images:
    """Purchase100 or CINIC-10 from its `place`; OSError or ValueError when that fails."""
    return _purchase100(place, classes) if name == "purchase100" else _cinic10(place, classes)


def _purchase100(place: Path, classes: int) -> Images:
    """Rows of label 1..100 and 600 bits, as images (N,1,600,1) of 0 and 255."""
    import pandas as pd  # planning names these sets without reading them

    rows = pd.read_csv(place, header=None, dtype=np.uint8).to_numpy()
    return Images((rows[:, 1:] * np.uint8(255))[:, None, :, None], rows[:, 0].astype(np.int64) - 1, classes)


def _cinic10(place: Path, classes: int) -> Images:
    from torchvision.datasets import ImageFolder  # torch takes seconds to import: only when images are read

    pictures: list[np.ndarray] = []
    labels: list[int] = []
    for part in CINIC10_PARTS:
        for picture, label in ImageFolder(str(place / part)):
            pictures.append(np.asarray(picture, dtype=np.uint8))
            labels.append(label)
    return Images(np.stack(pictures), np.asarray(labels, dtype=np.int64), classes)
