"""Take the images of a cell and split them by class: source training, retraining, test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.data import splits
from retrace.data.as_images import as_images
from retrace.data.images import Images
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output, StageError

if TYPE_CHECKING:
    from retrace.studies.reuse.params import Prepare

PARTS = ("source", "target", "test")


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Split by class as RESQUE does (50/30/20: 0+2 train the source, 1+2 retrain it), test images reserved.

    Leaves `<part>.x` uint8 (N,H,W,C) and `<part>.y` int64 for source, target and test, and the same of the
    other data set's target and test when one is named.
    """
    images = _first_per_class(as_images(inputs["dataset"]), params.per_class)
    scratch = _parts(images, generator(seed, "split"), (params.reserve, params.test), PARTS)
    if params.other_dataset:
        other = as_images(inputs["other_dataset"])
        kept = (params.other_reserve, params.other_reserve)
        parts = _parts(other, generator(seed, "split", "other"), kept, ("target", "test"))
        scratch |= {f"other.{name}": value for name, value in parts.items()}
    counts = {name: len(value) for name, value in scratch.items() if name.endswith(".y")}
    results = {"classes": images.classes, "images": counts, "mean_pixel": float(images.x.mean() / 255)}
    return Output(results, scratch=scratch)


def _first_per_class(images: Images, count: int | None) -> Images:
    if count is None:
        return images
    rows = [np.flatnonzero(images.y == label)[:count] for label in range(images.classes)]
    if min(map(len, rows)) < count:
        raise StageError(f"per_class {count}: a class has only {min(map(len, rows))} images; lower it")
    return images.take(np.sort(np.concatenate(rows)).astype(np.int64))


def _parts(
    images: Images, rng: np.random.Generator, kept: tuple[int, int], names: tuple[str, ...]
) -> dict[str, Array]:
    try:
        split = splits.stratified(images.y, rng, *kept)
    except ValueError as error:
        raise StageError(str(error)) from None
    rows = {"source": split.source, "target": split.target, "test": split.test}
    return {
        f"{name}.{axis}": value
        for name in names
        for axis, value in (("x", images.x[rows[name]]), ("y", images.y[rows[name]]))
    }
