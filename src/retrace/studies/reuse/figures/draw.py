"""The reuse study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.curves import index_against_costs
from retrace.plot.table import shown_for
from retrace.studies.reuse.figures.between_networks import between_networks, comparable
from retrace.studies.reuse.figures.indices_and_costs import indices_and_costs
from retrace.studies.reuse.figures.rows import widest
from retrace.studies.reuse.figures.tasks import agreement, named_scatter
from retrace.studies.reuse.figures.words import COSTS, INDICES, LABELS
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[None], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and the paper's verdicts.

    The index of each paper has the paper's name.
    """
    table = tabled.frame[shown_for(paper, tabled.frame["cell"])]
    tasks = table["type"] == "task"
    shifts = table[~tasks]
    if paper == "across-reuse":
        return {
            "indices": index_against_costs(widest(shifts), "epochs", INDICES, labels=LABELS),
            "indices_and_costs": indices_and_costs(shifts),
        }
    figures = {
        f"{paper}_cost": index_against_costs(widest(shifts), paper, COSTS, facet="cell", labels=LABELS),
        "between_networks": between_networks(comparable(shifts), paper, "epochs", labels=LABELS),
    }
    if paper == "preindex":
        figures["indices_and_costs"] = indices_and_costs(shifts)
    if paper == "resque":
        found = agreement(verdicts, "ranks-tasks-epochs")
        figures["tasks"] = named_scatter(
            table[tasks], "resque_task", "epochs", agreement=found, labels=LABELS
        )
    return figures
