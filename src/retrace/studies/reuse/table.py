"""The reuse study's evidence as a table: one row per seed, cell and condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from retrace.meter import ESTIMATES, estimate_kwh
from retrace.stage import EvidenceRow
from retrace.tabled import ESTIMATED, Tabled

if TYPE_CHECKING:
    from retrace.studies.reuse.params import Params


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[None]:
    """Indices and rivals (of `measure` and `attack`) beside the costs (of `defend`) of each condition.

    `static_params` and `clean_error` (on clean test images) are the source network's, the same at all of its
    conditions. Energy and carbon are the job's, shared out by CPU seconds of training steps.
    """
    records: list[dict[str, Any]] = []
    estimated: dict[str, str] = {}
    for row in rows:
        meter = row.evidence["defend"].meter
        if meter["method"] in ESTIMATES:
            estimated = dict.fromkeys(("kwh", "kg_co2e"), ESTIMATED)
        for i, cost in enumerate(row.evidence["defend"].results["conditions"]):
            kind, _, intensity = cost["condition"].partition(":")
            seconds = row.evidence["defend"].timing["conditions"][i]
            kwh = estimate_kwh(seconds["cpu_seconds"], meter)
            records.append(
                {
                    "seed": row.seed,
                    "cell": row.cell,
                    "dataset": row.params.dataset,
                    "network": row.params.network,
                    "condition": cost["condition"],
                    "type": kind,
                    "intensity": float("nan") if kind == "task" else float(intensity),
                    "static_params": row.evidence["train"].results["parameters"],
                    "clean_error": 1 - row.evidence["train"].results["accuracy"],
                    "pixel_rmse": row.evidence["attack"].results["conditions"][i]["pixel_rmse"],
                    **row.evidence["measure"].results["conditions"][i]["indices"],
                    **cost["costs"],
                    "first_check": cost["first_check"],
                    "censored": cost["censored"],
                    "at_first_check": cost["at_first_check"],
                    **seconds,
                    "kwh": kwh,
                    "kg_co2e": kwh * meter["factor_kg_per_kwh"],
                }
            )
    return Tabled(pd.DataFrame.from_records(records), estimated)
