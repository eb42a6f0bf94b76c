"""The claim strip: one row a claim, with what was expected, measured, and found for control and baselines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from retrace.claims.record import ClaimVerdict, Interval, PaperVerdict
from retrace.claims.words import WORDS
from retrace.plot.scale import limits
from retrace.plot.style import FAINT, INK, MUTED, VERDICT_COLOURS, VERDICT_MARKERS, WIDTH, styled
from retrace.plot.words import ends, number, short, span

_ROW, _HEAD, _FOOT = 0.82, 0.12, 0.5  # inches
_LEFT, _RIGHT = 0.365, 0.765  # where the axes lie, of the figure's width
_WANTED, _OTHER = "#DDEBF4", "#8C8C8C"


def claim_strip(verdicts: PaperVerdict, title: str = "") -> Figure:
    """Draw one paper's verdict record; colour, marker and word all say the verdict.

    Each row has its own axis: the shaded side satisfies the claim, the thick line is the interval of
    the measured value, the thin line that of the control, small ticks are the trivial baselines.
    """
    claims = verdicts.claims
    if not claims:
        raise ValueError(f"claim_strip: the verdict record of {verdicts.paper} has no claims")
    head = _HEAD + (0.3 if title else 0)
    tall = head + _ROW * len(claims) + _FOOT
    with styled():
        fig = Figure(figsize=(WIDTH, tall))
        for position, claim in enumerate(claims):
            top = 1 - (head + _ROW * position) / tall
            ax = fig.add_axes((_LEFT, top - 0.60 * _ROW / tall, _RIGHT - _LEFT, 0.52 * _ROW / tall))
            _row(ax, claim)
            _words(fig, claim, top - 0.08 * _ROW / tall, tall)
            if position:
                fig.add_artist(Line2D((0.01, 0.99), (top, top), color=FAINT, lw=0.6))
        fig.legend(
            handles=_legend(claims),
            loc="lower center",
            ncols=6,
            fontsize=8,
            handlelength=1.6,
            columnspacing=1.3,
        )
        if title:
            fig.suptitle(title, x=0.01, ha="left", y=1 - 0.08 / tall, va="top")
    return fig


def _row(ax: Axes, claim: ClaimVerdict) -> None:
    hue, shape = VERDICT_COLOURS[claim.verdict], VERDICT_MARKERS[claim.verdict]
    low, high = limits(claim)
    pad = 0.02 * (high - low)
    ax.set(xlim=(low - pad, high + pad), ylim=(-1, 1), yticks=[])
    wanted = claim.expect
    if wanted:
        ax.axvspan(max(wanted.low, low - pad), min(wanted.high, high + pad), color=_WANTED, lw=0, zorder=0)
        for edge in {wanted.low, wanted.high}:
            if math.isfinite(edge):
                ax.axvline(edge, color=INK, lw=1.1, ls=(0, (4, 2)), zorder=1)
    for baseline in claim.baselines:
        ax.plot(number(baseline.measured), 0.62, "|", color=INK, ms=8, mew=1.3, zorder=3)
    if claim.control:
        _interval(ax, claim.control.interval, -0.62, _OTHER, 1.2)
    control = number(claim.control.measured if claim.control else None)
    ax.plot(control, -0.62, "s", mfc="white", mec=_OTHER, mew=1.2, ms=4.5, zorder=4)
    published = number(claim.published.value if claim.published else None)
    ax.plot(published, 0.0, "v", mfc="white", mec=INK, mew=1.1, ms=6.5, zorder=5)
    measured = number(claim.measured)
    _interval(ax, claim.interval, 0.0, hue, 3.2)
    ax.plot(measured, 0.0, shape, color=hue, mec="white", mew=0.9, ms=8.5, zorder=6)
    if math.isnan(measured) and wanted is None:
        ax.set_axis_off()
    if math.isnan(measured):
        ax.text(
            0.5,
            0.5,
            "no measurement",
            transform=ax.transAxes,
            ha="center",
            va="center",
            color=MUTED,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.tick_params(axis="x", labelsize=8, length=2, pad=1.5, color=MUTED, labelcolor=MUTED)
    ax.spines["left"].set_visible(False)


def _interval(ax: Axes, interval: Interval | None, y: float, hue: str, width: float) -> None:
    """A horizontal line between the ends; an open end runs to the axis' edge."""
    low, high = ends(interval)
    if math.isnan(low) and math.isnan(high):
        return
    left, right = ax.get_xlim()
    ax.hlines(
        y,
        low if math.isfinite(low) else left,
        high if math.isfinite(high) else right,
        color=hue,
        lw=width,
        zorder=3,
        alpha=0.75,
    )


def _words(fig: Figure, claim: ClaimVerdict, y: float, tall: float) -> None:
    """The claim at the left, the verdict and its numbers at the right."""
    says = textwrap.wrap(claim.says, 46, max_lines=3, placeholder=" …")
    fig.text(0.01, y, claim.id, weight="bold", fontsize=8.5, va="top", parse_math=False)
    fig.text(
        0.01,
        y - 0.165 / tall,
        "\n".join(says),
        fontsize=8,
        color=MUTED,
        va="top",
        parse_math=False,
        linespacing=1.15,
    )
    hue = VERDICT_COLOURS[claim.verdict]
    fig.text(_RIGHT + 0.02, y, WORDS[claim.verdict], weight="bold", fontsize=9, color=hue, va="top")
    numbers = f"{short(claim.measured)} {span(claim.interval)}".strip()
    wanted = textwrap.shorten(claim.expect.words(short) if claim.expect else "", 34, placeholder=" …")
    lines = [numbers if numbers != "n/a" else "", f"wanted: {wanted}" if wanted else ""]
    fig.text(
        _RIGHT + 0.02,
        y - 0.175 / tall,
        "\n".join(filter(None, lines)),
        fontsize=8 * min(1.0, 26 / max(len(numbers), 1)),  # the longest would leave the page
        color=MUTED,
        va="top",
        linespacing=1.25,
        parse_math=False,
    )


def _legend(claims: Sequence[ClaimVerdict]) -> list[Line2D | Patch]:
    """Handles for what the rows really show."""
    levels = {claim.level for claim in claims}
    interval = f"{levels.pop():.0%} interval" if len(levels) == 1 else "interval"
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=INK, marker="o", lw=3, mec="white", label=f"measured, {interval}"),
        Patch(facecolor=_WANTED, label="satisfies the claim"),
    ]
    if any(c.control for c in claims):
        handles.append(Line2D([], [], color=_OTHER, marker="s", mfc="white", lw=1.2, label="control"))
    if any(c.baselines for c in claims):
        handles.append(Line2D([], [], color=INK, marker="|", ls="", ms=8, mew=1.3, label="trivial baselines"))
    if any(c.published for c in claims):
        handles.append(Line2D([], [], color=INK, marker="v", mfc="white", ls="", label="published"))
    return handles
