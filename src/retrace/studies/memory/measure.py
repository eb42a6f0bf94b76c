"""Test every trained network, count what a step of it costs, and record its memory reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from retrace.data.sequences.tasks import Characters, Pixels, Task
from retrace.device import current
from retrace.metrics.sequence_costs import step_cost
from retrace.nets.memory.base import MemoryNet
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.memory.setup import characters, grey, kind_of_loss, restore, training
from retrace.training.sequences import Loss, Piece, losses
from retrace.training.steps import seeded

if TYPE_CHECKING:
    from retrace.studies.memory.model import Counted
    from retrace.studies.memory.params import Measure

TEST_BATCH, TEST_PIECE = 20, 100  # streams and steps of a test text; the state is carried on


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Evaluation without noise; sequences longer than those trained on may overwrite the memory.

    Results of each network: `test`, name -> share of errors and loss of a sequence in bits; bits a
    prediction; operations and activation bytes of one training step, written step by step, on the longest
    test sequence of training length; `published`: these two of networks that are only counted. Leaves reads
    `<network>` (T,N) of one sequence, and `input` (T,X) of the first network's.
    """
    task, device = params.task, current()
    weights = inputs["train"].read_scratch()
    results: dict[str, Any] = {}
    arrays: dict[str, Array] = {}
    for name, model in params.models.items():
        own = {k.partition("/")[2]: v for k, v in weights.items() if k.startswith(f"{name}/")}
        net = restore(model, inputs["prepare"], 0, own).to(device)
        net.overwrite = True
        one = next(training(params, model, inputs["prepare"], 1, seed, device))
        if "in0.x" in inputs["prepare"].read_scratch():
            one = _longest(inputs, device)
        arrays.setdefault("input", np.ascontiguousarray(one.x[:, 0].cpu().numpy().astype(np.float16)))
        with seeded(derive(seed, "measure", name), one.x.device):  # a random address is drawn here, too
            tested = _test(task, net, inputs, device)
            results[name] = {**tested, **_cost(net, one, kind_of_loss(task))}
            arrays |= _reads(name, net, one)
    return Output({"models": results, "published": _published(params.counted, inputs, device)}, arrays=arrays)


def _published(counted: Counted | None, inputs: Inputs, device: str) -> dict[str, dict[str, int]]:
    """Costs of networks that are not trained, on one sequence with an answer at every step."""
    if counted is None:
        return {}
    x, y = (torch.zeros(counted.steps, 1, n, device=device) for n in inputs["prepare"].results["channels"])
    found = {}
    for name, model in counted.models.items():
        net = restore(model, inputs["prepare"], 0).to(device)
        net.overwrite = True
        found[name] = _cost(net, Piece(x, y), "bits")
    return found


@torch.no_grad()
def _test(task: Task, net: MemoryNet, inputs: Inputs, device: str) -> dict[str, Any]:
    data = inputs["prepare"].read_scratch()
    if isinstance(task, Pixels):
        x, y = grey(data["test.x"], device), torch.from_numpy(data["test.y"]).to(device)
        pieces = {"in0": [Piece(x.T.unsqueeze(2).contiguous(), y)]}
    elif isinstance(task, Characters):
        size, count = int(inputs["prepare"].results["channels"][0]), len(data["test"])
        streams = min(TEST_BATCH, count // (TEST_PIECE + 1)) or 1
        pieces = {
            "in0": list(characters(data["test"], size, streams, min(TEST_PIECE, count - 1), count, device))
        }
    else:
        names = [name.removesuffix(".x") for name in data if name.endswith(".x")]
        pieces = {name: [_piece(data, name, device)] for name in names}
    found = {name: _evaluate(net, parts, task) for name, parts in pieces.items()}
    inside = [value for name, value in found.items() if name.startswith("in")]
    return {
        "errors": float(np.mean([errors for errors, _, _ in inside])),
        "bits": float(np.mean([bits for _, bits, _ in inside])),
        "loss": float(np.mean([loss for _, _, loss in inside])),
        "longer": {name: errors for name, (errors, _, _) in found.items() if name.startswith("long")},
    }


def _evaluate(net: MemoryNet, pieces: list[Piece], task: Task) -> tuple[float, float, float]:
    """Share of errors, bits of a prediction and of a whole sequence."""
    state, sums = None, torch.zeros(2, dtype=torch.float64)
    for piece in pieces:
        y, state, _ = net(piece.x, None if piece.fresh else state)
        bits, errors = losses(y, piece.y, kind_of_loss(task))
        sums += torch.tensor([float(bits), float(errors)], dtype=torch.float64)
    bits, errors = (sums / len(pieces)).tolist()
    terms = pieces[0].y[:, 0].numel() if kind_of_loss(task) != "last" else 1
    return errors, bits, bits * terms


def _piece(data: dict[str, Array], name: str, device: str) -> Piece:
    x, y = (torch.from_numpy(data[f"{name}.{axis}"]).to(device) for axis in ("x", "y"))
    return Piece(x, y)


def _longest(inputs: Inputs, device: str) -> Piece:
    steps: dict[str, int] = inputs["prepare"].results["steps"]
    inside = {name: count for name, count in steps.items() if name.startswith("in")}
    return _piece(inputs["prepare"].read_scratch(), max(inside, key=lambda name: inside[name]), device)


def _cost(net: MemoryNet, piece: Piece, kind: Loss) -> dict[str, int]:
    net.train()
    net.fused = False  # how cleverly a scan is written must not count

    def loss() -> Tensor:
        return losses(net(piece.x)[0], piece.y, kind)[0]

    cost = step_cost(loss, [*net.parameters(), piece.x, piece.y])
    net.zero_grad()
    net.eval()
    net.fused = True
    return {
        "multiply_adds": cost.multiply_adds,
        "operations": cost.operations,
        "activation_bytes": cost.activation_bytes,
        "time_steps": len(piece.x),
    }


@torch.no_grad()
def _reads(name: str, net: MemoryNet, piece: Piece) -> dict[str, Array]:
    reads = net(piece.x[:, :1], None, reads=True)[2]
    if reads is None:
        return {}
    return {name: np.ascontiguousarray(reads[:, 0].cpu().numpy().astype(np.float16))}
