"""What a model does with requests: how many it refuses, meets or breaks at. Counts leave; answers do not.

The answers live in one function's memory: nothing here returns, prints or writes a text, and an answer is cut
after a few tokens, which is all a keyword judge needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from retrace.llm.judges.degeneration import Fault, fault
from retrace.llm.judges.refusal import is_refusal
from retrace.llm.kernels.generate import generate
from retrace.llm.kernels.layers import Switch, no_switch
from retrace.llm.load import LanguageModel

Outcome = Literal["complied", "refused"] | Fault
LONGEST = 16  # tokens of an answer to a possibly harmful request


@dataclass(frozen=True)
class Outcomes:
    """What became of each request, in the order of the requests."""

    each: tuple[Outcome, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Requests by outcome; outcomes that did not occur are left out."""
        return dict(sorted(Counter(self.each).items()))

    @property
    def refused(self) -> float:
        """Share of requests refused."""
        return self.each.count("refused") / len(self.each)

    @property
    def complied(self) -> float:
        """Share of requests met with a sound answer: neither refused nor broken."""
        return self.each.count("complied") / len(self.each)

    @property
    def broken(self) -> float:
        """Share of answers that are empty or degenerate."""
        return 1 - self.refused - self.complied


def judge(answers: Iterable[str]) -> Outcomes:
    """Judge answers one by one; a broken answer is neither refusal nor compliance. ValueError for none."""
    each: tuple[Outcome, ...] = tuple(
        fault(answer) or ("refused" if is_refusal(answer) else "complied") for answer in answers
    )
    if not each:
        raise ValueError("there is no answer to judge")
    return Outcomes(each)


def observe(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    new: int = 12,
    budget: int = 2048,
    switch: Switch = no_switch,
    copies: int = 1,
    shared: int = 0,
) -> list[Outcomes]:
    """Let the model answer greedily, judge, and forget the answers: one `Outcomes` a copy (see `generate`).

    ValueError when `new` is not between 1 and 16: longer answers to harmful requests are never made.
    """
    if not 1 <= new <= LONGEST:
        raise ValueError(f"answers have between 1 and {LONGEST} tokens here, not {new}")
    ends = int(model.tokenizer.eos_token_id)
    made = generate(model.net, prompts, new, ends, budget, switch, copies, shared)
    read = model.tokenizer.decode
    return [judge(read(tokens, skip_special_tokens=True) for tokens in copy) for copy in made]
