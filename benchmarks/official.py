"""The published algorithms as they are looped in the authors' code, written anew from a description.

References for parity and for the speed ratio: one image, layer, bin count and distance at a time.
Activations are float64, as ours are, so that both sides bin the same numbers.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping

import numpy as np
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset


def histogram(values: np.ndarray, bins: int) -> np.ndarray:
    counts, _ = np.histogram(values, bins=bins)
    shares = counts / counts.sum()
    return np.nan_to_num(shares)


def four_distances(u: np.ndarray, v: np.ndarray) -> dict[str, float]:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = u * np.log(u / v)
    terms[~np.isfinite(terms)] = 0
    return {
        "w": wasserstein_distance(u, v),
        "js": jensenshannon(u, v) ** 2,
        "bh": 1 - np.sum(np.sqrt(u * v)),
        "kl": np.sum(terms),
    }


def preindex_p(
    clean: Mapping[str, np.ndarray], noisy: Mapping[str, np.ndarray], bins: tuple[int, ...] = (16, 32, 64)
) -> dict[str, float]:
    """PreIndex p over paired vectors (N,C) a layer: one histogram pair at a time."""
    totals: dict[str, float] = {}
    images = 0
    for layer, left in clean.items():
        images = len(left)
        for one, other in zip(left, noisy[layer], strict=True):
            for size in bins:
                u, v = histogram(one, size), histogram(other, size)
                for name, value in four_distances(u, v).items():
                    totals[f"p_{name}{size}"] = totals.get(f"p_{name}{size}", 0.0) + value
    return {key: total / len(clean) / images for key, total in totals.items()}


def layer_activations(
    net: nn.Module, images: torch.Tensor, classes: int, batch: int = 20
) -> dict[str, np.ndarray]:
    """Full maps of every layer copied to the host batch by batch, then filters listed over the data set."""
    store: dict[str, list[np.ndarray]] = {}
    latest: dict[str, torch.Tensor] = {}
    handles = []
    for name, module in net.named_modules():
        if hasattr(module, "out_channels") or hasattr(module, "out_features"):
            keep = lambda _m, _i, output, name=name: latest.__setitem__(name, output.clone())  # noqa: E731
            handles.append(module.register_forward_hook(keep))
    net.eval()
    with torch.no_grad():
        for start in range(0, len(images), batch):
            net(images[start : start + batch])
            taken = copy.deepcopy({name: output.cpu().numpy() for name, output in latest.items()})
            for name, output in taken.items():
                store.setdefault(name, []).append(output)
    for handle in handles:
        handle.remove()
    joined = {name: np.concatenate(parts).astype(np.float64) for name, parts in store.items()}
    return {name: values for name, values in joined.items() if values.shape[1] > classes}


def preindex_end_to_end(
    net: nn.Module, clean: torch.Tensor, noisy: torch.Tensor, classes: int, batch: int = 20
) -> dict[str, float]:
    """PreIndex p from images: full maps copied to the host batch by batch, then one histogram at a time."""
    found: list[dict[str, float]] = []
    for start in range(0, len(clean), batch):
        sides = [
            layer_activations(net, images[start : start + batch], classes, batch) for images in (clean, noisy)
        ]
        found.append(
            preindex_p(*({name: values.mean((2, 3)) for name, values in side.items()} for side in sides))
        )
    return {key: float(np.mean([part[key] for part in found])) for key in found[0]}


def log_me(features: np.ndarray, labels: np.ndarray) -> float:
    """LogME as the paper's algorithm 3 has it: the decomposition of the features, then class by class.

    The paper's fixed point, until alpha / beta changes by less than 1 % (its code's rule), for N >= D.
    """
    left, singular, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    rows, columns = features.shape
    power, evidence = np.square(singular), []
    for label in range(int(labels.max()) + 1):
        target = (labels == label).astype(np.float64)
        explained = np.square(left.T @ target)
        outside = target @ target - explained.sum()
        alpha = beta = 1.0
        for _ in range(11):
            shrunk = alpha + beta * power
            effective = (beta * power / shrunk).sum()
            weight = (beta**2 * power * explained / shrunk**2).sum()
            residual = (explained * (alpha / shrunk) ** 2).sum() + outside
            before, alpha, beta = alpha / beta, effective / weight, (rows - effective) / residual
            if abs(alpha / beta - before) < 0.01 * before:
                break
        total = (
            columns * np.log(alpha) + rows * np.log(beta / (2 * np.pi)) - np.log(alpha + beta * power).sum()
        )
        evidence.append((total - beta * residual - alpha * weight) / (2 * rows))
    return float(np.mean(evidence))


def arm_textbook(net: nn.Module, clean: torch.Tensor, noisy: torch.Tensor, classes: int) -> float:
    """ARM on channel means: scipy's Wasserstein distance one filter at a time."""
    left, right = (layer_activations(net, images, classes) for images in (clean, noisy))
    layers = []
    for name in left:
        filters = []
        for channel in range(left[name].shape[1]):
            first = [image[channel].mean() for image in left[name]]
            second = [image[channel].mean() for image in right[name]]
            filters.append(wasserstein_distance(first, second))
        layers.append(np.mean(filters))
    return float(np.mean(layers))


def arm_averaged_histograms(left: np.ndarray, right: np.ndarray, bins: int) -> float:
    """One layer (filters, values): mean of the filters' own-range histograms, compared as samples."""
    averaged = []
    for layer in (left, right):
        averaged.append(np.mean([histogram(values, bins) for values in layer], axis=0))
    return float(wasserstein_distance(averaged[0], averaged[1]))


class Images(Dataset):
    """8-bit images (N,H,W,C) put through the transform one by one, as a torchvision data set does."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.images[row]).permute(2, 0, 1).float() / 127.5 - 1, int(self.labels[row])


def resque_dist(net: nn.Module, clean: Images, noisy: Images, layer: str, classes: int) -> float:
    """RESQUE_dist class by class: model saved and loaded, data set searched for the class, batch size 1.

    The originals start four loader processes for each class and side; one process here (CPU time).
    """
    angles = []
    for label in range(classes):
        sums = []
        for data in (clean, noisy):
            buffer = io.BytesIO()
            torch.save(net, buffer)
            buffer.seek(0)
            loaded = torch.load(buffer, weights_only=False).eval()
            rows = [row for row in range(len(data)) if data[row][1] == label]
            caught: list[np.ndarray] = []
            module = dict(loaded.named_modules())[layer]
            module.register_forward_hook(lambda _m, _i, output, to=caught: to.append(output.numpy().copy()))
            total = 0.0
            with torch.no_grad():
                for image, _ in DataLoader(Subset(data, rows), batch_size=1):
                    loaded(image)
                    total = total + caught.pop().astype(np.float64)[0].mean(axis=(1, 2))
            sums.append(total)
        cosine = np.dot(sums[0], sums[1]) / (np.linalg.norm(sums[0]) * np.linalg.norm(sums[1]))
        angles.append(np.arccos(np.clip(cosine, -1, 1)) / np.pi)
    return float(np.mean(angles))
