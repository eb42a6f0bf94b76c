"""A ladder of lower bounds and one upper bound on the same examples, for each of a few methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import PALETTE, panels, styled
from retrace.plot.table import label, over_seeds, require

MOST_UPRIGHT = 8  # methods whose names fit side by side


def brackets(
    states: pd.DataFrame,
    lower: Sequence[str],
    upper: str,
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One panel a cell, one group of bars a method: the lower bounds from loose to tight, then the upper one.

    Columns cell, method and the quantities, a row a seed; bars are means with t intervals over seeds.
    """
    names = [*lower, upper]
    require(states, ["cell", "method", *names], "brackets")
    cells = list(states["cell"].drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=1, height=3.1)
        fig.set_figwidth(8.4)
        for ax, cell in zip(axes, cells, strict=True):
            means = over_seeds(states[states["cell"] == cell], ["method"], names, level)
            width = 0.84 / len(names)
            for place, name in enumerate(names):
                value = means[name].to_numpy(float)
                ends = [means[f"{name}_{end}"].to_numpy(float).clip(0, 1) for end in ("low", "high")]
                reach = np.nan_to_num(np.abs(np.array(ends) - value))
                ax.bar(
                    np.arange(len(means)) + (place - (len(names) - 1) / 2) * width,
                    value,
                    0.92 * width,
                    color=PALETTE[place],
                    yerr=reach,
                    error_kw={"elinewidth": 0.8},
                    hatch="//" if name == upper else None,
                    edgecolor="white",
                    lw=0,
                    label=label(name, labels),
                )
            words = [label(str(m), labels) for m in means["method"]]
            if len(words) > MOST_UPRIGHT:
                ax.set_xticks(np.arange(len(means)), words, rotation=35, ha="right", rotation_mode="anchor")
            else:
                ax.set_xticks(np.arange(len(means)), [fill(word, 13) for word in words])
            ax.set(ylim=(0, 1.02), ylabel="share of images")
            ax.set_title(label(str(cell), labels))
            ax.grid(axis="x", visible=False)
        handles, texts = axes[0].get_legend_handles_labels()
        fig.legend(handles, texts, loc="outside lower center", ncols=5)
    return fig
