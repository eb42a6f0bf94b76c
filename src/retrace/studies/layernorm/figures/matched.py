"""Memorisation and recovery against accuracy on clean training samples."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.style import WIDTH, colour, marker, styled
from retrace.plot.table import label, over_seeds, require
from retrace.studies.layernorm.figures.rows import cells, of_runs
from retrace.studies.layernorm.figures.words import LABELS, REMOVED

SHOWN = ("memorisation", "recovery")


def matched(epochs: pd.DataFrame) -> Figure:
    """A row a cell: means over seeds, a marker an epoch, joined in time; faint dots are single seeds."""
    require(epochs, ["cell", "seed", "run", "epoch", "clean", *SHOWN], "matched")
    names, runs = cells(epochs), of_runs(epochs, REMOVED)
    with styled():
        fig = Figure(figsize=(WIDTH, 0.6 + 2.5 * len(names)), layout="constrained")
        grid = fig.subplots(len(names), len(SHOWN), squeeze=False, sharex=True, sharey=True)
        for line, cell in zip(grid, names, strict=True):
            own = epochs[epochs["cell"] == cell]
            for ax, quantity in zip(line, SHOWN, strict=True):
                for position, run in enumerate(runs):
                    rows = own[own["run"] == run].sort_values("epoch", kind="stable")
                    if rows.empty:
                        continue
                    means = over_seeds(rows, ["epoch"], ["clean", quantity], 0.95)
                    hue, shape = colour(position), marker(position)
                    ax.scatter(rows["clean"], rows[quantity], s=7, color=hue, alpha=0.25, lw=0)
                    ax.plot(means["clean"], means[quantity], color=hue, marker=shape, ms=4.5, lw=1.1)
                ax.set_title(f"{cell}: {label(quantity, LABELS)}", fontsize=9.5)
        for ax in grid[-1]:
            ax.set_xlabel(label("clean", LABELS))
        for position, run in enumerate(runs):
            grid[0][0].plot([], [], color=colour(position), marker=marker(position), label=label(run, LABELS))
        handles, words = grid[0][0].get_legend_handles_labels()
        fig.legend(handles, words, loc="outside lower center", ncols=len(runs))
    return fig
