"""Epsilon from below: what an attack that succeeded proves about the privacy that was spent."""

from __future__ import annotations

import math

from retrace.stage import StageError
from retrace.stats.intervals import clopper_pearson


def epsilon_lower_bound(
    true_positives: int,
    members: int,
    false_positives: int,
    non_members: int,
    delta: float,
    level: float = 0.95,
) -> float:
    """Return the epsilon that is exceeded with confidence `level`, 0 where nothing is proved.

    Under (epsilon, delta)-privacy TPR <= e^epsilon FPR + delta, and the same for the negatives, at every
    threshold fixed beforehand (a best threshold found on the same scores proves nothing). TPR and FPR are
    replaced by Clopper-Pearson bounds that hold together with confidence `level`. Trials count as
    independent: those of examples that share a model are so only roughly, so that a bound a little above the
    accountant's epsilon calls for more models before it calls the accountant wrong.
    StageError for counts, delta or a level out of range.
    Source: Jagielski, Ullman and Oprea, Auditing differentially private machine learning (NeurIPS 2020).
    """
    for hits, of, name in (
        (true_positives, members, "members"),
        (false_positives, non_members, "non-members"),
    ):
        if of < 1 or not 0 <= hits <= of:
            raise StageError(
                f"empirical epsilon: {hits} of {of} {name} called members; give 0 to all of 1 or more"
            )
    if not 0 <= delta < 1 or not 0 < level < 1:
        raise StageError(f"empirical epsilon: delta {delta:g} and level {level:g} lie between 0 and 1")
    # each two-sided interval leaves (1 - level) / 2 on the side that is used: both hold with `level`
    tpr = clopper_pearson(true_positives, members, level)[0]
    fpr = clopper_pearson(false_positives, non_members, level)[1]
    proved = [0.0]
    for hit, error in ((tpr, fpr), (1 - fpr, 1 - tpr)):
        if hit > delta and error > 0:
            proved.append(math.log((hit - delta) / error))
    return max(proved)
