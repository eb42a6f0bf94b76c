"""What the page says of a verdict record, as plain words without markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from retrace.claims.cost import Cost
from retrace.claims.record import Beside, ClaimVerdict, Control, PaperVerdict
from retrace.claims.words import CODES, Code
from retrace.plot.words import NOTHING, beats, ends, short, span

METHODS = {
    "nvml": "energy counter of the GPU",
    "rapl": "energy counter of the processor, over the whole package",
    "cpu_load": "the processor's guessed power times its load; not a measurement",
    "constant": "CPU seconds × {cpu_watts}, and wall seconds × {ram_watts} for memory; not a measurement",
}


@dataclass(frozen=True)
class Run:
    """What the page says of the run as a whole.

    `environment`: name -> text or {name: text}; `cpu_watts` and `ram_watts`: assumed powers (W);
    `methods`: words for metering methods, in place of those of METHODS.
    """

    title: str = "Retrace report"
    date: str = ""
    scale: str = ""
    environment: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    cost: Cost | None = None
    cpu_watts: tuple[float, ...] = ()
    ram_watts: tuple[float, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)


class Finding(NamedTuple):
    """Bad news that a reader must not miss."""

    kind: str
    paper: str
    id: str
    says: str
    text: str


def methods(run: Run) -> dict[str, str]:
    """The metering methods in words, with the powers that `run` gives and the words it overrides."""
    powers = {
        name: " or ".join(f"{short(power)} W" for power in watts) if watts else "a constant power"
        for name, watts in (("cpu_watts", run.cpu_watts), ("ram_watts", run.ram_watts))
    }
    return {name: words.format(**powers) for name, words in METHODS.items()} | dict(run.methods)


def measured(item: ClaimVerdict | Beside) -> str:
    """A value with its interval, such as "0.83 [0.7, 0.9]"; "none" where nothing was measured."""
    value = short(item.measured)
    return "none" if value == NOTHING else f"{value} {_unbroken(item)}".strip()


def interval(claim: ClaimVerdict) -> str:
    """The interval and its level on their own; empty without a measurement or an interval."""
    ends = _unbroken(claim)
    return f"{claim.level:.0%} interval {ends}" if ends and short(claim.measured) != NOTHING else ""


def _unbroken(item: ClaimVerdict | Beside) -> str:
    """The interval in brackets, with a space at which no line breaks."""
    return span(item.interval).replace(" ", "\u00a0")


def wanted(claim: ClaimVerdict) -> str:
    """What the claim expects; empty where nothing can be."""
    return claim.expect.words(short) if claim.expect else ""


def published(claim: ClaimVerdict) -> str:
    """The paper's own number with its place, or why there is none."""
    if claim.published:
        return f"{short(claim.published.value)} ({claim.published.where})"
    if claim.origin == "ours":
        return "none, as it is our own question"
    return "not quoted: the result tables were not available to us"


RANDOM = {
    "seeds": "seeds",
    "items": "seeds and items",
    "groups": "seeds and groups",
    "nothing": "nothing, it is counted",
}


def test(claim: ClaimVerdict) -> dict[str, str]:
    """What was random, and the test: its p values, degrees of freedom and family; empty without one."""
    if claim.random is None:
        return {}
    told = {"random": RANDOM[claim.random]}
    if claim.test is None:
        return told
    p, against, adjusted = (short(v, 2) for v in (claim.test.p, claim.test.p_against, claim.test.adjusted))
    df = claim.test.df
    freedom = "exact test" if df is None else f"t with {short(df, 2)} degrees of freedom"
    family = "the paper's claims" if claim.origin == "paper" else "our questions"
    return told | {
        "test": f"{freedom}: p {p}, against the claim {against}",
        "family": f"{family}, corrected together: p {adjusted}",
    }


def source(claim: ClaimVerdict) -> str:
    """Where a claim comes from, with its place."""
    if claim.origin == "ours":
        return f"our own question: {claim.where}"
    return f"from the paper: {claim.where}"


def behind(control: Control) -> str:
    """Whether a control is behind its claim, as it must be."""
    if control.specific:
        return "clearly behind the claim, as it must be"
    return "not clearly behind the claim, as it should be"


def warnings(claim: ClaimVerdict) -> list[str]:
    """What must be seen beside a claim's word: a control that is not behind it, baselines that do better."""
    told = []
    if claim.control and claim.control.passes is not None and not claim.control.specific:
        told.append(f"The control ({claim.control.label}) is {behind(claim.control)}.")
    better = [f"{item.label}{_sure(item, claim)}" for item in claim.baselines if remark(item, claim)]
    if better:
        told.append(f"Better than the method: {', '.join(better)}.")
    return told


class Card(NamedTuple):
    """What a paper's headlines came to: a line, and the claims that hold, do not, and are open."""

    line: str
    groups: dict[str, list[ClaimVerdict]]


GROUPS: dict[str, tuple[Code, ...]] = {
    "Held here": ("supported", "not-specific"),
    "Did not hold here": ("refuted", "margin"),
    "Open": ("near", "open"),
    "Not measurable here, or not run": ("not-measurable", "not-run"),
}


def card(claims: Sequence[ClaimVerdict]) -> Card:
    """The abstract's sentences by what came of them; where none is marked, all claims of the paper."""
    theirs = [claim for claim in claims if claim.origin == "paper"]
    heads = [claim for claim in theirs if claim.primary]
    groups = {
        name: [claim for claim in heads or theirs if claim.verdict in codes] for name, codes in GROUPS.items()
    }
    held, failed, left, out = (len(group) for group in groups.values())
    number = len(heads or theirs)
    what = ("sentence" if heads else "claim") + ("" if number == 1 else "s")
    whose = "abstract" if heads else "paper"
    found = f"{held} held here, {failed} did not, {left} open, {out} not measurable or not run"
    return Card(f"{number} {what} of the {whose}: {found}.", groups)


def remark(baseline: Beside, claim: ClaimVerdict) -> str:
    """Whether a baseline goes further than the method the way the claim asks, and how sure that is."""
    better = beats(baseline.measured, claim.measured, claim.expect)
    return "better than the method" + _sure(baseline, claim) if better else ""


def _sure(a: Beside, b: ClaimVerdict) -> str:
    """A remark if the two intervals do not touch."""
    (low_a, high_a), (low_b, high_b) = ends(a.interval), ends(b.interval)
    return " (intervals apart)" if low_a > high_b or high_a < low_b else ""


def findings(paper: PaperVerdict) -> list[Finding]:
    """What a reader must not miss: refuted claims, controls that pass, baselines better than the method."""
    found = []
    for claim in paper.claims:

        def add(kind: str, text: str, claim: ClaimVerdict = claim) -> None:
            found.append(Finding(kind, paper.paper, claim.id, claim.says, text))

        if claim.verdict in ("refuted", "margin"):
            add("refuted", f"Measured {measured(claim)}, wanted {wanted(claim) or 'otherwise'}.")
        if claim.verdict == "not-specific" and claim.control:
            label = f"{claim.control.label}: {measured(claim.control)}"
            add("control", f"Measured {measured(claim)}; the control ({label}) is not clearly behind it.")
        better = [baseline for baseline in claim.baselines if remark(baseline, claim)]
        if better:
            names = ", ".join(f"{b.label} {measured(b)}{_sure(b, claim)}" for b in better)
            add("baseline", f"The method: {measured(claim)}. Better: {names}.")
    return found


def subjects(verdicts: Sequence[PaperVerdict]) -> str:
    """How many papers there are, and how many sets of our own questions across papers, in words."""
    own = sum(bool(v.claims) and all(claim.origin == "ours" for claim in v.claims) for v in verdicts)
    papers = len(verdicts) - own
    text = f"{papers} paper{'' if papers == 1 else 's'}"
    return f"{text} and {own} set{'' if own == 1 else 's'} of questions across papers" if own else text


def counts(claims: Iterable[ClaimVerdict]) -> dict[Code, int]:
    """How many claims have each of the verdicts, all of them always present."""
    found = [claim.verdict for claim in claims]
    return {code: found.count(code) for code in CODES}


def factors(cost: Cost) -> list[str]:
    """The carbon factors (kg CO2e per kWh) behind a cost."""
    given = cost.factor_kg_per_kwh
    return [short(factor) for factor in (given if isinstance(given, list) else [given])]
