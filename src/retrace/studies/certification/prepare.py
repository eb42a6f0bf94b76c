"""Divide a data set into training images, a validation slice to choose the sparsity on, and test images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.data.external_names import EXTERNAL
from retrace.data.images import Labels
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output, StageError

if TYPE_CHECKING:
    from retrace.studies.certification.params import Prepare

# images of the published training part, which come first
PUBLISHED = {"fashion": 10_000} | {name: known.train for name, known in EXTERNAL.items() if not known.by_hand}


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """The same three disjoint sets for all seeds, so that networks are compared on the same images.

    Test images come from the published test set where there is one. Leaves `<part>.x` uint8 (N,H,W,C),
    `<part>.y` and `<part>.id` (rows of the data set) of train, validation and test.
    """
    found = inputs["dataset"].read_arrays()
    rows = divide(
        len(found["y"]),
        params.dataset,
        (params.train_images, params.validation_images, params.test_images),
    )
    scratch: dict[str, Array] = {}
    for part, chosen in rows.items():
        scratch |= {f"{part}.x": found["x"][chosen], f"{part}.y": found["y"][chosen], f"{part}.id": chosen}
    counts = {part: len(chosen) for part, chosen in rows.items()}
    return Output({"classes": inputs["dataset"].results["classes"], "images": counts}, scratch=scratch)


def divide(total: int, dataset: str, wanted: tuple[int | None, int, int | None]) -> dict[str, Labels]:
    """Rows of train, validation and test; StageError when there are too few images."""
    train, validation, test = wanted
    border = PUBLISHED.get(dataset, total)
    rng = generator(0, "certification", "parts", dataset)
    first, second = rng.permutation(border), border + rng.permutation(total - border)
    if len(second):
        tests, rest = second[:test], first
    else:
        count = test if test is not None else total // 5
        tests, rest = first[:count], first[count:]
    rows = {"train": rest[validation:][:train], "validation": rest[:validation], "test": tests}
    asked = {"train": train or 1, "validation": validation, "test": test or 1}
    for part, chosen in rows.items():
        if len(chosen) < asked[part]:
            raise StageError(
                f"data set {dataset}: {asked[part]} {part} images are wanted and {len(chosen)} are left of "
                f"{total}; lower train_images, validation_images or test_images"
            )
    return {part: np.ascontiguousarray(chosen, dtype=np.int64) for part, chosen in rows.items()}
