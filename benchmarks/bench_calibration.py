"""How often verdicts err where the truth is known: tables are drawn, judged by `judge()`, and counted.

python benchmarks/bench_calibration.py [--draws 2000] [--seeds 2 3 5 8 24] [--only mean]

A line a kind of claim and of noise: wrong support and wrong refutation in 100 (the true value exactly at
the threshold, at 5 % and at 0.5 %), power at an effect of four standard errors, coverage of the intervals.
Nominal 5 %: at most 6 (7 for correlations) should be wrong in every line, at 0.5 % at most 0.8.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retrace.claims.judge import judge
from retrace.claims.model import Claim
from retrace.stats.correlation import Array

Draw = Callable[[np.random.Generator, int, float], pd.DataFrame]  # seeds, true value


@dataclass(frozen=True)
class Case:
    """A kind of claim on a kind of table: `draw` makes one whose true value is as asked for."""

    name: str
    claim: Claim
    rows: str
    draw: Draw
    at: float  # the threshold
    effect: Callable[[int], float]  # four standard errors with so many seeds


def claim(statistic: str, of: list[str], expect: dict[str, float], **evidence: object) -> Claim:
    """A claim with this statistic of these columns."""
    kind = "trend" if statistic in ("spearman", "pearson") else "bound"
    given = {"study": "toy", "statistic": statistic, "of": of, "within": ["cell"], **evidence}
    control = {"label": "nothing", "of": "zero"}
    made = {"id": "toy", "says": "toy", "where": "toy", "kind": kind, "evidence": given, "expect": expect}
    return Claim.model_validate({**made, "control": control})


def table(columns: dict[str, Array]) -> pd.DataFrame:
    """Columns (seeds, groups, rows) as a study's table."""
    seeds, groups, rows = next(iter(columns.values())).shape
    index = np.indices((seeds, groups, rows)).reshape(3, -1)
    frame = pd.DataFrame({name: values.reshape(-1) for name, values in columns.items()})
    frame.insert(0, "seed", index[0])
    frame.insert(1, "cell", [f"c{g}" for g in index[1]])
    frame.insert(2, "condition", [f"i{r}" for r in index[2]])
    frame["zero"] = 0.0
    return frame


def crossed(
    groups: int, rows: int, seed_sd: float, row_sd: float, rest_sd: float, skewed: bool = False
) -> tuple[Draw, Callable[[int], float]]:
    """Seeds crossed with rows, normal or skewed (exponential), and four standard errors of their mean."""

    def noise(rng: np.random.Generator, *shape: int) -> Array:
        return rng.exponential(size=shape) - 1 if skewed else rng.normal(size=shape)

    def draw(rng: np.random.Generator, seeds: int, value: float) -> pd.DataFrame:
        x = value + seed_sd * noise(rng, seeds, 1, 1) + row_sd * noise(rng, 1, groups, rows)
        return table({"x": x + rest_sd * noise(rng, seeds, groups, rows)})

    def effect(seeds: int) -> float:
        units = groups * rows
        return float(4 * np.sqrt(seed_sd**2 / seeds + row_sd**2 / units + rest_sd**2 / (seeds * units)))

    return draw, effect


def shares(rows: int, seed_sd: float, row_sd: float) -> Draw:
    """Yes or no on a logistic scale: share `value` on average over seeds and items (found by bisection)."""
    knots = np.random.default_rng(0).normal(size=4000) * np.hypot(seed_sd, row_sd)

    def draw(rng: np.random.Generator, seeds: int, value: float) -> pd.DataFrame:
        low, high = -12.0, 12.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if (1 / (1 + np.exp(-middle - knots))).mean() < value else (low, middle)
            )
        logit = low + seed_sd * rng.normal(size=(seeds, 1)) + row_sd * rng.normal(size=(1, rows))
        # one threshold an item: networks that agree in logits agree in answers
        x = (rng.uniform(size=(1, rows)) < 1 / (1 + np.exp(-logit))).astype(np.float64)
        return table({"x": x[:, None, :]})

    return draw


def correlated(groups: int, rows: int, seed_sd: float) -> Draw:
    """A grid of `rows` conditions whose two columns have a rank correlation of about `value` in the mean."""

    def once(rng: np.random.Generator, seeds: int, noise: float) -> tuple[Array, Array]:
        grid = np.broadcast_to(np.arange(rows, dtype=np.float64), (seeds, groups, rows))
        spread = noise * rows * np.exp(seed_sd * rng.normal(size=(seeds, 1, 1)))
        return grid, grid + spread * rng.normal(size=grid.shape)

    def draw(rng: np.random.Generator, seeds: int, value: float) -> pd.DataFrame:
        x, y = once(rng, seeds, NOISE[groups, rows, seed_sd])
        return table({"x": x, "y": y})

    return draw


NOISE: dict[tuple[int, int, float], float] = {}  # noise that gives a mean rank correlation of RHO
RHO = 0.7


def tune(groups: int, rows: int, seed_sd: float) -> None:
    """Find the noise of `correlated` by bisection on 20,000 draws."""
    from retrace.stats.correlation import spearman

    low, high = 0.01, 2.0
    for _ in range(25):
        noise = (low + high) / 2
        rng = np.random.default_rng(1)
        grid = np.arange(rows, dtype=np.float64)
        spread = noise * rows * np.exp(seed_sd * rng.normal(size=(20_000, 1)))
        rho = spearman(grid, grid + spread * rng.normal(size=(20_000, rows))).mean()
        low, high = (noise, high) if rho > RHO else (low, noise)
    NOISE[groups, rows, seed_sd] = low


def cases(tuned: Collection[str] | None = None) -> Iterator[Case]:
    """Every kind of claim and of noise; of those whose noise is tuned, only the ones named in `tuned`."""
    above = claim("mean", ["x"], {"at_least": 0.0})
    for groups, rows in ((1, 1), (1, 32), (3, 10), (6, 5), (1, 500)):
        for noise, sds in (("seeds", (1, 0, 0.05)), ("rows", (0.02, 1, 0)), ("all alike", (0.2, 1, 1))):
            if rows == 1 and noise != "seeds":
                continue
            which = "items" if rows > 1 else "seeds"
            draw, effect = crossed(groups, rows, *sds)
            yield Case(f"mean, {groups} x {rows} {which}, {noise}", above, which, draw, 0.0, effect)
    yield Case("mean, 4 x 8 grid, seeds alone random", above, "seeds", *_given_grid(4, 8))
    draw, effect = crossed(1, 32, 0.2, 1, 1, skewed=True)
    yield Case("mean, 1 x 32 items, skewed", above, "items", draw, 0.0, effect)
    near = claim("mean", ["x"], {"at_least": -1.0, "at_most": 1.0})
    draw, effect = crossed(1, 32, 0.1, 0.5, 0.5)
    yield Case("equivalence, 1 x 32 items", near, "items", draw, -1.0, effect)
    for rows in (24, 100):
        for at in (0.1, 0.5, 0.9):
            share = claim("mean", ["x"], {"at_least": at})
            yield Case(f"share {at}, {rows} items", share, "items", shares(rows, 0.3, 1.0), at, lambda s: 0.0)
    for groups, rows in ((1, 15), (2, 15), (6, 5)):
        for seed_sd in (0.0, 0.5):
            trend = claim("spearman", ["x", "y"], {"at_least": RHO})
            name = f"spearman, {groups} x {rows} grid" + (", seeds unlike" if seed_sd else "")
            if tuned is not None and name not in tuned:
                continue
            tune(groups, rows, seed_sd)
            yield Case(name, trend, "seeds", correlated(groups, rows, seed_sd), RHO, lambda s: 0.0)


def _given_grid(groups: int, rows: int) -> tuple[Draw, float, Callable[[int], float]]:
    """Rows that are no sample: their effects are the same in every draw and add up to nothing."""
    fixed = np.random.default_rng(2).normal(size=(1, groups, rows))
    fixed -= fixed.mean()

    def draw(rng: np.random.Generator, seeds: int, value: float) -> pd.DataFrame:
        own = rng.normal(size=(seeds, 1, 1)) + rng.normal(size=(seeds, groups, rows))
        return table({"x": value + fixed + own})

    return draw, 0.0, lambda seeds: float(4 * np.sqrt((1 + 1 / (groups * rows)) / seeds))


def line(case: Case, seeds: int, draws: int) -> str:
    """The counts of one case with so many seeds, in 100 draws."""
    counts = np.zeros(6)
    for number in range(draws):
        rng = np.random.default_rng((number, seeds))
        verdict = judge([case.claim], case.draw(rng, seeds, case.at), case.rows)[0]  # type: ignore[arg-type]
        low, high = verdict.interval or (None, None)
        if verdict.test:
            counts[:4] += [
                verdict.test.p < 0.05, verdict.test.p < 0.005,
                verdict.test.p_against < 0.05, verdict.test.p_against < 0.005,
            ]  # fmt: skip
        counts[4] += (low is None or low <= case.at) and (high is None or case.at <= high)
        if number % 4 == 0 and (effect := case.effect(seeds)):
            far = judge([case.claim], case.draw(rng, seeds, case.at + effect), case.rows)[0]  # type: ignore[arg-type]
            counts[5] += 4 * (far.test is not None and far.test.p < 0.05)
    shown = "  ".join(f"{100 * count / draws:5.1f}" for count in counts)
    return f"{case.name:44s} {seeds:3d}  {shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5, 8, 24])
    parser.add_argument("--only", default="", help="cases whose name begins so")
    given = parser.parse_args()
    head = "support 5 %, 0.5 %; refute 5 %, 0.5 %; covered; power"
    print(f"{'case':44s} seeds  {head}")
    for case in cases():
        if case.name.startswith(given.only):
            for seeds in given.seeds:
                print(line(case, seeds, given.draws), flush=True)


if __name__ == "__main__":
    sys.exit(main())
