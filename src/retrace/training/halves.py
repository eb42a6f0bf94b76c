"""Which examples each of K models trains on: complementary halves of one pool."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrace.seeds import generator
from retrace.stage import StageError


def complementary_halves(models: int, examples: int, seed: int) -> npt.NDArray[np.bool_]:
    """Membership (models, examples): models 2i and 2i+1 train on a random half and on the other half.

    So every example is in exactly half of the models and every model has as many members as non-members.
    StageError when the models or the examples are not even in number.
    Source: Carlini et al. (S&P 2022) for random halves, Zarifzadeh et al. (ICML 2024) for exact pairs.
    """
    if models < 4 or models % 2:
        raise StageError(f"models: {models}; complementary halves need an even number of 4 or more")
    if examples < 2 or examples % 2:
        raise StageError(f"pool: {examples} examples; halves need an even number of 2 or more")
    member = np.zeros((models, examples), dtype=np.bool_)
    for pair in range(models // 2):
        half = generator(seed, "halves", pair).permutation(examples)[: examples // 2]
        member[2 * pair, half] = True
        member[2 * pair + 1] = ~member[2 * pair]
    return member


def member_rows(member: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The rows each model trains on, (models, members), rising; StageError when their numbers differ."""
    counts = member.sum(axis=1)
    if len(set(counts.tolist())) != 1:
        raise StageError(f"member: models have {counts.min()} to {counts.max()} members; give all as many")
    return np.nonzero(member)[1].reshape(len(member), -1).astype(np.int64)
