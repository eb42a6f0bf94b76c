"""Shift the data: corrupt the retraining and test images, or turn them into a new task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.data import corruptions, tasks
from retrace.data.images import Images
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output, StageError

if TYPE_CHECKING:
    from retrace.studies.reuse.params import Attack


def run(params: Attack, inputs: Inputs, seed: int) -> Output:
    """Apply every condition to the target and test images of `prepare`.

    Leaves `<i>.target.x`, `<i>.test.x` (uint8) for condition i, and for tasks also the labels. Results per
    condition: `pixel_rmse` (root mean square change, white = 1; the rival that needs no model; null where
    the images are others) and `saturated` (share of values at 0 or white).
    """
    parts = inputs["prepare"].read_scratch()
    classes = inputs["prepare"].results["classes"]
    scratch: dict[str, Array] = {}
    results = []
    for i, condition in enumerate(params.conditions):
        for name in ("target", "test"):
            images = Images(parts[f"{name}.x"], parts[f"{name}.y"], classes)
            shifted = _shift(params, condition, images, parts, name, seed)
            scratch[f"{i}.{name}.x"] = shifted.x
            if params.shift == "task":
                scratch[f"{i}.{name}.y"] = shifted.y
        results.append({"condition": condition, **_damage(parts["target.x"], scratch[f"{i}.target.x"])})
    return Output({"conditions": results}, scratch=scratch)


def _shift(
    params: Attack, condition: str, images: Images, parts: dict[str, Array], name: str, seed: int
) -> Images:
    try:
        if params.shift == "dist":
            rng = generator(seed, "corrupt", condition, name)
            return Images(
                corruptions.apply(images.x, condition, rng, params.overflow), images.y, images.classes
            )
        other = None
        if "other.target.y" in parts:
            labels = parts[f"other.{name}.y"]
            other = Images(parts[f"other.{name}.x"], labels, int(parts["other.target.y"].max()) + 1)
        # one stream for both parts: a permutation task permutes training and test images alike
        return tasks.apply(images, condition, generator(seed, "task", condition), other)
    except ValueError as error:
        raise StageError(str(error)) from None


def _damage(clean: Array, shifted: Array) -> dict[str, float | None]:
    saturated = float(((shifted == 0) | (shifted == 255)).mean())
    if clean.shape != shifted.shape:
        return {"pixel_rmse": None, "saturated": saturated}
    change = shifted.astype(np.float32) - clean
    return {"pixel_rmse": float(np.sqrt((change**2).mean(dtype=np.float64)) / 255), "saturated": saturated}
