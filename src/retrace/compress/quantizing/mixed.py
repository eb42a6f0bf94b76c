"""Which layer gets how many bits: the least loss of precision, weighed by curvature, within a budget.

Source: Dong et al., HAWQ-V2 (NeurIPS 2020): a layer's sensitivity is its mean Hessian trace times the squared
error of its weights. The group-aware form takes each layer's largest trace over the groups (ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from retrace.compress.quantizing.grids import round_weight
from retrace.stage import StageError


def sensitivities(
    weights: Mapping[str, Tensor], traces: Mapping[str, float], widths: Sequence[int], per_channel: bool
) -> dict[str, dict[int, float]]:
    """Of each layer and number of bits: mean trace (trace over weights, at least 0) times squared error."""
    return {
        name: {
            b: max(traces[name], 0.0)
            / weight.numel()
            * float((round_weight(weight, b, per_channel) - weight).square().sum())
            for b in widths
        }
        for name, weight in weights.items()
    }


def allocate(
    costs: Mapping[str, Mapping[int, float]], sizes: Mapping[str, int], budget: float
) -> dict[str, int]:
    """Bits of each layer: least total cost with at most `budget` bits a weight on average.

    A greedy knapsack, and the best of those that begin with one layer at some width: by itself the greedy
    one leaves no room for a layer that holds most of the weights. StageError when even the fewest bits
    everywhere exceed the budget.
    """
    fewest = {name: min(own) for name, own in costs.items()}
    room = budget * sum(sizes.values()) - sum(sizes[n] * b for n, b in fewest.items())
    if room < 0:
        raise StageError(
            f"mixed bits: {min(fewest.values())} everywhere exceed the budget of {budget:g} a weight"
        )
    starts = [fewest | {name: b} for name, own in costs.items() for b in own]
    affordable = [(s, r) for s in starts if (r := room - _extra(s, fewest, sizes)) >= 0]
    found = [_greedy(start, left, costs, sizes) for start, left in affordable]
    return min(found, key=lambda bits: sum(costs[n][b] for n, b in bits.items()))


def _extra(bits: Mapping[str, int], fewest: Mapping[str, int], sizes: Mapping[str, int]) -> int:
    return sum(sizes[n] * (b - fewest[n]) for n, b in bits.items())


def _greedy(
    bits: dict[str, int], room: float, costs: Mapping[str, Mapping[int, float]], sizes: Mapping[str, int]
) -> dict[str, int]:
    """Widen layers while it fits, first where a further bit saves most."""
    while True:
        steps = [
            ((costs[n][b] - costs[n][c]) / (sizes[n] * (c - b)), n, c)
            for n, b in bits.items()
            for c in costs[n]
            if c > b and sizes[n] * (c - b) <= room + 1e-9
        ]
        if not steps:
            return bits
        _, name, wider = max(steps, key=lambda step: (step[0], -step[2]))
        room -= sizes[name] * (wider - bits[name])
        bits = bits | {name: wider}


def average_bits(bits: Mapping[str, int], sizes: Mapping[str, int]) -> float:
    """Bits a weight, over all weights."""
    return sum(sizes[n] * b for n, b in bits.items()) / sum(sizes[n] for n in bits)
