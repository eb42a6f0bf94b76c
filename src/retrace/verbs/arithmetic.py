"""How a device computes, so that a seed gives the same bytes again and float32 is float32."""

from __future__ import annotations

import os
from typing import Any

from retrace.verbs import bfloat16


def settle(device: str, torch: bool, params: Any) -> dict[str, str]:
    """Fix what PyTorch leaves open, before the first operation of a job with these parameters.

    Returns what evidence should say of it. `torch`: whether the job's stage loads it; else nothing is done.
    """
    if device == "cuda":
        _settle_gpu()
    elif torch and bfloat16.wanted(params) and not bfloat16.supported():
        bfloat16.multiply_in_float32()
        return {"bfloat16": "multiplied in float32"}
    return {}


def _settle_gpu() -> None:
    """Convolutions compute in float32, not TF32, whose 10 bits would make bounds of a network false (an H200
    gave CROWN bounds that were 1.6e-4 off). Sums run in a fixed order; of attention, whose memory-efficient
    kernel has none, the others are taken. An operation without a fixed order warns in the job's log.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for a fixed order
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False  # else the clock chooses the algorithm
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # nothing here reads what it did not write
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
