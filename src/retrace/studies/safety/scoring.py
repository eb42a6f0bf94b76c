"""Unit scores of a network on the calibration rows: safety, utility, and two halves of the rows mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.llm.kernels.units import union_scores
from retrace.llm.load import LanguageModel
from retrace.seeds import generator
from retrace.stage import Array, Evidence
from retrace.studies.safety.encode import answers
from retrace.studies.safety.setup import BUDGET, working
from retrace.studies.safety.texts import part
from retrace.studies.safety.units import flat

if TYPE_CHECKING:
    from retrace.studies.safety.params import Network


def scores(
    name: str, model: LanguageModel, prepared: Evidence, params: Network, seed: int, answers_too: bool = False
) -> dict[str, Array]:
    """Raw scores (S,) `<name>/safety` and `<name>/utility`, and (2,S) `<name>/shuffled`, float32.

    S scores are kept, see `units.flat`. `shuffled` are scores on halves of the same rows, mixed irrespective
    of kind. All come from one pass, in batches that are the same for every network, so that layers that are
    alike have the same scores. With `answers_too` also (2,S) `<name>/answers`: safety and utility scores over
    the tokens of answers alone.
    """
    calibration = part(params.texts, prepared, "calibration")
    safety, utility = (answers(model, calibration[kind]) for kind in ("harmful", "benign"))
    count = len(safety) + len(utility)
    halves = np.array_split(generator(seed, "safety", "shuffled").permutation(count), 2)
    parts = [
        [row for i, row in enumerate(rows, first) if i in half]
        for rows, first in ((safety, 0), (utility, len(safety)))
        for half in (set(half.tolist()) for half in halves)
    ]
    net = working(model, params.precision).net
    unions, answers_only = [(0, 1), (2, 3), (0, 2), (1, 3)], [False] * 4
    if answers_too:
        unions, answers_only = [*unions, *unions[:2]], [*answers_only, True, True]
    made = union_scores(net, parts, unions, answers_only, BUDGET)
    found: list[Array] = [flat(each, params.kinds).astype(np.float32) for each in made]
    kept = {
        f"{name}/safety": found[0],
        f"{name}/utility": found[1],
        f"{name}/shuffled": np.stack(found[2:4]),
    }
    return kept | ({f"{name}/answers": np.stack(found[4:])} if answers_too else {})
