"""What the stages of the quantization study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.data.attributed_names import ATTRIBUTED
from retrace.data.frames import Frame, frame
from retrace.nets.passes import forward, train
from retrace.nets.sizes import size_of
from retrace.work import STAGE, VALUES, Work, times, total

SIDES = {"elpv": (1, 30), "utkface": (3, 64), "fairface": (3, 64)}  # channels and pixels of a side, as kept
LANCZOS = 14  # products for an eigenvalue to 0.1 %
PRODUCT = 4  # forward passes that a Hessian product amounts to
ROUNDING = 2.0  # passes that a step with rounding amounts to, of a plain step
BATCH = 500  # images a pass of measuring


def work(verb: str, params: Mapping[str, Any], device: str) -> Work:
    """The work of a stage; ValueError for a verb, network or data set that it does not know."""
    data, groups = _data(params)
    sizes = [params["most"] * params["ratio"] ** (-k / (groups - 1)) for k in range(groups)]
    images, test = sum(sizes), groups * params["test_per_group"]
    pixels = (images + params["most"] + test) * data.values
    if verb == "prepare":
        return Work({VALUES: data.images * data.values, STAGE: 1}, memory=3 * pixels, scratch=pixels)
    size = size_of(params["network"], data.channels, data.side, data.classes)
    held = 8 * pixels + 60 * size.parameters
    if verb == "train":
        epochs = params["epochs"] * (1 + params["thin"])
        grown = params["epochs"] * (1 + params["most"] / images) * params["enlarged"]
        amounts = times(epochs + grown, train(size, images, params["batch"]))
        return Work({**amounts, STAGE: 1}, memory=held, scratch=12 * size.parameters)
    seen = forward(size, test, BATCH)
    if verb == "defend":
        tuned = times(ROUNDING * params["tune_epochs"], train(size, images, params["batch"]))
        traced = times(PRODUCT * params["trace_probes"], forward(size, groups * params["trace_images"], 100))
        amounts = total(times(len(params["mitigations"]), total(tuned, seen)), traced)
        return Work({**amounts, STAGE: 1}, memory=held)
    if verb == "measure":
        curved = sum(bool(method["curvature"]) for method in params["methods"].values())
        products = PRODUCT * (LANCZOS + params["probes"])
        derived = times(curved * products, forward(size, groups * params["curvature_images"], 100))
        amounts = total(times(len(params["methods"]), seen), derived)
        return Work({**amounts, STAGE: 1}, memory=held + 4e3 * test)
    raise ValueError(f"quantization has no stage {verb}")


def _data(params: Mapping[str, Any]) -> tuple[Frame, int]:
    """Images as they are, and the number of groups."""
    if params["attributed"]:
        known = ATTRIBUTED[params["attributed"]]
        groups = len(known.groups)
        channels, side = SIDES[params["attributed"]]
        most = groups * (params["most"] + params["test_per_group"])
        return Frame(most, channels, side, known.classes), groups
    data = frame(params["dataset"])
    return data, data.classes if params["groups"] == "classes" else (data.classes + 1) // 2
