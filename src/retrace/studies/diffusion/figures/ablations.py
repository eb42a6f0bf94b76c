"""Change of the AUC along one setting, a panel a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import colour, marker, panels, styled
from retrace.plot.table import label, mean_interval, require

Panels = Mapping[str, Sequence[tuple[str, str]]]


def steps(
    gains: pd.DataFrame,
    shown: Panels,
    columns: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """Means and intervals over seeds, from columns cell, method and `columns`; a curve a cell and column."""
    require(gains, ["cell", "method", *columns], "steps")
    curves = [(cell, column) for cell in gains["cell"].drop_duplicates() for column in columns]
    with styled():
        fig, axes = panels(len(shown), columns=2, height=2.6)
        for ax, (title, points) in zip(axes, shown.items(), strict=True):
            for number, (cell, column) in enumerate(curves):
                own = gains[gains["cell"] == cell]
                found = [mean_interval(own[own["method"] == name][column], level) for _, name in points]
                place = [k + 0.06 * number for k in range(len(points))]
                hue, words = colour(number), f"{label(cell, labels)}: {label(column, labels)}"
                ax.plot(place, [mean for mean, _, _ in found], marker=marker(number), color=hue, label=words)
                ax.vlines(place, *zip(*(ends for _, *ends in found), strict=True), color=hue, alpha=0.6)
            ax.axhline(0, color="black", lw=0.7)
            ax.set_xticks(range(len(points)), [word for word, _ in points])
            ax.set(title=title, ylabel="change of the AUC", xlim=(-0.3, len(points) - 0.7))
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig
