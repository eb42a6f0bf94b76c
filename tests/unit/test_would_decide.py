"""What would decide an open claim, in words, and what a seed of it costs."""

from __future__ import annotations

from retrace.claims.cost import seed_price
from retrace.claims.record import WouldDecide


def test_what_would_decide_has_a_price_and_ways_to_pay_it():
    ways = WouldDecide(
        kind="items", seeds=14, cpu_seconds=1080.0, have=8, units=120, units_at_most=60, most=24, power=0.63
    )
    assert ways.words() == "about 14 seeds, 18 CPU min more or 120 items would decide it (24 seeds: 63%)"
    few = ways.model_copy(update={"seeds": None, "units": None})
    assert few.words() == "about 60 items at 24 seeds would decide it (24 seeds: 63%)"
    none = few.model_copy(update={"units_at_most": None})
    assert none.words() == "nothing would decide it"


def test_a_seed_costs_what_its_own_files_did():
    spent = {"data": 9.0, "a": 1.0, "b": 2.0, "c": 4.0}
    meters = {path: {"cpu_seconds": cost, "overhead_seconds": 0.5} for path, cost in spent.items()}
    files = [(0, "data"), (1, "data"), (0, "a"), (1, "b"), (1, "c"), (1, "c")]
    assert seed_price(files, meters) == (1.5 + 2.5 + 4.5) / 2
    assert seed_price([(0, "data"), (1, "data")], meters) is None
