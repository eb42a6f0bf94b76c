"""Fine-tuning of a cell's network: from the hidden states below the first trained layer, which stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from retrace.llm.kernels.prefix import lower
from retrace.llm.load import DTYPES, LanguageModel
from retrace.llm.rows import Row
from retrace.llm.training.sliced import tune_slices
from retrace.llm.training.steps import Settings
from retrace.stage import StageError
from retrace.studies.safety.setup import BUDGET

if TYPE_CHECKING:
    from retrace.studies.safety.params import Tuned


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
    """Fine-tune a model, float32 where it trains, in place from `kept` states; the loss of every step.

    `trainable` marks whole rows or columns; products of matrices have the cell's precision, weights do not.
    Errors as in `retrace.llm.training.sliced.tune_slices`; StageError when it does not fit the memory.
    """
    compute = DTYPES[params.precision]
    try:
        return tune_slices(model.net, rows, settings, trainable, seed, states, params.start, compute)
    except torch.OutOfMemoryError:
        raise StageError(
            f"fine-tuning {model.name} from layer {params.start} on does not fit the memory of "
            f"{model.device}: raise `start`, lower `batch`, or take an accelerator with more memory"
        ) from None
