"""Draw the rows that align, calibrate, attack and test; no row serves two purposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output, StageError
from retrace.studies.safety.texts import pool

if TYPE_CHECKING:
    from retrace.studies.safety.params import Prepare

Rows = npt.NDArray[np.int32]


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Row numbers in the pools of `texts.pool` as `<part>/<kind>`; no text is left.

    Test rows are the same for all seeds; where the pool has two sources of harmful prompts, those reserved
    for tests and those that also train alternate. Results: rows by part, sources of the harmful test prompts.
    Errors: StageError when a pool has too few rows.
    """
    rows, tests = params.rows, params.tests
    pools = pool(params.texts)
    wanted = {
        "harmful": {"alignment": rows.harmful, "calibration": rows.calibration},
        "benign": {"alignment": rows.benign, "calibration": rows.calibration, "attack": rows.attack},
        "lookalike": {"alignment": rows.lookalike},
    }
    arrays: dict[str, Array] = {}
    for kind, parts in wanted.items():
        total, reserved = len(getattr(pools, kind)), pools.reserved.get(kind, ())
        tested = _tests(kind, total, reserved, getattr(tests, kind), mixed=params.texts == "public")
        free = np.setdiff1d(np.arange(total), [*reserved, *tested])
        order = generator(seed, "safety", kind).permutation(free)
        _enough(kind, len(free), sum(parts.values()))
        arrays[f"tests/{kind}"] = tested
        for part, count in parts.items():
            arrays[f"{part}/{kind}"], order = order[:count].astype(np.int32), order[count:]
    for kind in ("choices", "neutral"):
        arrays[f"tests/{kind}"] = _tests(
            kind, len(getattr(pools, kind)), (), getattr(tests, kind), mixed=False
        )
    results = {
        "rows": {name: len(values) for name, values in arrays.items()},
        "sources": [pools.sources[i] for i in arrays["tests/harmful"]],
    }
    return Output(results, arrays=arrays)


def _tests(kind: str, total: int, reserved: tuple[int, ...], count: int, mixed: bool) -> Rows:
    """The first `count` of a fixed order: reserved rows alone, or (mixed) every other one of them."""
    rng = generator(0, "safety", "tests", kind)
    own = rng.permutation(np.array(reserved, dtype=np.int64))
    others = rng.permutation(np.setdiff1d(np.arange(total), own))
    if not reserved:
        own = others
    elif mixed:
        both = min(len(own), len(others))
        own = np.stack([own[:both], others[:both]], 1).ravel()
    _enough(f"test {kind}", len(own), count)
    return own[:count].astype(np.int32)


def _enough(what: str, there: int, wanted: int) -> None:
    if wanted > there:
        raise StageError(
            f"{wanted} {what} rows are wanted and {there} are there: lower `rows` or `tests` in the sheet"
        )
