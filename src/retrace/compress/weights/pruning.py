"""Pruners without an update of the weights that stay: by size, by Wanda's score, at random."""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.compress.weights.masks import keep
from retrace.compress.weights.names import Pattern


def magnitude(weight: Tensor, kept: Pattern | float) -> Tensor:
    """The weight (O,I) with its smallest entries zero: a share of the matrix, or by pattern in each row."""
    return weight * keep(weight.abs(), kept)


def wanda(weight: Tensor, norms: Tensor, kept: Pattern | float) -> Tensor:
    """The weight (O,I) with the entries of lowest |W| * norm zero, compared within each row.

    `norms` (I,) are root mean squares of the inputs. Source: Sun et al., A simple and effective pruning
    approach for large language models (ICLR 2024), equation 1.
    """
    return weight * keep(weight.abs() * norms, kept, by_row=True)


def random(weight: Tensor, kept: Pattern | float, generator: torch.Generator) -> Tensor:
    """The weight (O,I) with random entries zero, in the same pattern or share of each row: a control."""
    drawn = torch.rand(weight.shape, generator=generator, device=generator.device).to(weight.device)
    return weight * keep(drawn, kept, by_row=True)
