"""The networks of a cell, fresh or trained, and the pieces that they are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from retrace.data.sequences import text
from retrace.data.sequences.tasks import BitTask, Characters, Pixels, Task
from retrace.nets.access import load_arrays
from retrace.nets.memory.base import MemoryNet
from retrace.nets.memory.registry import build
from retrace.seeds import derive, generator
from retrace.stage import Array, Evidence, StageError
from retrace.training.batches import epochs
from retrace.training.sequences import Loss, Piece

if TYPE_CHECKING:
    from retrace.studies.memory.model import Net
    from retrace.studies.memory.params import Networks


def restore(
    model: Net, prepared: Evidence, seed: int, weights: Mapping[str, Array] | None = None
) -> MemoryNet:
    """The network that `model` describes for the channels of the prepared task; StageError for bad sizes."""
    inputs, outputs = prepared.results["channels"]
    try:
        net = build(model.network, inputs, outputs, model.hidden, model.slots, model.width, seed=seed)
    except ValueError as error:
        raise StageError(f"{model.network}: {error}") from None
    net.overwrite = model.overwrite
    if weights is not None:
        load_arrays(net, weights)
    return net.eval()


def kind_of_loss(task: Task) -> Loss:
    """What is predicted: bits of the answer, the class at the last step, or the next class at every step."""
    return "last" if isinstance(task, Pixels) else "every" if isinstance(task, Characters) else "bits"


def drawn(task: BitTask, batch: int, steps: int, seed: int, device: str) -> Iterator[Piece]:
    """`steps` fresh batches; every network of a cell and seed sees the same ones."""
    rng = generator(seed, "train")
    for _ in range(steps):
        bits = task.draw(rng, batch)
        yield Piece(torch.from_numpy(bits.x).to(device), torch.from_numpy(bits.y).to(device))


def pixels(data: dict[str, Array], batch: int, passes: int, seed: int, device: str) -> Iterator[Piece]:
    """Whole images in random order, `passes` times."""
    x, y = grey(data["train.x"], device), torch.from_numpy(data["train.y"]).to(device)
    stream = epochs(x, y, batch, derive(seed, "order"))
    for _ in range(passes):
        for images, labels in next(stream):
            yield Piece(images.T.unsqueeze(2).contiguous(), labels)


def grey(x: Array, device: str) -> Tensor:
    """Pixels (N,T) of 0..255 as float32 in [0,1]."""
    return torch.from_numpy(x).to(device).float() / 255


def characters(
    codes: Array, size: int, batch: int, truncation: int, budget: int, device: str
) -> Iterator[Piece]:
    """One-hot characters with those that follow; the state is carried from piece to piece."""
    for now, following, fresh in text.pieces(np.asarray(codes), batch, truncation, budget):
        yield Piece(
            F.one_hot(torch.from_numpy(now).to(device), size).float(),
            torch.from_numpy(np.ascontiguousarray(following)).to(device),
            fresh,
        )


def length(params: Networks, model: Net, prepared: Evidence, steps: int) -> int:
    """Optimiser steps of a network's whole training; see `training`."""
    task, batch = params.task, model.batch or params.batch
    if isinstance(task, Pixels):
        images: int = prepared.results["images"][0]
        return max(round(task.epochs * model.share), 1) * -(-images // batch)
    if isinstance(task, Characters):
        seen = batch * (model.truncation or params.truncation or 1)
        return max(round(task.budget * model.share) // seen, 1)
    return max(round(steps * model.share), 1)


def training(
    params: Networks, model: Net, prepared: Evidence, steps: int, seed: int, device: str
) -> Iterator[Piece]:
    """The pieces of a network's whole training, its share of the cell's budget.

    `steps` is the budget of a task drawn at random. ValueError for impossible sizes.
    """
    task, batch = params.task, model.batch or params.batch
    if isinstance(task, Pixels):
        passes = max(round(task.epochs * model.share), 1)
        return pixels(prepared.read_scratch(), batch, passes, seed, device)
    if isinstance(task, Characters):
        size, codes = int(prepared.results["channels"][0]), prepared.read_scratch()["train"]
        truncation = model.truncation or params.truncation or 1
        return characters(codes, size, batch, truncation, round(task.budget * model.share), device)
    return drawn(task, batch, length(params, model, prepared, steps), seed, device)
