"""The diffusion study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.roc import log_roc
from retrace.studies.diffusion.figures.ablations import steps
from retrace.studies.diffusion.figures.drawn import grids, pairs
from retrace.studies.diffusion.figures.gains import by_seed, forest
from retrace.studies.diffusion.figures.roc import mean_curves
from retrace.studies.diffusion.figures.scores import histograms, summed
from retrace.studies.diffusion.figures.split import blocks, sources
from retrace.studies.diffusion.figures.words import ABLATIONS, ATTACKS, GAINS, LABELS, PUBLISHED, SOURCES
from retrace.studies.diffusion.table import Pictures
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[Pictures], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and its pictures."""
    table, pictures = tabled.frame, tabled.pictures
    varied = [name for points in ABLATIONS.values() for _, name in points]
    return {
        "gains": forest(by_seed(table, GAINS, ATTACKS), GAINS, ATTACKS, PUBLISHED, labels=LABELS),
        "drawn": grids(pairs(pictures.drawn), labels=LABELS),
        "scores": histograms(summed(pictures.curves), labels=LABELS),
        "roc": log_roc(mean_curves(pictures.curves), labels=LABELS),
        "ablations": steps(by_seed(table, varied, ATTACKS), ABLATIONS, ATTACKS, labels=LABELS),
        "split": blocks(sources(table, SOURCES), SOURCES, labels=LABELS),
    }
