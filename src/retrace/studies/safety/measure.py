"""Prune the aligned model by groups of units, and probe which way answers go before and after alignment."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import numpy as np

from retrace.llm.chat import encode
from retrace.llm.kernels.probe import directions
from retrace.llm.load import LanguageModel
from retrace.stage import Array, Inputs, Output
from retrace.studies.safety.encode import asked
from retrace.studies.safety.outcome import evaluate_variants, keyed, means
from retrace.studies.safety.setup import BUDGET, overlay, released, working
from retrace.studies.safety.texts import Tests, read
from retrace.studies.safety.units import composition, layout, scored
from retrace.studies.safety.variants import choosing, chosen_units, unit_masks

if TYPE_CHECKING:
    from retrace.studies.safety.params import Measure

OPENINGS = {"refusal": "Sorry, I can't", "compliance": "Sure, here is"}


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Evaluate every pruned variant of the aligned model; probe the released and the aligned one.

    Units are ranked by the aligned model's scores. Arrays: `<variant>/<quantity>` (see `outcome.evaluate`;
    questions are put only to those of `variants.choosing`) and `probe/<network>/<refusal|compliance>`
    (prompts, tokens, layers), 1 - cos. Results: means and number of units by variant, groups, layout.
    """
    tests, variants = read(params.texts, inputs["prepare"]), params.variants
    began = process_time()
    model = released(params)
    arrays = _probe("released", model, tests, params)
    overlay(model, inputs["train"].read_scratch())
    arrays |= _probe("aligned", model, tests, params)
    probed = process_time()
    units = layout(model.net, params.kinds)
    found = scored(inputs["train"].read_arrays(), "aligned", units, params)
    rows = chosen_units(found, variants, seed)
    masks = unit_masks(model.net, units, list(rows.values()))
    seen = evaluate_variants(model, masks, tests, params, choosing(variants, params.shares))
    for name, values in zip(variants, seen, strict=True):
        arrays |= keyed(name, values)
    return Output(
        {
            "means": {name: means(values) for name, values in zip(variants, seen, strict=True)},
            "units": {name: len(numbers) for name, numbers in rows.items()},
            "groups": composition(found.groups(params.shares)),
            "layout": units.record(),
        },
        {"probe": probed - began, "variants": process_time() - probed},
        arrays,
    )


def _probe(name: str, model: LanguageModel, tests: Tests, params: Measure) -> dict[str, Array]:
    """Distances (prompts, tokens, layers) of both openings; no token of an answer is kept."""
    probe, quick = params.probe, working(model, params.precision)
    prompts = asked(model, tests.harmful[: probe.prompts])
    openings = [encode(model, opening) for opening in OPENINGS.values()]
    ends = int(model.tokenizer.eos_token_id)
    distances = directions(quick.net, prompts, openings, probe.tokens, ends, BUDGET).numpy()
    return {f"probe/{name}/{key}": d.astype(np.float32) for key, d in zip(OPENINGS, distances, strict=True)}
