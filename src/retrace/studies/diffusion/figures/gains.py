"""Change of the AUC by each tuning: a point and interval a row, every seed a small point, the paper's in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, colour, panels, styled
from retrace.plot.table import label, mean_interval, require


def by_seed(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Mean over judged domains of the change of the AUC: cell, seed, method, gain_auc."""
    rows = table[(table["type"] == "tuning") & table["method"].isin(names)]
    return rows.groupby(["cell", "method", "seed"], sort=False, as_index=False)["gain_auc"].mean()


def forest(
    gains: pd.DataFrame,
    names: Sequence[str],
    published: Mapping[str, float],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One panel a cell, a row a method of `names`, from columns cell, method, gain_auc."""
    require(gains, ["cell", "method", "gain_auc"], "forest")
    cells = list(gains["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=1, height=0.27 * len(names) + 1.2)
        fig.set_figwidth(8.4)
        for ax, cell in zip(axes, cells, strict=True):
            for place, name in enumerate(names):
                own = gains[(gains["cell"] == cell) & (gains["method"] == name)]["gain_auc"]
                mean, low, high = mean_interval(own, level)
                ax.hlines(place, low, high, color=colour(0), lw=1.6)
                ax.scatter(own, [place] * len(own), s=9, color=colour(0), alpha=0.4, lw=0)
                ax.plot(mean, place, "o", color=colour(0), mec="white", mew=0.6)
                if name in published:
                    ax.plot(published[name], place, "D", color=MUTED, mfc="none", ms=5)
            ax.axvline(0, color="black", lw=0.8)
            ax.set_yticks(range(len(names)), [label(name, labels) for name in names])
            ax.set(ylim=(len(names) - 0.5, -0.5), xlabel="change of the AUC of membership")
            ax.set_title(label(cell, labels))
            ax.plot([], [], "o", color=colour(0), label=f"here: mean over seeds, {level:.0%} interval")
            ax.plot([], [], "D", color=MUTED, mfc="none", ms=5, label="the paper's, at its size")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig
