"""The matrices that share an input by several compressors at once: what they have in common is done once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from retrace.compress.weights.awq import awq
from retrace.compress.weights.columns import Factor, factor
from retrace.compress.weights.error import noise, output_error
from retrace.compress.weights.gptq import gptq
from retrace.compress.weights.grids import hqq, nf4, rtn
from retrace.compress.weights.names import Pattern, pattern
from retrace.compress.weights.pruning import magnitude, random, wanda
from retrace.compress.weights.settings import Compressor
from retrace.compress.weights.sparsegpt import sparsegpt

SEEN = 48  # rows of a matrix by which its output error is taken
DRAWN = ("random", "noise")  # methods that need random numbers
Draws = Mapping[str, torch.Generator]


class Moments(Protocol):
    """Of an input of I channels: 2 X'X / n (I,I), root mean squares (I,), means of |x| (I,)."""

    @property
    def hessian(self) -> Tensor:
        """2 X'X / n (I,I)."""

    @property
    def norms(self) -> Tensor:
        """Root mean squares (I,)."""

    @property
    def mean_size(self) -> Tensor:
        """Means of |x| (I,)."""


@torch.no_grad()
def changed(
    matrices: Sequence[Tensor],
    seen: Moments,
    configs: Mapping[str, Compressor],
    draws: Draws,
    queries: bool = False,
) -> Iterator[tuple[str, list[Tensor], list[tuple[float, ...]]]]:
    """By compressor the new matrices (O,I), float32, and their relative output errors.

    Errors are tr(D H D') over tr(W H W') on some rows; of SparseGPT there is a second one, that of its masks
    alone. `draws` has a generator for each compressor of `DRAWN`, so that none changes what another draws.
    The partner of each `like` is among `configs`. With `queries` the first two matrices are queries and keys,
    whose grids AWQ does not clip.
    """
    own, hessian = [weight.detach().float() for weight in matrices], seen.hessian
    sizes = [len(weight) for weight in own]
    stacks = _stacks(torch.cat(own), sizes, seen, hessian, configs, queries, draws)
    parts = {name: torch.split(stack, sizes) for name, stack in stacks.items()}
    for name, config in configs.items():
        if config.like is not None:
            parts[name] = tuple(
                noise(w, hessian, float(_error(like, w, hessian)), draws[name], _every(w))
                for w, like in zip(own, parts[config.like], strict=True)
            )
    for name, config in configs.items():
        errors = []
        for weight, new in zip(own, parts[name], strict=True):
            size = float(output_error(weight[:: _every(weight)], hessian))
            lost = [_error(new, weight, hessian)]
            if config.method == "sparsegpt":
                lost.append(_error(weight * (new != 0), weight, hessian))
            errors.append(tuple(float(error) / size if size else 0.0 for error in lost))
        yield name, list(parts[name]), errors


def _every(weight: Tensor) -> int:
    return -(-len(weight) // SEEN)


def _error(new: Tensor, weight: Tensor, hessian: Tensor) -> Tensor:
    every = _every(weight)
    return output_error(new[::every] - weight[::every], hessian)


def _stacks(
    stack: Tensor,
    sizes: Sequence[int],
    seen: Moments,
    hessian: Tensor,
    configs: Mapping[str, Compressor],
    queries: bool,
    draws: Draws,
) -> dict[str, Tensor]:
    """By compressor the new stack (O,I) of the matrices that share an input; noise comes later."""
    made: dict[str, Tensor] = {}
    factors: dict[bool, Factor] = {}

    def factored(act_order: bool) -> Factor:
        if act_order not in factors:
            factors[act_order] = factor(hessian, act_order)
        return factors[act_order]

    walks: dict[tuple[bool, int | None], list[str]] = {}
    for name, config in configs.items():
        if config.method == "gptq":
            walks.setdefault((config.act_order, config.group), []).append(name)
    for (act_order, group), names in walks.items():
        every = [configs[name].bits or 8 for name in names]
        made |= dict(zip(names, gptq(stack, factored(act_order), every, group), strict=True))
    names = [name for name, config in configs.items() if config.method == "sparsegpt"]
    if names:
        kept = [_kept(configs[name]) for name in names]
        made |= dict(zip(names, sparsegpt(stack, factored(False), kept, sizes), strict=True))
    clipped = torch.ones(len(stack), dtype=torch.bool, device=stack.device)
    if queries:
        clipped[: sizes[0] + sizes[1]] = False
    for name, config in configs.items():
        bits, group = config.bits or 4, config.group
        if config.method == "awq":
            made[name] = awq(stack, seen.mean_size, hessian, bits, group or 64, clipped)
        elif config.method == "rtn":
            made[name] = rtn(stack, bits, group)
        elif config.method == "nf4":
            made[name] = nf4(stack, group or 64)
        elif config.method == "hqq":
            made[name] = torch.cat(
                [hqq(weight, bits, group or 64) for weight in torch.split(stack, list(sizes))]
            )
        elif config.method == "wanda":
            made[name] = wanda(stack, seen.norms, _kept(config))
        elif config.method == "magnitude":
            made[name] = torch.cat(
                [magnitude(weight, _kept(config)) for weight in torch.split(stack, list(sizes))]
            )
        elif config.method == "random":
            made[name] = random(stack, _kept(config), draws[name])
    return made


def _kept(config: Compressor) -> Pattern | float:
    return pattern(config.keep) if config.keep is not None else float(config.share or 0)
