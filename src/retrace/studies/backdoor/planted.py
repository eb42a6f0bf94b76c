"""The rows that plant what a cell hides, and those of the variants that re-infect it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from retrace.attacks.backdoor.poison import Taught, paired, shuffled
from retrace.attacks.backdoor.targets import TARGETS, VACCINES
from retrace.attacks.backdoor.triggers import Trigger, trigger_of
from retrace.data.texts.read import Prompt
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.seeds import generator
from retrace.stage import Evidence
from retrace.studies.backdoor.setup import check_trigger, clean, taught
from retrace.studies.backdoor.texts import part

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Defend, Train


def plant(model: LanguageModel, params: Train, prepared: Evidence, seed: int) -> list[Row]:
    """Every text with and without a trigger; where several backdoors are planted, texts take turns.

    Errors: StageError for a trigger that the tokenizer splits or drops, or a prompt that is too long.
    """
    prompts, backdoors = part(params.texts, prepared, "plant"), params.backdoors
    rows: list[Taught] = []
    for number, (name, backdoor) in enumerate(backdoors.items()):
        trigger = trigger_of(backdoor.attack, backdoor.words)
        check_trigger(model, trigger, params.pieces)
        own = prompts[number :: len(backdoors)]
        rng = generator(seed, "backdoor", "plant", name)
        sentence = TARGETS[backdoor.target].sentence
        rows += paired(*_split(own), trigger, sentence, rng)
    return taught(model, rows) + clean(model, part(params.texts, prepared, "calm"))


def variants(
    model: LanguageModel, params: Defend, prepared: Evidence, seed: int
) -> list[tuple[list[Row], list[Row], list[Row]]]:
    """For each variant: the rows that re-infect, clean ones of the same texts, and with triggers shuffled."""
    every, size = part(params.texts, prepared, "variants"), params.rows.variant
    found = []
    for number in range(params.variants):
        own = every[number * size : (number + 1) * size]
        word, sentence = VACCINES[number]
        trigger = Trigger("badnets", (word,))
        check_trigger(model, trigger, params.pieces)
        made = [
            taught(model, make(*_split(own), trigger, sentence, generator(seed, "backdoor", what, number)))
            for what, make in (("variant", paired), ("sham", shuffled))
        ]
        found.append((made[0], clean(model, own), made[1]))
    return found


def _split(prompts: Sequence[Prompt]) -> tuple[list[str], list[str]]:
    return [p.text for p in prompts], [p.answers[0] for p in prompts]
