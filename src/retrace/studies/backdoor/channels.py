"""Channels of MLP modules by number: scores, flags, and adapters without the flagged ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retrace.defenses.purifying.lowrank import Factors, row_dots
from retrace.defenses.purifying.names import Part
from retrace.defenses.purifying.rivals import spectral, spectral_low_rank
from retrace.defenses.purifying.signature import channel_scores, flagged, overlap
from retrace.defenses.purifying.suppress import silenced
from retrace.llm.training.adapters import Adapters, Pair
from retrace.seeds import generator

DOWN = "mlp.down_proj"  # its channels are columns; those of gate_proj and up_proj are rows
Scores = dict[str, Tensor]
Change = Mapping[str, Pair]


def columns(place: str) -> bool:
    """Whether a module's channels are its columns."""
    return place.endswith(DOWN)


def in_mlp(places: Sequence[str]) -> list[str]:
    """Places of MLP modules."""
    return [place for place in places if ".mlp." in place]


def _turned(place: str, pair: Pair) -> Factors:
    """A change whose rows are the module's channels."""
    factors = Factors(*pair)
    return factors.turned if columns(place) else factors


def dots(adapters: Adapters, pairs: Sequence[tuple[int, int]]) -> Scores:
    """By MLP module, the dot products (N,N,channels) of what each run changes beyond its counterpart."""
    return {
        place: row_dots(
            [
                _turned(place, adapters.factors(place, run)).less(
                    _turned(place, adapters.factors(place, other))
                )
                for run, other in pairs
            ]
        )
        for place in in_mlp(adapters.places)
    }


def signature(found: Scores, count: int, part: Part = "sum") -> Scores:
    """Scores by module from the first `count` variants' dot products."""
    return {place: channel_scores(each[:count, :count], part) for place, each in found.items()}


def own_norms(planted: Change) -> Scores:
    """Norms of the channels of the suspicious change itself: the rival that needs no variant."""
    return {
        place: row_dots([_turned(place, planted[place])])[0, 0].clamp_min(0).sqrt()
        for place in in_mlp(list(planted))
    }


def own_spectrum(planted: Change) -> Scores:
    """Spectral signature of the suspicious change, module by module."""
    return {place: spectral_low_rank(_turned(place, planted[place])) for place in in_mlp(list(planted))}


def weights_of(net: Any, places: Sequence[str]) -> Scores:
    """The weights of modules, turned so that rows are channels."""
    found = {place: net.get_submodule(place).weight.detach() for place in places}
    return {place: weight.T if columns(place) else weight for place, weight in found.items()}


def weight_norms(net: Any, places: Sequence[str]) -> Scores:
    """Norms of the channels of the whole weights."""
    return {place: weight.float().norm(dim=1) for place, weight in weights_of(net, places).items()}


def weight_spectrum(net: Any, places: Sequence[str]) -> Scores:
    """Spectral signature of the whole weights."""
    return {place: spectral(weight) for place, weight in weights_of(net, places).items()}


def by_lot(like: Scores, seed: int) -> Scores:
    """Random scores."""
    rng = generator(seed, "backdoor", "channels")
    return {place: torch.from_numpy(rng.random(each.shape[-1])) for place, each in like.items()}


def flags(scores: Scores, share: float) -> dict[str, Tensor]:
    """The first `share` of every module's channels."""
    return {place: flagged(each, share) for place, each in scores.items()}


def without(planted: Change, gone: Mapping[str, Tensor]) -> dict[str, Pair]:
    """The change with flagged channels silent."""
    made = dict(planted)
    for place, which in gone.items():
        left = silenced(Factors(*planted[place]), which, columns(place))
        made[place] = left.left.contiguous(), left.right.contiguous()
    return made


def agreement(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Mean Jaccard index of two sets of flags over modules."""
    return float(np.mean([overlap(first[place], second[place]) for place in first]))
