"""Compress a language model's layers by several compressors at once, and see each network in turn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from retrace.compress.weights.settings import Compressor
from retrace.compress.weights.stacks import DRAWN, changed
from retrace.llm.kernels.grams import READERS, grams
from retrace.llm.load import LanguageModel
from retrace.seeds import derive

Weights = dict[str, Tensor]
Errors = dict[str, list[float]]


def in_turn(
    model: LanguageModel,
    rows: Sequence[Sequence[int]],
    configs: Mapping[str, Compressor],
    seed: int,
    sequential: bool = False,
    together: int | None = None,
    budget: int = 2048,
) -> Iterator[tuple[str, Errors]]:
    """Compressor by compressor: the network is that one's while the caller has it, and as before at the end.

    `together` are computed in one pass over the calibration `rows`, and their weights held beside the dense
    ones; None: all. Beside the name stand its errors, as in `compressed`.
    """
    names = list(configs)
    size = together or max(len(names), 1)
    for first in range(0, len(names), size):
        some = names[first : first + size]
        weights, errors = compressed(model, rows, configs, seed, sequential, budget, some)
        for name in some:
            with holding(model.net, weights.pop(name)):
                yield name, {place: errors[place] for place in (name, f"{name}_masks") if place in errors}


def compressed(
    model: LanguageModel,
    rows: Sequence[Sequence[int]],
    configs: Mapping[str, Compressor],
    seed: int,
    sequential: bool = False,
    budget: int = 2048,
    wanted: Collection[str] | None = None,
) -> tuple[dict[str, Weights], Errors]:
    """By compressor (those `wanted`; None: all) the new weights by parameter, in the network's dtype, and
    relative output errors (`stacks.changed`) in the order of layers and their matrices.

    Of SparseGPT the errors of its masks alone, the weights that it keeps left as they were, stand beside as
    `<compressor>_masks`. With `sequential` each compressor has a pass of its own, in which later layers see
    its outputs; the network is as before at the end. What a compressor draws follows from seed, its name and
    the layer, and from no other compressor.
    """
    names = [name for name in configs if wanted is None or name in wanted]
    weights: dict[str, Weights] = {name: {} for name in names}
    errors: Errors = {name: [] for name in names}
    for now in [[name] for name in names] if sequential else [names]:
        needed = [*now, *(like for name in now if (like := configs[name].like))]
        some = {name: configs[name] for name in configs if name in needed}
        before: Weights = {}
        for number, found in enumerate(grams(model.net, rows, sequential, budget) if some else ()):
            draws = {
                name: torch.Generator(model.device).manual_seed(derive(seed, "compressor", name, number))
                for name, config in some.items()
                if config.method in DRAWN
            }
            layer = model.net.model.layers[number]
            for reader, matrices in READERS.items():
                own = [layer.get_submodule(matrix).weight for matrix in matrices]
                for name, new, lost in changed(own, found[reader], some, draws, reader == "attention"):
                    if name not in now:
                        continue
                    for matrix, weight, values, error in zip(matrices, own, new, lost, strict=True):
                        weights[name][f"model.layers.{number}.{matrix}.weight"] = values.to(weight.dtype)
                        for place, value in zip((name, f"{name}_masks"), error, strict=False):
                            errors.setdefault(place, []).append(value)
            if sequential:
                for at, values in weights[now[0]].items():
                    if at.startswith(f"model.layers.{number}."):
                        before[at] = model.net.get_parameter(at).detach().clone()
                        model.net.get_parameter(at).data.copy_(values)
        for at, values in before.items():
            model.net.get_parameter(at).data.copy_(values)
    return weights, errors


@contextmanager
def holding(net: Any, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Other weights by parameter for the time of a block; the network's own are put back."""
    before = {at: net.get_parameter(at).data for at in weights}
    try:
        for at, values in weights.items():
            net.get_parameter(at).data = values
        yield
    finally:
        for at, values in before.items():
            net.get_parameter(at).data = values
