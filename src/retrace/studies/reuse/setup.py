"""The source network, rebuilt from the weights that the train stage left."""

from __future__ import annotations

from torch import nn

from retrace.nets.access import load_arrays
from retrace.nets.registry import build
from retrace.stage import Inputs


def restore(network: str, inputs: Inputs) -> nn.Module:
    """The trained source network in evaluation mode; StageError when the weights are another network's."""
    shape = inputs["train"].results["shape"]
    net = build(network, shape["channels"], shape["size"], shape["classes"], seed=0)
    return load_arrays(net, inputs["train"].read_scratch()).eval()
