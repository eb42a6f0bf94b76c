"""What a rehearsal cuts of the layernorm study: every run, few rows, two epochs."""

from __future__ import annotations

from retrace.cuts import Cuts, at_most

CUTS = Cuts(
    always={
        "rows.train": at_most(48),
        "rows.test": at_most(24),
        "tuning.epochs": at_most(2),
        "watched": at_most(8),
        "bounded": at_most(2),
        "iterations": at_most(4),
    },
)
