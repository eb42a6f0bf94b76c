"""Align the released model: learn to refuse harmful requests and to answer others, and score the units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.llm.kernels.units import unit_scores
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.llm.training.steps import Settings
from retrace.llm.training.tune import linears
from retrace.seeds import derive, generator
from retrace.stage import Array, Inputs, Output
from retrace.studies.safety.encode import answers, every
from retrace.studies.safety.network import BUDGET, fit, kept, released, working
from retrace.studies.safety.outcome import evaluate, keyed, means
from retrace.studies.safety.params import Training
from retrace.studies.safety.texts import part, read
from retrace.studies.safety.units import flat

if TYPE_CHECKING:
    from retrace.studies.safety.params import Params


def run(params: Params, inputs: Inputs, seed: int) -> Output:
    """Train all linears from layer `start` on; evaluate and score the model before and after.

    Arrays: `<network>/<quantity>` (see `outcome.evaluate`) and raw unit scores (U,) `<network>/safety`,
    `<network>/utility` and (2,U) `<network>/shuffled`, of halves of the same rows mixed irrespective of kind,
    for the networks released and aligned. Scratch: the trained weights by name, float32.
    Results: means by network, loss by step, tokens learned.
    """
    prepared = inputs["prepare"]
    model, tests = released(params), read(params.texts, prepared)
    rows = every(model, part(params.texts, prepared, "alignment"))
    calibration = part(params.texts, prepared, "calibration")
    safety, utility = (answers(model, calibration[kind]) for kind in ("harmful", "benign"))
    quick = working(model, params.precision)
    states = kept(quick, rows, params.start)
    arrays = _scores("released", quick, safety, utility, params.kinds, seed)
    before = evaluate(model, tests, params)
    trainable = linears(model.net, params.start)
    settings = Settings(**Training.model_validate(params.alignment).model_dump())
    losses = fit(model, rows, states, settings, trainable, params, derive(seed, "safety", "alignment"))
    arrays |= _scores("aligned", working(model, params.precision), safety, utility, params.kinds, seed)
    after = evaluate(model, tests, params)
    parameters = dict(model.net.named_parameters())
    return Output(
        {
            "model": {"name": model.name, "note": model.note},
            "means": {"released": means(before), "aligned": means(after)},
            "losses": losses,
            "tokens": sum(len(row.ids) for row in rows) * settings.epochs,
        },
        arrays=arrays | keyed("released", before) | keyed("aligned", after),
        scratch={name: parameters[name].detach().cpu().numpy() for name in trainable},
    )


def _scores(
    name: str, model: LanguageModel, safety: list[Row], utility: list[Row], kinds: str, seed: int
) -> dict[str, Array]:
    both = [*safety, *utility]
    order = generator(seed, "safety", "shuffled").permutation(len(both))
    halves = [[both[i] for i in half] for half in np.array_split(order, 2)]
    found = [
        flat(unit_scores(model.net, rows, budget=BUDGET), kinds, "raw").astype(np.float32)
        for rows in (safety, utility, *halves)
    ]
    return {
        f"{name}/safety": found[0],
        f"{name}/utility": found[1],
        f"{name}/shuffled": np.stack(found[2:]),
    }
