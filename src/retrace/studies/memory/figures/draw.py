"""The memory study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.curves import index_against_costs
from retrace.studies.memory.figures.cost_and_quality import cost_and_quality
from retrace.studies.memory.figures.learning_curves import learning_curves, main_curves
from retrace.studies.memory.figures.reads import memory_reads, most_reads
from retrace.studies.memory.figures.rows import points
from retrace.studies.memory.figures.step_costs import cost_dots
from retrace.studies.memory.figures.words import LABELS, STEP_COSTS
from retrace.studies.memory.table import Pictures
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[Pictures], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and its pictures."""
    table = tabled.frame
    first = points(table[table["cell"] == table["cell"].iloc[0]])
    figures = {
        "learning_curves": learning_curves(main_curves(tabled.pictures), labels=LABELS),
        "cost_and_quality": cost_and_quality(
            points(table), "cpu_seconds", "errors", hollow="censored_strict", labels=LABELS
        ),
        "step_costs": cost_dots(first, "condition", STEP_COSTS, labels=LABELS),
    }
    cut = table[table["family"] != ""]
    text, bits = (cut[(cut["type"] == "characters") == whole] for whole in (True, False))
    if not text.empty:
        figures["truncation"] = index_against_costs(
            text, "truncation", ["bits", "us_rate"], curve="family", order="truncation", labels=LABELS
        )
    if not bits.empty:
        figures["past_truncation"] = index_against_costs(
            bits,
            "truncation",
            ["bits", "errors"],
            curve="family",
            order="truncation",
            labels=LABELS | {"bits": "bits a predicted bit, held out"},
        )
    shown = most_reads(tabled.pictures)
    if len(shown) > 1:
        figures["reads"] = memory_reads(shown, labels=LABELS)
    return figures
