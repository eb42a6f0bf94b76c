"""The networks of a cell: as released, as aligned, a copy for computing, and their fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from retrace.device import current
from retrace.llm.kernels.prefix import lower
from retrace.llm.load import DTYPES, LanguageModel, load
from retrace.llm.rows import Row
from retrace.llm.training.sliced import tune_slices
from retrace.llm.training.steps import Settings
from retrace.stage import Array, Inputs, StageError

if TYPE_CHECKING:
    from retrace.studies.safety.params import Network, Tuned

BUDGET = 1024  # tokens computed at once: on a CPU larger batches leave its cache


def released(params: Network) -> LanguageModel:
    """The released model in float32 on this job's device. Errors as in `retrace.llm.load.load`."""
    return load(params.model, current())


def aligned(params: Network, inputs: Inputs) -> LanguageModel:
    """The model that `train` aligned, in float32."""
    model = released(params)
    overlay(model, inputs["train"].read_scratch())
    return model


@torch.no_grad()
def overlay(model: LanguageModel, arrays: Mapping[str, Array]) -> None:
    """Replace parameters by arrays of the same names, in place."""
    parameters = dict(model.net.named_parameters())
    for name, values in arrays.items():
        parameters[name].copy_(torch.from_numpy(values))


def working(model: LanguageModel, precision: str) -> LanguageModel:
    """A copy whose weights have the precision; to compute without gradients."""
    # parameters alone: the frequencies of rotary embeddings, a buffer, must stay exact
    made: dict[int, object] = {
        id(p): nn.Parameter(p.detach().to(DTYPES[precision], copy=True), requires_grad=False)
        for p in model.net.parameters()
    }
    return replace(model, net=deepcopy(model.net, made))


def kept(model: LanguageModel, rows: Sequence[Row], start: int) -> list[Tensor]:
    """Hidden states of the rows before layer `start`, float32; StageError when there is no such layer."""
    if start >= model.layers:
        raise StageError(f"start {start}: {model.name} has layers 0 to {model.layers - 1}; lower it")
    return [states.float() for states in lower(model.net, [row.ids for row in rows], start, BUDGET)]


def fit(
    model: LanguageModel,
    rows: Sequence[Row],
    states: Sequence[Tensor],
    settings: Settings,
    trainable: Mapping[str, Tensor | None],
    params: Tuned,
    seed: int,
) -> list[float]:
    """Fine-tune a float32 model in place from the rows' `kept` states; the loss of every step.

    `trainable` marks whole rows or columns; products of matrices have the cell's precision, weights do not.
    Errors as in `retrace.llm.training.sliced.tune_slices`.
    """
    compute = DTYPES[params.precision]
    return tune_slices(model.net, rows, settings, trainable, seed, states, params.start, compute)
