"""Which data sets the gpu and paper scales take from torchvision or a folder; free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retrace.data import byhand
from retrace.data.images import Images
from retrace.errors import unknown
from retrace.stage import StageError


@dataclass(frozen=True)
class External:
    """A published data set: images in training and test part, (H,W,C), classes, its place."""

    train: int
    test: int
    shape: tuple[int, int, int]
    classes: int
    place: str
    by_hand: bool = False  # the user unpacks it; torchvision does not know it


EXTERNAL = {
    "cifar10": External(50_000, 10_000, (32, 32, 3), 10, "cifar-10-batches-py"),
    "cifar100": External(50_000, 10_000, (32, 32, 3), 100, "cifar-100-python"),
    "svhn": External(73_257, 26_032, (32, 32, 3), 10, "train_32x32.mat"),
    "stl10": External(5_000, 8_000, (96, 96, 3), 10, "stl10_binary"),
    "emnist": External(112_800, 18_800, (28, 28, 1), 47, "EMNIST"),
    "mnist_full": External(60_000, 10_000, (28, 28, 1), 10, "MNIST"),
    "fashion_full": External(60_000, 10_000, (28, 28, 1), 10, "FashionMNIST"),
    "cinic10": External(180_000, 90_000, (32, 32, 3), 10, "CINIC-10", by_hand=True),
    "purchase100": External(197_324, 0, (1, 600, 1), 100, "dataset_purchase", by_hand=True),
}


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
