"""What a file or a command gives for a number and is none: refused where models would take it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def strange(given: Any, read: Any, path: str = "") -> Iterator[str]:
    """What is wrong with numbers of `read`, plain data that a model made of `given`, place by place.

    Numbers that are not finite, which no JSON and no key can hold, and true or false for a number.
    """
    if isinstance(read, dict):
        for name, value in read.items():
            own = given.get(name) if isinstance(given, dict) else None
            yield from strange(own, value, f"{path}.{name}" if path else str(name))
    elif isinstance(read, list | tuple):
        same = isinstance(given, list | tuple) and len(given) == len(read)
        for index, value in enumerate(read):
            yield from strange(given[index] if same else None, value, f"{path}.{index}")
    elif isinstance(read, float) and not math.isfinite(read):
        yield f"{path}: {read} is not a finite number; leave the key out, or give a number"
    elif isinstance(given, bool) and isinstance(read, int | float) and not isinstance(read, bool):
        yield f"{path}: {str(given).lower()} is not a number; give one"
