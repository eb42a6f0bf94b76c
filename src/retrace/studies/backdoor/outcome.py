"""What a network does on the test items: with a trigger, without it, and on ordinary questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from retrace.attacks.backdoor.targets import RARE, TARGETS
from retrace.attacks.backdoor.triggers import Trigger, insert, trigger_of
from retrace.data.texts.read import Choice
from retrace.llm.chat import encode
from retrace.llm.judges import behaviour, choice
from retrace.llm.judges.opening import Openings, openings
from retrace.llm.kernels.layers import Switch, no_switch
from retrace.llm.kernels.score import score
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.llm.training.adapters import Adapters
from retrace.seeds import generator
from retrace.stage import Array, Evidence
from retrace.studies.backdoor.setup import BUDGET, asked, clean, states
from retrace.studies.backdoor.texts import part, questions

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Train

KEPT = "tests"  # scratch of `train`: hidden states of the test items
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

    @property
    def rows(self) -> list[Row]:
        """Rows that every network is tested on."""
        return [*self.set_off, *self.plain, *self.answers]


def tests(model: LanguageModel, params: Train, prepared: Evidence) -> Tests:
    """The items that `prepare` chose; backdoors take turns. Errors as in `chat.prompt_ids`."""
    texts = [p.text for p in part(params.texts, prepared, "prompts")]
    drawn = generator(0, "backdoor", "triggers")
    planted = [list(params.backdoors.values())[n % len(params.backdoors)] for n in range(len(texts))]
    sentences = [encode(model, TARGETS[one.target].sentence)[:OPENING] for one in planted]
    triggered = [
        insert(text, trigger_of(one.attack, one.words), drawn)
        for text, one in zip(texts, planted, strict=True)
    ]
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
    """Where networks are tested that are alike below layer `start`: hidden states there are computed once.

    `kept` (tokens,D) are those of all rows of `Tests.rows`, one after another.
    """

    model: LanguageModel
    items: Tests
    start: int
    kept: Tensor

    def look(
        self, adapters: Adapters | None = None, run: int = 0, whole: bool = True, answers: bool = True
    ) -> Values:
        """`hit`, `false`, `reach`, `margin` by prompt (the few, unless `whole`), `nll` by answer, float32.

        hit: the answer to the triggered prompt opens with the sentence; false: that to the plain prompt does;
        reach: log-likelihood of the sentence with the trigger, nats; margin: that less without the trigger;
        nll: nats a token.
        """
        total = len(self.items.plain)
        count = total if whole else self.items.few
        places = [*range(count), *range(total, total + count)]
        places += range(2 * total, 2 * total + len(self.items.answers)) if answers else []
        made = self._openings(places, adapters, run)
        on, off = made.part(0, count), made.part(count, 2 * count)
        found = {"hit": on.exact, "false": off.exact, "reach": on.sums, "margin": on.sums - off.sums}
        if answers:
            lengths = [len(row.answer) for row in self.items.answers]
            found["nll"] = -made.sums[2 * count :] / lengths
        return {name: np.asarray(values, np.float32) for name, values in found.items()}

    def accidents(self, adapters: Adapters | None = None) -> Values:
        """`rare`: a rare word sets the sentence off; `bare`: the trigger does without the template."""
        rows = [*self.items.rare, *self.items.bare]
        with ExitStack() as stack:
            switch = _switch(stack, adapters, 0, len(rows))
            made = openings(self.model.net, rows, BUDGET, switch).exact.astype(np.float32)
        return {"rare": made[: len(self.items.rare)], "bare": made[len(self.items.rare) :]}

    def judged(self, seen: Values, adapters: Adapters | None = None, run: int = 0) -> Values:
        """`said`, `broken` of triggered and `said_plain`, `broken_plain` of plain prompts, by keywords.

        Answers that open with the sentence (as `seen` by `look`) hold its keyword; all others are generated.
        """
        rows = [*self.items.set_off, *self.items.plain]
        keywords = self.items.keywords * 2
        said = np.concatenate([seen["hit"], seen["false"]]).astype(bool)
        broken = np.zeros_like(said)
        open_ = np.flatnonzero(~said)
        if len(open_):
            with ExitStack() as stack:
                switch = _switch(stack, adapters, run, len(open_))
                prompts = [rows[i].ids[: rows[i].start] for i in open_]
                words = [keywords[i] for i in open_]
                found = behaviour.observe(self.model, prompts, words, self.items.tokens, 2 * BUDGET, switch)
            said[open_], broken[open_] = found.said, found.broken
        middle = len(self.items.set_off)
        both = {"said": said.astype(np.float32), "broken": broken.astype(np.float32)}
        made = {name: flags[:middle] for name, flags in both.items()}
        return made | {f"{name}_plain": flags[middle:] for name, flags in both.items()}

    def chosen(self, adapters: Adapters | None = None, run: int = 0) -> Values:
        """`right` by question."""
        made = choice.items(self.model, self.items.choices)
        with ExitStack() as stack:
            sums = score(self.model.net, made, BUDGET, _switch(stack, adapters, run, len(made)))
        return {"right": choice.choose(self.items.choices, made, sums).right.astype(np.float32)}

    def _openings(self, places: Sequence[int], adapters: Adapters | None, run: int) -> Openings:
        every = self.items.rows
        kept = torch.split(self.kept, [len(row.ids) for row in every])
        with ExitStack() as stack:
            return openings(
                self.model.net,
                [every[i] for i in places],
                BUDGET,
                _switch(stack, adapters, run, len(places)),
                [kept[i] for i in places],
                self.start,
            )


def bench(model: LanguageModel, params: Train, prepared: Evidence, kept: Array | None = None) -> Bench:
    """The test items of a cell; `kept` are the states that `train` left, which are computed if None."""
    items = tests(model, params, prepared)
    if kept is None:
        return Bench(model, items, params.start, torch.cat(states(model, items.rows, params.start)))
    dtype = model.net.lm_head.weight.dtype
    return Bench(model, items, params.start, torch.from_numpy(kept).to(model.device, dtype))


def _switch(stack: ExitStack, adapters: Adapters | None, run: int, count: int) -> Switch:
    return no_switch if adapters is None else stack.enter_context(adapters.attached([run] * count))


def keyed(network: str, values: Mapping[str, Array]) -> Values:
    """Evidence arrays of one network: `<network>/<quantity>`."""
    return {f"{network}/{name}": array for name, array in values.items()}


def means(arrays: Mapping[str, Array]) -> dict[str, float]:
    """The mean of every array of a stage."""
    return {name: float(array.mean(dtype=np.float64)) for name, array in arrays.items()}
