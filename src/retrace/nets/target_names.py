"""Which networks may be targets of membership attacks; free of torch, so that planning is quick."""

from __future__ import annotations

import re

from retrace.errors import unknown
from retrace.nets.names import NETWORKS

TARGETS = (*(name for name in NETWORKS if name != "mlp"), "vgg11_bn", "mobilenet_v3")
_MLP = re.compile(r"mlp-(relu|tanh)((?:-[1-9]\d*)+)")


def perceptron(name: str) -> tuple[str, tuple[int, ...]] | None:
    """Activation and hidden widths of a name such as mlp-relu-128-128; None where it is another network."""
    found = _MLP.fullmatch(name)
    return (found[1], tuple(map(int, found[2][1:].split("-")))) if found else None


def check_target(name: str) -> str:
    """Return the name; ValueError with the nearest one when no target network has it."""
    if perceptron(name) is None and name not in TARGETS:
        raise ValueError(unknown("network", name, ("mlp-relu-128-128", *TARGETS)))
    return name
