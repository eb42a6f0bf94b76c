"""Soft prompts: vectors in place of an instruction's words, trained by SGD or DP-SGD.

Every row of a batch reads its own copy of the vectors, so one backward pass gives each row's gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrace.llm.kernels.layers import embed, logits, pad, run

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Training:
    """Steps, share of the rows sampled for each, learning rate, and, for DP-SGD, clip bound and noise.

    `noise` multiplies `clip`; 0 is SGD, whose gradients are not clipped either.
    """

    steps: int
    share: float
    rate: float
    clip: float = 1.0
    noise: float = 0.0


def initial(net: Any, ids: Sequence[int]) -> Tensor:
    """The vectors (k,D) of an instruction's tokens, float32."""
    found: Tensor = embed(net, torch.tensor([list(ids)], device=net.model.embed_tokens.weight.device))[0]
    return found.detach().float()


def fit(
    net: Any,
    prompt: Tensor,
    rows: Sequence[Sequence[int]],
    y: Ints,
    labels: Sequence[int],
    training: Training,
    rng: np.random.Generator,
) -> Tensor:
    """The trained vectors (k,D): plain steps on the label's cross-entropy among `labels` (first tokens).

    Rows are Poisson-sampled; sums of gradients are divided by the expected number of rows, whatever came.
    Source: Abadi et al. (CCS 2016); on soft prompts Duan et al. (NeurIPS 2023).
    """
    expected = training.share * len(rows)
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    found = prompt.clone()
    for _ in range(training.steps):
        chosen = np.flatnonzero(rng.random(len(rows)) < training.share)
        total = torch.zeros_like(found)
        if len(chosen):
            each = gradients(net, found, [rows[int(i)] for i in chosen], y[chosen], labels)
            total = (clipped(each, training.clip) if training.noise else each).sum(0)
        if training.noise:
            drawn = torch.randn(found.shape, generator=noise).to(found)
            total = total + training.noise * training.clip * drawn
        found = found - training.rate * total / expected
    return found


def gradients(
    net: Any, prompt: Tensor, rows: Sequence[Sequence[int]], y: Ints, labels: Sequence[int]
) -> Tensor:
    """Each row's gradient of its loss with respect to the vectors, (B,k,D)."""
    copies = prompt.detach().expand(len(rows), -1, -1).clone().requires_grad_(True)
    log = _log_shares(net, copies, rows, labels)
    loss = -log[torch.arange(len(rows)), torch.from_numpy(y)].sum()
    (found,) = torch.autograd.grad(loss, copies)
    return found


def clipped(each: Tensor, bound: float) -> Tensor:
    """Gradients (B,k,D) whose norms are at most `bound`."""
    norms = each.flatten(1).norm(dim=1)
    found: Tensor = each * (bound / norms.clamp_min(bound))[:, None, None]
    return found


@torch.no_grad()
def scores(
    net: Any, prompt: Tensor, rows: Sequence[Sequence[int]], labels: Sequence[int], batch: int = 32
) -> Floats:
    """Log-probabilities of the labels among themselves (N,labels) after the vectors and each row."""
    parts = [
        _log_shares(net, prompt.expand(len(some), -1, -1), some, labels)
        for some in (rows[i : i + batch] for i in range(0, len(rows), batch))
    ]
    found: Floats = torch.cat(parts).double().cpu().numpy()
    return found


def _log_shares(net: Any, copies: Tensor, rows: Sequence[Sequence[int]], labels: Sequence[int]) -> Tensor:
    device = net.model.embed_tokens.weight.device
    words = embed(net, pad(rows, device))
    states = run(net, torch.cat([copies.to(words), words], 1))
    last = torch.tensor([copies.shape[1] + len(row) - 1 for row in rows], device=device)
    final = states[torch.arange(len(rows), device=device), last]
    found: Tensor = logits(net, final)[:, list(labels)].log_softmax(1).cpu()
    return found
