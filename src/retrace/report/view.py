"""What the page shows, as plain words: verdict records to dictionaries of text, no markup."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from retrace.plot.words import VERDICTS, beats, ends, expectation, number, short, span

Record = Mapping[str, Any]
METHODS = {
    "nvml": "energy counter of the GPU",
    "rapl": "energy counter of the processor, over the whole package",
    "cpu_load": "the processor's guessed power times its load; not a measurement",
    "constant": "CPU seconds × {cpu_watts}, and wall seconds × {ram_watts} for memory; not a measurement",
}


def methods(context: Record) -> dict[str, str]:
    """The metering methods in words, with the powers that `context` gives and the words it overrides."""
    powers = {
        key: f"{short(context[key])} W" if context.get(key) is not None else "a constant power"
        for key in ("cpu_watts", "ram_watts")
    }
    return {name: words.format(**powers) for name, words in METHODS.items()} | dict(
        context.get("methods") or {}
    )


def measured(item: Record) -> str:
    """A value with its interval, such as "0.83 [0.7, 0.9]"; "none" where nothing was measured."""
    if math.isnan(number(item.get("measured"))):
        return "none"
    return f"{short(item['measured'])} {_unbroken(item)}".strip()


def _interval(claim: Record) -> str:
    """The interval and its level on their own; empty without a measurement or an interval."""
    interval, level = _unbroken(claim), number(claim.get("level"))
    if not interval or math.isnan(number(claim.get("measured"))):
        return ""
    return interval if math.isnan(level) else f"{level:.0%} interval {interval}"


def _unbroken(item: Record) -> str:
    """The interval in brackets, with a space at which no line breaks."""
    return span(item.get("interval")).replace(" ", "\u00a0")


def claim_view(claim: Record) -> dict[str, Any]:
    """One claim in words; a verdict outside the five words raises ValueError naming the claim."""
    verdict = claim.get("verdict")
    if verdict not in VERDICTS:
        raise ValueError(f"claim {claim.get('id')}: verdict {verdict!r} is not one of {', '.join(VERDICTS)}")
    expect = claim.get("expect") or {}
    published = claim.get("published") or {}
    control = claim.get("control")
    baselines = [b | {"text": measured(b), "note": _compare(b, claim)} for b in claim.get("baselines") or []]
    return {
        "id": str(claim.get("id", "")),
        "says": str(claim.get("says", "")),
        "where": str(claim.get("where") or ""),
        "origin": claim.get("origin") or ("paper" if claim.get("where") else "ours"),
        "kind": str(claim.get("kind", "")),
        "expect": expectation(expect),
        "published": short(published.get("value")) if published else _unpublished(claim),
        "published_where": str(published.get("where") or "") if published else "",
        "measured": short(claim.get("measured")),
        "interval": _interval(claim),
        "seeds": short(claim.get("seeds")),
        "units": short(claim.get("units")) if claim.get("units") is not None else "",
        "censored": "{} of {} rows".format(*claim["censored"]) if (claim.get("censored") or [0])[0] else "",
        "p": _p(claim),
        "verdict": verdict,
        "slug": verdict.replace(" ", "-"),
        "reason": str(claim.get("reason") or ""),
        "scope": str(claim.get("scope") or ""),
        "control": {**control, "text": measured(control)} if control else None,
        "baselines": baselines,
        "also": [{"label": str(a.get("label", "")), "text": measured(a)} for a in claim.get("also") or []],
    }


def _unpublished(claim: Record) -> str:
    return (
        "none, as it is our own question"
        if claim.get("origin") == "ours"
        else "not quoted: the result tables were not available to us"
    )


def _p(claim: Record) -> str:
    """The p values for the claim and, where the record has them, against it, each with Holm's correction."""
    parts = []
    for key, name in (("p", "p"), ("p_against", "p against the claim")):
        p, adjusted = number(claim.get(key)), number(claim.get(f"{key}_holm"))
        if not math.isnan(p):
            holm = "" if math.isnan(adjusted) else f" (Holm {short(adjusted, 2)})"
            parts.append(f"{name} {short(p, 2)}{holm}")
    return ", ".join(parts)


def _compare(baseline: Record, claim: Record) -> str:
    """Whether a baseline goes further than the method the way the claim asks, and how sure that is."""
    if not beats(baseline.get("measured"), claim.get("measured"), claim.get("expect")):
        return ""
    return "better than the method" + _sure(baseline, claim)


def _sure(a: Record, b: Record) -> str:
    """A remark if the two intervals do not touch."""
    (low_a, high_a), (low_b, high_b) = ends(a.get("interval")), ends(b.get("interval"))
    return " (intervals apart)" if low_a > high_b or high_a < low_b else ""


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
            text = f"Measured {measured(claim)}, wanted {wanted or 'otherwise'}."
            found.append(base | {"kind": "refuted", "text": text})
        control = claim.get("control") or {}
        if control.get("passes"):
            text = f"The control ({control.get('label')}: {measured(control)}) also satisfies the claim."
            found.append(base | {"kind": "control", "text": text})
        better = [b for b in claim.get("baselines") or [] if _compare(b, claim)]
        if better:
            names = ", ".join(f"{b.get('label')} {measured(b)}{_sure(b, claim)}" for b in better)
            text = f"The method: {measured(claim)}. Better: {names}."
            found.append(base | {"kind": "baseline", "text": text})
    return found


def counts(claims: Iterable[Record]) -> dict[str, int]:
    """How many claims have each of the five verdicts, all five always present."""
    found = [claim.get("verdict") for claim in claims]
    return {verdict: found.count(verdict) for verdict in VERDICTS}


def cost_view(cost: Record, words: Mapping[str, str]) -> dict[str, Any]:
    """A cost record in words; `words` explains the methods the meter names."""
    factors = cost.get("factor_kg_per_kwh")
    used = [str(m) for m in cost.get("methods") or []]
    return {
        "jobs": short(cost.get("jobs"), 6),
        "seconds": short(cost.get("seconds")),
        "cpu_seconds": short(cost.get("cpu_seconds")),
        "kwh": short(cost.get("kwh")),
        "kg_co2e": short(cost.get("kg_co2e")),
        "methods": [{"name": m, "words": words.get(m, "")} for m in used],
        "factors": [short(f) for f in (factors if isinstance(factors, list) else [factors]) if f is not None],
    }
