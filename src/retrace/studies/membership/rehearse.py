"""What a rehearsal cuts of the membership study: every defence and attack, two steps an epoch."""

from __future__ import annotations

from retrace.cuts import Cuts, Cutting, Params, at_most, exactly, only, some
from retrace.nets.target_names import perceptron


def _by_method(params: Params) -> dict[str, Cutting]:
    """A method at a time: the weights of all methods' models together would fill the memory.

    Of other networks than perceptrons the last method of each defence, after all methods on a small one:
    weights are ranked and copied by most, which takes half a minute each, and PPTP's probe keeps those of
    every region.
    """
    methods = params["methods"]
    alone: dict[str, Cutting] = {name: {"methods": only(name)} for name in methods}
    if perceptron(params["network"]):
        return alone
    kinds = {method["defence"]: name for name, method in methods.items()}
    last = {name: cut for name, cut in alone.items() if name in kinds.values()}
    private = any("dpsgd" in (m["defence"], m.get("loss", {}).get("defence")) for m in methods.values())
    small = "mlp-relu-64-64" if private else "resnet-s"  # DP-SGD refuses batch norm
    return {"all methods": {"network": exactly(small)}, **last}


CUTS = Cuts(
    always={
        "pool": at_most(1000),  # SELENA deals the members of a model into 25 heaps
        "reference": at_most(256),
        "population": at_most(256),
        "test": at_most(256),
        "epochs": at_most(2),
        "methods.*.epochs": at_most(1),
        "checkpoints": at_most(1),
        # which rates can be resolved depends on the pool
        "fprs": exactly([0.3]),
    },
    narrow={
        "models": at_most(6),
        "pool": at_most(20),
        "reference": at_most(10),
        "population": at_most(10),
        "test": at_most(10),
        "batch": at_most(5),
        "copies": at_most(1),
        "sigmas": some(1),
        "methods.*.parts": at_most(5),
        "methods.*.left_out": at_most(2),
    },
    parts=_by_method,
)
