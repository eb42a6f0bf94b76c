"""The safety study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.metrics.unit_groups import GROUPS
from retrace.studies.safety.figures.answers import answers, outcomes
from retrace.studies.safety.figures.composition import compositions, flows
from retrace.studies.safety.figures.direction import directions, distances
from retrace.studies.safety.figures.plane import edge, safety_utility
from retrace.studies.safety.figures.pruning_curves import against_pruned
from retrace.studies.safety.figures.rows import GROUPED, in_words, networks
from retrace.studies.safety.figures.words import (
    ACROSS,
    ANSWERS,
    CLOSE,
    CURVES,
    KEYWORDS,
    LABELS,
    MODELS,
    OUTCOMES,
)
from retrace.studies.safety.probes import SIDES
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    table = tabled.frame
    return {
        "pruning_curves": against_pruned(
            networks(table), CURVES, across=ACROSS, shares=KEYWORDS, labels=LABELS
        ),
        "answers": outcomes(answers(table), ANSWERS, OUTCOMES, labels=LABELS),
        "composition": flows(compositions(table), GROUPS, LABELS),
        "direction": directions(distances(table), SIDES, MODELS, labels=LABELS),
        "plane": safety_utility(
            in_words(table),
            "nll",
            "margin",
            "broken",
            cap=edge(table),
            joined=GROUPED,
            close=CLOSE,
            labels=LABELS,
        ),
    }
