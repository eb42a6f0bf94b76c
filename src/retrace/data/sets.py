"""One door to every data set: the catalogue's files, or those of the larger scales."""

from __future__ import annotations

from pathlib import Path

from retrace.data import catalogue
from retrace.data.images import Images
from retrace.stage import StageError

OWN = "data/own/"  # where the user's sets are


def in_package(file: str) -> bool:
    """Whether a catalogue's `file` is a text or a model that stays in its package (retrace.data.wheels)."""
    return file.startswith("package:")


def reader(name: str) -> str:
    """The module that reads data set `name`; its code enters the keys of the stages that read the set."""
    from retrace.data.external_names import EXTERNAL

    return "retrace.data.external" if name in EXTERNAL else "retrace.data.catalogue"


def fingerprint(root: Path, folder: str, name: str) -> str:
    """What enters a key for data set `name`: SHA-256 (checked) and classes, or what stands for the content.

    `folder` matters only to the larger scales' sets.
    Errors: StageError, one line, for an unknown name or a missing or altered file.
    """
    from retrace.data import external, rehearsed
    from retrace.data.external_names import EXTERNAL

    if name in EXTERNAL and rehearsed.stands_in(folder):
        return rehearsed.fingerprint(name, folder)
    if name in EXTERNAL:
        return external.fingerprint(name, root / folder)
    _is_images(catalogue.entry(root, name))
    row = catalogue.verify(root, name)
    return f"{row.sha256}:{row.classes}"


def load(root: Path, name: str, folder: str, download: bool) -> Images:
    """Data set `name`; `folder` and `download` matter only to the larger scales' sets."""
    from retrace.data import rehearsed
    from retrace.data.external import load_external
    from retrace.data.external_names import EXTERNAL

    if name in EXTERNAL and rehearsed.stands_in(folder):
        return rehearsed.draw(name, folder)
    if name in EXTERNAL:
        return load_external(name, root / folder, download)
    row = catalogue.entry(root, name)
    _is_images(row)
    images = catalogue.load(root, name)
    # of the repository's sets, reviews have ratings that no sentence got
    lacking = set(range(row.classes)) - set(images.y.tolist()) if row.file.startswith(OWN) else set()
    if lacking:
        raise StageError(
            f"{row.file}: no image of class {min(lacking)}, {catalogue.CATALOGUE} says {row.classes}; "
            "number labels from 0 without a gap, and mend its row"
        )
    return images


def _is_images(row: catalogue.Entry) -> None:
    # not in catalogue.py: what reads the images is in their keys
    if in_package(row.file):
        raise StageError(f"{row.name} is a text or a model, not a set of images: it stays in {row.source}")
