"""The membership study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.curves import index_against_costs
from retrace.plot.roc import log_roc
from retrace.studies.membership.figures.blocks import bars_by_quantity, blocks
from retrace.studies.membership.figures.loss_disparity import losses, paired_bars
from retrace.studies.membership.figures.norms import histograms, norm_histograms
from retrace.studies.membership.figures.privacy_utility import plane, privacy_utility
from retrace.studies.membership.figures.roc import mean_curves
from retrace.studies.membership.figures.rows import of_paper
from retrace.studies.membership.figures.scores import log_clouds, scores
from retrace.studies.membership.figures.words import FAMILIES, LABELS, OWN, SHOWN
from retrace.studies.membership.table import Pictures
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[Pictures], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and its pictures."""
    own = of_paper(paper, tabled)
    table, pictures, shown = own.frame, own.pictures, SHOWN[paper]
    figures = {
        "privacy_utility": privacy_utility(plane(table, OWN[paper]), families=FAMILIES, labels=LABELS),
        "roc": log_roc(mean_curves(pictures, shown), labels=LABELS),
    }
    if paper == "cwrf":
        axes = ("vulnerability score", "learnability score")
        figures["scores"] = log_clouds(scores(pictures), *axes, labels=LABELS)
    if paper == "pptp":
        figures["blocks"] = bars_by_quantity(blocks(table), "block", ("generality", "risk"), labels=LABELS)
        figures["loss_disparity"] = paired_bars(
            losses(table, shown), "method", ("train_loss", "test_loss"), labels=LABELS
        )
    if paper == "srcm":
        figures["norms"] = norm_histograms(histograms(pictures, shown), labels=LABELS)
        looks = table[table["type"] == "checkpoint"]
        figures["liability"] = index_against_costs(
            looks, "disparity_epoch", ["loss_auc_epoch"], curve="cell", order="intensity", labels=LABELS
        )
    return figures
