"""What the stages of the diffusion study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.data.frames import frame
from retrace.nets.passes import forward, train
from retrace.nets.sizes import Size
from retrace.work import STAGE, VALUES, Work, times, total

P = Mapping[str, Any]
SHARES = {"full": 1.0, "low_rank": 1.1, "hyper": 0.7, "words": 0.7}  # of a training step, by kind of tuning
PRIVATE = 2.5  # training steps that one with a gradient for each image amounts to
LEVEL_CALLS = 45  # calls of PyTorch a level and pass
BATCH = 512


def size(params: P) -> Size:
    """The model's size: multiply-adds of its convolutions and attention, counted from its widths."""
    data, patch = frame(params["dataset"]), params["patch"]
    widths, side = params["widths"], params["side"] // patch
    channels = data.channels * patch**2
    macs, elements, weights = 0.0, 0.0, 0.0
    for level, wide in enumerate(widths):
        places = (side / 2**level) ** 2
        own = 9 * (2 * wide**2 + 3 * wide**2) + 2 * wide**2  # the block down, the block up and its skip
        if level:
            own += 9 * widths[level - 1] * wide + wide * widths[level - 1] + 4 * wide**2
        if level == len(widths) - 1:
            own += 9 * 2 * wide**2  # in the middle
        if not level:
            own += 9 * 2 * channels * wide
        macs += places * own
        elements += places * wide * 25
        weights += own + 16 * widths[0] * wide
    calls = LEVEL_CALLS * len(widths)
    return Size(2 * macs, calls, 3 * calls, elements, 2.5 * elements, int(weights))


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb or data set that it does not know."""
    data = frame(params["dataset"])
    domains, members, others = params["domains"], params["members"], params["others"]
    values = params["side"] ** 2 * data.channels
    pixels = (domains + 1) * (2 * members + others + params["strays"]) * values
    if verb == "prepare":
        amounts = {VALUES: data.images * data.values + 4 * pixels, STAGE: 1}
        return Work(amounts, memory=6 * data.images * data.values, scratch=2 * pixels + data.images * values)
    net = size(params)
    held = 12 * pixels + 40 * net.parameters + 4e3 * BATCH * params["widths"][0]
    whole = train(net, params["steps"] * params["batch"], params["batch"])
    one = forward(net, params["drawn"] * params["drawing_steps"] * 2, BATCH)  # a domain's images, guided
    if verb == "train":
        drawn = times(4 * domains, one)
        amounts = total(times(2, whole), drawn)
        return Work({**amounts, STAGE: 1}, memory=held, scratch=12 * net.parameters)
    looked = forward(net, (members + others) * len(params["times"]), BATCH)
    if verb == "defend":
        visits = params["private_steps"] * params["private_batch"]
        private = times(PRIVATE, train(net, visits, params["private_batch"]))
        seen = times(5 * (domains - 1), looked)
        scores = 4.0 * 5 * (domains - 1) * (members + others) * len(params["times"])
        return Work({**total(times(0.5, whole), private, seen), STAGE: 1}, memory=2 * held, scratch=scores)
    if verb == "attack":
        tuned = total({}, *(_tuned(params, how, net) for how in params["tunings"].values()))
        deep = times(len(params["deep"]) * (domains - 1), total(one, times(5, looked)))
        secmi = forward(net, (members + others) * (max(params["stops"]) // params["stride"] + 2), BATCH)
        seen = times(len(params["tunings"]) * (domains - 1) + 3, total(looked, secmi))
        seen = total(seen, times(domains, looked))
        scores = 4.0 * len(params["tunings"]) * (members + others) * domains * 8
        return Work({**total(tuned, deep, seen), STAGE: 1}, memory=2 * held, scratch=scores)
    if verb == "measure":
        scored = len(params["tunings"]) * domains * (members + others) * 300.0
        near = len(params["deep"]) * domains * params["drawn"] * (members + others) * values * 2.0
        return Work({VALUES: scored + near, STAGE: 1}, memory=8 * pixels, evidence=1e5)
    raise ValueError(f"diffusion has no stage {verb}")


def _tuned(params: P, how: Mapping[str, Any], net: Size) -> dict[str, float]:
    """Training steps of one way to tune, on all judged domains."""
    steps = (how["steps"] or params["tune_steps"]) * (params["domains"] - 1)
    share = SHARES.get(how["kind"], 0.0)
    return times(share, train(net, steps * params["tune_batch"], params["tune_batch"]))
