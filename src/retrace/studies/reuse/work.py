"""What the stages of the reuse study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.data.frames import frame
from retrace.nets.passes import forward, train
from retrace.nets.sizes import size_of
from retrace.work import STAGE, VALUES, Work, total

SOURCE, TARGET = 0.5, 0.3  # shares of the images that are not reserved; the rest is spare

OWN = ("cnn", "mlp")  # networks without torchvision
# numbers an image that indices compute beside the network's: histograms of all layers; fewer for new tasks
HISTOGRAMS = {"dist": 100_000, "task": 20_000}
BEGIN = 15  # stages with a network of torchvision take so many times as long to begin
KEPT = 80_000  # bytes an image that the clean side of the indices keeps


def work(verb: str, params: Mapping[str, Any], device: str) -> Work:
    """The work of a stage; ValueError for a verb, network or data set that it does not know.

    Retraining ends when it is good enough: its amounts are those of the longest.
    """
    data = frame(params["dataset"])
    images = data.classes * params["per_class"] if params["per_class"] else data.images
    rest = images - data.classes * params["reserve"]
    source, target, test = SOURCE * rest, TARGET * rest, data.classes * params["test"]
    pixels = data.values
    if verb == "prepare":
        return Work({VALUES: images * pixels, STAGE: 1}, memory=2 * images * pixels, scratch=images * pixels)
    conditions = len(params.get("conditions", ()))
    shifted = conditions * (target + test) * pixels
    if verb == "attack":
        return Work({VALUES: shifted, STAGE: 1}, memory=3 * shifted, scratch=shifted)
    size = size_of(params["network"], data.channels, data.side, data.classes)
    begin = 1 if params["network"] in OWN else BEGIN
    weights, batch = 4.0 * size.parameters, params["batch"] if verb != "measure" else 100
    if verb == "train":
        amounts = total(train(size, params["epochs"] * source, batch), forward(size, test, 500))
        return Work({**amounts, STAGE: begin}, memory=4 * source * pixels + 5 * weights, scratch=weights)
    if verb == "defend":
        runs, steps = conditions * params["repetitions"], params["max_epochs"] * target / batch
        amounts = total(
            train(size, runs * params["max_epochs"] * target, batch),
            forward(size, runs * (1 + steps / params["eval_every"]) * test, 500),
        )
        held = shifted + 4 * (target + test) * pixels + 6 * weights
        return Work({**amounts, STAGE: begin}, memory=held, until="the accuracy to reach")
    if verb == "measure":
        some = min(params["index_images"] or target, target)
        passes = forward(size, source + (2 + 3 * conditions) * some, batch)
        looked = size.forward_elements + HISTOGRAMS[params["shift"]]
        features = {VALUES: source * size.forward_elements + (1 + conditions) * some * looked}
        held = shifted + 4 * (source + 2 * some) * pixels + some * KEPT + 400 * size.forward_elements
        return Work({**total(passes, features), STAGE: begin + conditions}, memory=held)
    raise ValueError(f"reuse has no stage {verb}")


def used(verb: str, params: Mapping[str, Any], results: Mapping[str, Any]) -> float:
    """The share of its capped amounts that a finished stage took: mean epochs of retraining over the cap."""
    if verb != "defend":
        return 1.0
    epochs = [condition["costs"]["epochs"] for condition in results["conditions"]]
    return float(sum(epochs) / len(epochs) / params["max_epochs"])
