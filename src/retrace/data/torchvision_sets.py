"""The only module of the data layer that imports torchvision: it turns its data sets into `Images`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from retrace.data.images import Images, Labels, Pixels

Opener = Callable[[str, bool, bool], Any]  # root, train, download -> a torchvision data set


def _by_flag(dataset: Callable[..., Any]) -> Opener:
    return lambda root, train, download: dataset(root, train=train, download=download)


def _by_split(dataset: Callable[..., Any]) -> Opener:
    return lambda root, train, download: dataset(root, split="train" if train else "test", download=download)


def _emnist(root: str, train: bool, download: bool) -> Any:
    return datasets.EMNIST(root, split="balanced", train=train, download=download)


OPENERS: dict[str, Opener] = {
    "cifar10": _by_flag(datasets.CIFAR10),
    "cifar100": _by_flag(datasets.CIFAR100),
    "svhn": _by_split(datasets.SVHN),
    "stl10": _by_split(datasets.STL10),
    "emnist": _emnist,
    "mnist_full": _by_flag(datasets.MNIST),
    "fashion_full": _by_flag(datasets.FashionMNIST),
}


def pixels(name: str, data: Any) -> Pixels:
    """What torchvision keeps as `data`, as contiguous uint8 (N,H,W,C)."""
    x = np.asarray(data, dtype=np.uint8)
    if x.ndim == 3:
        x = x[..., None]
    elif name in ("svhn", "stl10"):  # kept as (N,C,H,W)
        x = x.transpose(0, 2, 3, 1)
    if name == "emnist":  # kept on its side
        x = x.swapaxes(1, 2)
    return np.ascontiguousarray(x)


def _labels(dataset: Any) -> Labels:
    kept = dataset.targets if hasattr(dataset, "targets") else dataset.labels
    return np.asarray(kept, dtype=np.int64)


def read(name: str, folder: Path, download: bool, classes: int) -> Images:
    """Training then test images of `name` under `folder`; torchvision's own errors when that fails."""
    parts = [OPENERS[name](str(folder), train, download) for train in (True, False)]
    x = np.concatenate([pixels(name, part.data) for part in parts])
    return Images(x, np.concatenate([_labels(part) for part in parts]), classes)
