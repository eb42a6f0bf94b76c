"""Divide a data set into groups of unlike size to train on, and of the same size to test on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.data.attributed import load_attributed
from retrace.data.groups import long_tail, split_groups
from retrace.data.images import Labels, Pixels
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output

if TYPE_CHECKING:
    from retrace.studies.quantization.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Leaves `<part>.x` uint8 (N,H,W,C), `<part>.y` and `<part>.g` (groups) of train, test and more, and
    `shuffled`, the test images' groups dealt out anew: what chance alone makes of groups of this size.

    `more` are the images that bring the smallest group up to the largest one's size.
    """
    x, y, groups, names, classes = _images(params, inputs)
    sizes = long_tail(len(names), params.most, params.ratio)
    rng = generator(seed, "quantization", "groups")
    split = split_groups(groups, sizes, params.test_per_group, params.order, rng)
    scratch: dict[str, Array] = {}
    for part, rows in (("train", split.train), ("test", split.test), ("more", split.more)):
        scratch |= {f"{part}.x": x[rows], f"{part}.y": y[rows], f"{part}.g": groups[rows]}
    scratch["shuffled"] = rng.permutation(groups[split.test])
    results = {
        "classes": classes,
        "groups": names,
        "rank": split.rank.tolist(),
        "sizes": list(split.sizes),
        "apart": params.groups == "attribute",
    }
    return Output(results, scratch=scratch)


def _images(params: Prepare, inputs: Inputs) -> tuple[Pixels, Labels, Labels, list[str], int]:
    """Images, labels, groups, the groups' names and the number of classes."""
    if params.attributed is not None:
        found = load_attributed(params.attributed)
        return found.images.x, found.images.y, found.attribute, list(found.groups), found.images.classes
    given, classes = inputs["dataset"].read_arrays(), int(inputs["dataset"].results["classes"])
    x, y = given["x"], given["y"]
    if params.groups == "classes":
        return x, y, y, [str(c) for c in range(classes)], classes
    return x, y, y // 2, [f"{2 * g}-{2 * g + 1}" for g in range((classes + 1) // 2)], classes
