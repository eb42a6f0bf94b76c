"""The quantization study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.quantization.figures.accuracy import accuracies, grouped_bars
from retrace.studies.quantization.figures.chain import by_group
from retrace.studies.quantization.figures.gaps import against_bits, disparities
from retrace.studies.quantization.figures.logits import histograms
from retrace.studies.quantization.figures.mitigation import mitigated, side_by_side
from retrace.studies.quantization.figures.predictors import lost, scattered
from retrace.studies.quantization.figures.rows import swept
from retrace.studies.quantization.figures.words import LABELS
from retrace.studies.quantization.table import Pictures
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[Pictures], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and its pictures."""
    table = tabled.frame
    return {
        "accuracy": grouped_bars(accuracies(table), labels=LABELS),
        "gaps": against_bits(disparities(table), labels=LABELS),
        "logits": histograms(tabled.pictures.logits, labels=LABELS),
        "chain": by_group(swept(table), labels=LABELS),
        "predictors": scattered(lost(table), labels=LABELS),
        "mitigation": side_by_side(mitigated(table), labels=LABELS),
    }
