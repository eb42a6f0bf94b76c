"""Ask dimensions in words: the model answers greedily, the answer is read and forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrace.llm.chat import encode, prompt_ids
from retrace.llm.judges.outcomes import LONGEST, judge
from retrace.llm.judges.trust.parse import CODES, Codes, Read, parse
from retrace.llm.judges.trust.probe import Dimension, Probe
from retrace.llm.kernels.generate import generate
from retrace.llm.load import LanguageModel


def answers(
    model: LanguageModel, dimensions: Sequence[Dimension], new: int, budget: int = 2048
) -> dict[str, Codes]:
    """By dimension what every probe's answer says (N,), numbers of `parse.CODES`.

    A model without a chat template, such as a base model, reads the question as plain text.
    ValueError when `new` is not between 1 and 16: longer answers are never made, some requests are harmful.
    """
    if not 1 <= new <= LONGEST:
        raise ValueError(f"answers have between 1 and {LONGEST} tokens here, not {new}")
    prompts = [_prompt(model, probe) for dimension in dimensions for probe in dimension.probes]
    [made] = generate(model.net, prompts, new, int(model.tokenizer.eos_token_id), budget)
    said = iter(model.tokenizer.decode(tokens, skip_special_tokens=True) for tokens in made)
    return {
        dimension.name: np.array(
            [CODES.index(_read(next(said), probe)) for probe in dimension.probes], dtype=np.int8
        )
        for dimension in dimensions
    }


def _prompt(model: LanguageModel, probe: Probe) -> tuple[int, ...]:
    if model.tokenizer.chat_template:
        return prompt_ids(model, probe.question, bare=True)
    return encode(model, f"{probe.question}\nAnswer:")


def _read(answer: str, probe: Probe) -> Read:
    if any(probe.answers):
        return parse(answer, *probe.answers)
    [outcome] = judge([answer]).each  # requests: to refuse is the first side
    return "first" if outcome == "refused" else "second" if outcome == "complied" else "unreadable"
