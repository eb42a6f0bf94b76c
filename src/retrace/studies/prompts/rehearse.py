"""What a rehearsal cuts of the prompts study: every method and start, few records, short prompts."""

from __future__ import annotations

from retrace.cuts import Cuts, at_most, exactly

CUTS = Cuts(
    always={
        "counts.pool": at_most(80),
        "counts.private": at_most(60),
        "counts.validation": at_most(6),
        "counts.test": at_most(12),
        "counts.few": at_most(8),
        "groups": at_most(20),
        "voters": at_most(8),
        "longest": at_most(4),
        "members": at_most(6),
        "soft.steps": at_most(2),
        "dln.steps": at_most(2),
        "dln.prompts": at_most(2),
        "dln.records": at_most(4),
        "tuned.records": at_most(8),
        "tuned.training.epochs": at_most(1),
        "readers": exactly(["tiny"]),
        "trials": at_most(4000),
    },
    model="model",
)
