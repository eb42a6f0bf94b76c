"""The certification study's figures."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.certification.brackets import brackets
from retrace.plot.certification.cactus import cactus
from retrace.plot.certification.pairwise import pairwise
from retrace.plot.certification.sparsity import against_kept
from retrace.studies.certification.labels import ACROSS, LABELS
from retrace.studies.certification.pictures import curves, decided, duels, runs


def draw(paper: str, table: pd.DataFrame, verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    lines = curves(table)
    layers = sorted(c for c in lines.columns if c.startswith("unstable_") and c[9:].isdigit())
    return {
        "accuracy": against_kept(lines, ("clean", "pgd", "crown"), lines=ACROSS, labels=LABELS),
        "stability": against_kept(lines, layers, lines=ACROSS, labels=LABELS),
        "cactus": cactus(runs(table), labels=LABELS),
        "tightness": brackets(
            decided(table),
            ("ibp_slice", "crown_slice", "alpha_slice", "verified"),
            "pgd_slice",
            labels=LABELS,
        ),
        "pairwise": pairwise(duels(table), labels=LABELS),
    }
