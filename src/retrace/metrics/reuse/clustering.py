"""K-means from given centres, agreement of clusters with labels, class sums and means."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cluster import kmeans_plusplus

Labels = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[np.floating[Any]]


def class_sums(values: Values, labels: Labels, classes: int) -> npt.NDArray[np.float64]:
    """Sum the rows of (N,D) by label in 0..classes-1: (classes,D), float64; zero where a class is absent."""
    check_labels(labels, len(values), classes)
    member = np.zeros((classes, len(values)), dtype=np.float64)
    member[labels, np.arange(len(values))] = 1.0
    return member @ values.astype(np.float64, copy=False)


def class_means(values: Values, labels: Labels) -> Values:
    """Return the mean of (N,D) for each class that occurs, in the order of the labels: (K,D)."""
    found, compact = np.unique(labels, return_inverse=True)
    sums = _onehot(compact, len(found), values.dtype) @ values
    return np.asarray(sums / np.bincount(compact).astype(values.dtype)[:, None])


def check_labels(labels: Labels, rows: int, classes: int) -> None:
    """Raise ValueError unless there is one label in 0..classes-1 for each of the rows."""
    if labels.shape != (rows,):
        raise ValueError(f"labels have shape {labels.shape} for {rows} images; give one label an image")
    if rows == 0 or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1} and not be empty; renumber them")


def lloyd(values: Values, centres: Values, iterations: int = 300, tolerance: float = 1e-4) -> Labels:
    """Cluster (N,D) by Lloyd's algorithm from centres (K,D) and return the labels (N,), deterministic.

    Stops when no label changes, or when the squared movement of all centres is at most `tolerance` times
    the mean variance of a column, as scikit-learn does. A cluster that runs empty keeps its last centre
    (scikit-learn moves it to a far point instead); equal distances go to the lower number.
    """
    shift = values.mean(axis=0)
    points = values - shift
    middle = (centres - shift).astype(points.dtype)
    threshold = tolerance * float(points.var(axis=0).mean())
    labels = _nearest(points, middle)
    for _ in range(iterations):
        sizes = np.bincount(labels, minlength=len(middle))
        sums = _onehot(labels, len(middle), points.dtype) @ points
        moved = np.where(
            sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None].astype(points.dtype), middle
        )
        change = float(np.square(moved - middle, dtype=np.float64).sum())
        middle = moved
        previous, labels = labels, _nearest(points, middle)
        if change <= threshold or np.array_equal(previous, labels):
            break
    return labels


def kmeans_clusters(values: Values, clusters: int, seed: int = 0) -> Labels:
    """Cluster (N,D) by Lloyd's algorithm from one k-means++ start (scikit-learn's), deterministic by seed."""
    centres, _ = kmeans_plusplus(values, clusters, random_state=seed % 2**32)
    return lloyd(values, centres)


def adjusted_rand_index(truth: Labels, found: Labels) -> float:
    """Return the adjusted Rand index of two labellings (N,), from their contingency table.

    1 for the same partition, about 0 for independent ones. Source: Hubert and Arabie (1985), eq. 5.
    Two trivial partitions (one cluster each, or all singletons) count as equal: 1.
    """
    rows, left = np.unique(truth, return_inverse=True)
    columns, right = np.unique(found, return_inverse=True)
    table = np.bincount(left * len(columns) + right, minlength=len(rows) * len(columns)).astype(np.float64)
    table = table.reshape(len(rows), len(columns))
    together = _pairs(table).sum()
    in_rows, in_columns = _pairs(table.sum(axis=1)).sum(), _pairs(table.sum(axis=0)).sum()
    expected = in_rows * in_columns / max(_pairs(np.float64(len(truth))), 1.0)
    highest = (in_rows + in_columns) / 2
    return 1.0 if highest == expected else float((together - expected) / (highest - expected))


def _pairs(count: Any) -> Any:
    return count * (count - 1) / 2


def _onehot(labels: Labels, classes: int, dtype: Any) -> Values:
    member = np.zeros((classes, len(labels)), dtype=dtype)
    member[labels, np.arange(len(labels))] = 1
    return member


def _nearest(points: Values, centres: Values) -> Labels:
    scores = np.square(centres).sum(axis=1) - 2 * (points @ centres.T)
    return np.asarray(scores.argmin(axis=1))
