"""Verdicts as plain text for the terminal and as rows for results/verdicts.csv."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable

from retrace.claims.expect import number
from retrace.claims.record import ClaimVerdict, PaperVerdict
from retrace.claims.words import CODES, WORDS

WIDTH = 110
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
    total = ", ".join(f"{codes.count(code)} {WORDS[code]}" for code in CODES if code in codes)
    return "\n\n".join([*blocks, f"{len(codes)} claims: {total}" if codes else "no verdicts yet"])


def csv_rows(papers: Iterable[PaperVerdict]) -> list[dict[str, CsvValue]]:
    """One flat row per claim with the keys of CSV_COLUMNS; None where a claim has no such value."""
    return [_flat(paper, claim) for paper in papers for claim in paper.claims]


def _paper(paper: PaperVerdict) -> str:
    rows = [COLUMNS, *(_row(claim) for claim in paper.claims)]
    reasons = ["", *("" if claim.verdict == "supported" else claim.told for claim in paper.claims)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = textwrap.wrap(f"{paper.paper}: {paper.title} (study {paper.study}, scale {paper.scale})", WIDTH)
    for row, reason in zip(rows, reasons, strict=True):
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        lines += textwrap.wrap(reason, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _row(claim: ClaimVerdict) -> tuple[str, ...]:
    control, measured = claim.control, claim.measured
    low, high = (_to_places_of(end, measured) for end in claim.interval or (None, None))
    passes = " passes" if control and control.passes else ""
    return (
        claim.id,
        WORDS[claim.verdict],
        _to_places_of(measured, measured),
        f"{low} to {high}" if claim.interval else "",
        claim.expect.signs() if claim.expect else "",
        _to_places_of(control.measured if control else None, measured) + passes,
        str(claim.seeds),
    )


def _to_places_of(value: float | None, leader: float | None) -> str:
    """`value` with the decimal places that three digits of `leader` need, two at most."""
    if value is None or leader is None:
        return ""
    size = math.floor(math.log10(abs(leader))) if leader else 0
    places = min(max(2 - size, 0), 2)
    return f"{round(value, places) + 0.0:.{places}f}" if -3 < size < 6 else number(value)


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
