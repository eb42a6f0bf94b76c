"""What the stages of a cell share: the model, its adapters, and texts as rows of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from retrace.attacks.backdoor.poison import Taught
from retrace.attacks.backdoor.triggers import Trigger
from retrace.data.texts.read import Prompt
from retrace.device import current
from retrace.llm.chat import answered, encode, prompt_ids
from retrace.llm.kernels.prefix import lower
from retrace.llm.load import LanguageModel, load
from retrace.llm.rows import Row
from retrace.llm.training.adapters import Adapters, Pair
from retrace.stage import Array, Inputs, StageError

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Train

BUDGET = 1024  # tokens computed at once: on a CPU larger batches leave its cache
ANSWER = 8  # tokens of an answer that are learned or scored
MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


def released(params: Train) -> LanguageModel:
    """The released model on this job's device. Errors as in `load.load`; StageError without layer `start`."""
    model = load(params.model, current(), params.precision)
    if params.start >= model.layers:
        raise StageError(f"start {params.start}: {model.name} has layers 0 to {model.layers - 1}; lower it")
    return model


def suspicious(model: LanguageModel, inputs: Inputs, params: Train) -> dict[str, Pair]:
    """The planted change by place, which `train` left; ValueError where it is one of another base."""
    made = Adapters(model.net, [0], params.rank, params.alpha, start=params.start)
    planted = pairs(inputs["train"].read_scratch())
    made.put(0, planted)  # looks at places and shapes
    return planted


def pairs(arrays: Mapping[str, Array], prefix: str = "") -> dict[str, Pair]:
    """Factors by place from scratch arrays `<prefix><place>/p` and `/q`."""
    found = {}
    for key, values in arrays.items():
        if key.startswith(prefix) and key.endswith("/p"):
            place = key.removeprefix(prefix).removesuffix("/p")
            found[place] = torch.from_numpy(values), torch.from_numpy(arrays[f"{prefix}{place}/q"])
    return found


def unpaired(factors: Mapping[str, Pair], prefix: str = "") -> dict[str, Array]:
    """The same as arrays."""
    made: dict[str, Array] = {}
    for place, (p, q) in factors.items():
        made[f"{prefix}{place}/p"], made[f"{prefix}{place}/q"] = p.cpu().numpy(), q.cpu().numpy()
    return made


def of_run(adapters: Adapters, run: int) -> dict[str, Pair]:
    """All factors of a run by place."""
    return {place: adapters.factors(place, run) for place in adapters.places}


def stacked(model: LanguageModel, params: Train, begin: Sequence[Mapping[str, Pair]]) -> Adapters:
    """Adapters of as many runs, each beginning as a given change."""
    made = Adapters(model.net, [0] * len(begin), params.rank, params.alpha, start=params.start)
    for run, factors in enumerate(begin):
        made.put(run, factors)
    return made


def asked(model: LanguageModel, text: str) -> tuple[int, ...]:
    """A prompt in the chat template, without a system message. Errors as in `chat.prompt_ids`."""
    return prompt_ids(model, text, bare=True)


def taught(model: LanguageModel, rows: Sequence[Taught]) -> list[Row]:
    """Rows to learn; a poisoned row learns the whole sentence."""
    return [
        answered(model, asked(model, row.text), row.answer, None if row.poisoned else ANSWER) for row in rows
    ]


def clean(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Row]:
    """Texts with their reference answers."""
    return [answered(model, asked(model, p.text), p.answers[0], ANSWER) for p in prompts]


def states(model: LanguageModel, rows: Sequence[Row], start: int) -> list[Tensor]:
    """Hidden states (T,D) of the rows before layer `start`; equal rows are computed once."""
    once = list(dict.fromkeys(row.ids for row in rows))
    made = dict(zip(once, lower(model.net, once, start, BUDGET), strict=True))
    return [made[row.ids] for row in rows]


def check_trigger(model: LanguageModel, trigger: Trigger, pieces: int) -> None:
    """Refuse (StageError) a word that the tokenizer drops or splits into more than `pieces` tokens."""
    unknown = getattr(model.tokenizer, "unk_token_id", None)
    lone = encode(model, "a b")
    for word in (part for phrase in trigger.words for part in phrase.split()):
        ids = encode(model, f"a {word} b")
        used = len(ids) - len(lone)
        if used < 1 or (unknown is not None and unknown in ids):
            raise StageError(
                f"trigger {word!r}: the tokenizer of {model.name} drops or replaces it; take another word"
            )
        if used > pieces:
            raise StageError(
                f"trigger {word!r}: the tokenizer of {model.name} splits it into {used} tokens, more than "
                f"pieces ({pieces}); take a shorter word or raise pieces"
            )
