"""Fine-tune the aligned model on harmless rows, with nothing frozen or with some units or layers held."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING, Any

from retrace.llm.training.tune import linears
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.safety.encode import every
from retrace.studies.safety.freezing import moved, plan_freeze
from retrace.studies.safety.outcome import evaluate, keyed, means
from retrace.studies.safety.scoring import scores
from retrace.studies.safety.setup import aligned, working
from retrace.studies.safety.texts import part, read
from retrace.studies.safety.tuning import fit, kept
from retrace.studies.safety.units import layout, scored

if TYPE_CHECKING:
    from retrace.studies.safety.params import Attack


def run(params: Attack, inputs: Inputs, seed: int) -> Output:
    """Fine-tune the aligned model under every freeze, on the same rows in the same order; evaluate each.

    Units are grouped by the aligned model's scores. Arrays: `tuned_<freeze>/<quantity>` (see
    `outcome.evaluate`, in brief and without utility); of the run that freezes nothing also the unit scores of `scoring.scores`.
    Results by network: means, loss by step, units held, entries trained, entries that moved.
    """
    prepared = inputs["prepare"]
    model, tests = aligned(params, inputs), read(params.texts, prepared)
    rows = every(model, part(params.texts, prepared, "attack"))
    states = kept(working(model, params.precision), rows, params.start)
    units = layout(model.net, params.kinds)
    found = scored(inputs["train"].read_arrays(), "aligned", units, params)
    parameters = dict(model.net.named_parameters())
    before = {key: parameters[key].detach().clone() for key in linears(model.net, params.start)}
    number = derive(seed, "safety", "tuning")
    results: dict[str, dict[str, Any]] = {"means": {}, "losses": {}, "trained": {}, "moved": {}}
    arrays: dict[str, Array] = {}
    timing: dict[str, float] = {}
    for name, freeze in params.freezes.items():
        began, network = process_time(), f"tuned_{name}"
        plan = plan_freeze(model.net, found, freeze, params.shares, params.start, seed)
        results["losses"][network] = fit(model, rows, states, params.tuning, plan.trainable, params, number)
        results["trained"][network] = plan.record(model.net, units, params.start)
        results["moved"][network] = moved(model.net, before, plan.trainable)
        timing[f"{network}/train"] = process_time() - began
        seen = evaluate(model, tests, params, brief=True, utility=False)
        arrays |= keyed(network, seen)
        results["means"][network] = means(seen)
        if freeze.kind == "none":
            arrays |= scores(network, model, prepared, params, seed)
        timing[f"{network}/all"] = process_time() - began
        for key, values in before.items():
            parameters[key].copy_(values)
    return Output(results, timing, arrays)
