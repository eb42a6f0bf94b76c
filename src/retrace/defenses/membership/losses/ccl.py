"""Convex-concave loss: cross-entropy with a concave part that lets losses of members differ more."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from retrace.training.fit import Batch, Loss, cross_entropies


def convex_concave(alpha: float, beta: float, form: Literal["exponential", "quadratic"]) -> Loss:
    """beta * (alpha * CE - (1 - alpha) * c(p)), p the label's probability; mean over a model's batch.

    c(p) is exp(p), or p + p^2/2 in the quadratic form.
    Source: Liu et al., Mitigating privacy risk in membership inference by convex-concave loss (ICML 2024).
    """

    def loss(batch: Batch) -> Tensor:
        plain = cross_entropies(batch.logits, batch.labels)
        p = (-plain).exp()
        concave = p.exp() if form == "exponential" else p + p.square() / 2
        return (beta * (alpha * plain - (1 - alpha) * concave)).mean(1)

    return loss
