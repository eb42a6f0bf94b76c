"""Correlation heat map: indices, rivals and a control against every cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from retrace.plot.style import INK, MUTED, WIDTH, styled
from retrace.plot.table import label, require
from retrace.stats.correlation import kendall, pearson, spearman
from retrace.studies.reuse.figures.rows import widest
from retrace.studies.reuse.figures.words import COSTS, GROUPS, LABELS

METHODS = {"spearman": spearman, "pearson": pearson, "kendall": kendall}
_GAP = 0.35  # of a row, between groups


def indices_and_costs(shifts: pd.DataFrame) -> Figure:
    """Spearman of every index and rival with every cost over conditions: mean of cells and seeds."""
    with_control = shifts.assign(shuffled=shuffled(shifts, "preindex"))
    rows = [name for group in GROUPS.values() for name in group]
    values = correlations(widest(with_control), rows, COSTS, within=("cell", "seed"))
    return heatmap(values, GROUPS, labels=LABELS, bar="Spearman correlation", unmarked=("control",))


def shuffled(table: pd.DataFrame, column: str) -> pd.Series:
    """The column permuted within each cell and seed, by a fixed permutation: a control that knows nothing."""
    groups = table.groupby(["cell", "seed"], sort=False)[column]
    return groups.transform(lambda values: values.sample(frac=1, random_state=0).to_numpy())


def correlations(
    table: pd.DataFrame,
    rows: Sequence[str],
    costs: Sequence[str],
    *,
    method: str = "spearman",
    within: Sequence[str] = ("seed",),
) -> pd.DataFrame:
    """Correlation of each row's column with each cost inside each group of `within`, averaged over groups.

    `method` is spearman, pearson or kendall. Groups in which either column is constant or has fewer
    than three pairs are left out; NaN (rows, costs) where none is left.
    """
    if method not in METHODS:
        raise ValueError(f"correlations: method {method!r} is not one of {', '.join(METHODS)}")
    require(table, [*rows, *costs, *within], "correlations")
    groups = [g for _, g in table.groupby(list(within), sort=False)] if within else [table]
    found = np.full((len(groups), len(rows), len(costs)), np.nan)
    for g, group in enumerate(groups):
        for i, row in enumerate(rows):
            for j, cost in enumerate(costs):
                pair = group[[row, cost]].to_numpy(dtype=float)
                pair = pair[np.isfinite(pair).all(axis=1)]
                if len(pair) >= 3:
                    found[g, i, j] = METHODS[method](pair[:, 0], pair[:, 1])
    counts = np.isfinite(found).sum(axis=0)
    total = np.nansum(found, axis=0)
    mean = np.divide(total, counts, out=np.full(total.shape, np.nan), where=counts > 0)
    return pd.DataFrame(mean, index=list(rows), columns=list(costs))


def heatmap(
    values: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
    *,
    labels: Mapping[str, str] | None = None,
    limits: tuple[float, float] = (-1.0, 1.0),
    centre: float | None = 0.0,
    bar: str = "correlation",
    unmarked: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Draw `values` (rows, costs) annotated; `groups` maps a heading to the rows beneath it, top to bottom.

    With a `centre` the scale is diverging and symmetric about it (correlations: 0, AUC: 0.5); without,
    sequential from low to high. The largest value of each column is bold; rows of the groups in
    `unmarked` (such as the control) do not compete. Missing values are hatched.
    """
    order = [r for rows in groups.values() for r in rows]
    missing = [r for r in order if r not in values.index]
    if missing or not order or not len(values.columns):
        raise ValueError(
            f"heatmap: no values for {', '.join(missing) or 'any row'}; have {list(values.index)}"
        )
    if centre is None:
        norm, cmap = Normalize(*limits), colormaps["cividis"]
    else:
        reach = max(limits[1] - centre, centre - limits[0])
        norm, cmap = Normalize(centre - reach, centre + reach), colormaps["RdBu_r"]
    grid = values.astype(float)
    competing = [r for name, rows in groups.items() if name not in unmarked for r in rows]
    best = {c: round(float(grid[c][competing].max()), 2) for c in values.columns}
    tall = len(order) + _GAP * (len(groups) - 1) + 0.55 * len(groups)
    names = [label(c, labels) for c in values.columns]
    with styled():
        fig = Figure(figsize=(min(WIDTH, 3.6 + 1.05 * len(names)), 0.9 + 0.29 * tall), layout="constrained")
        ax = fig.subplots()
        ticks, y = [], 0.0
        for heading, rows in groups.items():
            ax.text(
                -0.012,
                y + 0.27,
                heading,
                ha="right",
                va="center",
                fontsize=8.5,
                color=MUTED,
                style="italic",
                transform=ax.get_yaxis_transform(),
            )
            y += 0.55
            for row in rows:
                ticks.append(y + 0.5)
                for j, column in enumerate(values.columns):
                    value = float(grid[column][row])
                    shade = cmap(norm(value)) if np.isfinite(value) else (1.0, 1.0, 1.0, 1.0)
                    ax.add_patch(Rectangle((j, y), 1, 1, facecolor=shade, edgecolor="white", lw=1.2))
                    if not np.isfinite(value):
                        ax.add_patch(
                            Rectangle((j, y), 1, 1, facecolor="none", edgecolor="#C0C0C0", hatch="////")
                        )
                    top = row in competing and np.isfinite(value) and round(value, 2) == best[column]
                    ink = "white" if _luminance(shade) < 0.18 else INK
                    text = f"{round(value, 2) + 0.0:.2f}".replace("-", "−") if np.isfinite(value) else "n/a"
                    ax.text(
                        j + 0.5,
                        y + 0.5,
                        text,
                        ha="center",
                        va="center",
                        fontsize=8.5,
                        color=ink,
                        weight="bold" if top else "normal",
                    )
                y += 1
            y += _GAP
        ax.set(xlim=(0, len(names)), ylim=(y - _GAP, 0))
        ax.set_yticks(ticks, [label(r, labels) for r in order])
        ax.set_xticks(np.arange(len(names)) + 0.5, names)
        ax.tick_params(length=0, labeltop=True, labelbottom=False)
        ax.grid(False)
        ax.spines[:].set_visible(False)
        scale = fig.colorbar(ScalarMappable(norm, cmap), ax=ax, fraction=0.04, pad=0.02, aspect=30)
        scale.set_label(bar, fontsize=9)
        ax.set_xlabel("bold: largest of the column", fontsize=8.5, color=MUTED)
        scale.ax.set_ylim(limits)
        scale.outline.set_visible(False)
        if title:
            fig.suptitle(title, x=0.01, ha="left")
    return fig


def _luminance(rgba: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour in 0..1 (WCAG 2.2); below 0.18 white text reads better."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgba[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
