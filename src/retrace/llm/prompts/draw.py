"""A prompt token by token from votes: who votes, how a winner is selected, and when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Votes = Mapping[int, int]
Ballot = Callable[[Sequence[int]], Votes]  # votes on the token after the prompt so far, by fresh voters
Select = Callable[[Votes], int | None]  # the winner, or None


@dataclass(frozen=True)
class Poll:
    """What may be told of a vote: counts, not whom they were for."""

    voters: int
    first: int
    second: int
    distinct: int
    chosen: int  # votes of the token selected; -1: none was


@dataclass
class Drawn:
    """A prompt's tokens, and the polls that made it, failed ones included."""

    tokens: list[int] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    ended: str = "length"


def draw(
    ballot: Ballot,
    select: Select,
    longest: int,
    ends: Callable[[int], bool],
    queries: int | None = None,
    retries: tuple[int, int] = (1, 5),
) -> Drawn:
    """Draw at most `longest` tokens with at most `queries` polls; a token for which `ends` holds closes it.

    After a poll without a winner fresh voters are asked, at most `retries` times for a token and a prompt;
    then the prompt ends as it is. Every poll is a query, whatever comes of it. `ended` says why: "end",
    "length", "budget" or "no consensus".
    Source: DP-OPT (ICLR 2024), algorithm 2, with the retries of its released code.
    """
    made = Drawn()
    failed = failed_here = 0
    while len(made.tokens) < longest:
        if queries is not None and len(made.polls) >= queries:
            made.ended = "budget"
            break
        votes = ballot(made.tokens)
        token = select(votes)
        made.polls.append(_poll(votes, token))
        if token is None:
            failed, failed_here = failed + 1, failed_here + 1
            if failed_here > retries[0] or failed > retries[1]:
                made.ended = "no consensus"
                break
            continue
        failed_here = 0
        if ends(token):
            made.ended = "end"
            break
        made.tokens.append(token)
    return made


def most(votes: Votes) -> int:
    """The token with most votes, of equal ones the first: the selection without privacy."""
    return min(votes, key=lambda token: (-votes[token], token))


def count(tokens: Sequence[int]) -> Votes:
    """Votes by token."""
    return Counter(tokens)


def _poll(votes: Votes, chosen: int | None) -> Poll:
    ordered = [*sorted(votes.values(), reverse=True), 0, 0]
    return Poll(
        sum(votes.values()),
        ordered[0],
        ordered[1],
        len(votes),
        -1 if chosen is None else votes.get(chosen, 0),
    )
