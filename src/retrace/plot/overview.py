"""Every claim of every paper as one mark: what came out, at one look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from retrace.claims.record import ClaimVerdict, PaperVerdict
from retrace.claims.words import CODES, WORDS, Code
from retrace.plot.style import FAINT, INK, MUTED, VERDICT_COLOURS, WIDTH, styled

SYMBOLS: dict[Code, str] = dict(zip(CODES, ("✓", "≈", "✗", "≠", "~", "?", "⊘", "–"), strict=True))
SIDE = 0.2  # inches from one mark to the next
LETTER = 0.072  # inches, of a paper's name


def draw(verdicts: Sequence[PaperVerdict]) -> Figure:
    """A row a paper: its own claims, then our questions; a mark a claim, ordered by verdict.

    ValueError without verdicts.
    """
    if not verdicts:
        raise ValueError("overview: no verdicts to draw")
    kinds = [{origin: _of(verdict, origin) for origin in ("paper", "ours")} for verdict in verdicts]
    own = max(len(kind["paper"]) for kind in kinds)
    columns = own + 1 + max(len(kind["ours"]) for kind in kinds)
    left = max(1.3, 0.2 + LETTER * max(len(verdict.paper) for verdict in verdicts))
    with styled():
        fig = Figure(figsize=(max(WIDTH, left + 0.1 + SIDE * columns), 1.1 + SIDE * 1.15 * len(kinds)))
        axes = fig.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        width, height = fig.get_size_inches()
        axes.set(xlim=(0, width), ylim=(0, height))
        top = height - 0.42
        for x, words in ((left, "its claims"), (left + SIDE * (own + 1), "our questions")):
            axes.text(x, top + 0.16, words, color=MUTED, fontsize=8.5)
        for row, (verdict, kind) in enumerate(zip(verdicts, kinds, strict=True)):
            y = top - SIDE * (1.15 * row + 0.5)
            axes.text(left - 0.12, y, verdict.paper, ha="right", va="center", fontsize=8.5, color=INK)
            for start, claims in ((0, kind["paper"]), (own + 1, kind["ours"])):
                for column, claim in enumerate(claims, start):
                    _mark(axes, left + SIDE * column, y, claim.verdict)
        _legend(axes, [claim for verdict in verdicts for claim in verdict.claims], width)
    return fig


def _of(verdict: PaperVerdict, origin: str) -> list[ClaimVerdict]:
    return sorted(
        (claim for claim in verdict.claims if claim.origin == origin), key=lambda c: CODES.index(c.verdict)
    )


def _mark(axes: Axes, x: float, y: float, code: Code) -> None:
    """A rounded square in the verdict's colour with its sign, `x` its left edge (inches)."""
    side, hue = 0.86 * SIDE, VERDICT_COLOURS[code]
    box = FancyBboxPatch(
        (x, y - side / 2),
        side,
        side,
        boxstyle="round,pad=0,rounding_size=0.03",
        facecolor=hue,
        edgecolor=FAINT,
        lw=0,
    )
    axes.add_patch(box)
    axes.text(x + side / 2, y - 0.005, SYMBOLS[code], color="white", fontsize=7.5, ha="center", va="center")


def _legend(axes: Axes, claims: Sequence[ClaimVerdict], width: float) -> None:
    """The words of all verdicts that occur, with their counts, in two lines at the foot."""
    counts = Counter(claim.verdict for claim in claims)
    present = [code for code in CODES if counts[code]]
    step = (width - 0.3) / 4
    for i, code in enumerate(present):
        x, y = 0.2 + step * (i % 4), 0.36 - 0.22 * (i // 4)
        _mark(axes, x, y, code)
        axes.text(x + 0.25, y, f"{counts[code]} {WORDS[code]}", va="center", fontsize=8.5)
