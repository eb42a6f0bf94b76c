"""Safety against utility: every network a named point, hollow where its answers are broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retrace.plot.labels import annotate
from retrace.plot.style import MUTED, WIDTH, colour, marker, panels, styled
from retrace.plot.table import frame, label, over_seeds, require
from retrace.plot.words import short

BROKEN = 0.1  # share of broken answers from which a point is hollow


def safety_utility(
    networks: pd.DataFrame,
    x: str,
    y: str,
    broken: str,
    *,
    family: str = "family",
    cap: float | None = None,
    joined: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One panel a cell, one point a network: means over seeds with t intervals, coloured by `family`.

    Columns cell, network, family, x, y, `broken` and `named` (whether its name is written). Points of the
    families `joined` are joined in their order. A point whose share of broken answers is at least 10 % is
    hollow and its name says the share: such a network is damaged, not persuaded. One beyond the x value `cap`
    stands there, with x in its name.
    """
    require(networks, ["cell", "network", family, x, y, broken, "named"], "safety_utility")
    cells, kinds = (list(networks[c].drop_duplicates()) for c in ("cell", family))
    made = []
    with styled():
        fig, axes = panels(len(cells), columns=1, height=5.0)
        fig.set_figwidth(WIDTH)
        for ax, cell in zip(axes, cells, strict=True):
            own = networks[networks["cell"] == cell]
            means = over_seeds(own, [family, "network"], [x, y, broken], level)
            seen = dict(zip(own["network"], own["named"], strict=True))
            means["_x"] = means[x] if cap is None else means[x].clip(upper=cap)
            texts = []
            for kind, points in means.groupby(family, sort=False):
                place = kinds.index(kind)
                if len(points) > 1 and kind in joined:
                    ax.plot(points["_x"], points[y], color=colour(place), lw=0.8, alpha=0.5, zorder=2)
                texts += [
                    _point(ax, point, place, (x, y, broken), cap, labels) for _, point in points.iterrows()
                ]
            means["_text"] = [t if seen[n] else "" for t, n in zip(texts, means["network"], strict=True)]
            ax.axhline(0, color=MUTED, lw=0.8, ls=":")
            ends = means[[f"{x}_low", f"{x}_high"]].clip(upper=cap)
            ax.set_xlim(frame(means["_x"], ends[f"{x}_low"], ends[f"{x}_high"]))
            ax.set_ylim(frame(means[y], means[f"{y}_low"], means[f"{y}_high"]))
            ax.set(xlabel=label(x, labels), ylabel=label(y, labels))
            if len(cells) > 1:
                ax.set_title(label(str(cell), labels))
            made.append((ax, means[means["_text"] != ""]))
        handles = [
            Line2D([], [], color=colour(n), marker=marker(n), ls="", label=label(str(k), labels))
            for n, k in enumerate(kinds)
        ]
        handles.append(
            Line2D(
                [], [], color=MUTED, marker="o", ls="", mfc="white", label="10 % of answers broken or more"
            )
        )
        fig.legend(handles=handles, loc="outside lower center", ncols=3)
        for ax, means in made:
            annotate(fig, ax, means["_x"].to_list(), means[y].to_list(), means["_text"].to_list())
    return fig


def _point(
    ax: Axes,
    point: pd.Series[float],
    place: int,
    columns: tuple[str, str, str],
    cap: float | None,
    labels: Mapping[str, str] | None,
) -> str:
    """Draw one network; its name with what the place alone does not say."""
    x, y, broken = columns
    hue, hollow, at = colour(place), bool(point[broken] >= BROKEN), point["_x"]
    ax.vlines(at, point[f"{y}_low"], point[f"{y}_high"], color=hue, lw=0.8, alpha=0.4)
    if at == point[x]:
        ax.hlines(point[y], point[f"{x}_low"], point[f"{x}_high"], color=hue, lw=0.8, alpha=0.4)
    ax.plot(at, point[y], marker(place), color=hue, mfc="white" if hollow else hue, ms=6, mew=1.1, zorder=6)
    more = [] if at == point[x] else [f"at {short(point[x])}"]
    more += [f"{100 * point[broken]:.0f} % broken"] if hollow else []
    name = label(str(point["network"]), labels)
    return f"{name} ({', '.join(more)})" if more else name
