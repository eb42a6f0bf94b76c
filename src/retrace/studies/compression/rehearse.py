"""What a rehearsal cuts of the compression study: every compressor and dimension, few items, short rows."""

from __future__ import annotations

from retrace.cuts import Cuts, at_most

ALIKE = {  # models of one shape: another name for a drawn one
    "meta-llama/Llama-2-13b-hf": "llama-2-13b-chat",
    "lmsys/vicuna-13b-v1.3": "llama-2-13b-chat",
}
NARROW = {  # 64 wide, and as many neurons as in proportion, which few groups divide
    f"{where}.*.{name}": cut
    for where in ("fixed", "configs")
    for name, cut in (("group", at_most(4)), ("keep", lambda kept: kept and "2:4"))
}

CUTS = Cuts(
    always={
        "model": lambda name: ALIKE.get(name, name),
        "smaller": lambda name: name and "smollm2-135m-instruct",  # "tiny" reads too few tokens
        "items.*": at_most(2),
        "gate.*": at_most(2),
        "sentences": at_most(2),
        "longest": at_most(240),
        "new": at_most(2),
        "calibration.rows": at_most(24),
        "calibration.tokens": at_most(64),
        "alignment.harmful": at_most(4),
        "alignment.benign": at_most(4),
        "alignment.lookalike": at_most(4),
        "alignment.training.epochs": at_most(1),
    },
    narrow=NARROW,
    model="model",
)
