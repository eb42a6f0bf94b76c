"""How a network's units are made up, and how that changes when it is trained: from unit scores alone.

The groups of one network, the reference, fix what a score must exceed to belong to a group; another network's
units are grouped by the same bounds, so shares may change (a reconstruction: the paper finds its ratios anew
for every network and does not say how). Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrace.metrics.unit_groups import GROUPS, Rows, Shares, transfer
from retrace.stage import Array
from retrace.stats.correlation import pearson
from retrace.studies.safety.units import Layout, Scored, composition, scored

if TYPE_CHECKING:
    from retrace.studies.safety.params import Ranked

ESU, EUU, CU, RU = range(4)
NETWORKS = ("released", "aligned", "tuned_free")


@dataclass(frozen=True)
class Bounds:
    """What units of each module (M,) need: s - u at least `esu` or at most `euu`, s + u at most `ru`."""

    esu: Array
    euu: Array
    ru: Array


def bounds(reference: Scored, shares: Shares) -> Bounds:
    """The bounds by which the reference's groups are cut; an empty group has one that no unit passes."""
    groups, module = reference.groups(shares), _modules(reference)
    apart, together = reference.safety - reference.utility, reference.safety + reference.utility
    size = int(module.max()) + 1
    found = Bounds(np.full(size, np.inf), np.full(size, -np.inf), np.full(size, -np.inf))
    np.minimum.at(found.esu, module[groups == ESU], apart[groups == ESU])
    np.maximum.at(found.euu, module[groups == EUU], apart[groups == EUU])
    np.maximum.at(found.ru, module[groups == RU], together[groups == RU])
    return found


def regroup(network: Scored, cut: Bounds) -> Rows:
    """Groups of a network's units (N,) by the bounds of another; overlaps go to ESU, EUU, RU in turn."""
    module = _modules(network)
    apart, together = network.safety - network.utility, network.safety + network.utility
    groups = np.full(len(apart), CU, dtype=np.int64)
    groups[together <= cut.ru[module]] = RU
    groups[apart <= cut.euu[module]] = EUU
    groups[apart >= cut.esu[module]] = ESU
    return groups


def _modules(network: Scored) -> Rows:
    """The modules ranked apart, or one for all."""
    return np.zeros(len(network.safety), dtype=np.int64) if network.within is None else network.within


def summary(
    arrays: Mapping[str, Array], units: Layout, ranking: Ranked, shares: Shares, start: int = 0
) -> dict[str, float]:
    """One seed's composition as numbers by column.

    `share_<group>_<model>`. `flow_<from>_<to>`: share of all units that were in one group in the aligned
    and are in another in the fine-tuned network; `aligning_<from>_<to>`: the same from released to
    aligned; `trained_<from>_<to>`: as `flow`, of the units in the layers from `start` on, where alone
    scores can change; each with its sum `<flow>_<from>`. `correlation_<model>` of safety and utility scores,
    `correlation_halves_<model>` of scores on two halves of the mixed rows.
    `overlap_raw`, `overlap_module`, `overlap_summed`: share of the aligned network's safety units that are
    safety units too when raw scores are ranked, when each module is ranked apart, and when heads are summed
    before they are standardised. `arrays`: those of the stages train
    and attack.
    """
    have = [model for model in NETWORKS if f"{model}/safety" in arrays]
    every = {model: scored(arrays, model, units, ranking) for model in have}
    cut = bounds(every["aligned"], shares)
    groups = {model: regroup(found, cut) for model, found in every.items()}
    out = {f"share_{g}_{m}": share for m in have for g, share in composition(groups[m]).items()}
    everywhere, upper = np.ones(units.count, dtype=bool), units.layer >= start
    for prefix, before, after, among in (
        ("aligning", "released", "aligned", everywhere),
        ("flow", "aligned", "tuned_free", everywhere),
        ("trained", "aligned", "tuned_free", upper),
    ):
        if before in groups and after in groups and among.any():
            flows = transfer(groups[before][among], groups[after][among])
            for a, row in zip(GROUPS, flows.tolist(), strict=True):
                out |= {f"{prefix}_{a}": sum(row)}
                out |= {f"{prefix}_{a}_{b}": share for b, share in zip(GROUPS, row, strict=True)}
    for model in have:
        out |= _correlations(every[model], model)
    return out | _overlaps(arrays, every["aligned"], ranking, shares)


def _correlations(found: Scored, model: str) -> dict[str, float]:
    pairs = {f"correlation_{model}": (found.safety, found.utility)}
    if found.halves is not None:
        pairs[f"correlation_halves_{model}"] = (found.halves[0], found.halves[1])
    return {name: float(pearson(*pair)) for name, pair in pairs.items()}


def _overlaps(
    arrays: Mapping[str, Array], found: Scored, ranking: Ranked, shares: Shares
) -> dict[str, float]:
    own = found.groups(shares) == ESU
    overlaps = {}
    for name, scope in (("raw", "raw"), ("module", "per_module"), ("summed", "standardised")):
        other = scored(arrays, "aligned", found.units, ranking.model_copy(update={"scope": scope}))
        shared = (other.groups(shares) == ESU) & own
        overlaps[f"overlap_{name}"] = float(shared.sum()) / max(int(own.sum()), 1)
    return overlaps
