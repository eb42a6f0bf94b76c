"""CPU time of a call."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def cpu_seconds(call: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Median CPU seconds of a call, and what it returned last."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        times.append(time.process_time() - start)
    return statistics.median(times), result
