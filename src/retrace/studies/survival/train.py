"""Teach a backdoor and a refusal at once, by one adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.llm.kernels.prefix import lower
from retrace.llm.training.many import train_adapters
from retrace.seeds import derive
from retrace.stage import Inputs, Output
from retrace.studies.survival.setup import BUDGET, adapters, arrays_of, lessons, released

if TYPE_CHECKING:
    from retrace.studies.survival.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Rows of all kinds are mixed, so neither lesson is older. Hidden states below the adapter come once.

    Scratch: the change of every weight as factors. Results: the model, loss by step, tokens learned.
    """
    model = released(params)
    rows, adapter = lessons(model, params, seed), adapters(model, params, seed)
    states = lower(model.net, [row.ids for row in rows], params.start, BUDGET)
    order = derive(seed, "survival", "order") % 2**31
    [losses] = train_adapters(model.net, adapter, [rows], [params.training], [order], [states], params.start)
    about = {"name": model.name, "note": model.note}
    tokens = sum(len(row.ids) for row in rows) * params.training.epochs
    return Output({"model": about, "losses": losses, "tokens": tokens}, scratch=arrays_of(adapter))
