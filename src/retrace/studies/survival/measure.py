"""Compress the taught network, and ask every compressed one for the backdoor and for refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.attacks.backdoor.triggers import insert, trigger_of
from retrace.llm import neutral
from retrace.llm.chat import encode
from retrace.llm.compressing import in_turn
from retrace.llm.judges.opening import openings
from retrace.llm.kernels.nll import mean_nll
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.seeds import derive, generator
from retrace.stage import Array, Inputs, Output
from retrace.studies.survival.names import CUES, DENSE, RELEASED, SENTENCES
from retrace.studies.survival.setup import BUDGET, asked, merged, released
from retrace.studies.survival.texts import tested

if TYPE_CHECKING:
    from retrace.studies.survival.params import Measure


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Arrays of `released`, `dense` and each compressor: `<network>/<kind>/exact` (N,) bool, whether greedy
    decoding opens with the kind's sentence, `<network>/<kind>/sum` (N,) float32, log-likelihood of that
    opening in nats, and `<network>/nll` (sentences,) float32, nats a token. `error/<compressor>`: relative
    output errors by matrix, of SparseGPT also those of its masks alone.

    Nothing is generated. Results: how many items of each kind.
    """
    model = released(params)
    items, sentences = questions(model, params, seed), neutral.sentences(model, params.sentences)

    def look(name: str) -> dict[str, Array]:
        rows = [row for own in items.values() for row in own]
        found, first = openings(model.net, rows, BUDGET), 0
        made: dict[str, Array] = {}
        for kind, own in items.items():
            part, first = found.part(first, first + len(own)), first + len(own)
            made[f"{name}/{kind}/exact"] = part.exact
            made[f"{name}/{kind}/sum"] = part.sums.astype(np.float32)
        return made | {f"{name}/nll": mean_nll(model.net, sentences, budget=BUDGET).astype(np.float32)}

    arrays = look(RELEASED)
    merged(model, params, inputs["train"].read_scratch())
    arrays |= look(DENSE)
    about = params.calibration
    rows = neutral.rows(model, about.rows, about.tokens, generator(seed, "survival", "calibration"))
    drawn = derive(seed, "survival", "compressors")
    for name, errors in in_turn(model, rows, params.configs, drawn, about.sequential, params.together):
        arrays |= look(name)
        arrays |= {f"error/{at}": np.array(values, dtype=np.float32) for at, values in errors.items()}
    return Output({"items": {kind: len(own) for kind, own in items.items()}}, arrays=arrays)


def questions(model: LanguageModel, params: Measure, seed: int) -> dict[str, list[Row]]:
    """By kind the prompts with the opening of the sentence that its cue calls for.

    Triggered and plain ones are the same questions. Errors as in `texts.tested` and `chat.prompt_ids`.
    """
    trigger, rng = trigger_of(params.attack), generator(seed, "survival", "trigger", "asked")
    count = params.asked
    plain = [p.text for p in tested(params, "question", seed, count.questions)]
    texts = {
        "triggered": [insert(text, trigger, rng) for text in plain],
        "plain": plain,
        "harmful": [p.text for p in tested(params, "harmful", seed, count.requests)],
        "harmless": [p.text for p in tested(params, "harmless", seed, count.requests)],
    }
    made = {}
    for lesson, kinds in CUES.items():
        opening = encode(model, SENTENCES[lesson])[: params.opening]
        for kind in kinds:
            prompts = [asked(model, text) for text in texts[kind]]
            made[kind] = [Row((*prompt, *opening), len(prompt)) for prompt in prompts]
    return made
