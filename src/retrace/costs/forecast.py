"""What stages will take: their work at the rates that meters gave, or at assumed speeds where none did."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import ceil, exp, log, sqrt
from pathlib import Path
from typing import Any

from retrace.costs import meters
from retrace.costs.rates import ASSUMED, Kind, Rate, fitted
from retrace.errors import RetraceError
from retrace.files import write_atomic
from retrace.recipe import canonical, digest
from retrace.sheet import counts_of
from retrace.work import Work

PLACE = ".snakemake/rates.json"
LIBRARIES = 7e8  # bytes that a stage holds before it begins
SPARE = 1.5  # of time and memory that a scheduler is asked for, an attempt
UNSURE = 6.0  # of time where no meter gave the rate
LEAST = 10, 1000  # minutes and megabytes that it is asked for at least


@dataclass(frozen=True)
class Estimate:
    """One stage: seconds on its device, by a rate; seconds if nothing stops it before its cap."""

    kind: Kind
    work: Work
    rate: Rate
    seconds: float
    most: float

    @property
    def metered(self) -> bool:
        """Whether a stage of its kind was ever metered on its device."""
        return self.rate.cells > 0

    @property
    def memory(self) -> float:
        """Bytes at the peak, counted and not measured."""
        return LIBRARIES + self.work.memory

    def minutes(self, attempt: int) -> int:
        """What a scheduler is asked for."""
        spare = SPARE if self.metered else UNSURE
        return max(LEAST[0], ceil(spare * attempt * self.seconds / 60))

    def megabytes(self, attempt: int) -> int:
        """What a scheduler is asked for."""
        return max(LEAST[1], ceil(SPARE * attempt * self.memory / 1e6))


@dataclass(frozen=True)
class Forecast:
    """The rates of this checkout's evidence."""

    rates: Mapping[Kind, Rate]

    @classmethod
    def of(cls, root: Path) -> Forecast:
        """Fit the rates, or take those fitted before to the same evidence by the same code."""
        paths = meters.files(root)
        state = digest([_code(), [[path, *_stat(root / path)] for path in paths]])
        stored = _stored(root / PLACE, state)
        if stored is None:
            stored = fitted(meters.read(root, paths))
            kept = [[*kind, asdict(rate)] for kind, rate in stored.items()]
            with suppress(RetraceError):  # where nothing may be written, it is fitted again
                write_atomic(root / PLACE, canonical({"state": state, "rates": kept}).encode())
        return cls(stored)

    def estimate(self, study: str, verb: str, params: Mapping[str, Any], device: str) -> Estimate:
        """What a stage takes on a device; RetraceError where the study does not count its work."""
        try:
            work = counts_of(study)(verb, params, device)
        except (KeyError, ValueError, TypeError) as error:
            raise RetraceError(
                f"study {study}: the work of {verb} cannot be counted: {error!s:.120}"
            ) from None
        kind = study, verb, device
        rate = self.rates.get(kind) or Rate(ASSUMED[device])
        most = rate.time(work.amounts)
        return Estimate(kind, work, rate, most * (rate.share if work.until else 1.0), most)


def interval(estimates: Iterable[Estimate]) -> tuple[float, float] | None:
    """Lowest and highest ratio to the sum; None where a kind has no interval.

    A rate errs alike for all stages of its kind and independently of other kinds, so the log errors of the
    kinds, weighted by their shares of the sum, add in quadrature.
    """
    kinds: dict[Kind, float] = {}
    rates: dict[Kind, Rate] = {}
    for one in estimates:
        kinds[one.kind] = kinds.get(one.kind, 0.0) + one.seconds
        rates[one.kind] = one.rate
    whole = sum(kinds.values())
    if not whole or any(rate.low is None or rate.high is None for rate in rates.values()):
        return None
    ends = [
        sqrt(sum((kinds[kind] / whole * log(_end(rates[kind], side))) ** 2 for kind in kinds))
        for side in (0, 1)
    ]
    return exp(-ends[0]), exp(ends[1])


def _end(rate: Rate, side: int) -> float:
    found = (rate.low, rate.high)[side]
    return 1.0 if found is None else found


def chains(
    tasks: Sequence[str], needs: Mapping[str, Sequence[str]], seconds: Mapping[str, float]
) -> dict[str, float]:
    """Of each task the seconds of the longest chain that begins with it; what is needed comes first."""
    longest = dict.fromkeys(tasks, 0.0)
    for task in reversed(tasks):
        longest[task] += seconds[task]
        for need in needs[task]:
            longest[need] = max(longest[need], longest[task])
    return longest


def _stored(path: Path, state: str) -> dict[Kind, Rate] | None:
    try:
        body = json.loads(path.read_bytes())
        if body["state"] == state:
            return {(study, verb, device): Rate(**rate) for study, verb, device, rate in body["rates"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _code() -> list[Any]:
    """State of the files that count and fit."""
    here = Path(__file__).parent
    parts = [*here.glob("*.py"), *here.parent.glob("studies/*/work.py"), here.parent / "work.py"]
    parts += [here.parent / "nets/sizes.py", here.parent / "nets/passes.py", here.parent / "data/frames.py"]
    return [[path.name, path.parent.name, *_stat(path)] for path in sorted(parts)]


def _stat(path: Path) -> list[int]:
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
