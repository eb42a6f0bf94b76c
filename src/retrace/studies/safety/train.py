"""Align the released model: learn to refuse harmful requests and to answer others, and score the units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.llm.kernels.prefix import Below
from retrace.llm.training.tune import linears
from retrace.seeds import derive
from retrace.stage import Inputs, Output
from retrace.studies.safety.encode import every
from retrace.studies.safety.outcome import evaluate, keyed, means
from retrace.studies.safety.scoring import scores
from retrace.studies.safety.setup import released, working
from retrace.studies.safety.texts import part, read
from retrace.studies.safety.tuning import fit, kept

if TYPE_CHECKING:
    from retrace.studies.safety.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Train all linears from layer `start` on; evaluate and score the model before and after.

    Arrays: `<network>/<quantity>` (see `outcome.evaluate`) and the unit scores of `scoring.scores`, for the
    networks released and aligned. Scratch: the trained weights by name, float32. Results: means by network,
    loss by step, tokens learned.
    """
    prepared = inputs["prepare"]
    model, tests = released(params, params.start), read(params.texts, prepared)
    rows = every(model, part(params.texts, prepared, "alignment"))
    states = kept(working(model, params.precision), rows, params.start)
    arrays = scores("released", model, prepared, params, seed)
    below = Below(params.start)
    before = evaluate(model, tests, params, below=below)
    trainable = linears(model.net, params.start)
    losses = fit(
        model, rows, states, params.alignment, trainable, params, derive(seed, "safety", "alignment")
    )
    arrays |= scores("aligned", model, prepared, params, seed, answers_too=True)
    after = evaluate(model, tests, params, below=below)
    parameters = dict(model.net.named_parameters())
    return Output(
        {
            "model": {"name": model.name, "note": model.note},
            "means": {"released": means(before), "aligned": means(after)},
            "losses": losses,
            "tokens": sum(len(row.ids) for row in rows) * params.alignment.epochs,
        },
        arrays=arrays | keyed("released", before) | keyed("aligned", after),
        scratch={name: parameters[name].detach().cpu().numpy() for name in trainable},
    )
