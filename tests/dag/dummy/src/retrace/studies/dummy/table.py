"""The dummy study's evidence as a table: one row per seed, cell and noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from retrace.stage import EvidenceRow
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.dummy.params import Params


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[None]:
    """Columns seed, cell, condition, type, intensity, error, spread and kwh."""
    records = []
    for row in rows:
        scores = row.evidence["attack"].read_arrays()["scores"]
        for noise, error, score in zip(
            row.params.noises, row.evidence["measure"].results["errors"], scores, strict=True
        ):
            records.append(
                {
                    "seed": row.seed,
                    "cell": row.cell,
                    "condition": f"gauss:{noise}",
                    "type": "gauss",
                    "intensity": noise,
                    "error": error,
                    "spread": float(score.std()),
                    "censored": False,
                }
            )
    return Tabled(pd.DataFrame.from_records(records))
