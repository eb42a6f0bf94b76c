"""Verdicts as plain text for the terminal and as rows for results/verdicts.csv."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from retrace.claims.expect import number

WIDTH = 110
ORDER = ("supported", "refuted", "inconclusive", "not testable here", "not run")
COLUMNS = ("claim", "verdict", "measured", "interval", "expected", "control", "seeds", "scope")
SIGNS = {"at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}
CSV_COLUMNS = (
    "paper", "study", "scale", "id", "origin", "kind", "statistic", "verdict", "measured", "low", "high",
    "level", "expected", "published", "p", "p_holm", "p_against_holm", "seeds", "units", "seeds_to_decide",
    "control", "control_passes", "scope", "says", "reason",
)  # fmt: skip


def verdict_table(papers: Iterable[Mapping[str, Any]]) -> str:
    """Verdict files as text of at most 110 columns, with the reason below every claim not supported."""
    papers = list(papers)
    blocks = [_paper(paper) for paper in papers]
    counts = [claim["verdict"] for paper in papers for claim in paper["claims"]]
    total = ", ".join(f"{counts.count(word)} {word}" for word in ORDER if word in counts)
    return "\n\n".join([*blocks, f"{len(counts)} claims: {total}" if counts else "no verdicts yet"])


def csv_rows(papers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One flat row per claim with the keys of CSV_COLUMNS; None where a claim has no such value."""
    return [_flat(paper, claim) for paper in papers for claim in paper["claims"]]


def _paper(paper: Mapping[str, Any]) -> str:
    head = f"{paper['paper']}: {paper['title']} (study {paper['study']}, scale {paper['scale']})"
    rows = [COLUMNS, *(_row(claim) for claim in paper["claims"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = textwrap.wrap(head, WIDTH)
    for index, row in enumerate(rows):
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        claim = paper["claims"][index - 1] if index else None
        if claim and claim["verdict"] != "supported" and claim["reason"]:
            lines += textwrap.wrap(claim["reason"], WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _row(claim: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = claim["interval"] or (None, None)
    control, measured = claim["control"] or {}, claim["measured"]
    passes = " passes" if control.get("passes") else ""
    return (
        claim["id"],
        claim["verdict"],
        _to_places_of(measured, measured),
        f"{_to_places_of(low, measured)} to {_to_places_of(high, measured)}" if claim["interval"] else "",
        _signs(claim["expect"]),
        _to_places_of(control.get("measured"), measured) + passes,
        str(claim["seeds"]),
        claim["scope"].split()[0],
    )


def _to_places_of(value: float | None, leader: float | None) -> str:
    """`value` with the decimal places that three digits of `leader` need, two at most."""
    if value is None or leader is None:
        return ""
    size = math.floor(math.log10(abs(leader))) if leader else 0
    places = min(max(2 - size, 0), 2)
    return f"{round(value, places) + 0.0:.{places}f}" if -3 < size < 6 else number(value)


def _signs(expect: Mapping[str, float]) -> str:
    if "within" in expect:
        return f"{number(expect.get('value', 0.0))} +- {number(expect['within'])}"
    return ", ".join(f"{SIGNS[name]} {number(bound)}" for name, bound in expect.items())


def _flat(paper: Mapping[str, Any], claim: Mapping[str, Any]) -> dict[str, Any]:
    low, high = claim["interval"] or (None, None)
    control, published = claim["control"] or {}, claim["published"] or {}
    made = {
        **{name: paper[name] for name in ("paper", "study", "scale")},
        "low": low,
        "high": high,
        "expected": _signs(claim["expect"]),
        "published": published.get("value"),
        "control": control.get("measured"),
        "control_passes": control.get("passes"),
    }
    return {name: made[name] if name in made else claim[name] for name in CSV_COLUMNS}
