"""Kinds of claims on kinds of tables whose truth is known, for the benchmarks and the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from retrace.claims.model import Claim
from retrace.claims.strata import Random
from retrace.stats.correlation import Array, pearson, spearman

Columns = dict[str, Array]  # each (draws, seeds, groups, rows), nan where a group lacks a seed
Draw = Callable[[np.random.Generator, int, int], Columns]  # draws, seeds
Far = Callable[[int], float]  # with so many seeds
TRUTHS = 200_000  # draws of one seed whose mean is the true correlation


@dataclass(frozen=True)
class Case:
    """A kind of claim on a kind of table whose true value is `at`, the claim's threshold.

    `far` is a distance to the threshold that the test should find; `yes_or_no`: rows are 0 or 1.
    """

    name: str
    claim: Claim
    rows: Random
    draw: Draw
    at: float
    far: Far
    yes_or_no: bool = False

    def table(self, rng: np.random.Generator, seeds: int, more: float = 0.0) -> pd.DataFrame:
        """One draw as a study's table, `more` added to what is measured."""
        columns = {name: values[0] for name, values in self.draw(rng, 1, seeds).items()}
        shape = next(iter(columns.values())).shape
        index = np.indices(shape).reshape(3, -1)
        frame = pd.DataFrame({name: values.reshape(-1) for name, values in columns.items()})
        frame.insert(0, "seed", index[0])
        frame.insert(1, "cell", [f"c{g}" for g in index[1]])
        frame.insert(2, "condition", [f"i{r}" for r in index[2]])
        frame["x"] += more
        frame["zero"] = 0.0
        return frame[np.isfinite(frame["x"])]


def claim(statistic: str, of: list[str], expect: dict[str, float], **evidence: object) -> Claim:
    """A claim with this statistic of these columns."""
    kind = "trend" if statistic in ("spearman", "pearson") else "bound"
    given = {"study": "toy", "statistic": statistic, "of": of, "within": ["cell"], **evidence}
    control = {"label": "nothing", "of": "zero"}
    made = {"id": "toy", "says": "toy", "where": "toy", "kind": kind, "evidence": given, "expect": expect}
    return Claim.model_validate({**made, "control": control})


def crossed(
    groups: int, rows: int, seed_sd: float, row_sd: float, rest_sd: float, skewed: bool = False
) -> tuple[Draw, Far]:
    """Seeds crossed with rows, normal or skewed (exponential), and four standard errors of their mean."""

    def noise(rng: np.random.Generator, *shape: int) -> Array:
        return rng.exponential(size=shape) - 1 if skewed else rng.normal(size=shape)

    def draw(rng: np.random.Generator, draws: int, seeds: int) -> Columns:
        x = seed_sd * noise(rng, draws, seeds, 1, 1) + row_sd * noise(rng, draws, 1, groups, rows)
        return {"x": x + rest_sd * noise(rng, draws, seeds, groups, rows)}

    def far(seeds: int) -> float:
        units = groups * rows
        return float(4 * np.sqrt(seed_sd**2 / seeds + row_sd**2 / units + rest_sd**2 / (seeds * units)))

    return draw, far


def given_grid(groups: int, rows: int, unequal: bool = False) -> tuple[Draw, float, Far]:
    """Rows that are no sample: their effects add up to nothing. `unequal`: one cell has half the seeds."""
    fixed = np.random.default_rng(2).normal(size=(groups, rows))
    fixed -= fixed.mean()

    def draw(rng: np.random.Generator, draws: int, seeds: int) -> Columns:
        own = rng.normal(size=(draws, seeds, groups, 1)) if unequal else rng.normal(size=(draws, seeds, 1, 1))
        x = fixed + own + rng.normal(size=(draws, seeds, groups, rows))
        if unequal:
            x[:, max(seeds // 2, 2) :, 0] = np.nan
        return {"x": x}

    return draw, 0.0, lambda seeds: float(4 * np.sqrt((1 + 1 / (groups * rows)) / seeds))


def shares(at: float, rows: int, second: bool = False) -> Draw:
    """Yes or no on a logistic scale, the share `at` on average; `second`: two networks answer."""
    knots = np.random.default_rng(0).normal(size=40_000) * np.hypot(0.3, 1.0)
    low, high = -12.0, 12.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-middle - knots))).mean() < at else (low, middle)

    def draw(rng: np.random.Generator, draws: int, seeds: int) -> Columns:
        items = low + rng.normal(size=(draws, 1, 1, rows))
        # one threshold an item: networks that agree in logits agree in answers
        threshold = rng.uniform(size=(draws, 1, 1, rows))

        def answers() -> Array:
            logits = items + 0.3 * rng.normal(size=(draws, seeds, 1, 1))
            logits = logits + second * rng.normal(size=(draws, seeds, 1, rows))
            return (threshold < 1 / (1 + np.exp(-logits))).astype(np.float64)

        return {"x": answers(), "y": answers()} if second else {"x": answers()}

    return draw


def ratios(rows: int, items: bool) -> Draw:
    """Two columns whose means have the ratio 1: seeds and rows differ in both."""

    def draw(rng: np.random.Generator, draws: int, seeds: int) -> Columns:
        y = np.exp(0.4 * rng.normal(size=(draws, 1, 1, rows))) if items else np.linspace(0.5, 2, rows)
        y = y * np.exp(0.1 * rng.normal(size=(draws, seeds, 1, 1)))
        x = y * (1 + 0.2 * rng.normal(size=(draws, seeds, 1, 1)))
        return {"x": x + 0.3 * rng.normal(size=(draws, seeds, 1, rows)), "y": y}

    return draw


def trends(
    groups: int, rows: int, unlike: bool, noises: tuple[float, ...], ties: bool, rng: np.random.Generator,
    draws: int, seeds: int,
) -> Columns:  # fmt: skip
    """A grid of conditions `g` and columns x, y that follow it, each with its noise; some share it.

    `unlike`: seeds differ in their noise by half a logarithm; `ties`: values fall on few levels.
    """
    grid = np.broadcast_to(np.arange(rows, dtype=np.float64), (draws, seeds, groups, rows))
    scale = rows * np.exp(0.5 * unlike * rng.normal(size=(draws, seeds, 1, 1)))
    common = rng.normal(size=grid.shape)
    made = {"g": grid}
    for name, noise in zip("xy", noises, strict=False):
        own = np.sqrt(0.5) * (common + rng.normal(size=grid.shape))
        column = grid + noise * scale * own
        made[name] = np.round(column / rows * 3) if ties else column
    return made


def normal_pairs(rho: float, rows: int, rng: np.random.Generator, draws: int, seeds: int) -> Columns:
    """Items whose two values are normal with correlation `rho`, most of it the items' own."""
    shape = (draws, seeds, 1, rows)
    a, b = (np.sqrt(0.7) * rng.normal(size=(draws, 1, 1, rows)) + np.sqrt(0.3) * rng.normal(size=shape)
            for _ in range(2))  # fmt: skip
    return {"x": a, "y": rho * a + np.sqrt(1 - rho**2) * b}


def cases(only: str = "") -> Iterator[Case]:
    """Every kind of claim and of noise whose name begins with `only`."""
    for made in (_means, _shares, _ratios, _correlations):
        for name, make in made():
            if name.startswith(only):
                yield make(name)


Made = Iterator[tuple[str, Callable[[str], Case]]]


def _means() -> Made:
    above = claim("mean", ["x"], {"at_least": 0.0})

    def case(claim: Claim, rows: Random, at: float, made: tuple[Draw, Far], name: str) -> Case:
        return Case(name, claim, rows, made[0], at, made[1])

    for groups, rows in ((1, 1), (1, 32), (3, 10), (6, 5), (1, 500)):
        for noise, sds in (("seeds", (1, 0, 0.05)), ("rows", (0.02, 1, 0)), ("all alike", (0.2, 1, 1))):
            if rows > 1 or noise == "seeds":
                which: Random = "items" if rows > 1 else "seeds"
                name = f"mean, {groups} x {rows} {which}, {noise}"
                yield name, partial(case, above, which, 0.0, crossed(groups, rows, *sds))
    skewed = crossed(1, 32, 0.2, 1, 1, skewed=True), crossed(1, 32, 0.02, 1, 0, skewed=True)
    yield "mean, 1 x 32 items, skewed", partial(case, above, "items", 0.0, skewed[0])
    yield "mean, 1 x 32 items, skewed, rows", partial(case, above, "items", 0.0, skewed[1])
    for name, unequal in (("seeds alone random", False), ("cells of unequal seeds", True)):
        draw, at, far = given_grid(4, 8, unequal)
        yield f"mean, 4 x 8 grid, {name}", partial(case, above, "seeds", at, (draw, far))
    groups_too = claim("mean", ["x"], {"at_least": 0.0}, random="groups")
    yield "mean, 6 x 1 groups, all alike", partial(case, groups_too, "seeds", 0.0, crossed(6, 1, 0.2, 1, 1))
    lone = crossed(1, 1, 1, 0, 0, skewed=True)
    yield "limit: mean, skewed seeds", partial(case, above, "seeds", 0.0, lone)
    near = claim("mean", ["x"], {"at_least": -1.0, "at_most": 1.0})
    draw, far = crossed(1, 32, 0.1, 0.5, 0.5)
    shifted: Draw = lambda rng, draws, seeds: {"x": draw(rng, draws, seeds)["x"] - 1}  # noqa: E731
    yield "equivalence, 1 x 32 items", partial(case, near, "items", -1.0, (shifted, far))


def _shares() -> Made:
    def one(at: float, rows: int, name: str) -> Case:
        share = claim("mean", ["x"], {"at_least": at})
        return Case(name, share, "items", shares(at, rows), at, lambda seeds: 0.3, yes_or_no=True)

    def two(rows: int, name: str) -> Case:
        apart = claim("mean", ["x"], {"at_least": 0.0}, versus={"of": "y"})
        return Case(
            name, apart, "items", shares(0.7, rows, second=True), 0.0, lambda seeds: 0.2, yes_or_no=True
        )

    for rows in (24, 100):
        for at in (0.1, 0.5, 0.9):
            yield f"share {at}, {rows} items", partial(one, at, rows)
        yield f"shares apart, {rows} items", partial(two, rows)


def _ratios() -> Made:
    def case(rows: int, items: bool, name: str) -> Case:
        ratio = claim("ratio", ["x", "y"], {"at_least": 1.0})
        return Case(name, ratio, "items" if items else "seeds", ratios(rows, items), 1.0, lambda seeds: 0.4)

    yield "ratio, 1 x 8 grid", partial(case, 8, False)
    yield "ratio, 1 x 32 items", partial(case, 32, True)


def _correlations() -> Made:
    def grid(statistic: str, groups: int, rows: int, unlike: bool, ties: bool, name: str) -> Case:
        draw = partial(trends, groups, rows, unlike, (0.28,), ties)
        one = draw(np.random.default_rng(1), TRUTHS // groups, 1)
        at = float(np.mean({"spearman": spearman, "pearson": pearson}[statistic](one["g"], one["x"])))
        return Case(
            name, claim(statistic, ["g", "x"], {"at_least": at}), "seeds", draw, at, lambda seeds: 0.3
        )

    def apart(noises: tuple[float, float], unlike: bool, name: str) -> Case:
        draw = partial(trends, 1, 15, unlike, noises, False)
        one = draw(np.random.default_rng(1), TRUTHS, 1)
        at = float(np.mean(spearman(one["g"], one["x"]) - spearman(one["g"], one["y"])))
        given = claim("spearman", ["g", "x"], {"at_least": at}, versus={"of": ["g", "y"]})
        return Case(name, given, "seeds", draw, at, lambda seeds: 0.3)

    def items(name: str) -> Case:
        at = float(6 / np.pi * np.arcsin(0.7 / 2))
        given = claim("spearman", ["x", "y"], {"at_least": at}, random="items")
        return Case(name, given, "items", partial(normal_pairs, 0.7, 40), at, lambda seeds: 0.3)

    for statistic, groups, rows in (
        ("spearman", 1, 15),
        ("spearman", 2, 15),
        ("spearman", 6, 5),
        ("pearson", 1, 15),
    ):
        for unlike in (False, True):
            name = f"{statistic}, {groups} x {rows} grid" + (", seeds unlike" if unlike else "")
            yield name, partial(grid, statistic, groups, rows, unlike, False)
    yield "spearman, 2 x 15 grid, ties", partial(grid, "spearman", 2, 15, False, True)
    yield "spearman, 1 x 40 items", items
    for noises, which in (((0.28, 0.45), "alike"), ((0.14, 1.2), "far apart")):
        for unlike in (False, True):
            name = f"spearman apart, {which}" + (", seeds unlike" if unlike else "")
            yield name, partial(apart, noises, unlike)
