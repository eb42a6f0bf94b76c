"""The opening margin: how much likelier a refusing opening is than a complying one, without generating any.

m = mean over refusing openings of log P(opening | prompt) / tokens, less the same mean over complying ones,
in nats a token (a reconstruction: the papers judge by keyword only). It moves before the keyword rate does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrace.data.texts.own import COMPLYING, REFUSING
from retrace.llm.chat import encode
from retrace.llm.kernels.layers import Switch, no_switch
from retrace.llm.kernels.masks import UnitMasks
from retrace.llm.kernels.prefix import Below
from retrace.llm.kernels.score import Item, Sums, score
from retrace.llm.kernels.sweep import score_variants
from retrace.llm.load import LanguageModel

Floats = npt.NDArray[np.float64]


def items(model: LanguageModel, prompts: Sequence[tuple[int, ...]]) -> list[Item]:
    """Every prompt with the refusing, then the complying openings."""
    openings = tuple(encode(model, text) for text in (*REFUSING, *COMPLYING))
    return [Item(prompt, openings) for prompt in prompts]


def from_sums(made: Sequence[Item], sums: Sequence[Sums]) -> Floats:
    """Margins (N,) of scored items."""
    lengths = np.array([len(option) for option in made[0].options])
    per_token = np.array(sums) / lengths
    margins: Floats = per_token[:, : len(REFUSING)].mean(1) - per_token[:, len(REFUSING) :].mean(1)
    return margins


def margins(
    model: LanguageModel,
    prompts: Sequence[tuple[int, ...]],
    budget: int = 2048,
    switch: Switch = no_switch,
    below: Below | None = None,
) -> Floats:
    """Opening margin of every prompt (N,); positive when refusing openings are likelier."""
    made = items(model, prompts)
    return from_sums(made, score(model.net, made, budget, switch, below=below))


def variant_margins(
    model: LanguageModel, masks: UnitMasks, prompts: Sequence[tuple[int, ...]], budget: int = 2048
) -> Floats:
    """Opening margins (V,N) of every prompt for every pruned variant."""
    made = items(model, prompts)
    return np.stack([from_sums(made, sums) for sums in score_variants(model.net, masks, made, budget)])
