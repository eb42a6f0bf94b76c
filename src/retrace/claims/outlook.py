"""What more seeds or items would do for a claim: the sizes behind its test, and the power they would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from retrace.claims.families import adjusted
from retrace.claims.judged import Judged
from retrace.claims.looks import MOST_SEEDS
from retrace.claims.measure import Measurement, freedom_of, share_floor
from retrace.claims.query import base_column
from retrace.claims.trial import ALPHA, Trial
from retrace.claims.words import Code
from retrace.stats.power import Spread, items_to_reach, predictive_power, seeds_to_decide
from retrace.stats.shares import paired_above, share_above, share_below

FAR = 2.5  # times the half width of 95 %: where one shuffle in a million lies


@dataclass(frozen=True)
class Perfect:
    """What a claim about yes-or-no items could reach at best: the p value of the best outcome that there is.

    `needed` items would bring it below the claim's level (None: none does).
    """

    items: int
    p: float
    needed: int | None


@dataclass(frozen=True)
class Outlook:
    """A claim's distance to its threshold and what its standard error is made of.

    `gap` is the distance of the value from the nearest end of what is expected, `alpha` the claim's own level
    (its family's share, one look). `seed_sd` is the standard deviation between seeds, `unit_se` the part of
    the standard error that items (or groups) leave however many seeds there are. `seeds_needed` seeds give
    80 % power; `units_needed` units do with the present seeds, `units_at_most` with 24 (None: not within
    reach). `perfect` is there for shares of items. `floor` is the least p value that the items allow at the
    shares as measured (0 where there are none), `floor_needs` how many would bring it below `alpha`.
    `freedom` is the share of the degrees of freedom that the test keeps, `stretch` what its scale makes of
    the gap, as a factor. `idle_control` says why the claim's control could not pass, empty where it could.
    """

    id: str
    code: Code
    value: float
    gap: float
    alpha: float
    seeds: int
    units: int
    random: str
    seed_sd: float
    unit_se: float
    seeds_needed: int | None
    units_needed: int | None
    units_at_most: int | None
    perfect: Perfect | None
    floor: float
    floor_needs: int | None
    freedom: float = 1.0
    stretch: float = 1.0
    idle_control: str = ""

    @property
    def few_items(self) -> bool:
        """Whether the items alone forbid a decision at what was measured, however many seeds there are."""
        return self.floor >= self.alpha

    @property
    def blocked(self) -> bool:
        """Whether even a perfect outcome of these items would not support the claim."""
        return self.perfect is not None and self.perfect.p >= self.alpha

    def power(self, seeds: int) -> float:
        """Chance that the test over so many seeds decides the claim, given the present ones; 0 if unknown.

        Also 0 where the items alone forbid it: a share as measured is within reach of chance.
        """
        if self.few_items:
            return 0.0
        found = predictive_power(
            self.stretch * self.gap,
            self.seed_sd,
            self.unit_se,
            self.seeds,
            seeds,
            self.alpha,
            self.freedom,
        )
        return 0.0 if math.isnan(found) else found


def outlook_of(judged: Judged, alpha: float) -> Outlook | None:
    """The outlook of a claim at its own level `alpha`; None where nothing was measured that is sampled."""
    found, expect = judged.trial.found, judged.trial.claim.expect
    if found is None or expect is None or judged.verdict.code == "not-measurable":
        return None
    if found.random == "nothing" or not math.isfinite(found.value):
        return None
    seeds, units = len(found.seeds), found.layout.units
    bound = expect.nearest(found.value)
    gap, stretch, kept = abs(found.value - bound), found.stretch(bound), freedom_of(found, bound)
    seen = stretch * gap
    seed_sd, unit_se, spread = _sizes(found, seeds, units)
    floor = partial(_floor, found, expect.low, expect.high)
    needs = items_to_reach(floor, alpha) if floor() >= alpha else None
    many = found.random in ("items", "groups") and seeds > 1
    return Outlook(
        id=judged.trial.claim.id,
        code=judged.verdict.code,
        value=found.value,
        gap=gap,
        alpha=alpha,
        seeds=seeds,
        units=units,
        random=found.random,
        seed_sd=seed_sd,
        unit_se=unit_se,
        seeds_needed=None
        if floor() >= alpha
        else seeds_to_decide(seen, seed_sd, unit_se, alpha, freedom=kept),
        units_needed=_more(spread.units_to_decide(seen, seeds, alpha), needs) if many else None,
        units_at_most=_more(spread.units_to_decide(seen, MOST_SEEDS, alpha), needs) if many else None,
        perfect=_perfect(found, expect.low, expect.high, alpha),
        floor=floor(),
        floor_needs=needs,
        freedom=kept,
        stretch=stretch,
        idle_control=_idle(judged.trial),
    )


def _idle(trial: Trial) -> str:
    """Why a control of shuffled columns could not pass, by how far its shuffles here lie from one another."""
    claim, control = trial.claim, trial.control
    if not (claim.evidence and claim.control and claim.expect and control and control.interval):
        return ""
    changed = claim.evidence.varied(claim.control)
    columns = [name for side in (changed, changed.other_side()) if side for name in side.of]
    low, high = control.interval
    if control.measured is None or low is None or high is None or [*map(base_column, columns)] == columns:
        return ""
    ends = [control.measured + FAR * (end - control.measured) for end in (low, high)]
    if ends[1] >= claim.expect.low and ends[0] <= claim.expect.high:
        return ""
    reach = f"95 % of its shuffles lie in {low:.2g} to {high:.2g}"
    return f"its control, {control.label}, cannot pass: {reach}; choose another"


def outlooks(paper: Sequence[Judged], looks: int) -> list[Outlook]:
    """The outlooks of a paper's claims; a claim that could not be tested has the share it would have."""
    _, shares = adjusted([each.trial.claim for each in paper], [1.0] * len(paper))
    made = [
        outlook_of(each, each.alpha or ALPHA * share / looks)
        for each, share in zip(paper, shares, strict=True)
    ]
    return [each for each in made if each]


def _sizes(found: Measurement, seeds: int, units: int) -> tuple[float, float, Spread]:
    """Deviation between seeds, what units leave, and the parts that both are made of; nan with one seed."""
    parts = found.estimate
    if seeds < 2:
        return math.nan, math.nan, Spread(math.nan, math.nan, math.nan, seeds, units)
    seed_sd, unit_se = parts.seeds_needed(seeds)
    of_seeds, of_units = max(parts.seeds - parts.rest, 0.0), max(parts.units - parts.rest, 0.0)
    return seed_sd, unit_se, Spread(of_seeds, of_units, parts.rest, seeds, units)


def _perfect(found: Measurement, low: float, high: float, alpha: float) -> Perfect | None:
    """The best outcome of a share, or of a difference of two, with one end to meet."""
    shares = found.layout.shares
    if not shares or math.isfinite(low) == math.isfinite(high):
        return None

    def best(items: int) -> float:
        if len(shares) == 1:
            return share_above(items, items, low) if math.isfinite(low) else share_below(0, items, high)
        return paired_above(items, 0, items, low if math.isfinite(low) else -high)

    items = shares[0].shape[1]
    return Perfect(items, best(items), items_to_reach(best, alpha))


def _floor(found: Measurement, low: float, high: float, items: int | None = None) -> float:
    """The least p value that items allow at the shares as measured, whatever seeds say; 0 without shares."""
    ends = [end for end in (low, high) if math.isfinite(end)]
    return min(share_floor(found.layout.shares, end, above, items) for end in ends for above in (True, False))


def _more(units: int | None, needs: int | None) -> int | None:
    """As many units as both ask for."""
    return units if units is None or needs is None else max(units, needs)
