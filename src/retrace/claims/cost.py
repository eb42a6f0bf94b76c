"""What the evidence behind verdicts cost: sums over the meters of its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from retrace.meter import MeterRecord
from retrace.strict import Strict


class Cost(Strict):
    """Sums over jobs: times in seconds, energy in kWh, carbon in kg CO2e; the factors the jobs used."""

    jobs: int
    seconds: float
    cpu_seconds: float
    overhead_seconds: float
    kwh: float
    kg_co2e: float
    methods: list[str]
    factor_kg_per_kwh: float | list[float]


def total_cost(meters: Iterable[MeterRecord]) -> Cost:
    """The cost of the jobs that left these meter records; the factor alone where all used the same."""
    meters = list(meters)
    factors = sorted({m["factor_kg_per_kwh"] for m in meters})
    return Cost(
        jobs=len(meters),
        seconds=sum(m["seconds"] for m in meters),
        cpu_seconds=sum(m["cpu_seconds"] for m in meters),
        overhead_seconds=sum(m["overhead_seconds"] for m in meters),
        kwh=sum(m["kwh"] for m in meters),
        kg_co2e=sum(m["kg_co2e"] for m in meters),
        methods=sorted({m["method"] for m in meters}),
        factor_kg_per_kwh=factors[0] if len(factors) == 1 else factors,
    )


def seed_price(files: Iterable[tuple[int, str]], meters: Mapping[str, MeterRecord]) -> float | None:
    """CPU seconds of one more seed, as the mean of the seeds there are; None where nothing has a seed.

    `files` are pairs of a seed and an evidence file made for it. A file that is named for several seeds is
    theirs together, and paid already.
    """
    seeds: dict[str, set[int]] = {}
    for seed, path in files:
        seeds.setdefault(path, set()).add(seed)
    own = {path: min(of) for path, of in seeds.items() if len(of) == 1}
    spent = sum(meters[path]["cpu_seconds"] + meters[path]["overhead_seconds"] for path in own)
    return spent / len(set(own.values())) if own else None
