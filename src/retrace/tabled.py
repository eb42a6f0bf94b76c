"""What a study's `table` returns: the table, and what verdicts and figures must know beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    import pandas as pd

P = TypeVar("P")
ESTIMATED = "time times an assumed power, no hardware counter"
TIMED = "timed in one run on one machine, so that no interval holds how runs differ"
_NOTHING: Any = None


@dataclass(frozen=True, eq=False)
class Tabled(Generic[P]):
    """A study's evidence: one row of `frame` per seed, cell and condition.

    `untested` says of columns why no claim is decided by them, such as `ESTIMATED` or `TIMED`. `rows` says
    what the rows are to a test: items, a sample that all seeds share (test images, prompts), or else a
    designed grid, or each seed's own, so that seeds alone are a sample. `pictures` is what only figures
    need, a class of the study's own (`Tabled[None]`: nothing).
    """

    frame: pd.DataFrame
    untested: Mapping[str, str] = field(default_factory=dict)
    rows: Literal["items", "seeds"] = "seeds"
    pictures: P = _NOTHING
