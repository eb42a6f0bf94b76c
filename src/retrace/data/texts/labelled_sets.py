"""Texts with classes, by name: our keyword texts, two sets of the catalogue, and the paper's from the hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.data.sequences import brown, reviews
from retrace.data.texts import keywords
from retrace.data.texts.labelled_names import HUB, HubSet
from retrace.stage import Array, StageError

POOL = 2400  # keyword texts from which every seed draws
GRADES = {
    "bad": (0, 25),
    "mixed": (35, 45),
    "good": (55, 80),
}  # of round(10 (rating + 4)); between them: left out


@dataclass(frozen=True)
class Labelled:
    """Texts, their classes (N,), the classes' names, and rows that may only train or only test."""

    texts: list[str]
    y: npt.NDArray[np.int64]
    names: tuple[str, ...]
    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def of_keywords() -> Labelled:
    """The pool of keyword texts, the same for all seeds; the first half is to train on."""
    texts, labels = keywords.keywords(POOL, np.random.default_rng(0))
    rows = np.arange(POOL)
    return Labelled(texts, np.array(labels), tuple(keywords.TOPICS), rows[: POOL // 2], rows[POOL // 2 :])


def of_catalogue(name: str, arrays: dict[str, Array]) -> Labelled:
    """`brown` (genres; every third document is for tests) or `reviews` (three grades) from arrays x, y."""
    texts, y = reviews.unpack(arrays["x"]), arrays["y"]
    if name == "brown":
        genre, document = y // 100, y % 100
        held = document % 3 == 2
        return Labelled(
            texts, genre, tuple(brown.GENRES.values()), np.flatnonzero(~held), np.flatnonzero(held)
        )
    grade = np.full(len(y), -1)
    for place, (low, high) in enumerate(GRADES.values()):
        grade[(y >= low) & (y <= high)] = place
    held = np.arange(len(y)) % 3 == 2
    return Labelled(
        texts,
        grade,
        tuple(GRADES),
        np.flatnonzero(~held & (grade >= 0)),
        np.flatnonzero(held & (grade >= 0)),
    )


def of_hub(name: str) -> Labelled:
    """One of the paper's text sets, training rows first, through the library `datasets`.

    Errors: StageError, one line, when it cannot be had, or has not the published number of rows.
    """
    about: HubSet = HUB[name]
    try:
        import datasets  # type: ignore[import-not-found]  # needed at the gpu and paper scales only

        parts: list[Any] = [datasets.load_dataset(about.path, split=split) for split in about.splits]
    except ImportError:
        raise StageError(
            f"data set {name}: needs the Python package datasets: pip install datasets"
        ) from None
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise StageError(
            f"data set {name}: the hub's {about.path} cannot be read ({said}); check the network"
        ) from None
    texts = [text for part in parts for text in part[about.text]]
    raw = [value for part in parts for value in part[about.label]]
    names = tuple(str(value) for value in sorted(set(raw)))
    y = np.array([names.index(str(value)) for value in raw], dtype=np.int64)
    sizes = tuple(len(part) for part in parts)
    if sizes != about.rows:
        raise StageError(f"data set {name}: {about.path} has {sizes} rows, published were {about.rows}")
    rows = np.arange(len(texts))
    return Labelled(texts, y, names, rows[: sizes[0]], rows[sizes[0] :])
