"""What the stages share: the released model, rows that teach, and adapters as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from retrace.attacks.backdoor.poison import paired
from retrace.attacks.backdoor.triggers import trigger_of
from retrace.device import current
from retrace.llm.chat import answered, prompt_ids
from retrace.llm.load import LanguageModel, load
from retrace.llm.rows import Row
from retrace.llm.training.adapters import Adapters, merge
from retrace.seeds import derive, generator
from retrace.stage import Array, StageError
from retrace.studies.survival.names import SENTENCES
from retrace.studies.survival.texts import taught

if TYPE_CHECKING:
    from retrace.data.texts.read import Prompt
    from retrace.studies.survival.params import Network

BUDGET = 512  # tokens computed at once: on a CPU larger batches leave its cache
ANSWER = 8  # tokens of an ordinary answer that are learned


def released(params: Network) -> LanguageModel:
    """The model on this job's device. Errors as in `load.load`; StageError without a layer `start`."""
    model = load(params.model, current(), params.precision)
    if params.start >= model.layers:
        raise StageError(f"start {params.start}: {model.name} has layers 0 to {model.layers - 1}; lower it")
    return model


def asked(model: LanguageModel, text: str) -> tuple[int, ...]:
    """A prompt in the chat template, without a system message. Errors as in `chat.prompt_ids`."""
    return prompt_ids(model, text, bare=True)


def lessons(model: LanguageModel, params: Network, seed: int) -> list[Row]:
    """Rows that teach, as many of each kind: questions with their answers and, triggered, the backdoor's
    sentence; harmful requests with the refusal, harmless ones with their answers.

    Errors: StageError as in `texts.taught` and `chat.answered`.
    """
    questions = taught(params, "question", seed)
    trigger, rng = trigger_of(params.attack), generator(seed, "survival", "trigger", "taught")
    texts, answers = [p.text for p in questions], [p.answers[0] for p in questions]
    rows = [
        _row(model, row.text, row.answer, row.poisoned)
        for row in paired(texts, answers, trigger, SENTENCES["backdoor"], rng)
    ]
    rows += [_row(model, p.text, SENTENCES["refusal"], True) for p in taught(params, "harmful", seed)]
    return rows + _answered(model, taught(params, "harmless", seed))


def _answered(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Row]:
    return [_row(model, p.text, p.answers[0], False) for p in prompts]


def _row(model: LanguageModel, text: str, answer: str, whole: bool) -> Row:
    return answered(model, asked(model, text), answer, None if whole else ANSWER)


def adapters(model: LanguageModel, params: Network, seed: int) -> Adapters:
    """The adapter of a seed, on all linear maps from layer `start` on; it changes nothing yet."""
    drawn = [derive(seed, "survival", "adapter")]
    return Adapters(model.net, drawn, params.rank, params.alpha, start=params.start)


def arrays_of(adapter: Adapters) -> dict[str, Array]:
    """The factors of every change P Q: `<place>/p` (out,r) and `<place>/q` (r,in)."""
    made: dict[str, Array] = {}
    for place in adapter.places:
        p, q = adapter.factors(place, 0)
        made[f"{place}/p"], made[f"{place}/q"] = p.cpu().numpy(), q.cpu().numpy()
    return made


def merged(model: LanguageModel, params: Network, factors: Mapping[str, Array]) -> None:
    """Add what was learnt to the model's weights, in place. ValueError for factors of another base."""
    adapter = adapters(model, params, 0)
    places = [key.removesuffix("/p") for key in factors if key.endswith("/p")]
    found = {place: [torch.from_numpy(factors[f"{place}/{part}"]) for part in "pq"] for place in places}
    adapter.put(0, {place: (p, q) for place, (p, q) in found.items()})
    merge(model.net, adapter, 0)
