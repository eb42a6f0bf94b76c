"""What a study's `table` returns: the table, and what verdicts and figures must know beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    import pandas as pd

P = TypeVar("P")
_NOTHING: Any = None


@dataclass(frozen=True, eq=False)
class Tabled(Generic[P]):
    """A study's evidence: one row of `frame` per seed, cell and condition.

    `estimated` names the columns that rest on a constant instead of an energy counter: no claim is decided
    by them. `rows` says what the rows are to a test: items, a sample that all seeds share (test images,
    prompts), or else a designed grid, or each seed's own, so that seeds alone are a sample. `pictures` is
    what only figures need, a class of the study's own (`Tabled[None]`: nothing).
    """

    frame: pd.DataFrame
    estimated: tuple[str, ...] = ()
    rows: Literal["items", "seeds"] = "seeds"
    pictures: P = _NOTHING
