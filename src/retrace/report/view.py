"""What the page shows, as plain words: verdict records to dictionaries of text, no markup."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retrace.plot.words import beats, expectation, number, short, span

VERDICTS = ("supported", "refuted", "inconclusive", "not testable here", "not run")
Record = Mapping[str, Any]
METHODS = {
    "constant": "CPU seconds times a constant power; not a measurement",
    "none": "not metered",
}


def measured(item: Record, level: bool = False) -> str:
    """A value with its interval: "0.83 [0.7, 0.9] (95%)"; "none" where nothing was measured."""
    value = number(item.get("measured"))
    if math.isnan(value):
        return "none"
    interval = span(item.get("interval"))
    share = number(item.get("level"))
    note = f" ({share:.0%} interval)" if level and interval and not math.isnan(share) else ""
    return f"{short(value)} {interval}".strip() + note


def claim_view(claim: Record) -> dict[str, Any]:
    """One claim in words; a verdict outside the five words raises ValueError naming the claim."""
    verdict = claim.get("verdict")
    if verdict not in VERDICTS:
        raise ValueError(f"claim {claim.get('id')}: verdict {verdict!r} is not one of {', '.join(VERDICTS)}")
    expect = claim.get("expect") or {}
    published = claim.get("published") or {}
    control = claim.get("control")
    baselines = [b | {"text": measured(b), "note": _compare(b, claim)} for b in claim.get("baselines") or []]
    more = number(claim.get("seeds_to_decide"))
    return {
        "id": str(claim.get("id", "")),
        "says": str(claim.get("says", "")),
        "where": str(claim.get("where") or ""),
        "origin": claim.get("origin") or ("paper" if claim.get("where") else "ours"),
        "kind": str(claim.get("kind", "")),
        "expect": expectation(expect),
        "published": short(published.get("value")) if published else "none given in a primary source",
        "published_where": str(published.get("where") or "") if published else "",
        "measured": measured(claim, level=True),
        "seeds": short(claim.get("seeds")),
        "units": short(claim.get("units")) if claim.get("units") is not None else "",
        "p": _p(claim),
        "verdict": verdict,
        "slug": verdict.replace(" ", "-"),
        "reason": str(claim.get("reason") or ""),
        "more_seeds": "" if math.isnan(more) else f"about {more:.0f} seeds would decide",
        "scope": str(claim.get("scope") or ""),
        "control": {**control, "text": measured(control)} if control else None,
        "baselines": baselines,
    }


def _p(claim: Record) -> str:
    p, adjusted = number(claim.get("p")), number(claim.get("p_holm"))
    parts = [f"p = {short(p, 2)}"] if not math.isnan(p) else []
    parts += [f"after Holm {short(adjusted, 2)}"] if not math.isnan(adjusted) else []
    return ", ".join(parts)


def _compare(baseline: Record, claim: Record) -> str:
    """Whether a baseline goes further than the method the way the claim asks, and how sure that is."""
    if not beats(baseline.get("measured"), claim.get("measured"), claim.get("expect")):
        return ""
    return "better than the method" + (" (intervals apart)" if _apart(baseline, claim) else "")


def _apart(a: Record, b: Record) -> bool:
    (low_a, high_a), (low_b, high_b) = (
        [number(e) for e in (x.get("interval") or (None, None))] for x in (a, b)
    )
    return low_a > high_b or high_a < low_b


def findings(paper: Record) -> list[dict[str, str]]:
    """What a reader must not miss: refuted claims, controls that pass, baselines better than the method."""
    found = []
    for claim in paper.get("claims") or []:
        base = {
            "paper": str(paper.get("paper")),
            "id": str(claim.get("id")),
            "says": str(claim.get("says", "")),
        }
        if claim.get("verdict") == "refuted":
            wanted = expectation(claim.get("expect"))
            text = f"Refuted: measured {measured(claim)}, the claim needs {wanted or 'more'}."
            found.append(base | {"kind": "refuted", "text": text})
        control = claim.get("control") or {}
        if control.get("passes"):
            text = f"The control ({control.get('label', 'control')}: {measured(control)}) also satisfies the claim."
            found.append(base | {"kind": "control", "text": text + " The test does not discriminate."})
        better = [b for b in claim.get("baselines") or [] if _compare(b, claim)]
        if better:
            names = "; ".join(f"{b.get('label')} {measured(b)}" for b in better)
            text = f"A trivial baseline does better than the method ({measured(claim)}): {names}."
            found.append(base | {"kind": "baseline", "text": text})
    return found


def counts(claims: Iterable[Record]) -> dict[str, int]:
    """How many claims have each of the five verdicts, all five always present."""
    found = [claim.get("verdict") for claim in claims]
    return {verdict: found.count(verdict) for verdict in VERDICTS}


def cost_view(paper: Record, methods: Mapping[str, str]) -> dict[str, Any]:
    """The cost of one paper in words; `methods` explains the names the meter uses."""
    cost = paper.get("cost") or {}
    used = [str(m) for m in cost.get("methods") or []]
    return {
        "paper": str(paper.get("paper")),
        "jobs": short(cost.get("jobs"), 6),
        "seconds": short(cost.get("seconds")),
        "cpu_seconds": short(cost.get("cpu_seconds")),
        "kwh": short(cost.get("kwh")),
        "kg_co2e": short(cost.get("kg_co2e")),
        "methods": [{"name": m, "words": explain(m, methods)} for m in used],
        "factor": short(cost.get("factor_kg_per_kwh")),
    }


def explain(method: str, methods: Mapping[str, str]) -> str:
    """A metering method in words: those given, else the longest known name it starts with, else its name."""
    known = {**METHODS, **methods}
    match = max((name for name in known if method.startswith(name)), key=len, default=None)
    return known[match] if match else method


def total(papers: Sequence[Record]) -> dict[str, str]:
    """Sums over papers; a paper without a number makes the sum a lower bound and says so."""
    sums = {}
    for key in ("jobs", "seconds", "cpu_seconds", "kwh", "kg_co2e"):
        values = [number((paper.get("cost") or {}).get(key)) for paper in papers]
        known = [v for v in values if not math.isnan(v)]
        text = short(sum(known), 6 if key == "jobs" else 3) if known else "n/a"
        sums[key] = text if len(known) == len(values) or not known else f"at least {text}"
    return sums


__all__ = ["claim_view", "cost_view", "counts", "explain", "findings", "measured", "total"]
