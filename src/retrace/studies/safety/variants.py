"""Pruned variants of a network as masks, from unit scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from retrace.llm.kernels.masks import UnitMasks
from retrace.metrics.unit_groups import Rows, Shares
from retrace.stage import StageError
from retrace.studies.safety.units import Layout, Scored, masks

if TYPE_CHECKING:
    from retrace.studies.safety.params import Variant


def chosen_units(found: Scored, variants: Mapping[str, Variant], seed: int) -> dict[str, Rows]:
    """Numbers of the units that each variant lacks. Errors: StageError that names the variant."""
    rows = {}
    for name, variant in variants.items():
        try:
            rows[name] = found.first(variant.order, variant.share, seed)
        except (StageError, ValueError) as error:
            raise StageError(f"variants.{name}: {error}") from None
    return rows


def unit_masks(net: Any, units: Layout, sets: Sequence[Rows]) -> UnitMasks:
    """One variant for each set of unit numbers: it lacks these units."""
    gone = [masks(units, rows, net.config.num_attention_heads) for rows in sets]
    neurons, heads = (np.stack([pair[kind] for pair in gone]) for kind in (0, 1))
    return UnitMasks(~torch.from_numpy(neurons), ~torch.from_numpy(heads))


def choosing(variants: Mapping[str, Variant], shares: Shares) -> list[int]:
    """Places of the variants that answer questions: ESU, EUU, and as many units by lot as of ESU."""
    sizes = {"esu": shares.esu, "euu": shares.euu, "matched_esu": shares.esu, "random": shares.esu}
    return [
        place for place, variant in enumerate(variants.values()) if variant.share == sizes.get(variant.order)
    ]
