"""What the stages of the membership study are asked to do, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.data.frames import Frame, frame
from retrace.nets.passes import forward, train
from retrace.nets.sizes import Size, size_of
from retrace.nets.target_names import perceptron
from retrace.work import ELEMENTS, OPERATIONS, STAGE, VALUES, Work, times, total

PURCHASE_LIKE = Frame(0, 200, 1, 20)
BLOCKS = {"resnet18": 7, "vgg11_bn": 10, "mobilenet_v3": 15, "vit-s": 5}  # that PPTP tells apart; others: 7
TOGETHER = 100_000_000  # parameters that train at once on an accelerator
SCORING = 4.0  # epochs' worth of passes in which CWRF scores weights, once a cell
NN_PASSES, NN_ROWS, NN_UNITS = 30, 20_000, 64  # epochs, rows and hidden units of the NN attack


def work(verb: str, params: Mapping[str, Any], device: str) -> Work:
    """The work of a stage on "cpu" or "cuda"; ValueError for a verb, network or data set it does not know."""
    data = frame(params["dataset"]) if params["dataset"] else PURCHASE_LIKE
    models, pool = params["models"], params["pool"]
    others = params["reference"] + params["population"] + params["test"]
    pixels = (pool + others) * data.values
    if verb == "prepare":
        return Work({VALUES: 2 * pixels, STAGE: 1}, memory=6 * pixels, scratch=pixels)
    methods = params.get("methods", {})
    if verb == "attack":
        return _attack(params, data, len(methods))
    size = size_of(params["network"], data.channels, data.side, data.classes)
    together = _together(params["network"], models, size, device)
    weights = 4.0 * models * size.parameters
    held = 8 * pixels + 4 * weights
    if verb == "measure":
        return _measure(params, data, size, together, held)
    epoch = train(size, pool / 2, params["batch"], models, together)
    if verb == "train":
        looks = params["epochs"] // params["checkpoints"] if params["checkpoints"] else 0
        shown = times(looks, forward(size, pool, 1000, models, together))
        return Work({**total(times(params["epochs"], epoch), shown), STAGE: 1}, memory=held, scratch=weights)
    if verb == "defend":
        known = perceptron(params["network"])
        blocks = len(known[1]) + 1 if known else BLOCKS.get(params["network"], 7)
        seen: set[str] = set()
        epochs = sum(_epochs(m, params["epochs"], blocks, seen) for m in methods.values())
        private = sum(_private(m, params["epochs"]) for m in methods.values())
        each = {ELEMENTS: private * models * pool / 2 * 2 * size.parameters}
        left = len(methods) * weights
        return Work(
            {**total(times(epochs, epoch), each), STAGE: len(methods)}, memory=held + 2 * left, scratch=left
        )
    raise ValueError(f"membership has no stage {verb}")


def _together(network: str, models: int, size: Size, device: str) -> int:
    """Models that train in one call; see `retrace.training.shadows.groups`."""
    if perceptron(network):
        return models
    if device == "cpu" or network.startswith("vit"):
        return 1
    return max(1, min(models, TOGETHER // size.parameters))


def _epochs(method: Mapping[str, Any], plain: int, blocks: int, seen: set[str]) -> float:
    """Epochs of plain training that a method amounts to; `seen`: what an earlier method did for it, too."""
    kind = method["defence"]
    if kind == "none":
        return 0.0 if method["learning_rate"] is None else plain
    if kind == "early-stopping":
        return float(method["epochs"])
    if kind == "cwrf":
        first = SCORING * method["passes"] if "scores" not in seen else 0.0
        seen.add("scores")
        return first + float(method["epochs"]) * plain
    if kind == "pptp":
        phase = float(method["epochs"]) * plain
        if method["region"] not in ("auto", "mirror"):
            return phase
        regions = 0 if "regions" in seen else 3 * blocks - 4
        seen.add("regions")
        return regions * phase + (plain if regions else 0)
    if kind == "selena":
        return float(plain * (method["parts"] - method["left_out"] + 1))
    return float({"advreg": 1.6, "dpsgd": 2.0 * method.get("epochs", 1.0)}.get(kind, 1.0) * plain)


def _private(method: Mapping[str, Any], plain: int) -> float:
    """Epochs in which every example has its own gradient: of DP-SGD, alone or inside a method."""
    if method["defence"] == "dpsgd":
        return float(method["epochs"]) * plain
    inside = (method.get("loss") or {}).get("defence") == "dpsgd"
    return float(method["epochs"]) * plain if inside else 0.0


def _measure(params: Mapping[str, Any], data: Frame, size: Size, together: int, held: float) -> Work:
    models, pool, methods = params["models"], params["pool"], params["methods"]
    attacks: list[str] = params["attacks"]
    asked = pool + params["population"] + params["test"]
    copies = (
        params["copies"] * len(params["sigmas"]) if any(a.startswith("label_only") for a in attacks) else 0
    )
    one = forward(size, asked + copies * pool, 1000, models, together)
    noise = {VALUES: 10.0 * copies * pool * data.values}
    by_gradient = sum(any(a.startswith(f"gradient_{of}") for a in attacks) for of in ("input", "weights"))
    gradients = times(by_gradient, train(size, pool, 1000, models, together))
    rewritten = sum("hamp" in (m["defence"], (m.get("loss") or {}).get("defence")) for m in methods.values())
    hidden = times(rewritten, forward(size, asked, 1000, models, together))
    left = 4.0 * len(methods) * models * (pool + params["population"]) * data.classes
    amounts = total(times(len(methods), total(one, noise, gradients)), hidden)
    return Work({**amounts, STAGE: len(methods)}, memory=held + left + 4 * models * pool * 200, scratch=left)


def _attack(params: Mapping[str, Any], data: Frame, methods: int) -> Work:
    models, pool, attacks = params["models"], params["pool"], params["attacks"]
    # every target meets every shadow
    scored = methods * len(attacks) * models**2 * pool * 40.0
    pairs = methods * sum(a.startswith("rmia") for a in attacks) * models * pool * params["population"] / 20
    # one small network a target learns from the shadows' outputs
    rows = min(models * pool, NN_ROWS) * NN_PASSES
    learned = methods * sum(a.startswith("nn") for a in attacks) * models * rows
    amounts = {
        VALUES: scored + pairs + learned * (2 * data.classes + NN_UNITS),
        OPERATIONS: learned / 256 * 10,
        STAGE: float(methods * len(attacks)),
    }
    held = 8.0 * models * (pool + params["population"]) * (data.classes + 20)
    return Work(amounts, memory=held, evidence=methods * len(attacks) * 1.5e3)
