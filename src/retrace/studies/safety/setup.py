"""The networks of a cell: as released, as aligned, and a copy for computing."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from retrace.device import current
from retrace.llm.load import DTYPES, LanguageModel, load
from retrace.stage import Array, Inputs

if TYPE_CHECKING:
    from retrace.studies.safety.params import Network, Tuned

BUDGET = 1024  # tokens computed at once: on a CPU larger batches leave its cache


def released(params: Network, trained: int | None = None) -> LanguageModel:
    """The released model on this job's device in the cell's precision, layers from `trained` on in float32.

    Errors as in `retrace.llm.load.load`.
    """
    return load(params.model, current(), params.precision, trained=trained)


def aligned(params: Tuned, inputs: Inputs) -> LanguageModel:
    """The model that `train` aligned, its trained layers in float32."""
    model = released(params, params.start)
    overlay(model, inputs["train"].read_scratch())
    return model


@torch.no_grad()
def overlay(model: LanguageModel, arrays: Mapping[str, Array]) -> None:
    """Replace parameters by arrays of the same names, in place."""
    parameters = dict(model.net.named_parameters())
    for name, values in arrays.items():
        parameters[name].copy_(torch.from_numpy(values))


def working(model: LanguageModel, precision: str) -> LanguageModel:
    """The model in this precision, to compute without gradients; weights that have it are shared."""
    # parameters alone: the frequencies of rotary embeddings, a buffer, must stay exact
    made: dict[int, object] = {
        id(p): p
        if p.dtype == DTYPES[precision]
        else nn.Parameter(p.detach().to(DTYPES[precision]), requires_grad=False)
        for p in model.net.parameters()
    }
    return replace(model, net=deepcopy(model.net, made))
