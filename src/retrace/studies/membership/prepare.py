"""Divide the examples of a setting: pool, reference, population, test; and the pool among the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.data.as_images import as_images
from retrace.data.images import Images
from retrace.data.purchase_like import purchase_like
from retrace.data.spoil import spoil
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output, StageError
from retrace.training.halves import complementary_halves

if TYPE_CHECKING:
    from retrace.studies.membership.params import Prepare

PARTS = ("pool", "reference", "population", "test")


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Draw four disjoint sets, spoil them, and draw complementary halves of the pool.

    Labels of the test set are never flipped, pixels are noisy everywhere.
    Leaves `<part>.x` uint8 (N,H,W,C), `<part>.y`, `<part>.id` (rows of the data set), `member` (K,pool) and
    `pool.flipped` (pool,), which of its labels are wrong ones.
    """
    wanted = params.pool + params.reference + params.population
    images = _images(params, inputs, seed, wanted)
    if len(images) < wanted + 10:
        raise StageError(
            f"{len(images)} examples are too few for pool {params.pool}, reference {params.reference}, "
            f"population {params.population} and a test set; lower them"
        )
    order = generator(seed, "membership", "parts").permutation(len(images))
    cuts = np.cumsum([params.pool, params.reference, params.population, params.test])
    scratch: dict[str, Array] = {}
    for name, rows in zip(PARTS, np.split(order, cuts), strict=False):
        true = part = images.take(rows.astype(np.int64))
        if name != "test" or params.change.startswith("noise"):
            part = spoil(part, params.change, generator(seed, "spoil", name))
        scratch |= {f"{name}.x": part.x, f"{name}.y": part.y, f"{name}.id": rows.astype(np.int64)}
        if name == "pool":
            scratch["pool.flipped"] = part.y != true.y
    scratch["member"] = complementary_halves(params.models, params.pool, seed)
    counts = {name: len(scratch[f"{name}.y"]) for name in PARTS}
    return Output({"classes": images.classes, "examples": counts}, scratch=scratch)


def _images(params: Prepare, inputs: Inputs, seed: int, wanted: int) -> Images:
    if params.dataset is None:
        return purchase_like(wanted + params.test, generator(seed, "purchase-like"))
    return as_images(inputs["dataset"])
