"""How much more the smallest groups lose than the largest, against bits."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import MUTED, colour, marker, panels, styled
from retrace.plot.table import frame, label, over_seeds, require
from retrace.studies.quantization.figures.rows import bit_words, swept

LOST = {"excess_loss": "excess loss (nats)", "accuracy_drop": "accuracy lost"}


def disparities(table: pd.DataFrame) -> pd.DataFrame:
    """A row a seed, cell, curve and place: minority less majority, of both quantities in `LOST`."""
    curves = {
        "rounded": swept(table),
        "noise": swept(table, family="noise"),
        "random": swept(table, kind="random"),
    }
    parts = []
    for name, rows in curves.items():
        means = rows.groupby(["cell", "seed", "place", "part"], sort=False)[list(LOST)].mean().unstack("part")
        apart = pd.DataFrame({c: means[(c, "minority")] - means[(c, "majority")] for c in LOST})
        parts.append(apart.reset_index().assign(curve=name))
    return pd.concat(parts, ignore_index=True)


def against_bits(
    rows: pd.DataFrame, *, labels: Mapping[str, str] | None = None, level: float = 0.95
) -> Figure:
    """A row of panels a quantity, a column a cell, a curve each of `curve`; bands: intervals over seeds."""
    require(rows, ["cell", "curve", "place", *LOST], "against_bits")
    cells, curves = list(rows["cell"].drop_duplicates()), list(rows["curve"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells) * len(LOST), columns=len(cells), height=2.6)
        for n, (quantity, said) in enumerate(LOST.items()):
            for ax, cell in zip(axes[n * len(cells) :], cells, strict=False):
                inside = rows[rows["cell"] == cell]
                lows, highs = [], []
                for i, curve in enumerate(curves):
                    own = inside[inside["curve"] == curve]
                    means = over_seeds(own, ["place"], [quantity], level).sort_values("place")
                    x, low, high = means["place"], means[f"{quantity}_low"], means[f"{quantity}_high"]
                    ax.fill_between(x, low, high, color=colour(i), alpha=0.13, lw=0)
                    words, hue = label(str(curve), labels), colour(i)
                    ax.plot(x, means[quantity], color=hue, marker=marker(i), mec="white", label=words)
                    lows.append(low)
                    highs.append(high)
                ax.axhline(0, color=MUTED, lw=0.8)
                ax.set_xticks(range(len(bit_words())), bit_words())
                ax.set_ylim(frame(inside[quantity], pd.concat(lows), pd.concat(highs)))
                if n == 0:
                    ax.set_yscale("symlog", linthresh=0.1)
                    ax.set_title(label(str(cell), labels))
                else:
                    ax.set_xlabel("bits")
            axes[n * len(cells)].set_ylabel(f"{said},\nsmallest less largest")
        handles, named = axes[0].get_legend_handles_labels()
        fig.legend(handles, named, loc="outside lower center", ncols=len(named))
    return fig
