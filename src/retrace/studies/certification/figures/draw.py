"""The certification study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.certification.figures.accuracy import against_kept, curves, layers
from retrace.studies.certification.figures.cactus import cactus, runs
from retrace.studies.certification.figures.pairwise import duels, pairwise
from retrace.studies.certification.figures.rows import decided
from retrace.studies.certification.figures.tightness import brackets
from retrace.studies.certification.figures.words import ACROSS, LABELS
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    table = tabled.frame
    lines = curves(table)
    return {
        "accuracy": against_kept(lines, ("clean", "pgd", "crown"), lines=ACROSS, labels=LABELS),
        "stability": against_kept(lines, layers(lines), lines=ACROSS, labels=LABELS),
        "cactus": cactus(runs(table), labels=LABELS),
        "tightness": brackets(
            decided(table),
            ("ibp_slice", "crown_slice", "alpha_slice", "verified"),
            "pgd_slice",
            labels=LABELS,
        ),
        "pairwise": pairwise(duels(table), labels=LABELS),
    }
