"""Measures a claim's statistic: value, interval, resamples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from retrace.claims.query import Evidence, base_column
from retrace.claims.sample import Block, NoEvidence, Sample, select
from retrace.claims.statistics import STATISTICS
from retrace.stats.bootstrap import draw, percentile_interval, weighted_mean
from retrace.stats.correlation import Array
from retrace.stats.intervals import t_interval

SHUFFLES = 999
ROUNDING = 1e-12  # share of the largest seed's value below which a mean is zero
UNKNOWN = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Measurement:
    """What a claim, control or baseline came to.

    `per_seed` (seeds,) averages over groups, `value` over seeds. `resamples` holds bootstrap replicates of
    `value`, or, for a shuffled column, its values under each shuffle (`value` is then their mean);
    empty when seeds alone are resampled or there is one seed. `undefined` names the seeds and groups
    without a finite outcome, out of `blocks`. `units` counts rows or groups.
    """

    value: float
    interval: tuple[float, float]
    per_seed: Array
    resamples: Array
    shuffled: bool
    undefined: list[str]
    blocks: int
    units: int
    seeds: list[int]

    @property
    def lost_resamples(self) -> float:
        """Share of resamples without a finite outcome."""
        return float(np.mean(~np.isfinite(self.resamples))) if self.resamples.size else 0.0

    @property
    def share_undefined(self) -> float:
        """The larger share of undefined groups and of undefined resamples."""
        return max(len(self.undefined) / self.blocks, self.lost_resamples)


@dataclass(frozen=True)
class _Layout:
    """The sides to compare and their columns, with the seeds and groups that they share."""

    sides: list[tuple[Evidence, Sample]]
    columns: list[list[Array]]
    seeds: list[int]
    groups: list[tuple[Any, ...]]
    blocks: list[Block]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.seeds), len(self.groups)

    @property
    def shuffled(self) -> bool:
        return any(base_column(name) != name for side, _ in self.sides for name in side.of)

    def place(self, block: Block) -> tuple[int, int]:
        return self.seeds.index(block[0]), self.groups.index(block[1])


def measure(
    evidence: Evidence, table: pd.DataFrame, stream: int, replicates: int, level: float
) -> Measurement:
    """Measure one side, or the difference of two.

    `stream` seeds the resamples: evidence on the same rows with the same stream shares them, so that
    its resamples are paired. Raises NoEvidence where the table lacks rows or columns.
    """
    layout = _lay_out(evidence, table)
    point = np.full(((SHUFFLES,) if layout.shuffled else ()) + layout.shape, np.nan)
    for block in layout.blocks:
        point[(..., *layout.place(block))] = _outcome(layout, block, None)
    per_seed = weighted_mean(point, np.ones(layout.shape))
    values = _rounded(weighted_mean(per_seed, np.ones(len(layout.seeds))), per_seed)
    units = len(layout.groups) if evidence.resample == "groups" else len(_units(layout)[0])

    def resample() -> Array:
        exact = _unanimous(layout, units, replicates)
        drawn = _bootstrap(evidence, layout, point, stream, replicates) if exact is None else exact
        return _rounded(drawn, per_seed)

    resamples, interval = _interval(evidence, layout, values, per_seed, resample, level)
    lost = [b for b in layout.blocks if not np.isfinite(point[(..., *layout.place(b))]).all()]
    return Measurement(
        value=float(np.mean(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan"),
        interval=interval,
        per_seed=per_seed,
        resamples=resamples,
        shuffled=layout.shuffled,
        undefined=[", ".join(map(str, (f"seed {seed}", *group))) for seed, group in lost],
        blocks=len(layout.blocks),
        units=units,
        seeds=layout.seeds,
    )


def _interval(
    evidence: Evidence,
    layout: _Layout,
    values: Array,
    per_seed: Array,
    resample: Callable[[], Array],
    level: float,
) -> tuple[Array, tuple[float, float]]:
    """Resamples (none where seeds alone are resampled or there is one seed), and the interval."""
    if layout.shuffled:
        return values, percentile_interval(values, level)
    if len(layout.seeds) < 2 or not np.isfinite(values):
        return np.empty(0), UNKNOWN
    if evidence.resample == "seeds":
        spread = per_seed[np.isfinite(per_seed)]
        return np.empty(0), t_interval(spread, level) if spread.size > 1 else UNKNOWN
    resamples = resample()
    low, high = percentile_interval(resamples, level)
    return resamples, (min(low, float(values)), max(high, float(values)))


def _rounded(means: Array, per_seed: Array) -> Array:
    """Means (...), exactly 0 where seeds or rows cancel out but for rounding: a tie is no support."""
    largest = np.abs(np.where(np.isfinite(per_seed), per_seed, 0.0)).max(-1)
    return np.where(np.abs(means) < ROUNDING * largest, 0.0, means)


def _unanimous(layout: _Layout, units: int, replicates: int) -> Array | None:
    """Stands in for the bootstrap where each side is a share in which all rows agree, all 0 or all 1.

    Resampling such rows shows no spread, so that any number of them would settle a claim. Quantiles of the
    exact confidence distribution (Clopper and Pearson 1934), both sides at their worst together; seeds
    share their units and do not count. None elsewhere.
    """
    shares = []
    for (side, sample), columns in zip(layout.sides, layout.columns, strict=True):
        found = np.unique(columns[0][np.concatenate([sample.blocks[block] for block in layout.blocks])])
        if side.statistic != "mean" or found.size > 1 or found[0] not in (0.0, 1.0):
            return None
        shares.append(float(found[0]))
    far = 1 - ((np.arange(replicates) + 0.5) / replicates) ** (1 / units)  # from the share found
    if len(shares) == 1:
        return np.abs(shares[0] - far)
    apart = shares[0] - shares[1]
    return apart * (1 - 2 * far) if apart else far - far[::-1]


def _lay_out(evidence: Evidence, table: pd.DataFrame) -> _Layout:
    other = evidence.other_side()
    sides = [(side, select(side, table)) for side in (evidence, other) if side]
    shared = set.intersection(*(set(sample.blocks) for _, sample in sides))
    if not shared:
        raise NoEvidence("the two sides have no seed and group in common")
    blocks = sorted(shared, key=lambda block: (block[0], tuple(map(str, block[1]))))
    groups = sorted({group for _, group in blocks}, key=lambda group: tuple(map(str, group)))
    columns = [_columns(side, sample) for side, sample in sides]
    return _Layout(sides, columns, sorted({seed for seed, _ in blocks}), groups, blocks)


def _columns(evidence: Evidence, sample: Sample) -> list[Array]:
    return [
        sample.column(name) if base_column(name) == name else sample.shuffled(base_column(name), SHUFFLES)
        for name in evidence.of
    ]


def _outcome(layout: _Layout, block: Block, weights: Array | None) -> Array:
    outcomes = []
    for (side, sample), columns in zip(layout.sides, layout.columns, strict=True):
        rows = sample.blocks[block]
        w = np.ones(rows.size) if weights is None else weights
        outcomes.append(STATISTICS[side.statistic].function(*(c[..., rows] for c in columns), weights=w))
    return outcomes[0] if len(outcomes) == 1 else outcomes[0] - outcomes[1]


def _units(layout: _Layout) -> tuple[dict[tuple[Any, ...], int], list[int]]:
    """Places of the rows, seed apart, among all rows (group by group), and how many each group has."""
    places: dict[tuple[Any, ...], int] = {}
    sizes = []
    for group in layout.groups:
        before = len(places)
        for block in layout.blocks:
            if block[1] == group:
                for unit in layout.sides[0][1].units(block):
                    places.setdefault((group, *unit), len(places))
        sizes.append(len(places) - before)
    return places, sizes


def _bootstrap(
    evidence: Evidence,
    layout: _Layout,
    point: Array,
    stream: int,
    replicates: int,
) -> Array:
    rng, seeds = np.random.default_rng(stream), len(layout.seeds)
    if evidence.resample == "groups":
        draws = draw(rng, replicates, seeds, [len(layout.groups)])
        return weighted_mean(weighted_mean(point, draws.units[:, None, :]), draws.seeds)
    places, sizes = _units(layout)
    draws = draw(rng, replicates, seeds, sizes)
    outcomes = np.full((replicates, *point.shape), np.nan)
    for block in layout.blocks:
        columns = [places[block[1], *unit] for unit in layout.sides[0][1].units(block)]
        outcomes[(..., *layout.place(block))] = _outcome(layout, block, draws.units[:, columns])
    return weighted_mean(weighted_mean(outcomes, np.ones(point.shape)), draws.seeds)
