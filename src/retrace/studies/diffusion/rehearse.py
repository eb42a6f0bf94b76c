"""What a rehearsal cuts of the diffusion study: every tuning, defence and attack, few images and steps."""

from __future__ import annotations

from retrace.cuts import Cuts, Cutting, Params, at_most, exactly, only

KINDS = ("none", "end_to_end", "dreambooth_prior", "words_4", "hyper", "db_lora")  # one of each kind


def _by_network(params: Params) -> dict[str, Cutting]:
    """Everything on a small network; on the cell's own one tuning of each kind, since all take long."""
    own = {"tunings": only(*KINDS), "deep": exactly(["none", "db_lora"])}
    return {"everything": {"widths": exactly([8, 16])}, "own": own}


CUTS = Cuts(
    always={
        "members": at_most(20),
        "others": at_most(20),
        "strays": at_most(20),
        "domains": at_most(3),
        "steps": at_most(4),
        "batch": at_most(8),
        "drawn": at_most(8),
        "drawing_steps": at_most(3),
        "recognise_epochs": at_most(1),
        "private_steps": at_most(2),
        "private_batch": at_most(4),
        "tune_steps": at_most(2),
        "tune_batch": at_most(4),
        "times": exactly([100]),
        "stops": exactly([50]),
        "tunings.*.steps": lambda steps: None if steps is None else min(steps, 2),
        "tunings.*.images": lambda count: None if count is None else min(count, 4),
    },
    parts=_by_network,
)
