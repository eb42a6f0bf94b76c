"""Change of the AUC along one setting, a panel a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import colour, marker, panels, styled
from retrace.plot.table import label, mean_interval, require

Panels = Mapping[str, Sequence[tuple[str, str]]]


def steps(
    gains: pd.DataFrame, shown: Panels, *, labels: Mapping[str, str] | None = None, level: float = 0.95
) -> Figure:
    """Means and intervals over seeds, from columns cell, method, gain_auc; a curve a cell."""
    require(gains, ["cell", "method", "gain_auc"], "steps")
    cells = list(gains["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(shown), columns=2, height=2.5)
        for ax, (title, points) in zip(axes, shown.items(), strict=True):
            for number, cell in enumerate(cells):
                own = gains[gains["cell"] == cell]
                found = [mean_interval(own[own["method"] == name]["gain_auc"], level) for _, name in points]
                place = [k + 0.06 * number for k in range(len(points))]
                means = [mean for mean, _, _ in found]
                ax.plot(place, means, marker=marker(number), color=colour(number), label=label(cell, labels))
                ax.vlines(place, *zip(*(ends for _, *ends in found), strict=True), color=colour(number), alpha=0.6)
            ax.axhline(0, color="black", lw=0.7)
            ax.set_xticks(range(len(points)), [word for word, _ in points])
            ax.set(title=title, ylabel="change of the AUC", xlim=(-0.3, len(points) - 0.7))
        if len(cells) > 1:
            axes[0].legend()
    return fig
