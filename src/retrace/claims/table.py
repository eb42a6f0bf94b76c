"""Verdicts as plain text for the terminal and as rows for results/verdicts.csv."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable

from retrace.claims.expect import number
from retrace.claims.record import ClaimVerdict, PaperVerdict
from retrace.claims.words import CODES, WORDS

WIDTH = 110
MOST_PLACES = 4
COLUMNS = ("claim", "verdict", "measured", "interval", "expected", "control", "seeds")
CSV_COLUMNS = (
    "paper", "study", "scale", "id", "origin", "kind", "statistic", "verdict", "measured", "low", "high",
    "level", "expected", "published", "p", "p_against", "p_adjusted", "df", "random", "seeds", "units",
    "seeds_to_decide", "units_to_decide", "cpu_seconds_to_decide", "control", "control_passes", "specific",
    "primary", "scope", "says", "reason",
)  # fmt: skip
CsvValue = str | float | bool | None


def verdict_table(papers: Iterable[PaperVerdict]) -> str:
    """Verdicts as text of at most 110 columns, with the reason below every claim not supported."""
    papers = list(papers)
    blocks = [_paper(paper) for paper in papers]
    codes = [claim.verdict for paper in papers for claim in paper.claims]
    if any(claim.control and claim.control.passes for paper in papers for claim in paper.claims):
        blocks.append("meets: the control meets what is expected of the claim")
    total = ", ".join(f"{codes.count(code)} {WORDS[code]}" for code in CODES if code in codes)
    said = f"{len(codes)} {'claim' if len(codes) == 1 else 'claims'}: {total}" if codes else "no verdicts yet"
    return "\n\n".join([*blocks, "\n".join(textwrap.wrap(said, WIDTH))])


def csv_rows(papers: Iterable[PaperVerdict]) -> list[dict[str, CsvValue]]:
    """One flat row per claim with the keys of CSV_COLUMNS; None where a claim has no such value."""
    return [_flat(paper, claim) for paper in papers for claim in paper.claims]


def _paper(paper: PaperVerdict) -> str:
    rows = [COLUMNS, *(_row(claim) for claim in paper.claims)]
    told = [("" if claim.verdict == "supported" else claim.told, *_lost(claim)) for claim in paper.claims]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    scale = f"{paper.scale}: a pilot, which counts for nothing" if "-pilot-" in paper.scale else paper.scale
    lines = textwrap.wrap(f"{paper.paper}: {paper.title} (study {paper.study}, scale {scale})", WIDTH)
    for row, reasons in zip(rows, [(), *told], strict=True):
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        for reason in reasons:
            lines += textwrap.wrap(reason, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _lost(claim: ClaimVerdict) -> list[str]:
    """Why a control or baselines could not be measured, unless the verdict's reason says it."""
    control = [claim.control] if claim.control and claim.control.reason not in claim.reason else []
    return [f"{beside.label}: {beside.reason}" for beside in (*control, *claim.baselines) if beside.reason]


def _row(claim: ClaimVerdict) -> tuple[str, ...]:
    control, (low, high) = claim.control, claim.interval or (None, None)
    mark = " meets" if control and control.passes else ""
    return (
        claim.id,
        WORDS[claim.verdict],
        _shown(claim.measured, claim),
        f"{_shown(low, claim)} to {_shown(high, claim)}" if claim.interval else "",
        claim.expect.signs() if claim.expect else "",
        _shown(control.measured if control else None, claim) + mark,
        str(claim.seeds),
    )


def _shown(value: float | None, claim: ClaimVerdict) -> str:
    """`value` with the decimal places that three digits of what was measured need, two at most.

    More where value or interval would else look equal to a threshold, or the interval like a point.
    """
    if value is None or claim.measured is None:
        return ""
    size = math.floor(math.log10(abs(claim.measured))) if claim.measured else 0
    if not -3 < size < 6:
        return number(value)
    places = min(max(2 - size, 0), 2)
    bounds = [claim.expect.low, claim.expect.high] if claim.expect else []
    marks = sorted(mark for mark in {claim.measured, *(claim.interval or ()), *bounds} if mark is not None)
    marks = [mark for mark in marks if math.isfinite(mark)]
    while places < MOST_PLACES and any(
        round(low, places) == round(high, places) for low, high in itertools.pairwise(marks)
    ):
        places += 1
    return f"{round(value, places) + 0.0:.{places}f}"


def _flat(paper: PaperVerdict, claim: ClaimVerdict) -> dict[str, CsvValue]:
    low, high = claim.interval or (None, None)
    made: dict[str, CsvValue] = {
        **{name: getattr(paper, name) for name in ("paper", "study", "scale")},
        "low": low,
        "high": high,
        "expected": claim.expect.signs() if claim.expect else "",
        "published": claim.published.value if claim.published else None,
        "control": claim.control.measured if claim.control else None,
        "control_passes": claim.control.passes if claim.control else None,
        "specific": claim.control.specific if claim.control else None,
        "seeds_to_decide": claim.would_decide.seeds if claim.would_decide else None,
        "units_to_decide": claim.would_decide.units if claim.would_decide else None,
        "cpu_seconds_to_decide": claim.would_decide.cpu_seconds if claim.would_decide else None,
        "p": claim.test.p if claim.test else None,
        "p_against": claim.test.p_against if claim.test else None,
        "p_adjusted": claim.test.adjusted if claim.test else None,
        "df": claim.test.df if claim.test else None,
    }
    return {name: made[name] if name in made else getattr(claim, name) for name in CSV_COLUMNS}
