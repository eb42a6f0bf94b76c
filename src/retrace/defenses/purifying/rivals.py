"""Rivals that need no variants: other orders of channels, and other ways to change a weight.

Spectral: how far a channel lies along the first singular direction (Tran et al. 2018, there of activations).
Wanda: |weight| times the norm of its input, within each row (Sun et al. 2024). NF4: sixteen levels at the
quantiles of a normal law, scaled by the largest of each block (Dettmers et al. 2023).
"""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.defenses.purifying.lowrank import Factors

# levels as QLoRA's appendix lists them
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
BLOCK = 64  # weights with one scale


def spectral(weight: Tensor) -> Tensor:
    """Squared share of every row (out,) in the first singular direction of the centred rows."""
    centred = (weight - weight.mean(0)).double()
    _, directions = torch.linalg.eigh(centred.T @ centred)  # ascending
    shares: Tensor = (centred @ directions[:, -1]).square()
    return shares


def spectral_low_rank(change: Factors) -> Tensor:
    """`spectral` of a change P Q, from a QR of its right factor: rows of P R' have the same geometry."""
    _, upper = torch.linalg.qr(change.right.double().T)  # (R,R), Q' = basis @ upper
    return spectral(change.left.double() @ upper.T)


def wanda(weight: Tensor, norms: Tensor, share: float) -> Tensor:
    """The weight (out,in) without the `share` of each row that counts least, by inputs' `norms` (in,).

    ValueError outside 0 to 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share {share:g} of weights: take one between 0 and 1")
    order = (weight.abs() * norms.to(weight)).argsort(dim=1, stable=True)
    return weight.scatter(1, order[:, : round(share * weight.shape[1])], 0.0)


def nf4(weight: Tensor, block: int = BLOCK) -> Tensor:
    """The weight (out,in) after a round trip through NF4; scales stay as they are (no double quantizing)."""
    flat = weight.float().flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
    scale = padded.abs().amax(1, keepdim=True).clamp_min(1e-30)
    levels = torch.tensor(NF4, device=weight.device)
    near = torch.bucketize(padded / scale, (levels[1:] + levels[:-1]) / 2)
    return (levels[near] * scale).flatten()[: len(flat)].view_as(weight).to(weight.dtype)
