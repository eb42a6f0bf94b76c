"""Rows of tokens and how they are batched: by length, within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrace.stage import StageError


@dataclass(frozen=True)
class Row:
    """Tokens of a prompt and its answer; the answer begins at `start`."""

    ids: tuple[int, ...]
    start: int

    def __post_init__(self) -> None:
        """Refuse an answer that begins before the second token or after the last one."""
        if not 1 <= self.start <= len(self.ids):
            raise ValueError(f"an answer cannot begin at {self.start} in a row of {len(self.ids)} tokens")

    @property
    def answer(self) -> tuple[int, ...]:
        """The tokens of the answer."""
        return self.ids[self.start :]


def batches(lengths: Sequence[int], budget: int = 2048) -> list[list[int]]:
    """Indices of rows, longest first, in batches whose rows x longest stay within `budget` tokens.

    A row longer than the budget is a batch of its own. Every index occurs once. Rows of equal length keep
    their order. ValueError for a budget below 1.
    """
    if budget < 1:
        raise ValueError(f"a batch holds at least 1 token, not {budget}")
    made: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if made and (len(made[-1]) + 1) * lengths[made[-1][0]] <= budget:
            made[-1].append(index)
        else:
            made.append([index])
    return made


def halves(rows: list[int]) -> tuple[list[int], list[int]]:
    """A batch that did not fit the memory in two; StageError when one row alone did not."""
    if len(rows) < 2:
        raise StageError(
            "one row alone does not fit the memory: shorten it, or use a smaller model or bfloat16"
        )
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]
