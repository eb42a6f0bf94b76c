"""Names of a purification's options, free of torch."""

from __future__ import annotations

from typing import Literal

Part = Literal["sum", "magnitude", "alignment", "product"]  # what scores a channel
Filling = Literal["zero", "xavier", "shrink"]  # what takes a channel's place
