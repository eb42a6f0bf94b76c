"""Pictures of what attacks reached: ROC curves on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership.audit import AttackResult
from retrace.attacks.membership.ensemble import Ensemble
from retrace.attacks.roc import roc
from retrace.auditing.audit import ModelAudit
from retrace.plot.roc import log_roc

POINTS = 400  # of a curve, evenly spaced on its axis


def roc_figure(found: ModelAudit | Mapping[str, AttackResult], models: Ensemble | None = None) -> Figure:
    """ROC curves of an audit: of one model, or of `run_attacks`' results with their ensemble.

    Scores of all targets are pooled. `figure.savefig(path)` writes it. AttackError without the ensemble.
    """
    if isinstance(found, ModelAudit):
        scores = {attack.name: attack.scores for attack in found.attacks}
        member = found.answers.member
    elif models is None:
        raise AttackError("roc_figure: results come with their ensemble: roc_figure(results, models)")
    else:
        scores = {name: result.scores.ravel() for name, result in found.items()}
        member = models.inside.ravel()
    least = 1 / max(10, int((~member.astype(bool)).sum()))
    rates = np.logspace(np.log10(least), 0, POINTS)
    curves = [
        pd.DataFrame({"cell": "membership inference", "method": name, "fpr": rates}).assign(
            tpr=roc(s, member).tpr_at(rates)
        )
        for name, s in scores.items()
    ]
    return log_roc(pd.concat(curves), least=least)
