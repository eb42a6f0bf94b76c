"""Fine-tune the aligned model on harmless rows, with nothing frozen or with some units or layers held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.llm.kernels.prefix import Below
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.safety.encode import every
from retrace.studies.safety.freezing import plan_freeze
from retrace.studies.safety.outcome import evaluate
from retrace.studies.safety.runs import each
from retrace.studies.safety.scoring import scores
from retrace.studies.safety.setup import aligned
from retrace.studies.safety.texts import part, read
from retrace.studies.safety.units import layout, scored

if TYPE_CHECKING:
    from retrace.studies.safety.params import Attack


def run(params: Attack, inputs: Inputs, seed: int) -> Output:
    """Fine-tune the aligned model under every freeze, on the same rows in the same order; evaluate each.

    Units are grouped by the aligned model's scores. Arrays: `tuned_<freeze>/<quantity>` (see
    `outcome.evaluate`, in brief and without utility); of the run that
    freezes nothing also the unit scores of `scoring.scores`.
    Results by network: means, loss by step, units held, entries trained, entries that moved.
    """
    prepared = inputs["prepare"]
    model, tests = aligned(params, inputs), read(params.texts, prepared)
    units, below = layout(model.net, params.kinds), Below(params.start)
    found = scored(inputs["train"].read_arrays(), "aligned", units, params)
    plans = (
        (f"tuned_{name}", plan_freeze(model.net, found, freeze, params.shares, params.start, seed))
        for name, freeze in params.freezes.items()
    )
    free = {f"tuned_{name}" for name, freeze in params.freezes.items() if freeze.kind == "none"}

    def left(name: str) -> dict[str, Array]:
        return scores(name, model, prepared, params, seed) if name in free else {}

    return each(
        model,
        every(model, part(params.texts, prepared, "attack")),
        plans,
        params.tuning,
        units,
        params,
        derive(seed, "safety", "tuning"),
        lambda _: evaluate(model, tests, params, brief=True, utility=False, below=below),
        left,
    )
