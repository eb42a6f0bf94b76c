"""What a rehearsal cuts of the memory study: every task and network at its length, two steps of training."""

from __future__ import annotations

from retrace.cuts import Cuts, at_most

CUTS = Cuts(
    always={
        "steps": at_most(2),
        "tests": at_most(1),
        "window": at_most(1),
        "rounds": at_most(1),
        "round_steps": at_most(1),
        "task.epochs": at_most(1),
        "task.budget": at_most(12_800),
        "task.test": at_most(2000),
    },
    images=280,
)
