"""Losses on members and on the test set under each method: two bars side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import PALETTE, panels, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.membership.figures.bars import bars, words_below
from retrace.studies.membership.figures.rows import methods


def losses(table: pd.DataFrame, shown: Sequence[str]) -> pd.DataFrame:
    """Losses of each target under the methods shown: cell, method, train_loss, test_loss."""
    parts = []
    for method in [name for name in methods(table) if name in shown]:
        wanted = {f"train_loss_{method}": "train_loss", f"test_loss_{method}": "test_loss"}
        part = table.loc[table["type"] == "target", ["cell", *wanted]].rename(columns=wanted).dropna()
        parts.append(part.assign(method=method))
    together = pd.concat(parts)
    own = together.loc[together["method"] == "pptp", "cell"]
    return together[together["cell"].isin(own)]


def paired_bars(
    table: pd.DataFrame,
    by: str,
    pair: tuple[str, str],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One panel a cell, two bars for each value of `by`: means over rows with Student's t intervals."""
    require(table, ["cell", by, *pair], "paired_bars")
    cells = list(table["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=2, height=3.4)
        for ax, cell in zip(axes, cells, strict=True):
            means = over_seeds(table[table["cell"] == cell], [by], list(pair), level)
            for place, name in enumerate(pair):
                bars(ax, means, name, place - 0.5, PALETTE[place], label(name, labels))
            words_below(ax, means, by, labels)
            ax.margins(y=0.3)
            ax.legend(fontsize=8)
            ax.set_title(label(str(cell), labels))
    return fig
