"""Who else reads a prompt: a fine-tuned copy of the model, and other models by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from retrace.device import current
from retrace.llm.chat import encode
from retrace.llm.kernels.prefix import lower
from retrace.llm.load import DTYPES, LanguageModel, load
from retrace.llm.rows import Row
from retrace.llm.training.sliced import tune_slices
from retrace.llm.training.tune import linears
from retrace.seeds import derive
from retrace.stage import Array, StageError
from retrace.studies.prompts.setup import LABELS, Record, instructions, model_of

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Measure, Prepare

COPY = "tuned"  # the name of the copy among readers


def tuned_weights(params: Prepare, spare: Sequence[Record]) -> tuple[dict[str, Array], list[float]]:
    """Weights of the model's last layers, float32, tuned on records that serve nothing else, and losses.

    Records answer the initial and the public instructions in turn, so that none is learned by heart.
    StageError where the task has too few records left.
    """
    about = params.tuned
    if about is None:
        raise ValueError("the cell has no tuned copy")
    if len(spare) < about.records:
        raise StageError(
            f"task {params.task}: {about.records} records for the tuned copy are wanted and {len(spare)} are "
            "left; lower `tuned.records` or `counts`"
        )
    first = model_of(params).layers - about.layers
    if first < 0:
        raise StageError(f"tuned.layers {about.layers}: more than {params.model} has; lower it")
    model = load(params.model, current(), params.precision, trained=first)
    asked, names = instructions(params.task), LABELS[params.task]
    rows = []
    for n, record in enumerate(spare[: about.records]):
        shown = encode(model, f"{asked[n % len(asked)]}\n\nInput: {record.text}\nOutput:")
        rows.append(Row((*shown, *encode(model, f" {names[record.label]}")), len(shown)))
    trained = linears(model.net, first)
    states = [kept.float() for kept in lower(model.net, [row.ids for row in rows], first)]
    order, dtype = derive(0, "prompts", "tuned"), DTYPES[params.precision]
    losses = tune_slices(model.net, rows, about.training, trained, order, states, first, dtype)
    state = dict(model.net.named_parameters())
    return {name: state[name].detach().float().cpu().numpy() for name in trained}, losses


def readers(params: Measure, weights: Mapping[str, Array]) -> Iterator[tuple[str, LanguageModel]]:
    """Other readers by short name: the copy with its `weights`, if there are any, then models by name.

    Each is released before the next one is loaded. Errors as in `retrace.llm.load.load`.
    """
    if weights:
        copy = model_of(params)
        with torch.no_grad():
            for name, values in weights.items():
                copy.net.get_parameter(name).copy_(torch.from_numpy(values))
        yield COPY, copy
        del copy
    for name in params.readers:
        yield name.rpartition("/")[2], load(name, current(), params.precision)
