"""Spend an alignment budget: align the released model by training redundant units, or random ones, only."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING, Any

from retrace.metrics.unit_groups import Rows
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.safety.encode import every
from retrace.studies.safety.freezing import moved, plan_budget
from retrace.studies.safety.outcome import evaluate, keyed, means
from retrace.studies.safety.setup import released, working
from retrace.studies.safety.texts import part, read
from retrace.studies.safety.tuning import fit, kept
from retrace.studies.safety.units import layout, matched, scored

if TYPE_CHECKING:
    from retrace.studies.safety.params import Defend


def run(params: Defend, inputs: Inputs, seed: int) -> Output:
    """Align with `budget` of all units: the redundant ones by the released model's scores, or random ones.

    Rows, order, epochs and rate are those of the full alignment. Only units in the layers from `start` on
    train; `budget_random` trains as many neurons and heads of these layers as `budget_ru` does.
    Arrays: `<network>/<quantity>` (see `outcome.evaluate`, in brief). Results by network: means, loss by step, units,
    entries trained, entries that moved.
    """
    prepared = inputs["prepare"]
    model, tests = released(params), read(params.texts, prepared)
    rows = every(model, part(params.texts, prepared, "alignment"))
    states = kept(working(model, params.precision), rows, params.start)
    units = layout(model.net, params.kinds)
    found = scored(inputs["train"].read_arrays(), "released", units, params)
    redundant = found.first("ru", params.budget, seed)
    sets: dict[str, Rows] = {
        "budget_ru": redundant,
        "budget_random": matched(units, redundant, params.start, seed),
    }
    parameters = dict(model.net.named_parameters())
    number = derive(seed, "safety", "alignment")
    results: dict[str, dict[str, Any]] = {"means": {}, "losses": {}, "trained": {}, "moved": {}}
    arrays: dict[str, Array] = {}
    timing: dict[str, float] = {}
    for name, chosen in sets.items():
        began = process_time()
        plan = plan_budget(model.net, units, chosen, params.start)
        before = {key: parameters[key].detach().clone() for key in plan.trainable}
        results["losses"][name] = fit(model, rows, states, params.alignment, plan.trainable, params, number)
        results["trained"][name] = plan.record(model.net, units, params.start)
        results["moved"][name] = moved(model.net, before, plan.trainable)
        timing[f"{name}/train"] = process_time() - began
        seen = evaluate(model, tests, params, brief=True)
        arrays |= keyed(name, seen)
        results["means"][name] = means(seen)
        timing[f"{name}/all"] = process_time() - began
        for key, values in before.items():
            parameters[key].copy_(values)
    return Output(results, timing, arrays)
