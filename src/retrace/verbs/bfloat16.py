"""Products of bfloat16 matrices on a processor without instructions for them: in float32, then rounded.

PyTorch multiplies such matrices there element by element, seven times slower than float32. What comes out is
what the instructions give, up to the order of sums: they, too, add in float32 and round the sum.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

ROWS = 4  # fewer are multiplied faster as they are, since all of the other matrix would be converted


def wanted(params: Any) -> bool:
    """Whether a job's parameters ask for bfloat16 anywhere: `precision: bfloat16`, `half: true`."""
    if isinstance(params, Mapping):
        return any((key == "half" and value is True) or wanted(value) for key, value in params.items())
    if isinstance(params, list | tuple):
        return any(map(wanted, params))
    return bool(params == "bfloat16")


def supported() -> bool:
    """Whether this processor multiplies bfloat16 itself."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@cache
def multiply_in_float32() -> Any:
    """From now on `mm`, `bmm` and `addmm` of bfloat16 compute in float32 on the CPU in this process.

    All else stays: other types, mixed ones (refused as ever), forms that write into a given tensor, the
    kernel of attention. A product holds its operands in float32 while it is made. Returns what keeps the
    kernels registered.
    """
    import torch
    from torch import Tensor

    half = torch.bfloat16

    def mm(a: Tensor, b: Tensor) -> Tensor:
        shape = (a.shape[0], b.shape[1])
        if not a.dtype is b.dtype is half or min(shape) < ROWS:
            return torch.mm(a, b, out=a.new_empty(shape))
        return torch.mm(a.float(), b.float(), out=a.new_empty(shape, dtype=torch.float32)).to(half)

    def bmm(a: Tensor, b: Tensor) -> Tensor:
        shape = (a.shape[0], a.shape[1], b.shape[2])
        if not a.dtype is b.dtype is half or min(shape[1:]) < ROWS:
            return torch.bmm(a, b, out=a.new_empty(shape))
        return torch.bmm(a.float(), b.float(), out=a.new_empty(shape, dtype=torch.float32)).to(half)

    def addmm(c: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
        shape = (a.shape[0], b.shape[1])
        if not a.dtype is b.dtype is c.dtype is half or min(shape) < ROWS:
            return torch.addmm(c, a, b, beta=beta, alpha=alpha, out=a.new_empty(shape))
        out = a.new_empty(shape, dtype=torch.float32)
        return torch.addmm(c.float(), a.float(), b.float(), beta=beta, alpha=alpha, out=out).to(half)

    kernels = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a kernel is replaced is meant
        for name, kernel in {"mm": mm, "bmm": bmm, "addmm": addmm}.items():
            kernels.impl(name, kernel, "CPU")  # type: ignore[no-untyped-call]
    return kernels
