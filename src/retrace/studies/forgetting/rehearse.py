"""What a rehearsal cuts of the forgetting study: few rows, one epoch, the ends of each kind of damage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrace.cuts import Cuts, Cutting, at_most, exactly, some
from retrace.data.texts.labelled_names import HUB


def _sets(params: Mapping[str, Any]) -> Cutting:
    """Keyword texts stand for sets of the hub: nothing is fetched."""
    return {"texts": exactly("keywords")} if params["texts"] in HUB else {}


CUTS = Cuts(
    always={
        "rows.train": at_most(24),
        "rows.test": at_most(12),
        "tuning.epochs": at_most(1),
        "levels": some(2),
        "pruned": some(2),
        "noise": some(2),
    },
    fitted=_sets,
    model="checkpoint",
)
