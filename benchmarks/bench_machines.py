"""How many verdicts another machine changes: the same seeds, trained there, are nearly fresh draws.

python benchmarks/bench_machines.py [--draws 4000] [--seeds 8] [--level 0.005]

Two machines judge the same claim by the same items. Of what a seed adds, `same` (a share of the variance) is
what it fixes on both, such as the data split; the rest, the noise of training, each machine draws anew.
A line a distance of the truth from the threshold, in true standard errors: in 100 draws the claims decided on
the first machine, and the verdicts (supported, refuted, open) that differ on the second; "turned" are those
that are supported on one and refuted on the other. `level` is what the family leaves a claim.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from retrace.stats.correlation import Array
from retrace.stats.crossed import Estimate, Stratum, estimate

DISTANCES = (0, 1, 2, 3, 4, 5, 6, 8, 12)
SAME = (0.0, 0.5, 0.9)
ITEMS = {"seeds alone": (1, 1.0, 0.0, 0.0), "seeds and 32 items": (32, 0.2, 1.0, 1.0)}  # items, deviations


def machines(
    rng: np.random.Generator, seeds: int, items: int, sds: tuple[float, float, float], same: float
) -> tuple[Array, Array]:
    """Values (seeds, items) of one claim on two machines, around 0."""
    seed_sd, item_sd, rest_sd = sds
    fixed = seed_sd * rng.normal(size=(seeds, 1)), rest_sd * rng.normal(size=(seeds, items))
    shared = item_sd * rng.normal(size=(1, items)) + np.sqrt(same) * (fixed[0] + fixed[1])
    first, second = (
        shared
        + np.sqrt(1 - same)
        * (seed_sd * rng.normal(size=(seeds, 1)) + rest_sd * rng.normal(size=(seeds, items)))
        for _ in range(2)
    )
    return first, second


def verdict(found: Estimate, bound: float, level: float) -> int:
    """1 where the value is clearly above the bound, -1 where it is clearly below, 0 where it is open."""
    return int(found.above(bound) < level) - int(found.below(bound) < level)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--level", type=float, default=0.005)
    given = parser.parse_args()
    print("what varies           same  distance  decided  changed  turned")
    for name, (items, *sds) in ITEMS.items():
        se = np.sqrt(sds[0] ** 2 / given.seeds + sds[1] ** 2 / items + sds[2] ** 2 / (given.seeds * items))
        for same in SAME:
            rng = np.random.default_rng((given.seeds, int(100 * same), items))
            counts = np.zeros((len(DISTANCES), 3))
            for _ in range(given.draws):
                pair = machines(rng, given.seeds, items, (sds[0], sds[1], sds[2]), same)
                both = [estimate([Stratum(values)], items > 1) for values in pair]
                for row, distance in enumerate(DISTANCES):
                    here, there = (verdict(found, -distance * se, given.level) for found in both)
                    counts[row] += [here != 0, here != there, here * there == -1]
            for distance, shares in zip(DISTANCES, 100 * counts / given.draws, strict=True):
                shown = "".join(f"{share:9.1f}" for share in shares)
                print(f"{name:20s}  {same:4.1f}  {distance:8d}{shown}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
