"""Retraining one network under many shifts."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from retrace.training.retrain import Retrained, RetrainSettings, Shifted, retrain
from retrace.training.stacked import retrain_stacked

STACK_BELOW = 200_000  # parameters


def worth_stacking(net: nn.Module) -> bool:
    """Whether training copies of `net` as one stack is the faster way where the network is.

    Measured on one CPU core, 16 copies at batch 32: perceptrons of 17,000 and 110,000 parameters
    train 2.1 to 3 and 1.2 to 1.3 times faster as a stack, the small CNN 0.9 times on 8x8 images (and
    convolutions lose more the larger the images). So on a CPU only small networks of linear layers are
    stacked. On an accelerator, where small batches wait for kernel launches, convolutional networks are
    too; that has not been measured. Attention is never stacked.
    """
    if any(isinstance(m, nn.MultiheadAttention) for m in net.modules()):
        return False
    if next(net.parameters()).device.type != "cpu":
        return True
    with_weights = [m for m in net.modules() if next(m.parameters(recurse=False), None) is not None]
    linear = all(isinstance(m, nn.Linear) for m in with_weights)
    return linear and sum(p.numel() for p in net.parameters()) < STACK_BELOW


def retrain_many(
    net: nn.Module,
    shifts: Iterable[tuple[str, Shifted]],
    settings: RetrainSettings,
    seeds: Sequence[int],
    stacked: bool | None = None,
) -> dict[str, list[Retrained]]:
    """Retrain a copy of `net` for each named shift and each seed; the repetitions of a name, in order.

    `shifts` may be a generator: in a loop only one shift is held at a time. `stacked` overrides the
    choice of `worth_stacking`; shifts of unequal shapes always go through the loop.
    """
    if not (worth_stacking(net) if stacked is None else stacked):
        return {
            name: [retrain(copy.deepcopy(net), shift, settings, seed) for seed in seeds]
            for name, shift in shifts
        }
    groups: dict[tuple[torch.Size, torch.Size], list[tuple[str, Shifted]]] = {}
    names = []
    for name, shift in shifts:
        groups.setdefault((shift.x_train.shape, shift.x_test.shape), []).append((name, shift))
        names.append(name)
    results: dict[str, list[Retrained]] = {}
    for group in groups.values():
        repeated = [shift for _, shift in group for _ in seeds]
        done = retrain_stacked(net, repeated, settings, list(seeds) * len(group))
        for i, (name, _) in enumerate(group):
            results[name] = done[i * len(seeds) : (i + 1) * len(seeds)]
    return {name: results[name] for name in names}
