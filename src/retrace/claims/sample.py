"""Picks the rows that a piece of evidence speaks of and arranges them by seed and group."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrace.claims.query import Evidence, Scalar, base_column
from retrace.claims.statistics import STATISTICS
from retrace.errors import RetraceError, did_you_mean
from retrace.seeds import generator
from retrace.stats.correlation import Array

IDENTITY = ["seed", "cell", "condition"]  # names one row of a study's table
Block = tuple[int, tuple[Any, ...]]  # a seed and the values of the `within` columns
MOST_VALUES = 8  # of a column, told where one is missing


class NoEvidence(Exception):
    """The table lacks what a claim needs; the message says what."""


@dataclass(frozen=True)
class Sample:
    """Rows in one fixed order, and the positions of each seed's and group's rows."""

    frame: pd.DataFrame
    blocks: dict[Block, npt.NDArray[np.intp]]

    def column(self, name: str) -> Array:
        """A column's numbers, shape (rows,); NoEvidence where it holds something else."""
        try:
            return np.asarray(self.frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
        except (TypeError, ValueError):
            first = next(value for value in self.frame[name] if not isinstance(value, int | float))
            raise NoEvidence(f"the column {name!r} holds {first!r:.40}; a statistic needs numbers") from None

    def shuffled(self, name: str, times: int) -> Array:
        """A column permuted within each seed, shape (times, rows); the same at every call."""
        values, seeds = self.column(name), self.frame["seed"].to_numpy()
        out = np.tile(values, (times, 1))
        for seed in np.unique(seeds):
            rng = generator(int(seed), "shuffled", name)
            out[:, seeds == seed] = rng.permuted(out[:, seeds == seed], axis=1)
        return out

    @cached_property
    def identities(self) -> list[tuple[str, str]]:
        """Cell and condition of every row: its identity, seed apart."""
        return list(zip(self.frame["cell"].astype(str), self.frame["condition"].astype(str), strict=True))

    def units(self, block: Block) -> list[tuple[str, str]]:
        """The identities of a block's rows."""
        return [self.identities[row] for row in self.blocks[block]]


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The table in one fixed order of rows; RetraceError where an identity is missing or has two rows."""
    if table.empty:
        return table
    missing = [name for name in IDENTITY if name not in table.columns]
    if missing:
        raise RetraceError(
            f"table of evidence: no column {missing[0]!r}; rows are named by {', '.join(IDENTITY)}"
        )
    twice = table[table.duplicated(IDENTITY)]
    if len(twice):
        name = ", ".join(f"{column} {twice.iloc[0][column]}" for column in IDENTITY)
        raise RetraceError(
            f"table of evidence: more than one row for {name}; give each condition its own name"
        )
    return table.sort_values(IDENTITY, kind="stable")


def select(evidence: Evidence, table: pd.DataFrame) -> Sample:
    """The rows of an `ordered` table for one side of a claim, grouped; NoEvidence says what is missing."""
    needed = {*(base_column(column) for column in evidence.of), *evidence.within, *evidence.where}
    for name in sorted(needed - set(table.columns)):
        raise NoEvidence(f"the table has no column {name!r}{did_you_mean(name, map(str, table.columns))}")
    cells = {
        str(c)
        for c in table["cell"].unique()
        if any(fnmatchcase(str(c), pattern) for pattern in evidence.cells)
    }
    if not cells:
        raise NoEvidence(f"no cell matches {', '.join(evidence.cells)}")
    keep = table["cell"].isin(cells)
    for name, allowed in evidence.where.items():
        wanted = allowed if isinstance(allowed, list) else [allowed]
        _refuse_absent(name, wanted, table[name])
        keep &= table[name].isin(wanted)
    frame = table[keep].reset_index(drop=True)
    if frame.empty:
        raise NoEvidence(f"no row where {_conditions(evidence)}")

    found: dict[Block, list[int]] = {}
    names = [frame[name].tolist() for name in ["seed", *evidence.within]]
    for position, (seed, *group) in enumerate(zip(*names, strict=True)):
        found.setdefault((int(seed), tuple(group)), []).append(position)
    least = STATISTICS[evidence.statistic].least_rows
    blocks = {block: np.asarray(rows) for block, rows in found.items() if len(rows) >= least}
    if not blocks:
        raise NoEvidence(f"no group of {', '.join(evidence.within) or 'a seed'} has {least} rows")
    return Sample(frame, blocks)


def _conditions(evidence: Evidence) -> str:
    return ", ".join(f"{name} is {value}" for name, value in evidence.where.items())


def _refuse_absent(name: str, wanted: list[Scalar], column: pd.Series[Any]) -> None:
    """NoEvidence for a value that its column has in no row: the rest alone would be another claim."""
    for value in wanted:
        if not column.isin([value]).any():
            raise NoEvidence(f"no row where {name} is {value!r} (there are {_near(value, column)})")


def _near(value: Scalar, column: pd.Series[Any]) -> str:
    """A column's values, or those nearest to one that it lacks: of another scale, or misspelt."""
    known = {str(other): repr(other) for other in column.dropna().unique().tolist()}
    if len(known) <= MOST_VALUES:
        return ", ".join(known.values())
    near = get_close_matches(str(value), known, MOST_VALUES, 0.0)
    return ", ".join([*(known[word] for word in near), "..."])
