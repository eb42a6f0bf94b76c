"""The membership study's figures."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.curves import index_against_costs
from retrace.plot.membership.bars import bars_by_quantity, paired_bars
from retrace.plot.membership.cloud import log_clouds
from retrace.plot.membership.members import norm_histograms
from retrace.plot.membership.roc import log_roc
from retrace.plot.plane import privacy_utility
from retrace.studies.membership.labels import FAMILIES, LABELS, OWN, SHOWN
from retrace.studies.membership.pictures import blocks, curves, histograms, losses, plane, scores


def draw(paper: str, table: pd.DataFrame, verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and what its `attrs` hold for pictures."""
    figures = {
        "privacy_utility": privacy_utility(plane(table, OWN[paper]), families=FAMILIES, labels=LABELS),
        "roc": log_roc(curves(table, SHOWN[paper]), labels=LABELS),
    }
    if paper == "cwrf":
        axes = ("vulnerability score", "learnability score")
        figures["scores"] = log_clouds(scores(table), *axes, labels=LABELS)
    if paper == "pptp":
        figures["blocks"] = bars_by_quantity(blocks(table), "block", ("generality", "risk"), labels=LABELS)
        figures["loss_disparity"] = paired_bars(
            losses(table, SHOWN[paper]), "method", ("train_loss", "test_loss"), labels=LABELS
        )
    if paper == "srcm":
        figures["norms"] = norm_histograms(histograms(table, SHOWN[paper]), labels=LABELS)
        looks = table[table["type"] == "checkpoint"]
        figures["liability"] = index_against_costs(
            looks, "disparity_epoch", ["loss_auc_epoch"], curve="cell", order="intensity", labels=LABELS
        )
    return figures
