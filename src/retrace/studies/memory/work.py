"""What the stages of the memory study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from retrace.data.frames import frame
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, VALUES, Work, times, total

P = Mapping[str, Any]
ROUNDING = 30.0  # calls of an optimiser step beside its time steps
REVIEWS = 1_100_000  # characters of the text


class _Step(NamedTuple):
    """Of a time step there and back: calls of PyTorch, multiply-adds over hidden x (hidden + width), numbers
    written over hidden."""

    calls: float
    products: float
    elements: float


# counted with PyTorch at hidden 64 and 100, width 32, 24 and 50 slots, batch 32
STEPS = {
    "lstm": _Step(6, 12, 65),
    "armin-soft": _Step(31, 5.1, 74),
    "armin-hard": _Step(31, 5.1, 77),
    "armin-pixels": _Step(31, 5.1, 77),
    "random-address": _Step(25, 4.9, 72),
    "awta": _Step(67, 5.8, 125),
    "tardis": _Step(78, 9.4, 112),
    "ntm": _Step(90, 8.4, 183),
    "dnc": _Step(163, 9.1, 380),
    "sam": _Step(68, 6.8, 140),
}


def work(verb: str, params: P, device: str) -> Work:
    """The work of a stage; ValueError for a verb or task that it does not know.

    Training on a task drawn at random ends when it is learned: its amounts are those of all steps.
    """
    task, models = params["task"], params.get("models", {})
    drawn = task["kind"] not in ("pixels", "characters")
    longest, channels = _longest(task), _channels(task)
    tested = params["tests"] * params["batch"] * longest * channels if drawn else 0.0
    if not drawn:
        tested = REVIEWS if task["kind"] == "characters" else _images(params) * longest
    if verb == "prepare":
        rivals = 200.0 if task["kind"] == "pixels" else 20.0
        return Work({VALUES: tested * rivals, STAGE: 1}, memory=20 * tested, scratch=4 * tested)
    weights = sum(4.0 * 3 * m["hidden"] * (m["hidden"] + m["width"] + 10) for m in models.values())
    held = (
        8 * tested
        + 4 * weights
        + 400.0 * params["batch"] * longest * max(m["hidden"] for m in models.values())
    )
    if verb == "train":
        parts = [_trained(params, model) for model in models.values()]
        until = "the strict level of errors" if drawn else ""
        return Work({**total(*parts), STAGE: 1}, memory=held, scratch=weights, until=until)
    if verb == "measure":
        parts = [_tested(params, model, longest) for model in models.values()]
        counted = params["counted"] or {"steps": 0, "models": {}}
        # written step by step, so that every operation is seen
        parts += [times(4.0 * counted["steps"], _step(m, 1)) for m in counted["models"].values()]
        reads = sum(2.0 * longest * m["slots"] for m in models.values())
        return Work({**total(*parts), STAGE: 1}, memory=2 * held, evidence=4e3 + reads)
    raise ValueError(f"memory has no stage {verb}")


def used(verb: str, params: P, results: P) -> float:
    """The share of its steps that a finished training took."""
    if verb != "train" or params["task"]["kind"] in ("pixels", "characters"):
        return 1.0
    taken = sum(found["curve"]["steps"][-1] for found in results["models"].values())
    return float(taken / sum(max(round(params["steps"] * m["share"]), 1) for m in params["models"].values()))


def _longest(task: P) -> float:
    """Time steps of a sequence, the mean of training's."""
    kind = task["kind"]
    if kind in ("copy", "repeat", "recall"):
        length = (task["low"] + task["high"]) / 2
    if kind == "copy":
        return float(2 * length + 2)
    if kind == "repeat":
        return float(length * (1 + (task["fewest"] + task["most"]) / 2) + 3)
    if kind == "recall":
        return float(length * (task["rows"] + 1) + 2 * task["rows"] + 2)
    if kind == "sort":
        return float(task["items"] + task["answers"])
    return 100.0


def _channels(task: P) -> int:
    return 10 if task["kind"] not in ("pixels", "characters") else 1


def _images(params: P) -> float:
    return float(frame(params["dataset"]).images)


def _step(model: P, batch: float) -> dict[str, float]:
    """One time step there and back of a batch."""
    known, hidden = STEPS[model["network"]], model["hidden"]
    return {
        FLOP: 2 * batch * known.products * hidden * (hidden + model["width"] + 10),
        OPERATIONS: known.calls,
        ELEMENTS: batch * known.elements * hidden,
    }


def _trained(params: P, model: P) -> dict[str, float]:
    task, share = params["task"], model["share"]
    batch = model["batch"] or params["batch"]
    if task["kind"] == "pixels":
        data = frame(params["dataset"])
        steps, length = task["epochs"] * share * data.images * (1 - task["test"]) / batch, float(data.side**2)
    elif task["kind"] == "characters":
        length = float(model["truncation"] or params["truncation"] or 1)
        steps = task["budget"] * share / (batch * length)
    else:
        steps, length = params["steps"] * share + params["rounds"] * params["round_steps"], _longest(task)
    hidden = model["hidden"]
    update = {OPERATIONS: ROUNDING, ELEMENTS: 4.0 * 3 * hidden * (hidden + model["width"] + 10)}
    return times(steps, total(times(length, _step(model, batch)), update))


def _tested(params: P, model: P, longest: float) -> dict[str, float]:
    """Test passes forward (a third of a step), and one step counted call by call."""
    task, batch = params["task"], params["batch"]
    if task["kind"] == "pixels":
        data = frame(params["dataset"])
        once = times(data.side**2 / 3, _step(model, data.images * task["test"]))
        return total(once, times(4.0 * data.side**2, _step(model, batch)))
    if task["kind"] == "characters":
        once = times(task["test"] / 20 / 3, _step(model, 20))
        return total(once, times(4.0 * (model["truncation"] or 1), _step(model, model["batch"] or batch)))
    batches = params["tests"] + 2 * len(task.get("longer", ()))
    return total(times(batches * longest / 3, _step(model, batch)), times(4 * longest, _step(model, batch)))
