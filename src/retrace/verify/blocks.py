"""How much to bound or attack together: what a processor's cache holds, or what fills an accelerator."""

from __future__ import annotations

import torch

ON_A_CARD = 1 << 27  # entries: 0.5 GiB in float32; a pass holds a few such temporaries


def entries(device: torch.device, cached: int) -> int:
    """Entries of the largest temporary: `cached` on a processor, what keeps an accelerator busy elsewhere."""
    return cached if device.type == "cpu" else max(cached, ON_A_CARD)
