"""Rates: seconds for an amount of work, fitted to what stages took by non-negative least squares.

Each kind (study, verb, device) has rates of its own. They minimise the squares of relative errors over its
cells plus a weak pull towards assumed speeds of a device, scaled to the kind; so amounts that always
grow together share the time as they would there, and a single cell is extrapolated by these speeds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from statistics import mean, median

from retrace.costs.meters import Metered
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, VALUES, Amounts

# seconds for one; assumed, for kinds never metered and for amounts that meters cannot tell apart
ASSUMED = {
    "cpu": {FLOP: 1 / 30e9, OPERATIONS: 8e-6, ELEMENTS: 1 / 2e9, VALUES: 3e-9, STAGE: 0.02},
    # a card at 40 % of 30 TFLOP/s in float32, its launches, its memory
    "cuda": {FLOP: 1 / 12e12, OPERATIONS: 8e-6, ELEMENTS: 1 / 200e9, VALUES: 3e-9, STAGE: 0.1},
}
PULL = 0.005  # weight of the assumed speeds beside one cell
FREE = 1e-4  # of that pull on what a stage takes to begin, which cut stages show alone
SWEEPS = 2000
SHORT = 1.0  # seconds; the errors of shorter stages say nothing of long ones
ENDS = 0.05, 0.95  # of the ratios that make an interval

Kind = tuple[str, str, str]
Row = tuple[Mapping[str, float], float]  # amounts, seconds


@dataclass(frozen=True)
class Rate:
    """Seconds for one of each amount; `cells` behind it (0: assumed), the share done of capped amounts.

    `low`, `high`: what a left-out cell took over what the others foretold of it, 5th and 95th percentile.
    """

    seconds: Mapping[str, float]
    cells: int = 0
    share: float = 1.0
    low: float | None = None
    high: float | None = None
    kwh: float | None = None  # a second

    def time(self, amounts: Amounts) -> float:
        """Seconds for these amounts, all of them done."""
        return sum(self.seconds.get(name, 0.0) * amount for name, amount in amounts.items())


def fitted(meters: Iterable[Metered]) -> dict[Kind, Rate]:
    """The rates of every kind that was metered, with intervals.

    A kind of a single cell has no ratio of its own: it takes the widest of its device, or none.
    """
    kinds: dict[Kind, list[Metered]] = defaultdict(list)
    for one in meters:
        if one.seconds > 0:
            kinds[one.kind].append(one)
    rates = {kind: _rate(own, _slowest(kinds, kind)) for kind, own in kinds.items()}
    for kind, rate in rates.items():
        wide = [r for k, r in rates.items() if k[2] == kind[2] and r.low is not None and _counts(kinds[k])]
        if rate.low is None and wide:
            low, high = min(r.low or 1.0 for r in wide), max(r.high or 1.0 for r in wide)
            rates[kind] = replace(rate, low=low, high=high)
    return rates


def _slowest(kinds: Mapping[Kind, Sequence[Metered]], kind: Kind) -> float:
    """How much slower than assumed the other kinds of the device are, the middle of them: what a kind takes
    beyond that in its cells goes into what it takes to begin, until cells of several sizes say otherwise.
    """
    others = [_least(_rows(own), kind[2]) for k, own in kinds.items() if k[2] == kind[2] and _counts(own)]
    return median(others) if others else float("inf")


def _least(rows: Sequence[Row], device: str) -> float:
    return min(taken / max(Rate(ASSUMED[device]).time(amounts), 1e-12) for amounts, taken in rows)


def _counts(meters: Sequence[Metered]) -> bool:
    """Whether these stages take long enough for their errors to matter."""
    return mean(one.seconds for one in meters) >= SHORT


def _rate(meters: Sequence[Metered], slowest: float) -> Rate:
    cells: dict[str, list[Metered]] = defaultdict(list)
    for one in meters:
        cells[one.cell].append(one)
    rate, ratios = _once(meters, slowest), []
    for left, own in cells.items() if len(cells) > 1 else ():
        others = _once([m for cell, rest in cells.items() if cell != left for m in rest], slowest)
        told = sum(others.time(m.work.amounts) * _done(m, others.share) for m in own)
        ratios.append(sum(m.seconds for m in own) / told)
    energy = sum(m.kwh for m in meters) / sum(m.seconds for m in meters)
    rate = replace(rate, cells=len(cells), kwh=energy)
    if not ratios:
        return rate
    low, high = (_quantile(ratios, end) for end in ENDS)
    return replace(rate, low=min(1.0, low), high=max(1.0, high))


def _done(one: Metered, share: float) -> float:
    return 1.0 if one.rehearsed or not one.work.until else share


def _once(meters: Sequence[Metered], slowest: float) -> Rate:
    """Rates without an interval."""
    whole = [one.used for one in meters if one.work.until and not one.rehearsed]
    seconds = least_squares(_rows(meters), ASSUMED[meters[0].device], slowest)
    return Rate(seconds, share=mean(whole) if whole else 1.0)


def _rows(meters: Sequence[Metered]) -> list[Row]:
    """A row for each cell and amount of work, the mean over its seeds."""
    same: dict[tuple[object, ...], list[Metered]] = defaultdict(list)
    for one in meters:
        same[one.cell, one.rehearsed, *sorted(one.work.amounts.items())].append(one)
    rows: list[Row] = []
    for own in same.values():
        done = mean(one.used for one in own)
        amounts = {name: amount * done for name, amount in own[0].work.amounts.items()}
        rows.append((amounts, mean(one.seconds for one in own)))
    return rows


def least_squares(
    rows: Sequence[Row], assumed: Mapping[str, float], slowest: float = float("inf")
) -> dict[str, float]:
    """Non-negative seconds for one of each amount that `rows` hold; coordinate descent, exact in the limit.

    Minimises the sum over rows of (foretold / taken - 1)^2 plus `PULL` times (rate / assumed - 1)^2 of each.
    The assumed rates are scaled by the least ratio of taken to what they foretell (of the cell with the
    smallest fixed part) or by `slowest`, if that is less; what a stage takes to begin is hardly pulled.
    Squares of relative errors favour what is too small, so all rates are scaled at last to foretell the sum
    rightly. ValueError without a row.
    """
    if not rows:
        raise ValueError("least_squares: no rows")
    names = sorted({name for amounts, _ in rows for name in amounts})
    told = [sum(assumed[name] * amount for name, amount in amounts.items()) for amounts, _ in rows]
    scale = min(slowest, *(taken / max(t, 1e-12) for t, (_, taken) in zip(told, rows, strict=True)))
    unit = {name: assumed[name] * scale for name in names}
    parts = [[unit[n] * amounts.get(n, 0.0) / taken for n in names] for amounts, taken in rows]
    count = len(names)
    pull = [PULL * (FREE if name == STAGE else 1) for name in names]
    gram = [[sum(p[i] * p[j] for p in parts) for j in range(count)] for i in range(count)]
    for i in range(count):
        gram[i][i] += pull[i]
    aim = [sum(p[i] for p in parts) + pull[i] for i in range(count)]
    x = [1.0] * count
    for _ in range(SWEEPS):
        moved = 0.0
        for i in range(count):
            rest = sum(gram[i][j] * x[j] for j in range(count)) - gram[i][i] * x[i]
            new = max(0.0, (aim[i] - rest) / gram[i][i])
            moved, x[i] = max(moved, abs(new - x[i])), new
        if moved < 1e-9:
            break
    found = {name: unit[name] * value for name, value in zip(names, x, strict=True)}
    foretold = sum(found[name] * amount for amounts, _ in rows for name, amount in amounts.items())
    return {name: rate * sum(taken for _, taken in rows) / foretold for name, rate in found.items()}


def _quantile(values: Sequence[float], share: float) -> float:
    """Between the two nearest, on the log scale."""
    logs = sorted(log(max(value, 1e-9)) for value in values)
    if not logs:
        return 1.0
    place = share * (len(logs) - 1)
    below = int(place)
    above = min(below + 1, len(logs) - 1)
    return exp(logs[below] + (place - below) * (logs[above] - logs[below]))
