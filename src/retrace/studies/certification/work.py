"""What the stages of the certification study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

from retrace.data.frames import Frame, frame
from retrace.nets.conv_block_names import SHAPES
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, VALUES, Work, times, total

CALLS = 12  # of PyTorch, a layer and pass
BOUNDED_CALLS = 60  # a layer and block of images, when bounds go backwards
BLOCK = 30  # images attacked or bounded together on a processor
# by training: share of ReLUs that bounds leave unstable, of images that a bound leaves open; smoke scale
UNSTABLE = {"standard": 0.9, "adversarial": 0.6, "certified": 0.17}
OPEN = {"standard": 1.0, "adversarial": 0.5, "certified": 0.1}
STRUCTURED = ("slim", "struct-lth")
Q = Mapping[str, Any]


class _Net(NamedTuple):
    """Forward operations of each layer, neurons behind each, parameters."""

    flops: list[float]
    neurons: list[float]
    parameters: float

    @property
    def flop(self) -> float:
        return sum(self.flops)


def work(verb: str, params: Q, device: str) -> Work:
    """The work of a stage; ValueError for a verb or data set that it does not know.

    Branch and bound ends when an image is decided: its amounts are those at the limits.
    """
    data = frame(params["dataset"])
    if verb == "prepare":
        pixels = data.images * data.values
        return Work({VALUES: pixels, STAGE: 1}, memory=3 * pixels, scratch=pixels)
    net = _net(params["network"], data)
    test = params["test_images"] or data.images / 7
    images = params["train_images"] or data.images * 6 / 7 - params["validation_images"]
    held = 4 * (images + test + params["validation_images"]) * data.values + 40 * net.parameters
    states = sum(_states(method) for method in params["methods"].values())
    if verb == "train":
        amounts = total(*(_chain(m, params["training"], net, images) for m in params["methods"].values()))
        return Work({**amounts, STAGE: 1}, memory=held, scratch=4 * states * net.parameters)
    if verb == "measure":
        parts = [_measured(m, params, net, test, data.classes) for m in params["methods"].values()]
        left = states * (12.0 * params["verification"]["crown_images"] + 3 * test)
        amounts = {**total(*parts), STAGE: 1}
        return Work(amounts, memory=held + 2e8, evidence=4e3 + left, until="a decision of every image")
    raise ValueError(f"certification has no stage {verb}")


def _net(name: str, data: Frame) -> _Net:
    shape = SHAPES[name]
    inputs = (data.channels, *(block[0] for block in shape.blocks))
    maps = list(zip(inputs, shape.blocks, shape.map_sizes(data.side), strict=False))
    flops = [2.0 * i * n * k * k * side**2 for i, (n, k, _, _), side in maps]
    neurons = [float(n * side**2) for _, (n, *_), side in maps]
    flops += [2 * neurons[-1] * shape.hidden, 2.0 * shape.hidden * data.classes]
    return _Net(flops, [*neurons, shape.hidden], shape.weights(data.channels, data.side, data.classes))


def _states(method: Q) -> int:
    """Networks that a method leaves of its own."""
    dense = not method["start"] and not method["pruner"].startswith("narrow")
    return int(dense) + len(method["kept"])


def _chain(method: Q, base: Q, net: _Net, images: float) -> dict[str, float]:
    """Training of all states of a method; removed channels cost nothing, masked weights as much as others."""
    settings = {**base, **method["training"]}
    shares = [] if method["rewind"] == "none" else list(method["kept"])
    if method["pruner"] in STRUCTURED:
        shares = [share**2 for share in shares]
    elif not method["pruner"].startswith("narrow"):
        shares = [1.0] * len(shares)
    if not method["start"] and not method["pruner"].startswith("narrow"):
        shares.append(1.0)
    epochs = settings["epochs"] * sum(shares)
    if method["pruner"] == "hydra":
        epochs += method["score_epochs"] * len(method["kept"])
    steps = ceil(images / settings["batch"])
    passes = _passes(settings)
    step = {
        FLOP: images * passes * net.flop,
        OPERATIONS: steps * passes * CALLS * len(net.flops),
        ELEMENTS: images * passes * 3 * sum(net.neurons) + steps * 4 * net.parameters,
    }
    return times(epochs, step)


def _passes(settings: Q) -> float:
    """Forward passes that a step amounts to: attack, bounds, penalties and the way back."""
    share = settings["penalty_share"]
    if settings["mode"] == "standard":
        return 3.0
    if settings["mode"] == "adversarial":
        extra = {"none": 0.0, "rs": 6.0, "nrs": 6.0 * share}[settings["stability"]]
        return float(6 + 9 * share * (settings["alignment"] > 0) + extra)
    mixed = 6.0 * settings["ramp_length"] / settings["epochs"] if settings["crown"] else 0.0
    return 9.0 + mixed + (6.0 if settings["stability"] != "none" else 0.0)


def _measured(method: Q, params: Q, net: _Net, test: float, classes: int) -> dict[str, float]:
    """Attack and bounds of every state of a method, branch and bound of some."""
    effort, states = params["verification"], _states(method)
    tries = effort["pgd_steps"] * effort["pgd_restarts"]
    attacked = _steps(tries * test, net, tries * ceil(test / BLOCK))
    candidates = method["kept"] if method["kept"] else []
    slices = 1 + (len(candidates) > 1)
    mode = params["training"]["mode"]
    crown = times(slices * effort["crown_images"] * UNSTABLE[mode], _bounds(net))
    decided = int(method["complete"]) + int(method["complete_last"])
    branches = effort["domains"] * max(effort["iterations"], 1) + effort["first"] * classes
    optimised = (effort["alpha_iterations"] + effort["first"]) * classes + branches * OPEN[mode]
    count = effort["complete_images"]
    searched = _steps(count * optimised, net, count * optimised / BLOCK)
    refined = times(count * 3 * effort["refine"] * UNSTABLE[mode] * OPEN[mode], _bounds(net))
    return total(times(states, total(attacked, crown)), times(decided, total(searched, refined)))


def _steps(examples: float, net: _Net, calls: float) -> dict[str, float]:
    """Passes there and back of so many examples."""
    return {
        FLOP: 3 * examples * net.flop,
        OPERATIONS: calls * CALLS * len(net.flops),
        ELEMENTS: examples * 6 * sum(net.neurons),
    }


def _bounds(net: _Net) -> dict[str, float]:
    """CROWN of one image: the neurons of every layer, each carried back to the input."""
    below = [sum(net.flops[:n]) for n in range(len(net.neurons))]
    flop = sum(2 * neurons * flops for neurons, flops in zip(net.neurons, below, strict=True))
    width = sum(net.neurons)
    return {
        FLOP: flop,
        ELEMENTS: sum(n * sum(net.neurons[:i]) for i, n in enumerate(net.neurons)),
        OPERATIONS: BOUNDED_CALLS * len(net.flops) * (1 + width / 3000),
    }
