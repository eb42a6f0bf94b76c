"""Lays a claim's rows out as strata of seeds by units, so that one test serves all statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from retrace.claims.query import Evidence, base_column
from retrace.claims.sample import Block, NoEvidence, Sample, select
from retrace.claims.statistics import STATISTICS
from retrace.stats.correlation import Array
from retrace.stats.crossed import Stratum

SHUFFLES = 999
Unit = tuple[Any, ...]
Random = Literal["seeds", "items", "groups"]


@dataclass(frozen=True)
class Part:
    """A stratum with the names of its units; equal names are the same units."""

    stratum: Stratum
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Layout:
    """A claim's outcomes, `point` (seeds, groups), or (shuffles, seeds, groups), nan where undefined.

    `parts` are the strata whose weighed means add up to the outcome's mean over groups. `undefined` names the
    seeds and groups that have rows but no finite outcome, out of `blocks`. `shares` holds each side's rows
    (seeds, items) where all of them are shares of the same yes-or-no items, and nothing elsewhere.
    """

    seeds: list[int]
    groups: list[tuple[Any, ...]]
    point: Array
    parts: list[Part]
    shares: list[Array]
    undefined: list[str]
    blocks: int

    @property
    def units(self) -> int:
        """How many different units there are."""
        return len({unit for part in self.parts for unit in part.units})


@dataclass(frozen=True)
class _Side:
    """One side of a comparison: its rows, and the columns that its statistic takes."""

    evidence: Evidence
    sample: Sample
    columns: list[Array]

    def outcome(self, block: Block, weights: Array | None = None) -> Array:
        rows = self.sample.blocks[block]
        statistic = STATISTICS[self.evidence.statistic]
        given = np.ones(rows.size) if weights is None else weights
        return statistic.function(*(column[..., rows] for column in self.columns), weights=given)

    def rows(self, block: Block) -> dict[Unit, float]:
        """What each row adds to the outcome, their mean: itself, or its jackknife pseudo-value."""
        rows, units = self.sample.blocks[block], self.sample.units(block)
        if STATISTICS[self.evidence.statistic].linear:
            return dict(zip(units, self._linear(rows), strict=True))
        n = rows.size
        whole = self.outcome(block)
        without = self.outcome(block, 1.0 - np.eye(n))  # (n,): each row left out once
        pseudo = whole + (n - 1) * (np.mean(without) - without)
        return dict(zip(units, pseudo, strict=True))

    def _linear(self, rows: np.ndarray[Any, np.dtype[np.intp]]) -> Array:
        first = self.columns[0][rows]
        return np.asarray(first - self.columns[1][rows]) if len(self.columns) == 2 else first


def lay_out(evidence: Evidence, table: pd.DataFrame, random: Random) -> Layout:
    """The strata of an `ordered` table for one side, or for the difference of two.

    `random` says what is a sample beside the seeds. Raises NoEvidence where the table lacks rows or columns.
    """
    other = evidence.other_side()
    sides = [_side(side, table) for side in (evidence, other) if side]
    shared = set.intersection(*(set(side.sample.blocks) for side in sides))
    if not shared:
        raise NoEvidence("the two sides have no seed and group in common")
    groups = sorted({group for _, group in shared}, key=lambda group: tuple(map(str, group)))
    seeds = sorted({seed for seed, _ in shared})
    shuffled = any(base_column(name) != name for side in sides for name in side.evidence.of)
    defined: set[Block] = set()
    point = np.full(((SHUFFLES,) if shuffled else ()) + (len(seeds), len(groups)), np.nan)
    lost = []
    for row, seed in enumerate(seeds):
        for column, group in enumerate(groups):
            if (seed, group) in shared:
                outcomes = [side.outcome((seed, group)) for side in sides]
                point[..., row, column] = outcomes[0] - outcomes[1] if len(outcomes) == 2 else outcomes[0]
                if np.isfinite(point[..., row, column]).all():
                    defined.add((seed, group))
                else:
                    lost.append(", ".join(map(str, (f"seed {seed}", *group))))
    by_items = random == "items" and not shuffled
    tables = [_tables(side, seeds, groups, defined) for side in sides] if by_items else []
    parts = _parts(tables, groups) if by_items else _fixed(groups, point, random) if not shuffled else []
    shares = _shares(sides, tables)
    return Layout(seeds, groups, point, parts, shares, lost, len(shared))


def apart(first: Layout, second: Layout) -> list[Part]:
    """The strata of the difference of two outcomes: unit by unit where both have the same units."""
    shared = [seed for seed in first.seeds if seed in second.seeds]
    left = [_of_seeds(part, first.seeds, shared) for part in first.parts]
    right = [_of_seeds(part, second.seeds, shared) for part in second.parts]
    if [part.units for part in left] == [part.units for part in right]:
        weights = [(a.stratum.weight, b.stratum.weight) for a, b in zip(left, right, strict=True)]
        if all(a == b for a, b in weights):
            pairs = zip(left, right, strict=True)
            return [
                Part(Stratum(a.stratum.values - b.stratum.values, a.stratum.weight), a.units)
                for a, b in pairs
            ]
    return left + [Part(Stratum(part.stratum.values, -part.stratum.weight), part.units) for part in right]


def _of_seeds(part: Part, seeds: list[int], kept: list[int]) -> Part:
    rows = [seeds.index(seed) for seed in kept]
    return Part(Stratum(part.stratum.values[rows], part.stratum.weight), part.units)


def _side(evidence: Evidence, table: pd.DataFrame) -> _Side:
    sample = select(evidence, table)
    columns = [
        sample.column(name) if base_column(name) == name else sample.shuffled(base_column(name), SHUFFLES)
        for name in evidence.of
    ]
    return _Side(evidence, sample, columns)


def _fixed(groups: list[tuple[Any, ...]], point: Array, random: Random) -> list[Part]:
    """Strata whose units are whole groups: a sample of groups, or one stratum each that stays as it is."""
    if random == "groups":
        return [Part(Stratum(point), tuple(groups))]
    share = 1 / len(groups)
    return [Part(Stratum(point[:, [place]], share), (group,)) for place, group in enumerate(groups)]


def _tables(
    side: _Side, seeds: list[int], groups: list[tuple[Any, ...]], defined: set[Block]
) -> list[tuple[Array, tuple[Unit, ...]]]:
    """Group by group what each seed's units add (seeds, units), nan where it lacks one, and the units."""
    tables = []
    for group in groups:
        rows = [side.rows((seed, group)) if (seed, group) in defined else {} for seed in seeds]
        units = sorted({unit for row in rows for unit in row})
        values = np.array([[row.get(unit, np.nan) for unit in units] for row in rows])
        tables.append((values.reshape(len(seeds), len(units)), tuple((group, *unit) for unit in units)))
    return tables


def _parts(tables: list[list[tuple[Array, tuple[Unit, ...]]]], groups: list[tuple[Any, ...]]) -> list[Part]:
    """Strata of items: one a group, or one a group and side where the sides have other items."""
    share, parts = 1 / len(groups), []
    for sides in zip(*tables, strict=True):
        (values, units), *other = sides
        if other and other[0][1] == units:
            parts.append(Part(Stratum(values - other[0][0], share), units))
            continue
        parts.append(Part(Stratum(values, share), units))
        parts += [Part(Stratum(table, -share), names) for table, names in other]
    return [part for part in parts if part.units]


def _shares(sides: list[_Side], tables: list[list[tuple[Array, tuple[Unit, ...]]]]) -> list[Array]:
    """Each side's rows (seeds, items) if all sides are shares of the same yes-or-no items, else nothing."""
    if not tables or any(side.evidence.statistic != "mean" for side in sides):
        return []
    values = [np.concatenate([table for table, _ in side], axis=1) for side in tables]
    names = [[units for _, units in side] for side in tables]
    yes_or_no = all(np.isin(v[np.isfinite(v)], (0.0, 1.0)).all() for v in values)
    return values if yes_or_no and all(name == names[0] for name in names) else []
