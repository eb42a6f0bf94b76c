"""What names and references of several compressors have to keep to; free of torch."""

from __future__ import annotations

from collections.abc import Mapping

from retrace.compress.weights.settings import Compressor
from retrace.errors import unknown

MASKS = "_masks"  # stands behind a name for what SparseGPT's masks alone would cost


def check_together(configs: Mapping[str, Compressor], place: str) -> None:
    """Refuse (ValueError, beginning with `place`) a `like` that names no compressor, or noise, and a name
    that ends as those of masks do."""
    for name, config in configs.items():
        if name.endswith(MASKS):
            raise ValueError(f"{place}{name}: names that end in {MASKS} are those of SparseGPT's masks alone")
        if config.like is None:
            continue
        if config.like not in configs:
            raise ValueError(f"{place}{name}.like: {unknown('compressor', config.like, configs)}")
        if configs[config.like].method == "noise":
            raise ValueError(f"{place}{name}.like: {config.like} is noise itself; name a compressor")
