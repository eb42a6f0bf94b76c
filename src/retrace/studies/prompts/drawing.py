"""Prompts of one seed by method: votes of groups, with and without privacy, and what needs no vote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from retrace.llm.load import LanguageModel
from retrace.llm.prompts.draw import Ballot, Drawn, Select, Votes, count, draw, most
from retrace.llm.prompts.frame import HINTS, Example, frame, tail
from retrace.llm.prompts.voters import Voters, cast
from retrace.privacy.accountant import Sampling, noise_for, spent, token
from retrace.privacy.mechanisms import LimitedDomain
from retrace.seeds import derive, generator
from retrace.stage import StageError
from retrace.studies.prompts.setup import LABELS, instructions

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Start, Train

RETRIES = (1, 5)  # of a token, of a prompt: as in the released code


@dataclass
class Found:
    """Candidates of a method and how they came: texts, polls, and what was spent."""

    texts: list[str] = field(default_factory=list)
    polls: list[dict[str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    epsilon0: float | None = None
    margin: float | None = None  # votes that LimitedDomain asks for above the first bin left out
    epsilon: float = 0.0
    queries: int = 0

    def add(self, model: LanguageModel, drawn: Drawn) -> None:
        """Note a prompt; an empty one is no candidate."""
        words = str(model.tokenizer.decode(drawn.tokens)).strip()
        self.texts += [words] if words else []
        self.polls += [{"prompt": len(self.ended), **asdict(poll)} for poll in drawn.polls]
        self.ended.append(drawn.ended)
        self.queries += len(drawn.polls)


class Rooms:
    """Voters by start: all methods of a seed share them, since caches hold no vote."""

    def __init__(
        self, model: LanguageModel, params: Train, groups: Sequence[Sequence[Example]], seed: int
    ) -> None:
        self.model, self.params, self.groups, self.seed = model, params, groups, seed
        self._made: dict[int, Voters] = {}
        self._once = 0  # tokens of voters that were not kept

    def voters(self, number: int) -> Voters:
        """The groups under start `number`."""
        if number not in self._made:
            start = self.params.starts[number]
            self._made[number] = voters(self.model, self.params, start, self.groups)
        return self._made[number]

    def ballot(self, number: int, choose: Callable[[int], Sequence[int]], copies: int = 1) -> Ballot:
        """Votes on the next token; `choose` names the groups of a poll. `copies`: votes of each group."""
        polls = iter(range(10**6))

        def ask(said: Sequence[int]) -> Votes:
            poll = next(polls)
            logits = self.voters(number).logits(choose(poll), said).repeat_interleave(copies, 0)
            return self._votes(logits, number, poll)

        return ask

    def sampled(self, number: int, rate: float) -> Ballot:
        """Votes of all groups, their records sampled afresh with probability `rate` for each poll.

        A group without a record votes, too. Nothing can be kept from one poll to the next.
        """
        polls = iter(range(10**6))

        def ask(said: Sequence[int]) -> Votes:
            poll = next(polls)
            rng = generator(self.seed, "prompts", "fresh", number, poll)
            taken = [[example for example in group if rng.random() < rate] for group in self.groups]
            made = voters(self.model, self.params, self.params.starts[number], taken)
            found = self._votes(made.logits(range(len(taken)), said), number, poll)
            self._once += made.computed
            return found

        return ask

    def _votes(self, logits: Tensor, number: int, poll: int) -> Votes:
        """One vote a row of logits (J,V), by Gumbel-max; the same noise for all methods of a seed."""
        noise = torch.Generator().manual_seed(derive(self.seed, "prompts", "votes", number, poll))
        uniform = torch.rand(logits.shape, generator=noise).clamp_min(1e-30)
        gumbel = -torch.log(-torch.log(uniform))
        temperature = self.params.starts[number].temperature or self.params.temperature
        return count(cast(logits, gumbel.to(logits.device), temperature))

    @property
    def computed(self) -> int:
        """Tokens that voters computed, padding left out."""
        return self._once + sum(made.computed for made in self._made.values())

    def ends(self, number: int) -> bool:
        """Whether a token closes a prompt: the end of the text, or a line break."""
        return number == self.model.tokenizer.eos_token_id or "\n" in self.model.tokenizer.decode([number])


def voters(model: LanguageModel, params: Train, start: Start, groups: Sequence[Sequence[Example]]) -> Voters:
    """Groups that answer a start. Errors as in `frame.tail`."""
    shown = instructions(params.task)[start.instruction]
    made = frame(model, start.kind, shown, LABELS[params.task], HINTS[start.hint])
    tails = [tail(model, made, group, params.longest) for group in groups]
    return Voters(model.net, made.shared, tails, params.longest)


def fixed(rooms: Rooms, groups: Sequence[int], select: Select = most, copies: int = 1) -> Found:
    """The same groups vote on every token: OPT, as its released code has it."""
    found, params = Found(), rooms.params
    for number in range(len(params.starts)):
        ballot = rooms.ballot(number, lambda _: groups, copies)
        found.add(rooms.model, draw(ballot, select, params.longest, rooms.ends))
    return found


def privately(rooms: Rooms, epsilon: float, blind: bool = False, fresh: float | None = None) -> Found:
    """DP-OPT: LimitedDomain selects, every poll is paid for.

    With static teachers (other groups of the same cut for every poll), or, where `fresh` is a rate, with
    records sampled afresh at that rate. The noise is the least with which all polls of all prompts keep to
    `epsilon`. Where not even the most noise pays for them, nothing is asked or spent, and there is no
    candidate. `blind`: votes are random.
    """
    params, model = rooms.params, rooms.model
    sampling: Sampling = "poisson" if fresh else "without_replacement"
    rate = fresh or params.voters / len(rooms.groups)
    planned = len(params.starts) * params.longest
    try:
        epsilon0 = noise_for(epsilon, params.delta, planned, params.delta0, rate, sampling)
    except StageError:
        return Found(ended=["budget"] * len(params.starts))
    size = int(model.net.config.vocab_size)
    mechanism = LimitedDomain(epsilon0, params.delta0, size, params.top)
    found = Found(epsilon0=epsilon0, margin=mechanism.margin)
    for number in range(len(params.starts)):
        rng = generator(rooms.seed, "prompts", "noise", f"{epsilon:g}", number)
        ballot = (
            rooms.sampled(number, fresh) if fresh else rooms.ballot(number, partial(_teachers, rooms, number))
        )
        ballot = _random(rng, params.voters, size) if blind else ballot
        select = partial(mechanism.draw, rng=rng)
        drawn = draw(ballot, select, params.longest, rooms.ends, params.longest, RETRIES)
        found.add(model, drawn)
    query = token(epsilon0, params.delta0, rate, sampling)
    found.epsilon = float(spent(query, planned, params.delta)[found.queries])
    return found


def _teachers(rooms: Rooms, number: int, poll: int) -> list[int]:
    rng = generator(rooms.seed, "prompts", "groups", number, poll)
    return [int(g) for g in rng.choice(len(rooms.groups), rooms.params.voters, replace=False)]


def _random(rng: np.random.Generator, voters: int, size: int) -> Ballot:
    return lambda _: count([int(t) for t in rng.integers(size, size=voters)])
