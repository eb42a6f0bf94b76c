"""Compress a network by several compressors at once: one pass of statistics, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from retrace.compress.weights.awq import awq
from retrace.compress.weights.columns import Factor, factor
from retrace.compress.weights.error import noise, output_error
from retrace.compress.weights.gptq import gptq
from retrace.compress.weights.grids import hqq, nf4, rtn
from retrace.compress.weights.names import Pattern, pattern
from retrace.compress.weights.pruning import magnitude, random, wanda
from retrace.compress.weights.sparsegpt import sparsegpt
from retrace.llm.kernels.grams import READERS, Gram, grams
from retrace.llm.load import LanguageModel
from retrace.seeds import derive

if TYPE_CHECKING:
    from retrace.studies.compression.params import Compressor

SEEN = 48  # rows of a matrix by which its output error is taken
Weights = dict[str, Tensor]


def compressed(
    model: LanguageModel,
    rows: Sequence[Sequence[int]],
    configs: Mapping[str, Compressor],
    seed: int,
    sequential: bool = False,
    budget: int = 2048,
) -> tuple[dict[str, Weights], dict[str, list[float]]]:
    """By compressor the new weights by parameter, in the network's dtype, and relative output errors.

    Of SparseGPT the errors of its masks alone, the weights that it keeps left as they were, stand beside as
    `<compressor>_masks`. Errors, tr(D H D') over tr(W H W') on some rows, have the order of layers and their
    matrices. With `sequential` each compressor has a pass of its own, in which later layers see its outputs;
    the network is as before at the end.
    """
    weights: dict[str, Weights] = {name: {} for name in configs}
    errors: dict[str, list[float]] = {name: [] for name in configs}
    for wanted in [[name] for name in configs] if sequential else [list(configs)]:
        needed = [*wanted, *(like for name in wanted if (like := configs[name].like))]
        some = {name: configs[name] for name in configs if name in needed}
        before: Weights = {}
        for number, found in enumerate(grams(model.net, rows, sequential, budget)):
            draw = torch.Generator(model.device).manual_seed(derive(seed, "compression", "noise", number))
            layer = model.net.model.layers[number]
            for name, matrix, new, error in list(layer_weights(layer, found, some, draw)):
                if name not in wanted:
                    continue
                at = f"model.layers.{number}.{matrix}.weight"
                parameter = model.net.get_parameter(at)
                weights[name][at] = new.to(parameter.dtype)
                for place, value in zip((name, f"{name}_masks"), error, strict=False):
                    errors.setdefault(place, []).append(value)
                if sequential:
                    before[at] = parameter.detach().clone()
                    parameter.data.copy_(weights[name][at])
        for at, values in before.items():
            model.net.get_parameter(at).data.copy_(values)
    return weights, errors


@torch.no_grad()
def layer_weights(
    layer: Any, found: Mapping[str, Gram], configs: Mapping[str, Compressor], draw: torch.Generator
) -> Iterator[tuple[str, str, Tensor, tuple[float, ...]]]:
    """Compressor, matrix, new weight float32 and relative output error, for all matrices of a layer.

    Of SparseGPT there is a second error, that of its masks alone.
    """
    for reader, matrices in READERS.items():
        own = [layer.get_submodule(matrix).weight.detach().float() for matrix in matrices]
        gram = found[reader]
        hessian, sizes = gram.hessian, [len(weight) for weight in own]
        stacks = _stacks(torch.cat(own), sizes, gram, hessian, configs, reader == "attention", draw)
        parts = {name: torch.split(stack, sizes) for name, stack in stacks.items()}
        for name, config in configs.items():
            if config.like is not None:
                parts[name] = tuple(
                    noise(w, hessian, float(_error(like, w, hessian)), draw, _every(w))
                    for w, like in zip(own, parts[config.like], strict=True)
                )
        for name in configs:
            for matrix, weight, new in zip(matrices, own, parts[name], strict=True):
                size = float(output_error(weight[:: _every(weight)], hessian))
                lost = [_error(new, weight, hessian)]
                if configs[name].method == "sparsegpt":
                    lost.append(_error(weight * (new != 0), weight, hessian))
                yield name, matrix, new, tuple(float(error) / size if size else 0.0 for error in lost)


def _every(weight: Tensor) -> int:
    return -(-len(weight) // SEEN)


def _error(new: Tensor, weight: Tensor, hessian: Tensor) -> Tensor:
    every = _every(weight)
    return output_error(new[::every] - weight[::every], hessian)


def _stacks(
    stack: Tensor,
    sizes: Sequence[int],
    gram: Gram,
    hessian: Tensor,
    configs: Mapping[str, Compressor],
    queries: bool,
    draw: torch.Generator,
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
            made[name] = awq(stack, gram.mean_size, hessian, bits, group or 64, clipped)
        elif config.method == "rtn":
            made[name] = rtn(stack, bits, group)
        elif config.method == "nf4":
            made[name] = nf4(stack, group or 64)
        elif config.method == "hqq":
            made[name] = torch.cat(
                [hqq(weight, bits, group or 64) for weight in torch.split(stack, list(sizes))]
            )
        elif config.method == "wanda":
            made[name] = wanda(stack, gram.norms, _kept(config))
        elif config.method == "magnitude":
            made[name] = torch.cat(
                [magnitude(weight, _kept(config)) for weight in torch.split(stack, list(sizes))]
            )
        elif config.method == "random":
            made[name] = random(stack, _kept(config), draw)
    return made


def _kept(config: Compressor) -> Pattern | float:
    return pattern(config.keep) if config.keep is not None else float(config.share or 0)
