"""What a fine-tuning run may change: entries of units that are trained, or of those that are not frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from retrace.llm.training.tune import complement, linears, unit_entries
from retrace.metrics.unit_groups import GROUPS, Rows, Shares, top_complex
from retrace.stage import StageError
from retrace.studies.safety.units import Layout, Scored, masks, matched

if TYPE_CHECKING:
    from retrace.studies.safety.params import Freeze


@dataclass(frozen=True)
class Plan:
    """Entries that train (by parameter; None: all of it), and the units that were chosen to train or not."""

    trainable: dict[str, Tensor | None]
    rows: Rows

    def record(self, net: Any, units: Layout, start: int) -> dict[str, int]:
        """Units chosen, how many of them lie in the layers from `start` on, and entries that train."""
        parameters = dict(net.named_parameters())
        entries = [parameters[k].numel() if m is None else int(m.sum()) for k, m in self.trainable.items()]
        inside = int((units.layer[self.rows] >= start).sum())
        return {"units": len(self.rows), "in_trained_layers": inside, "entries": sum(entries)}


def frozen_units(found: Scored, freeze: Freeze, shares: Shares, start: int, seed: int) -> Rows:
    """Numbers of the units that a freeze holds.

    "safety": ESU, then complex units by safety score, up to the share of all units. "random": as many neurons
    and heads of the trained layers as "safety" of the same share holds there, since only these could move.
    "complex": ESU and all complex units. "lower": all units of the first trained layers. "none": none.
    """
    numbers = np.arange(found.units.count)
    if freeze.kind == "none":
        return numbers[:0]
    if freeze.kind == "lower":
        layer = found.units.layer
        return numbers[(layer >= start) & (layer < start + (freeze.layers or 0))]
    groups = found.groups(shares)
    if freeze.kind == "complex":
        return np.flatnonzero(np.isin(groups, [GROUPS.index("esu"), GROUPS.index("cu")]))
    own = np.flatnonzero(groups == GROUPS.index("esu"))
    more = max((freeze.share or 0) - found.share(own), 0)
    rows = np.union1d(own, top_complex(groups, found.safety, more, found.within, found.sizes))
    return matched(found.units, rows, start, seed) if freeze.kind == "random" else rows


def plan_freeze(net: Any, found: Scored, freeze: Freeze, shares: Shares, start: int, seed: int) -> Plan:
    """What trains under a freeze. Errors: StageError when it leaves no layer to train."""
    rows = frozen_units(found, freeze, shares, start, seed)
    if freeze.kind == "lower":
        first = start + (freeze.layers or 0)
        if first >= found.units.layers:
            raise StageError(
                f"{freeze.layers} frozen layers from {start} on leave none of {found.units.layers}: lower it"
            )
        return Plan(linears(net, first), rows)
    if not len(rows):
        return Plan(linears(net, start), rows)
    return Plan(complement(entries_of(net, found.units, rows, start)), rows)


def plan_budget(net: Any, units: Layout, rows: Rows, start: int) -> Plan:
    """Only the units `rows` train, as far as they lie in the layers from `start` on."""
    return Plan(dict(entries_of(net, units, rows, start)), rows)


def entries_of(net: Any, units: Layout, rows: Rows, start: int) -> dict[str, Tensor]:
    """Entries of the linear weights from layer `start` on that belong to the units `rows`."""
    mlp, heads = masks(units, rows, net.config.num_attention_heads)
    return unit_entries(net, torch.from_numpy(mlp), torch.from_numpy(heads), start)


def moved(net: Any, before: Mapping[str, Tensor], trainable: Mapping[str, Tensor | None]) -> dict[str, int]:
    """Entries of the parameters `before` that changed: of those that were to train, and of all others."""
    parameters = dict(net.named_parameters())
    counts = {"trained": 0, "frozen": 0}
    for name, old in before.items():
        changed = parameters[name].detach() != old.to(parameters[name].device)
        mask = trainable[name] if name in trainable else torch.zeros_like(changed)
        inside = int(changed.sum() if mask is None else (changed & mask).sum())
        counts["trained"] += inside
        counts["frozen"] += int(changed.sum()) - inside
    return counts
