"""The privacy-utility plane: accuracy to the right, leak upwards, and the Pareto front of what is shown."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.labels import annotate
from retrace.plot.style import INK, MUTED, WIDTH, colour, marker, panels, styled
from retrace.plot.table import frame, label, mean_interval, require
from retrace.stats.pareto import pareto
from retrace.studies.membership.figures.rows import methods

FAR = 0.15  # accuracy (of 1) below the best of its cell from which a method is left out
LEVEL = 0.95


def plane(table: pd.DataFrame, own: str) -> pd.DataFrame:
    """Means and half-widths of 95 % t intervals over targets and seeds.

    Columns cell, method, accuracy, strongest, accuracy_half, strongest_half. Cells without the method `own`
    are left out, and so are networks rewound and not tuned, which are no defence, and all others that are
    `FAR` or more less accurate than the best.
    """
    rows = []
    shown = [m for m in methods(table) if not m.startswith("rewound")]
    shown.sort(key=lambda m: (not m.startswith("stop_"), int(m[5:]) if m.startswith("stop_") else 0))
    for cell, group in table[table["type"] == "target"].groupby("cell", sort=False):
        for method in shown:
            pair = group[[f"accuracy_{method}", f"unflipped_strongest_{method}"]].dropna()
            if len(pair) > 1:
                found = [mean_interval(pair[column], LEVEL) for column in pair]
                halves = [(high - low) / 2 for _, low, high in found]
                rows.append((cell, method, *(mean for mean, *_ in found), *halves))
    names = ["cell", "method", "accuracy", "strongest", "accuracy_half", "strongest_half"]
    points = pd.DataFrame(rows, columns=names)
    here = points["cell"].isin(points.loc[points["method"] == own, "cell"])
    near = points["accuracy"] > points.groupby("cell")["accuracy"].transform("max") - FAR
    return pd.DataFrame(points[here & (near | (points["method"] == own))].reset_index(drop=True))


def privacy_utility(
    points: pd.DataFrame,
    *,
    x: str = "accuracy",
    y: str = "strongest",
    families: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """One panel a cell, one named point a method: columns cell, method, x, y and `<x>_half`, `<y>_half`.

    Methods of one family (`families`: method -> family; default: the method itself) share colour and marker
    and are joined in their order. The dashed line is the Pareto front; its points are numbered, most accurate
    first, and named beside the panel.
    """
    require(points, ["cell", "method", x, y, f"{x}_half", f"{y}_half"], "privacy_utility")
    cells = list(points["cell"].drop_duplicates())
    family = points["method"].map(lambda m: (families or {}).get(m, m))
    kinds = list(family.drop_duplicates())
    with styled():
        fig, axes = panels(len(cells), columns=1, height=4.6)
        fig.set_figwidth(WIDTH)
        for ax, cell in zip(axes, cells, strict=True):
            own = points[points["cell"] == cell]
            for position, kind in enumerate(kinds):
                rows = own[family[own.index] == kind]
                hue = colour(position)
                ax.errorbar(
                    rows[x],
                    rows[y],
                    xerr=rows[f"{x}_half"],
                    yerr=rows[f"{y}_half"],
                    fmt=marker(position),
                    ls="-" if len(rows) > 1 else "",
                    lw=0.8,
                    elinewidth=0.7,
                    color=hue,
                    ms=5,
                    mec="white",
                    mew=0.5,
                    label=label(kind, labels),
                )
            front = pareto(own[x], own[y])
            ax.plot(own[x].iloc[front], own[y].iloc[front], color=INK, ls="--", lw=1.0, alpha=0.5, zorder=1)
            ax.axhline(0.5, color=MUTED, lw=0.9, ls=":")
            ax.set(xlabel=label(x, labels), ylabel=label(y, labels), title=label(str(cell), labels))
            ax.set_xlim(frame(own[x], own[x] - own[f"{x}_half"], own[x] + own[f"{x}_half"]))
        handles = {text: h for ax in axes for h, text in zip(*ax.get_legend_handles_labels(), strict=True)}
        fig.legend(handles.values(), handles, loc="outside lower center", fontsize=8, ncols=4)
        fronts = []
        for ax, cell in zip(axes, cells, strict=True):
            own = points[points["cell"] == cell]
            fronts.append(own.iloc[pareto(own[x], own[y])].sort_values(x, ascending=False, kind="stable"))
            names = [f"{number} {label(m, labels)}" for number, m in enumerate(fronts[-1]["method"], 1)]
            said = "\n".join(["Pareto front", *names])
            ax.text(1.02, 1.0, said, transform=ax.transAxes, va="top", fontsize=8, linespacing=1.5)
        for ax, best in zip(axes, fronts, strict=True):  # last, since it fixes the layout
            numbers = [str(number) for number in range(1, len(best) + 1)]
            annotate(fig, ax, best[x].to_list(), best[y].to_list(), numbers)
    return fig
