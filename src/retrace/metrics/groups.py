"""What a classifier does to groups: means by group, gaps, and differences in how it treats them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.errors import RetraceError

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.float64]


def softmax(logits: Array) -> Numbers:
    """Probabilities (N,C) of logits (N,C), in float64."""
    z = np.asarray(logits, dtype=np.float64)
    e = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def losses(logits: Array, y: Array) -> Numbers:
    """Cross-entropy of each example in nats, (N,), for logits (N,C), labels (N,)."""
    z = np.asarray(logits, dtype=np.float64)
    top = z.max(1, keepdims=True)
    return np.asarray((top + np.log(np.exp(z - top).sum(1, keepdims=True)))[:, 0] - z[np.arange(len(y)), y])


def outcomes(logits: Array, y: Array, groups: Array, count: int) -> dict[str, list[float]]:
    """Means by group 0..count-1 of groups (N,): name -> one number a group.

    `accuracy`; `loss` (nats); `confidence`, the largest probability; `variance` of the logits of an example
    over the classes; `variance_across`, of each logit over the group's examples, mean over classes.
    RetraceError naming a group with fewer than two examples.
    """
    sizes = np.bincount(groups, minlength=count)
    if sizes.min() < 2:
        raise RetraceError(
            f"group {int(sizes.argmin())} has {int(sizes.min())} of the images measured; it takes 2: take "
            "more images a group"
        )
    each = {
        "accuracy": (np.asarray(logits).argmax(1) == y).astype(np.float64),
        "loss": losses(logits, y),
        "confidence": softmax(logits).max(1),
        "variance": np.asarray(logits, dtype=np.float64).var(1),
    }
    found = {name: by_group(values, groups, count).tolist() for name, values in each.items()}
    own = [np.asarray(logits, dtype=np.float64)[groups == g] for g in range(count)]
    return found | {"variance_across": [float(z.var(0).mean()) for z in own]}


def by_group(values: Array, groups: Array, count: int) -> Numbers:
    """Mean of values (N,) in each of the groups 0..count-1, (count,); nan for a group without any."""
    sizes = np.bincount(groups, minlength=count)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.bincount(groups, weights=values, minlength=count) / sizes)


def gap(values: npt.ArrayLike) -> float:
    """Largest less smallest."""
    return float(np.max(values) - np.min(values))


def treatment(y: Array, predicted: Array, groups: Array) -> dict[str, float]:
    """Largest differences between groups (N,) in how labels y of 0 and 1 are predicted: `parity` of the share
    predicted 1, `odds` of the true or the false positive rate, whichever is larger.

    These are fairlearn's demographic_parity_difference and equalized_odds_difference, of one frame of rates;
    a rate of a group without such labels is 0.
    """
    from fairlearn.metrics import (  # a second of scikit-learn, for those who need it
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    rates = {"share": selection_rate, "true": true_positive_rate, "false": false_positive_rate}
    frame = MetricFrame(metrics=rates, y_true=y, y_pred=predicted, sensitive_features=groups)
    apart = frame.difference(method="between_groups")
    return {"parity": float(apart["share"]), "odds": float(max(apart["true"], apart["false"]))}
