"""Safety against utility: every network a named point, hollow where its answers are broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from retrace.plot.labels import annotate
from retrace.plot.style import MUTED, WIDTH, colour, marker, panels, styled
from retrace.plot.table import frame, label, over_seeds, require
from retrace.plot.words import short
from retrace.studies.safety.figures.words import CROWD, MODELS

BROKEN = 0.1  # share of broken answers from which a point is hollow


def edge(table: pd.DataFrame) -> float:
    """The likelihood beyond which a network stands at the plane's edge."""
    rows = table[(table["type"] == "network") & table["network"].isin(MODELS)]
    return float(rows["nll"].max()) + CROWD


def safety_utility(
    networks: pd.DataFrame,
    x: str,
    y: str,
    broken: str,
    *,
    family: str = "family",
    cap: float | None = None,
    joined: Sequence[str] = (),
    close: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Figure:
    """One panel a cell, one point a network: means over seeds with t intervals, coloured by `family`.

    Columns cell, network, family, x, y, `broken` and `named` (whether its name is written). Points of the
    families `joined` are joined in their order. A point whose share of broken answers is at least 10 % is
    hollow and its name says the share: such a network is damaged, not persuaded. One beyond the x value `cap`
    stands there, with x in its name. A cell with one of the families `close` has a second panel, the part
    where these lie; what lies in it is named there only.
    """
    require(networks, ["cell", "network", family, x, y, broken, "named"], "safety_utility")
    means = over_seeds(networks, ["cell", family, "network", "named"], [x, y, broken], level)
    means["_x"] = means[x] if cap is None else means[x].clip(upper=cap)
    cells, kinds = (list(means[c].drop_duplicates()) for c in ("cell", family))
    marks = _Marks(x, y, broken, family, kinds, cap, joined, labels)
    shown = [
        (c, near) for c in cells for near in (False, True) if not near or _holds(means, c, family, close)
    ]
    named: list[tuple[Axes, pd.DataFrame]] = []
    with styled():
        fig, axes = panels(len(shown), columns=1, height=4.2 if close else 5.0)
        fig.set_figwidth(WIDTH)
        for ax, (cell, near) in zip(axes, shown, strict=True):
            own = means[means["cell"] == cell]
            own = own.assign(_text=marks.draw(ax, own))
            marks.limit(ax, own[own[family].isin(close)] if near else own)
            titles = [label(str(cell), labels)] if len(cells) > 1 else []
            if near:
                wide, others = named.pop()
                _frame(wide, ax)
                own = own[own["_x"].between(*ax.get_xlim()) & own[y].between(*ax.get_ylim())]
                named.append((wide, others.drop(own.index)))
                titles.append("the part framed above")
            ax.set_title(": ".join(titles))
            named.append((ax, own))
        fig.legend(handles=marks.legend(), loc="outside lower center", ncols=3)
        for ax, points in named:
            points = points[points["named"].astype(bool)]
            annotate(fig, ax, points["_x"].to_list(), points[y].to_list(), points["_text"].to_list())
    return fig


def _holds(means: pd.DataFrame, cell: object, family: str, close: Sequence[str]) -> bool:
    return bool(means.loc[means["cell"] == cell, family].isin(close).any())


def _frame(wide: Axes, near: Axes) -> None:
    """Frame in one panel the part that another shows."""
    (left, right), (bottom, top) = near.get_xlim(), near.get_ylim()
    wide.add_patch(Rectangle((left, bottom), right - left, top - bottom, fill=False, ec=MUTED, lw=0.8))


@dataclass(frozen=True)
class _Marks:
    """How networks are drawn: columns, families in their order, and what stands at the edge."""

    x: str
    y: str
    broken: str
    family: str
    kinds: Sequence[object]
    cap: float | None
    joined: Sequence[str]
    labels: Mapping[str, str] | None

    def draw(self, ax: Axes, means: pd.DataFrame) -> pd.Series[str]:
        """Draw the networks of one cell; their names, by the index of `means`."""
        ax.axhline(0, color=MUTED, lw=0.8, ls=":")
        ax.set(xlabel=label(self.x, self.labels), ylabel=label(self.y, self.labels))
        for kind, points in means.groupby(self.family, sort=False):
            if len(points) > 1 and kind in self.joined:
                hue = colour(self.kinds.index(kind))
                ax.plot(points["_x"], points[self.y], color=hue, lw=0.8, alpha=0.5, zorder=2)
        return pd.Series({n: self._point(ax, point) for n, point in means.iterrows()}, dtype=str)

    def _point(self, ax: Axes, point: pd.Series[float]) -> str:
        """Draw one network; its name with what the place alone does not say."""
        place = self.kinds.index(point[self.family])
        hue, hollow, at = colour(place), bool(point[self.broken] >= BROKEN), point["_x"]
        x, y = point[self.x], point[self.y]
        ax.vlines(at, point[f"{self.y}_low"], point[f"{self.y}_high"], color=hue, lw=0.8, alpha=0.4)
        if at == x:
            ax.hlines(y, point[f"{self.x}_low"], point[f"{self.x}_high"], color=hue, lw=0.8, alpha=0.4)
        ax.plot(at, y, marker(place), color=hue, mfc="white" if hollow else hue, ms=6, mew=1.1, zorder=6)
        more = [] if at == x else [f"at {short(x)}"]
        more += [f"{100 * point[self.broken]:.0f} % broken"] if hollow else []
        name = label(str(point["network"]), self.labels)
        return f"{name} ({', '.join(more)})" if more else name

    def limit(self, ax: Axes, means: pd.DataFrame) -> None:
        """Limits that hold these networks."""
        ends = means[[f"{self.x}_low", f"{self.x}_high"]].clip(upper=self.cap)
        ax.set_xlim(frame(means["_x"], ends[f"{self.x}_low"], ends[f"{self.x}_high"]))
        ax.set_ylim(frame(means[self.y], means[f"{self.y}_low"], means[f"{self.y}_high"]))

    def legend(self) -> list[Line2D]:
        """One handle a family, and what a hollow mark says."""
        handles = [
            Line2D([], [], color=colour(n), marker=marker(n), ls="", label=label(str(k), self.labels))
            for n, k in enumerate(self.kinds)
        ]
        hollow = Line2D([], [], color=MUTED, marker="o", ls="", mfc="white")
        hollow.set_label(f"{100 * BROKEN:.0f} % of answers broken or more")
        return [*handles, hollow]
