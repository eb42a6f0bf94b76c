"""What a rehearsal cuts of the layernorm study: every run and network class, few rows, two epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.cuts import Cuts, Cutting, at_most, exactly
from retrace.data.texts.labelled_names import HUB, IMAGES


def _sets(params: Mapping[str, Any]) -> Cutting:
    """Keyword texts stand for sets of the hub, drawn pictures for all pictures: nothing is fetched."""
    if params["texts"] in HUB:
        return {"texts": exactly("keywords")}
    if params["texts"] in IMAGES:
        return {"texts": exactly("cifar10"), "dataset": exactly("cifar10")}
    return {}


CUTS = Cuts(
    always={
        "rows.train": at_most(24),
        "rows.test": at_most(12),
        "tuning.epochs": at_most(2),
        "watched": at_most(8),
        "bounded": at_most(2),
        "iterations": at_most(4),
    },
    fitted=_sets,
    model="checkpoint",
)
