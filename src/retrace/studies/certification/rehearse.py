"""What a rehearsal cuts of the certification study: every pruner, two steps of training, a few images."""

from __future__ import annotations

from itertools import islice

from retrace.cuts import Cuts, Cutting, Params, at_most, exactly, only, some


def _by_network(params: Params) -> dict[str, Cutting]:
    """All methods on a smaller network; two on the cell's own, of which one image takes long to bound."""
    first = only(*islice(params["methods"], 2))
    return {
        "all methods": {"network": exactly("conv2")},
        params["network"]: {"methods": first, "verification.refine": exactly(0)},
    }


CUTS = Cuts(
    always={
        "train_images": at_most(256),
        "validation_images": at_most(10),
        "test_images": at_most(10),
        "training.epochs": at_most(2),
        "training.drops": exactly([1]),
        "training.ramp_start": exactly(0),
        "training.ramp_length": at_most(2),
        "methods.*.training.epochs": at_most(2),
        "methods.*.training.drops": exactly([1]),
        "methods.*.training.ramp_start": exactly(0),
        "methods.*.training.ramp_length": at_most(2),
        "methods.*.score_epochs": at_most(1),
        "methods.*.kept": some(2),
        "verification.crown_images": at_most(2),
        "verification.complete_images": at_most(1),
        "verification.alpha_iterations": at_most(1),
        "verification.pgd_steps": at_most(2),
        "verification.pgd_restarts": at_most(2),
        "verification.domains": at_most(4),
        "verification.iterations": at_most(1),
        "verification.first": at_most(1),
        "verification.refine": at_most(1),
        "verification.seconds": at_most(60),
    },
    narrow={
        "train_images": at_most(100),
        "training.batch": at_most(50),
        "training.penalty_share": at_most(0.5),
        "verification.crown_images": at_most(1),
    },
    parts=_by_network,
)
