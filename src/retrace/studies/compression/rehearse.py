"""What a rehearsal cuts of the compression study: every compressor and dimension, few items, short rows."""

from __future__ import annotations

from retrace.cuts import Cuts, at_most

CUTS = Cuts(
    always={
        "items.*": at_most(4),
        "sentences": at_most(4),
        "longest": at_most(120),
        "new": at_most(4),
        "calibration.rows": at_most(24),
        "calibration.tokens": at_most(64),
        "alignment.harmful": at_most(4),
        "alignment.benign": at_most(4),
        "alignment.lookalike": at_most(4),
        "alignment.training.epochs": at_most(1),
    },
    model="model",
)
