"""What a rehearsal cuts of the reuse study: every network and kind of shift, a step or two of training."""

from __future__ import annotations

from retrace.cuts import Cuts, at_most, exactly, some

CUTS = Cuts(
    always={
        "per_class": at_most(20),
        "reserve": at_most(8),
        "test": at_most(4),
        "other_reserve": at_most(8),
        "epochs": at_most(2),
        "drop_at": at_most(1),
        # nothing is learned of noise: retraining ends at its cap
        "below_clean": exactly(None),
        "target": exactly(1.0),
        "eval_every": at_most(1),
        "max_epochs": at_most(0.05),
        "index_images": at_most(100),
    },
    narrow={
        "per_class": at_most(10),
        "reserve": at_most(2),
        "test": at_most(2),
        "other_reserve": at_most(2),
        "batch": at_most(8),
        "conditions": some(6),
    },
    # per_class does not cut the task of another data set
    images=2000,
)
