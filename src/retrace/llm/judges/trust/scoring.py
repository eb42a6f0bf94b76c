"""Score dimensions: margins by likelihood, all probes with a text in common in one item, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrace.llm.chat import encode, prompt_ids
from retrace.llm.judges.trust.probe import Dimension, Floats, Probe, margin
from retrace.llm.kernels.score import Item, score
from retrace.llm.load import LanguageModel
from retrace.stage import StageError


def margins(model: LanguageModel, dimensions: Sequence[Dimension], budget: int = 2048) -> dict[str, Floats]:
    """By dimension the margin of every probe (N,), nats a token, or nats where the dimension sums.

    Errors: StageError for a probe whose two sides are the same tokens; as in `score`.
    """
    found: dict[str, Floats] = {}
    plain: list[tuple[Dimension, list[Item], list[list[int]]]] = []
    for dimension in dimensions:
        made, where = items(model, dimension)
        if dimension.common:
            sums = score(model.net, made, budget, common=encode(model, dimension.common))
            found[dimension.name] = _margins(dimension, made, where, sums)
        else:
            plain.append((dimension, made, where))
    sums = _score(model, [item for _, made, _ in plain for item in made], budget)
    first = 0
    for dimension, made, where in plain:
        found[dimension.name] = _margins(dimension, made, where, sums[first : first + len(made)])
        first += len(made)
    return {dimension.name: found[dimension.name] for dimension in dimensions}


def _score(model: LanguageModel, made: Sequence[Item], budget: int) -> list[Floats]:
    """`score` for rows of all dimensions in shared batches, in which none is padded by more than a quarter.

    A dimension without texts before its options is one long row, to which a batch would pad all others.
    """
    order = sorted(range(len(made)), key=lambda i: -made[i].inputs)
    found: dict[int, Floats] = {}
    while order:
        longest = made[order[0]].inputs
        alike = [i for i in order if 5 * made[i].inputs >= 4 * longest]
        order = order[len(alike) :]
        found |= dict(zip(alike, score(model.net, [made[i] for i in alike], budget), strict=True))
    return [found[i] for i in range(len(made))]


def items(model: LanguageModel, dimension: Dimension) -> tuple[list[Item], list[list[int]]]:
    """Items, and the probes of each: probes that follow the same text share it."""
    texts: dict[tuple[int, ...], list[int]] = {}
    for number, probe in enumerate(dimension.probes):
        texts.setdefault(_prefix(model, probe), []).append(number)
    made = []
    for prefix, numbers in texts.items():
        options = [_options(model, dimension, number) for number in numbers]
        made.append(Item(prefix, tuple(option for both in options for side in both for option in side)))
    return made, list(texts.values())


def _prefix(model: LanguageModel, probe: Probe) -> tuple[int, ...]:
    if probe.chat:
        return prompt_ids(model, probe.text, bare=True)
    start = model.tokenizer.bos_token_id
    return encode(model, probe.text) or (int(model.tokenizer.eos_token_id if start is None else start),)


def _options(
    model: LanguageModel, dimension: Dimension, number: int
) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    probe = dimension.probes[number]
    first, second = (tuple(encode(model, text) for text in side) for side in (probe.first, probe.second))
    if set(first) & set(second):
        raise StageError(
            f"dimension {dimension.name}, probe {number}: both sides share all tokens"
            "; nothing tells them apart"
        )
    return first, second


def _margins(
    dimension: Dimension, made: Sequence[Item], where: Sequence[Sequence[int]], sums: Sequence[Floats]
) -> Floats:
    found = np.zeros(len(dimension.probes))
    for item, numbers, values in zip(made, where, sums, strict=True):
        rated = values if dimension.summed else values / [len(option) for option in item.options]
        at = 0
        for number in numbers:
            probe = dimension.probes[number]
            middle, end = at + len(probe.first), at + len(probe.first) + len(probe.second)
            found[number] = margin(rated[at:middle], rated[middle:end], dimension.combine)
            at = end
    return found
