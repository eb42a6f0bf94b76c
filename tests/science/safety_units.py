"""A tiny network's units and made-up scores of them, for tests of the safety study."""

import numpy as np

from retrace.llm import tiny
from retrace.llm.rows import Row
from retrace.metrics.unit_groups import Shares
from retrace.studies.safety import units
from retrace.studies.safety.params import Freeze, Ranked
from retrace.studies.safety.units import Layout

NET = tiny.network(3)
BOTH, NEURONS = Layout(4, 64, 4, 8), Layout(4, 64, 0, 8)
SHARES = Shares(0.05, 0.1, 0.15)
ROWS = [Row((1, 2, 3, 4, 5, 6), 3), Row((9, 8, 3), 1), Row(tuple(range(40, 51)), 4)]


def some_arrays(layout=BOTH, seed=0):
    values = np.random.default_rng(seed).lognormal(size=(6, layout.scores))
    pairs = {"net/shuffled": values[2:4], "net/answers": values[4:]}
    return {"net/safety": values[0], "net/utility": values[1], **pairs}


def ranking(scope="flap", sizes="units"):
    return Ranked.model_construct(scope=scope, sizes=sizes)


def some_scores(layout=BOTH, seed=0, scope="flap", sizes="units"):
    return units.scored(some_arrays(layout, seed), "net", layout, ranking(scope, sizes))


def freeze(kind, **settings):
    return Freeze(kind=kind, **settings)
