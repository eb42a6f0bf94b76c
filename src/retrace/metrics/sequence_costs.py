"""What one training step of a recurrent network costs, counted instead of timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from retrace.nets.memory.cost import saved_bytes

_ADDED = ("addmm", "baddbmm", "addmv")  # these have what they add to in the first place
_PRODUCTS = ("mm", "bmm", "mv", "dot", *_ADDED)
_FREE = ("view", "_unsafe_view", "reshape", "t", "transpose", "permute", "expand", "slice", "select", "split",
         "split_with_sizes", "unsqueeze", "squeeze", "detach", "alias", "as_strided", "unbind", "empty",
         "empty_like", "new_empty", "chunk", "unsafe_split", "unsafe_chunk", "lift_fresh")  # fmt: skip


@dataclass(frozen=True)
class StepCost:
    """Of forward and backward pass: multiply-adds of matrix products, numbers that other operations write.

    `activation_bytes`: what the forward pass keeps for the backward pass, parameters and inputs apart.
    """

    multiply_adds: int
    elements: int
    activation_bytes: int

    @property
    def operations(self) -> int:
        """Two for a multiply-add and one for each number otherwise written."""
        return 2 * self.multiply_adds + self.elements


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiply_adds = self.elements = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler, over a second in every job

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.rstrip("_")  # in place or not
        if name in _PRODUCTS:
            left = args[1] if name in _ADDED else args[0]
            self.multiply_adds += out.numel() * left.shape[-1]
        elif name not in _FREE:
            outs = out if isinstance(out, tuple | list) else (out,)
            self.elements += sum(prod(o.shape) for o in outs if isinstance(o, Tensor))
        return out


def step_cost(loss: Callable[[], Tensor], known: list[Tensor]) -> StepCost:
    """Count the pass of `loss()` and its backward pass; `known` are the parameters and inputs.

    The library's fused LSTM is unfused for counting alone, since its inside cannot be seen; the bytes are
    those that the fused one keeps.
    """
    saved = saved_bytes(loss, known)
    with torch.backends.mkldnn.flags(enabled=False), _Count() as count:  # type: ignore[no-untyped-call]
        loss().backward()  # type: ignore[no-untyped-call]
    return StepCost(count.multiply_adds, count.elements, saved)
