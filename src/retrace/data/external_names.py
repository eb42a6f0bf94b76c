"""The published data sets of the gpu and paper scales, as facts; nothing here reads them."""

from __future__ import annotations

from dataclasses import dataclass


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
IMAGES = ("fashion", "mnist", "digits", *EXTERNAL)  # those of data/catalogue.csv first
