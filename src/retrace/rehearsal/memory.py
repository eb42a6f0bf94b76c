"""How much memory there is here, and how much a process took."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

from retrace.planning.preflight import has_accelerator

GB = 1e9


def machine() -> str:
    """Words for this machine's memory: what fits on one may not fit on another."""
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    models = [line for card in cards for line in card.read_text().splitlines() if line.startswith("Model")]
    return f"{_field('MemTotal') / GB:.0f} GB, accelerator {has_accelerator()} {models}"


def host() -> float:
    """Bytes that processes can still take, swap aside; those of a control group where it has fewer left."""
    free = _field("MemAvailable")
    group = Path("/sys/fs/cgroup")
    try:
        most, now = ((group / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return free if most == "max" else min(free, float(most) - float(now))
    except OSError:
        return free


def limit(most: float) -> None:
    """Let this process take no more than `most` bytes of its own: then it is refused them, not killed."""
    resource.setrlimit(resource.RLIMIT_DATA, (int(most), int(most)))


def device_free() -> float:
    """Bytes of the accelerator that can still be taken. Starts CUDA: call it in a fork."""
    import torch

    return float(torch.cuda.mem_get_info()[0])


def device_peak() -> float:
    """Bytes of the accelerator that this process held at most; 0 where it used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return float(torch.cuda.max_memory_reserved())


def _field(name: str) -> float:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return float("inf")
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return 1024.0 * int(found[1]) if found else float("inf")
