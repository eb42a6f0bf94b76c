"""Fine-tuning of one network again and again from the same weights: every run is evaluated, then undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import process_time
from typing import TYPE_CHECKING, Any

import torch

from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.llm.training.steps import Settings
from retrace.llm.training.tune import linears
from retrace.stage import Array, Output
from retrace.studies.safety.freezing import Plan, moved
from retrace.studies.safety.outcome import keyed, means
from retrace.studies.safety.setup import working
from retrace.studies.safety.tuning import fit, kept
from retrace.studies.safety.units import Layout

if TYPE_CHECKING:
    from retrace.studies.safety.params import Tuned


def each(
    model: LanguageModel,
    rows: Sequence[Row],
    plans: Iterable[tuple[str, Plan]],
    settings: Settings,
    units: Layout,
    params: Tuned,
    seed: int,
    seen: Callable[[str], Mapping[str, Array]],
    left: Callable[[str], Mapping[str, Array]] = lambda _: {},
) -> Output:
    """Fine-tune under every plan by name, on the same rows in the same order.

    Arrays: `<name>/<quantity>` of what `seen` says of a run, and what is `left` of it besides, under its own
    keys. Results by name: means, loss by step, units chosen and entries trained, entries that moved. The
    weights to go back to are kept on the host. Errors as in `tuning.fit`.
    """
    states = kept(working(model, params.precision), rows, params.start)
    parameters = dict(model.net.named_parameters())
    before = {key: parameters[key].detach().to("cpu", copy=True) for key in linears(model.net, params.start)}
    results: dict[str, dict[str, Any]] = {"means": {}, "losses": {}, "trained": {}, "moved": {}}
    arrays: dict[str, Array] = {}
    timing: dict[str, float] = {}
    for name, plan in plans:
        began = process_time()
        results["losses"][name] = fit(model, rows, states, settings, plan.trainable, params, seed)
        results["trained"][name] = plan.record(model.net, units, params.start)
        results["moved"][name] = moved(model.net, before, plan.trainable)
        timing[f"{name}/train"] = process_time() - began
        found = seen(name)
        arrays |= {**keyed(name, found), **left(name)}
        results["means"][name] = means(found)
        timing[f"{name}/all"] = process_time() - began
        with torch.no_grad():
            for key, values in before.items():
                parameters[key].copy_(values)
    return Output(results, timing, arrays)
