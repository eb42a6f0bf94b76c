"""The choice of cells that get more seeds: most decisions a CPU second, within the budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrace.claims.choose import Bundle, Wish, choose
from retrace.claims.looks import planned
from retrace.claims.outlook import Outlook
from retrace.upkeep.decide import table

PLAN = planned(3)
OUTLOOK = Outlook(
    id="near", code="open", value=0.5, gap=0.5, alpha=0.005, seeds=3, units=1, random="seeds", seed_sd=0.2,
    unit_se=0.0, seeds_needed=5, units_needed=None, units_at_most=None, perfect=None, floor=0.0,
    floor_needs=None,
)  # fmt: skip
HAVE = {("s", "a"): 3, ("s", "b"): 3, ("t", "c"): 3}


def wish(name, *cells, **change):
    return Wish("paper", frozenset(cells), PLAN, replace(OUTLOOK, id=name, **change))


def price_of(**seconds):
    def price(now, raised):
        return sum(seconds[cell] * (raised[study, cell] - now[study, cell]) for study, cell in raised)

    return price


PRICE = price_of(a=1.0, b=10.0, c=2.0)


def test_the_bundle_with_most_decisions_a_second_comes_first_and_the_budget_is_kept():
    wishes = [wish("cheap", ("s", "a")), wish("dear", ("s", "b")), wish("middle", ("t", "c"))]
    chosen, left = choose(wishes, HAVE, PRICE, 20)
    assert [sorted(bundle.cells) for bundle in chosen] == [[("s", "a")], [("t", "c")]]
    assert [bundle.price for bundle in chosen] == [5, 10]
    assert [bundle.seeds for bundle in chosen] == [8, 8]
    assert [sorted(bundle.cells) for bundle in left] == [[("s", "b")]]
    assert [sorted(bundle.gains) for bundle in chosen] == [["paper/cheap"], ["paper/middle"]]


def test_cells_that_a_claim_needs_together_are_raised_together_and_serve_others():
    both, one = wish("both", ("s", "a"), ("s", "b")), wish("one", ("s", "a"))
    chosen, _ = choose([both], HAVE, PRICE, 1000)
    assert (chosen[0].cells, chosen[0].price) == (both.cells, 55)
    chosen, _ = choose([both, one], HAVE, PRICE, 1000)
    assert [bundle.price for bundle in chosen] == [5, 50]  # what is raised already is not paid twice
    assert sorted(chosen[1].gains) == ["paper/both"]
    chosen, left = choose([both, one], HAVE, PRICE, 54)
    assert [bundle.price for bundle in chosen] == [5]
    assert left[0].price == 50


def test_a_claim_goes_to_its_next_look_only():
    chosen, left = choose([wish("cheap", ("s", "a"))], {**HAVE, ("s", "a"): 8}, PRICE, 1000)
    assert [(bundle.seeds, bundle.price) for bundle in chosen] == [(12, 4)]
    assert left == []
    assert choose([wish("cheap", ("s", "a"))], {**HAVE, ("s", "a"): 24}, PRICE, 1000) == ([], [])


def test_nothing_is_bought_for_claims_that_seeds_will_hardly_decide():
    near = wish("near", ("s", "a"), gap=0.001, seeds=17)
    called = wish("called", ("s", "a"), code="near")
    few = wish("few", ("s", "a"), floor=0.2)
    assert near.futile
    assert few.futile
    assert called.futile
    assert choose([near, few, called], {**HAVE, ("s", "a"): 17}, PRICE, 1000) == ([], [])
    assert not wish("far", ("s", "a")).futile


def test_a_budget_that_buys_nothing_leaves_the_cheapest_first():
    chosen, left = choose([wish("dear", ("s", "b")), wish("cheap", ("s", "a"))], HAVE, PRICE, 4.9)
    assert chosen == []
    assert [bundle.price for bundle in left] == [5, 50]


def test_a_likelier_decision_is_worth_its_price():
    sure, unsure = wish("sure", ("t", "c")), wish("unsure", ("s", "a"), gap=0.12)
    assert sure.outlook.power(8) == pytest.approx(0.95, abs=0.02)
    assert unsure.outlook.power(8) < 0.2
    chosen, _ = choose([sure, unsure], HAVE, PRICE, 10)
    assert [sorted(bundle.gains) for bundle in chosen] == [["paper/sure"]]


def test_the_table_names_every_cell_however_many_there_are():
    cells = frozenset(("reuse", f"fashion-network-{n}") for n in range(12))
    bundle = Bundle(cells, 8, 60.0, {"arm/ranks": 0.5})
    told = "\n".join(table([bundle], dict.fromkeys(cells, 3)))
    assert all(cell in told.replace("\n", " ") for _, cell in cells)
    assert max(map(len, told.splitlines())) <= 110
