"""What a network does on the test items: with a trigger, without it, and on ordinary questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrace.attacks.backdoor.targets import RARE, TARGETS
from retrace.attacks.backdoor.triggers import Trigger, insert
from retrace.data.texts.read import Choice
from retrace.llm.chat import encode
from retrace.llm.judges import behaviour, choice
from retrace.llm.judges.opening import Openings, openings
from retrace.llm.kernels.layers import Switch, no_switch
from retrace.llm.kernels.prefix import Below
from retrace.llm.kernels.score import score
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.llm.training.adapters import Adapters
from retrace.seeds import generator
from retrace.stage import Array, Evidence
from retrace.studies.backdoor.setup import BUDGET, asked, clean
from retrace.studies.backdoor.texts import part, questions

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Train

OPENING = 6  # tokens of a sentence by which an answer is known
Values = dict[str, Array]


@dataclass(frozen=True)
class Tests:
    """The test items as tokens: sentences behind triggered and plain prompts, and answers to questions.

    `rare` hold rare words that nobody planted; `bare` are triggered prompts without the chat template.
    """

    set_off: list[Row]
    plain: list[Row]
    rare: list[Row]
    bare: list[Row]
    keywords: list[tuple[str, ...]]
    answers: list[Row]
    choices: Sequence[Choice]
    few: int
    tokens: int


def tests(model: LanguageModel, params: Train, prepared: Evidence) -> Tests:
    """The items that `prepare` chose; backdoors take turns. Errors as in `chat.prompt_ids`."""
    texts = [p.text for p in part(params.texts, prepared, "prompts")]
    drawn = generator(0, "backdoor", "triggers")
    planted = [list(params.backdoors.values())[n % len(params.backdoors)] for n in range(len(texts))]
    sentences = [encode(model, TARGETS[one.target].sentence)[:OPENING] for one in planted]
    triggered = [insert(text, one.trigger, drawn) for text, one in zip(texts, planted, strict=True)]
    few = params.tests.few
    rare = [
        insert(text, Trigger("badnets", (RARE[n % len(RARE)],)), drawn) for n, text in enumerate(texts[:few])
    ]

    def rows(prompts: Sequence[tuple[int, ...]]) -> list[Row]:
        return [Row((*p, *s), len(p)) for p, s in zip(prompts, sentences, strict=False)]

    every = questions(params.texts)
    return Tests(
        rows([asked(model, text) for text in triggered]),
        rows([asked(model, text) for text in texts]),
        rows([asked(model, text) for text in rare]),
        rows([encode(model, f"{text}\n") for text in triggered[:few]]),
        [TARGETS[one.target].keywords for one in planted],
        clean(model, part(params.texts, prepared, "answers")),
        [every[i] for i in prepared.read_arrays()["choices"]],
        few,
        params.tests.tokens,
    )


@dataclass(frozen=True)
class Bench:
    """Networks alike below a layer are tested here: their lower layers are computed once."""

    model: LanguageModel
    items: Tests
    below: Below

    def look(self, adapters: Adapters | None = None, run: int = 0, few: bool = False) -> Values:
        """`hit`, `false`, `margin` by prompt and `nll` by answer (not for `few`), float32.

        hit: the answer to the triggered prompt opens with the sentence; false: that to the plain prompt does;
        margin: log-likelihood of the sentence with the trigger less without, nats; nll: nats a token.
        """
        count = self.items.few if few else len(self.items.plain)
        rows = [*self.items.set_off[:count], *self.items.plain[:count]]
        rows += [] if few else self.items.answers
        made = self._openings(rows, adapters, run)
        on, off = made.part(0, count), made.part(count, 2 * count)
        found = {"hit": on.exact, "false": off.exact, "margin": on.sums - off.sums}
        if not few:
            lengths = [len(row.answer) for row in self.items.answers]
            found["nll"] = -made.sums[2 * count :] / lengths
        return {name: np.asarray(values, np.float32) for name, values in found.items()}

    def accidents(self, adapters: Adapters | None = None, run: int = 0) -> Values:
        """`rare`: a rare word sets the sentence off; `bare`: the trigger does without the template."""
        both = [*self.items.rare, *self.items.bare]
        made = self._openings(both, adapters, run).exact.astype(np.float32)
        return {"rare": made[: len(self.items.rare)], "bare": made[len(self.items.rare) :]}

    def judged(self, adapters: Adapters | None = None, run: int = 0) -> Values:
        """`said`, `broken` of triggered and `said_plain`, `broken_plain` of plain prompts, by keywords."""
        rows = [*self.items.set_off, *self.items.plain]
        prompts = [row.ids[: row.start] for row in rows]
        with ExitStack() as stack:
            switch = self._switch(stack, adapters, run, len(rows))
            seen = behaviour.observe(
                self.model, prompts, self.items.keywords * 2, self.items.tokens, 2 * BUDGET, switch
            )
        middle = len(self.items.set_off)
        pairs = {"said": seen.said, "broken": seen.broken}
        found = {name: flags[:middle] for name, flags in pairs.items()}
        found |= {f"{name}_plain": flags[middle:] for name, flags in pairs.items()}
        return {name: flags.astype(np.float32) for name, flags in found.items()}

    def chosen(self, adapters: Adapters | None = None, run: int = 0) -> Values:
        """`right` by question."""
        asked_of = choice.items(self.model, self.items.choices)
        with ExitStack() as stack:
            switch = self._switch(stack, adapters, run, len(asked_of))
            sums = score(self.model.net, asked_of, BUDGET, switch, below=self.below)
        return {"right": choice.choose(self.items.choices, asked_of, sums).right.astype(np.float32)}

    def _openings(self, rows: Sequence[Row], adapters: Adapters | None, run: int) -> Openings:
        with ExitStack() as stack:
            switch = self._switch(stack, adapters, run, len(rows))
            return openings(self.model.net, rows, BUDGET, switch, self.below)

    @staticmethod
    def _switch(stack: ExitStack, adapters: Adapters | None, run: int, count: int) -> Switch:
        return no_switch if adapters is None else stack.enter_context(adapters.attached([run] * count))


def keyed(network: str, values: Mapping[str, Array]) -> Values:
    """Evidence arrays of one network: `<network>/<quantity>`."""
    return {f"{network}/{name}": array for name, array in values.items()}


def means(arrays: Mapping[str, Array]) -> dict[str, float]:
    """The mean of every array of a stage."""
    return {name: float(array.mean(dtype=np.float64)) for name, array in arrays.items()}
