"""Foretell one scale from meters of another, study by study: how far off is `retrace cost`?

python benchmarks/bench_cost.py --actual CHECKOUT --meters CHECKOUT [CHECKOUT ...] [--leave-out]

`--actual`: its whole evidence is what is to be foretold. Rates come from the evidence (whole and rehearsed)
of the others alone. `--leave-out`: instead, every cell of `--actual` by the other cells of it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from retrace.costs import meters
from retrace.costs.meters import Metered
from retrace.costs.rates import fitted

WANTED = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actual", type=Path, required=True)
    parser.add_argument("--meters", type=Path, nargs="*", default=[])
    parser.add_argument("--leave-out", action="store_true")
    arguments = parser.parse_args()
    actual = [one for one in _read(arguments.actual) if not one.rehearsed]
    if arguments.leave_out:
        pairs = [pair for cell in {one.cell for one in actual} for pair in left_out(actual, cell)]
    else:
        known = [one for root in arguments.meters for one in _read(root)]
        pairs = foretold(known, actual)
    table(pairs)


def _read(root: Path) -> list[Metered]:
    return list(meters.read(root, meters.files(root)))


def foretold(known: list[Metered], actual: list[Metered]) -> list[tuple[Metered, float | None]]:
    """Each finished stage with the seconds that the rates of `known` give it; None without a rate."""
    rates = fitted(known)
    pairs: list[tuple[Metered, float | None]] = []
    for one in actual:
        rate = rates.get(one.kind)
        share = rate.share if rate and one.work.until else 1.0
        pairs.append((one, rate.time(one.work.amounts) * share if rate else None))
    return pairs


def left_out(actual: list[Metered], cell: str) -> list[tuple[Metered, float | None]]:
    """The stages of a cell, foretold by those of all others."""
    others = [one for one in actual if one.cell != cell]
    return foretold(others, [one for one in actual if one.cell == cell])


def table(pairs: list[tuple[Metered, float | None]]) -> None:
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for one, told in pairs:
        for key in ((one.study, one.verb), (one.study, "all"), ("all", "all")):
            known = told is not None
            sums[key][0] += one.seconds if known else 0.0
            sums[key][1] += told or 0.0
            sums[key][2] += 0.0 if known else one.seconds
    print(f"{'study':14} {'verb':8} {'taken s':>9} {'foretold s':>11} {'off by':>8}  without a rate s")
    for (study, verb), (taken, told, unknown) in sorted(sums.items()):
        off = f"{told / taken - 1:+8.0%}" if taken else f"{'':8}"
        missed = " missed" if taken and abs(told / taken - 1) > WANTED and verb == "all" else ""
        print(f"{study:14} {verb:8} {taken:9.1f} {told:11.1f} {off}  {unknown:.1f}{missed}")


if __name__ == "__main__":
    main()
