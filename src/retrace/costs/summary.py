"""Sums of estimates, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from retrace.costs.forecast import Estimate, interval

WATTS = {"cpu": 18.0, "cuda": 500.0}  # assumed where no meter counted: a core with its memory; a card
NAMES = {"cpu": "CPU", "cuda": "GPU"}
GIB = 2.0**30


@dataclass(frozen=True)
class Sum:
    """Stages together: seconds on one device, ratio of the interval's ends to them, energy in kWh, bytes."""

    jobs: int
    device: str
    seconds: float
    ends: tuple[float, float] | None
    longest: tuple[str, float]
    kwh: float
    memory: float
    scratch: float
    evidence: float

    @property
    def time(self) -> str:
        """Hours or minutes of the device, with the interval."""
        unit, size = ("h", 3600) if self.seconds >= 5400 else ("min", 60)
        text = f"{self.seconds / size:.3g} {NAMES[self.device]} {unit}"
        if not self.ends:
            return f"{text} (no interval)"
        low, high = (self.seconds * end / size for end in self.ends)
        return f"{text} ({low:.3g} to {high:.3g})"


def summed(estimates: Mapping[str, Estimate]) -> list[Sum]:
    """A sum a device of estimates by the stage's label; bytes held are those of the largest stage."""
    found = []
    by_device = sorted(estimates.items(), key=lambda item: item[1].kind[2])
    for device, group in groupby(by_device, key=lambda item: item[1].kind[2]):
        own = dict(group)
        longest = max(own, key=lambda label: own[label].seconds)
        found.append(
            Sum(
                jobs=len(own),
                device=device,
                seconds=sum(one.seconds for one in own.values()),
                ends=interval(own.values()),
                longest=(longest, own[longest].seconds),
                kwh=sum(one.seconds * _kwh(one) for one in own.values()),
                memory=max(one.memory for one in own.values()),
                scratch=sum(one.work.scratch for one in own.values()),
                evidence=sum(one.work.evidence for one in own.values()),
            )
        )
    return found


def _kwh(one: Estimate) -> float:
    """A second's energy."""
    return WATTS[one.kind[2]] / 3.6e6 if one.rate.kwh is None else one.rate.kwh


def caps(estimates: Mapping[str, Estimate]) -> list[str]:
    """A line for each kind that a stop rule ends: what it would take to its cap, the share that it takes."""
    kinds: dict[tuple[str, str, str], list[Estimate]] = {}
    for one in estimates.values():
        if one.work.until:
            kinds.setdefault(one.kind, []).append(one)
    lines = []
    for (study, verb, device), own in kinds.items():
        most, seconds = (sum(getattr(one, name) for one in own) for name in ("most", "seconds"))
        words = f"{study} {verb}: ends with {own[0].work.until}"
        if own[0].rate.share < 1:
            share = f"by the meters it takes {seconds / most:.0%} of that"
        else:
            share = (
                "no meter tells what share of that it takes" if not own[0].metered else "the rate has it in"
            )
        lines.append(f"{words}; to its cap {duration(most)} of {NAMES[device]}, {share}")
    return lines


def without_rate(estimates: Mapping[str, Estimate]) -> list[str]:
    """A line a device for the kinds that nobody metered there."""
    lines = []
    for device, name in NAMES.items():
        unknown = [one.kind for one in estimates.values() if not one.metered and one.kind[2] == device]
        kinds = sorted({f"{study} {verb}" for study, verb, _ in unknown})
        if kinds:
            lines.append(
                f"no rate yet: rehearse, or bring what is published (retrace pull). "
                f"Never metered on a {name}, counted at assumed speeds: " + ", ".join(kinds)
            )
    return lines


def told(estimates: Mapping[str, Estimate], kg: float) -> list[str]:
    """The closing lines of a dry run: what these stages will take; `kg` CO2e a kWh."""
    lines = []
    for one in summed(estimates):
        name, seconds = one.longest
        lines.append(
            f"{one.jobs} stages: about {one.time}, longest {name} {duration(seconds)}; {one.kwh:.2g} kWh, "
            f"{one.kwh * kg:.2g} kg CO2e; memory {one.memory / GIB:.1f} GiB, scratch {one.scratch / GIB:.1f} "
            f"GiB, evidence {one.evidence / GIB:.1g} GiB"
        )
    return [*lines, *without_rate(estimates)]


def duration(seconds: float) -> str:
    """Seconds as s, min or h."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"
