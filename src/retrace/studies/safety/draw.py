"""The safety study's figures."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.metrics.unit_groups import GROUPS
from retrace.plot.safety.directions import directions
from retrace.plot.safety.flows import flows
from retrace.plot.safety.outcomes import outcomes
from retrace.plot.safety.pruned import against_pruned
from retrace.plot.safety.safetyplane import safety_utility
from retrace.studies.safety.labels import ACROSS, ANSWERS, CURVES, KEYWORDS, LABELS, MODELS, OUTCOMES
from retrace.studies.safety.pictures import (
    CLOSE,
    GROUPED,
    answers,
    compositions,
    distances,
    edge,
    networks,
    plane,
)
from retrace.studies.safety.probes import SIDES


def draw(paper: str, table: pd.DataFrame, verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    return {
        "pruning_curves": against_pruned(
            networks(table), CURVES, across=ACROSS, shares=KEYWORDS, labels=LABELS
        ),
        "answers": outcomes(answers(table), ANSWERS, OUTCOMES, labels=LABELS),
        "composition": flows(compositions(table), GROUPS, LABELS),
        "direction": directions(distances(table), SIDES, MODELS, labels=LABELS),
        "plane": safety_utility(
            plane(table),
            "nll",
            "margin",
            "broken",
            cap=edge(table),
            joined=GROUPED,
            close=CLOSE,
            labels=LABELS,
        ),
    }
