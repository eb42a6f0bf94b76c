"""Spend an alignment budget: align the released model by training redundant units, or random ones, only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.llm.kernels.prefix import Below
from retrace.metrics.unit_groups import Rows
from retrace.seeds import derive
from retrace.stage import Inputs, Output
from retrace.studies.safety.encode import every
from retrace.studies.safety.freezing import plan_budget
from retrace.studies.safety.outcome import evaluate
from retrace.studies.safety.runs import each
from retrace.studies.safety.setup import released
from retrace.studies.safety.texts import part, read
from retrace.studies.safety.units import layout, matched, scored

if TYPE_CHECKING:
    from retrace.studies.safety.params import Defend


def run(params: Defend, inputs: Inputs, seed: int) -> Output:
    """Align with `budget` of all units: the redundant ones by the released model's scores, or random ones.

    Rows, order, epochs and rate are those of the full alignment. Only units in the layers from `start` on
    train; `budget_random` trains as many neurons and heads of these layers as `budget_ru` does.
    Arrays: `<network>/<quantity>` (see `outcome.evaluate`, in brief). Results by network: means, loss by
    step, units, entries trained, entries that moved.
    """
    prepared = inputs["prepare"]
    model, tests = released(params, params.start), read(params.texts, prepared)
    units, below = layout(model.net, params.kinds), Below(params.start)
    found = scored(inputs["train"].read_arrays(), "released", units, params)
    redundant = found.first("ru", params.budget, seed)
    sets: dict[str, Rows] = {
        "budget_ru": redundant,
        "budget_random": matched(units, redundant, params.start, seed),
    }
    plans = ((name, plan_budget(model.net, units, chosen, params.start)) for name, chosen in sets.items())
    return each(
        model,
        every(model, part(params.texts, prepared, "alignment")),
        plans,
        params.alignment,
        units,
        params,
        derive(seed, "safety", "alignment"),
        lambda _: evaluate(model, tests, params, brief=True, below=below),
    )
