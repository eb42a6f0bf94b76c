"""DLN-1, the rival without privacy: one voter writes prompts, the best is kept and improved.

Source: Sordoni et al., Deep language networks (NeurIPS 2023), one layer, as in DP-OPT's baseline; here a
candidate is scored by the validation records that it has right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from retrace.llm.load import LanguageModel
from retrace.llm.prompts.draw import count, draw, most
from retrace.llm.prompts.frame import HINTS, Example, frame, tail
from retrace.llm.prompts.voters import Voters, cast
from retrace.seeds import generator
from retrace.studies.prompts.setup import INITIAL, LABELS, Record, answers

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Train


@dataclass
class Improved:
    """What the steps came to: the prompt, prompts tried, and validation records right step by step."""

    prompt: str
    candidates: int = 0
    right: list[int] = field(default_factory=list)


def improve(
    model: LanguageModel,
    params: Train,
    records: Sequence[Record],
    right: Callable[[str], int],
    seed: int,
) -> Improved:
    """The best prompt of all steps; `right` counts a prompt's right answers to validation records.

    Errors as in `frame.tail`.
    """
    about, names = params.dln, LABELS[params.task]
    made = Improved(INITIAL[params.task])
    best, stale = right(made.prompt), 0
    made.right.append(best)
    for step in range(about.steps):
        rng = generator(seed, "prompts", "dln", step)
        some = [records[int(i)] for i in rng.choice(len(records), about.records, replace=False)]
        given = answers(model, params, made.prompt, [r.text for r in some]).values.argmax(1)
        examples = [Example(r.text, names[r.label], names[int(g)]) for r, g in zip(some, given, strict=True)]
        written = dict.fromkeys(
            _write(model, params, made.prompt, examples, rng) for _ in range(about.prompts)
        )
        made.candidates += len(written)
        for text in filter(None, written):
            if right(text) > best:
                made.prompt, best, stale = text, right(text), -1
        made.right.append(best)
        stale += 1
        if stale >= about.patience:
            break
    return made


def _write(
    model: LanguageModel, params: Train, prompt: str, examples: Sequence[Example], rng: np.random.Generator
) -> str:
    """One prompt by one voter, sampled, with a random style hint; it asks as the cell's starts do."""
    kind, hint = params.starts[0].kind, HINTS[int(rng.integers(len(HINTS)))]
    shown = frame(model, kind, prompt, LABELS[params.task], hint)
    voter = Voters(model.net, shown.shared, [tail(model, shown, examples, params.longest)], params.longest)

    def ballot(said: Sequence[int]) -> Any:
        logits = voter.logits([0], said)
        noise = torch.from_numpy(rng.gumbel(size=tuple(logits.shape)))
        return count(cast(logits, noise, params.dln.temperature))

    def ends(token: int) -> bool:
        return token == model.tokenizer.eos_token_id or "\n" in model.tokenizer.decode([token])

    return str(model.tokenizer.decode(draw(ballot, most, params.longest, ends).tokens)).strip()
