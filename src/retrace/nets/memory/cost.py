"""What a forward pass keeps for its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


def saved_bytes(call: Callable[[], Any], besides: Iterable[Tensor] = ()) -> int:
    """Bytes of all memory that autograd saves for the backward pass of `call()`; each storage counts once.

    Saved tensors stay alive until they are counted, so that none is seen under another's address. `besides`:
    tensors that live anyway and don't count, such as parameters and the input.
    """
    kept: dict[int, Tensor] = {}
    known = {tensor.untyped_storage().data_ptr() for tensor in besides}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call()
    total = sum(tensor.untyped_storage().nbytes() for at, tensor in kept.items() if at not in known)
    del result
    return total
