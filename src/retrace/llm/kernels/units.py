"""How much each unit does on a data set: variance of its activation times the norm of its output weights.

I_j = Var[x_j] * ||W_:,j||^2 with x the input of the second matrix of a module (down_proj, o_proj), over all
tokens, with exact two-moment sums (An et al., FLAP, 2024, fluctuation metric; Li and Kim, SSAH, section 4).
Of attention the scores of channels are kept: FLAP standardises these before it averages those of a head, and
`heads` sums them. Tokens, rather than sequences, are our reading of the index n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retrace.llm.kernels.statistics import merged, moments_by
from retrace.llm.rows import Row


@dataclass(frozen=True)
class UnitScores:
    """Scores of MLP neurons `mlp` (L,I) and of the channels of query heads `channels` (L,H,d), float64."""

    mlp: Tensor
    channels: Tensor

    @property
    def heads(self) -> Tensor:
        """Scores of query heads (L,H): the sums over their channels."""
        return self.channels.sum(2)


def unit_scores(net: Any, rows: Sequence[Row], answers: bool = False, budget: int = 2048) -> UnitScores:
    """Scores of all units of `net` on `rows`, one pass without the head.

    `answers` counts the tokens of answers only. ValueError when fewer than two tokens count.
    """
    [scores] = union_scores(net, [rows], [[0]], [answers], budget)
    return scores


def union_scores(
    net: Any,
    parts: Sequence[Sequence[Row]],
    unions: Sequence[Sequence[int]],
    answers: Sequence[bool] | None = None,
    budget: int = 2048,
) -> list[UnitScores]:
    """`unit_scores` on each union of `parts` (by number): moments add up, so a row is passed once for all.

    `answers` says of each union whether the tokens of answers alone count (None: of none).
    ValueError when fewer than two tokens of a union count.
    """
    wanted = ("output", "down")
    kinds = sorted({False} if answers is None else set(answers))
    which = [kinds.index(only) for only in answers or [False] * len(unions)]
    passes = [moments_by(net, rows, kinds, wanted, gram=False, budget=budget) for rows in parts]
    mlp: list[list[Tensor]] = [[] for _ in unions]
    channels: list[list[Tensor]] = [[] for _ in unions]
    for layer, *found in zip(net.model.layers, *passes, strict=True):
        neurons = _column_norms(layer.mlp.down_proj.weight)
        attention = _column_norms(layer.self_attn.o_proj.weight)
        for number, union in enumerate(unions):
            output, down = (merged([found[part][which[number]][name] for part in union]) for name in wanted)
            mlp[number].append(down.variance * neurons)
            channels[number].append((output.variance * attention).view(net.config.num_attention_heads, -1))
    return [
        UnitScores(torch.stack(m).cpu(), torch.stack(c).cpu()) for m, c in zip(mlp, channels, strict=True)
    ]


def _column_norms(weight: Tensor) -> Tensor:
    return weight.detach().double().square().sum(0)
