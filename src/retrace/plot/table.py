"""Reading the tidy table: column checks, labels, and means over seeds with t intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrace.stats.intervals import t_interval

ACROSS = "across-"  # what papers and cells are called where papers are held against one another


def require(table: pd.DataFrame, columns: Iterable[str], chart: str) -> None:
    """Raise ValueError naming the chart if the table is empty or lacks one of the columns."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns))
        raise ValueError(f"{chart}: the table has no column {', '.join(missing)}; it has {have}")
    if table.empty:
        raise ValueError(f"{chart}: the table has no rows; run the measure stage of at least one cell")


def label(column: str, labels: Mapping[str, str] | None) -> str:
    """The words for a column: those given, else its name with spaces."""
    return (labels or {}).get(column, str(column).replace("_", " "))


def mean_interval(values: npt.ArrayLike, level: float) -> tuple[float, float, float]:
    """Mean and Student t interval (low, high) of independent values (n,); NaN left out, ends NaN if n < 2."""
    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    if x.size == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(x.mean())
    if x.size < 2:
        return mean, float("nan"), float("nan")
    return mean, *t_interval(x, level)


def frame(values: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> tuple[float, float] | None:
    """Axis limits that hold all values and their intervals, or as much of these as leaves values legible.

    Two seeds give intervals many times the spread of the data; beyond 0.6 of that spread on either
    side they run out of the frame, and below zero too where no value is negative.
    None where there is nothing finite.
    """
    points = np.asarray(values, dtype=float)
    points = points[np.isfinite(points)]
    if points.size == 0:
        return None
    least, most = float(points.min()), float(points.max())
    spread = (most - least) or abs(most) or 1.0
    ends = np.concatenate([points, np.ravel(np.asarray(low, float)), np.ravel(np.asarray(high, float))])
    ends = ends[np.isfinite(ends)]
    bottom, top = max(float(ends.min()), least - 0.6 * spread), min(float(ends.max()), most + 0.6 * spread)
    if least >= 0:
        bottom = max(bottom, 0.0)
    margin = 0.05 * ((top - bottom) or spread)
    return bottom - margin, top + margin


def over_seeds(table: pd.DataFrame, by: Sequence[str], columns: Sequence[str], level: float) -> pd.DataFrame:
    """One row per group of `by`, in order of first appearance: `<c>`, `<c>_low`, `<c>_high` per column c."""
    rows: list[dict[str, object]] = []
    for key, group in table.groupby(list(by), sort=False, dropna=False):
        row = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        for column in columns:
            mean, low, high = mean_interval(group[column].to_numpy(dtype=float), level)
            row |= {column: mean, f"{column}_low": low, f"{column}_high": high}
        rows.append(row)
    names = [name for c in columns for name in (c, f"{c}_low", f"{c}_high")]
    return pd.DataFrame(rows, columns=[*by, *names])


def shown_for(paper: str, cells: pd.Series) -> pd.Series:
    """Which rows (N,) bool a paper's figures show: of cells across papers (`ACROSS`), or of all others.

    All, where there is no such cell (the smaller and larger scales).
    """
    across = cells.str.startswith(ACROSS)
    return across == paper.startswith(ACROSS) if across.any() else ~across
