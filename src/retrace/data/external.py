"""Reads the data sets of the gpu and paper scales, from torchvision's folder or the user's."""

from __future__ import annotations

from pathlib import Path

from retrace.data import byhand
from retrace.data.external_names import EXTERNAL
from retrace.data.images import Images
from retrace.errors import unknown
from retrace.stage import StageError


def load_external(name: str, folder: Path, download: bool = False) -> Images:
    """External data set `name` from torchvision's `folder`: the training images first, then the test images.

    `EXTERNAL[name]` says where one part ends. `emnist` is the balanced split, upright. Nothing is fetched
    unless `download`; no other data set ever stands in.
    Errors: StageError, one line with the folder and the remedy, for an unknown name, missing, damaged or
    incomplete files, and a download that fails.
    """
    if name not in EXTERNAL:
        raise StageError(unknown("external data set", name, EXTERNAL))
    known, where = EXTERNAL[name], Path(folder).absolute()
    try:
        if known.by_hand:
            images = byhand.read(name, where / known.place, known.classes)
        else:
            from retrace.data import torchvision_sets  # torch takes seconds to import: only to read images

            images = torchvision_sets.read(name, where, download, known.classes)
    except ModuleNotFoundError as error:
        line = f"needs the Python package {error.name}"
        raise StageError(f"data set {name}: {line}; install it with: pip install {error.name}") from None
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        line = f"not usable in {where} ({said}); {remedy(name, download)}, or copy its files there"
        raise StageError(f"data set {name}: {line}") from None
    expected = (known.train + known.test, *known.shape)
    if images.x.shape != expected:
        raise StageError(
            f"data set {name}: {where} holds {images.x.shape}, the published set is {expected}; "
            f"move its folder there away and download it again"
        )
    return images


def remedy(name: str, download: bool) -> str:
    """How to get a data set that is not there."""
    if EXTERNAL[name].by_hand:
        return f"unpack {EXTERNAL[name].place} from {byhand.SOURCES[name]}"
    return "check the network and free space" if download else "set `download: true` in config/config.yaml"


def fingerprint(name: str, folder: Path) -> str:
    """What enters a key: torchvision checks its archives itself, so there the name stands for the content."""
    known = EXTERNAL[name]
    return f"folder:{byhand.listing_digest(folder / known.place)}" if known.by_hand else f"torchvision:{name}"


def missing(name: str, folder: Path) -> bool:
    """Whether torchvision's folder holds nothing of the data set (a look at names, not at content)."""
    return not (folder / EXTERNAL[name].place).exists()
