"""Which cells get more seeds within a budget: those that decide most claims a CPU second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from retrace.claims.looks import FUTILE, MOST_SEEDS
from retrace.claims.outlook import Outlook

Cell = tuple[str, str]  # study and cell of its sheet
# CPU seconds of raising cells from the first numbers of seeds (all cells) to the second (some)
Price = Callable[[Mapping[Cell, int], Mapping[Cell, int]], float]


@dataclass(frozen=True)
class Wish:
    """An open claim, the cells that it needs together, the looks planned at it, and what seeds would do."""

    paper: str
    cells: frozenset[Cell]
    looks: tuple[int, ...]
    outlook: Outlook

    @property
    def name(self) -> str:
        """Paper and claim."""
        return f"{self.paper}/{self.outlook.id}"

    @property
    def futile(self) -> bool:
        """Whether it is too near to call, or the last look would hardly decide it (it may lack items)."""
        return self.outlook.code == "near" or self.outlook.power(max(self.looks[-1], MOST_SEEDS)) < FUTILE

    def reached(self, have: Mapping[Cell, int]) -> int:
        """The last look that all of its cells have reached."""
        least = min(have[cell] for cell in self.cells)
        return max((look for look in self.looks if look <= least), default=self.looks[0])

    def next_look(self, have: Mapping[Cell, int]) -> int | None:
        """The look after that; None after the last."""
        now = self.reached(have)
        return next((look for look in self.looks if look > now), None)


@dataclass(frozen=True)
class Bundle:
    """Cells raised to `seeds` seeds: the price in CPU seconds, and by claim the chance that it is decided."""

    cells: frozenset[Cell]
    seeds: int
    price: float
    gains: Mapping[str, float]

    @property
    def decisions(self) -> float:
        """Decisions to expect."""
        return sum(self.gains.values())


def choose(
    wishes: Sequence[Wish], have: Mapping[Cell, int], price: Price, budget: float
) -> tuple[list[Bundle], list[Bundle]]:
    """Bundles that fit into `budget` CPU seconds, best first, and those still left that do not.

    Each step takes the bundle of most expected decisions a CPU second at its claims' next look, at the
    numbers of seeds in `have` and in what is chosen already; a claim takes one look a time, since its next
    seeds depend on what that says. Futile claims count nothing.
    """
    open_ones = [wish for wish in wishes if not wish.futile]
    now, chosen = dict(have), list[Bundle]()
    while True:
        offers = _offers(open_ones, have, now, price)
        fitting = [bundle for bundle in offers if bundle.price <= budget]
        if not fitting:
            return chosen, offers
        best = max(fitting, key=lambda bundle: (bundle.decisions / max(bundle.price, 1e-9), -bundle.price))
        chosen.append(best)
        budget -= best.price
        now |= {cell: max(now[cell], best.seeds) for cell in best.cells}


def _offers(
    wishes: Sequence[Wish], have: Mapping[Cell, int], now: Mapping[Cell, int], price: Price
) -> list[Bundle]:
    """A bundle for each set of cells and next look of a claim that is not served yet, dearest last."""
    waiting = [wish for wish in wishes if wish.reached(now) == wish.reached(have)]
    kinds = {(wish.cells, look) for wish in waiting if (look := wish.next_look(have))}
    offers = []
    for cells, seeds in kinds:
        after = {**now, **{cell: max(now[cell], seeds) for cell in cells}}
        gains = {
            wish.name: wish.outlook.power(wish.next_look(have) or 0)
            for wish in waiting
            if wish.reached(after) > wish.reached(have)
        }
        raised = {cell: seeds for cell in cells if now[cell] < seeds}
        bundle = Bundle(cells, seeds, price(now, raised), gains)
        if bundle.decisions > 0:
            offers.append(bundle)
    return sorted(offers, key=lambda bundle: (bundle.price, bundle.seeds, sorted(bundle.cells)))
