"""What one scan works on: sizes, packed weights, and the buffers that its backward pass needs."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.cell import FORGET


class Sizes(NamedTuple):
    """Steps T, batch B, inputs X, hidden H, slots N, width R, address logits A (N, or 0 if not learned), and
    the steps done before this sequence.
    """

    T: int
    B: int
    X: int
    H: int
    N: int
    R: int
    A: int
    before: int

    @property
    def early(self) -> int:
        """Columns of a step's first product: address, gates of h and r, write vector of the step before."""
        return self.A + self.H + 2 * self.R

    @property
    def late(self) -> int:
        """Columns of the second product: j, i, f, o (H each) and q (R)."""
        return 4 * self.H + self.R

    @property
    def filling(self) -> int:
        """How many of the steps still fill empty slots."""
        return max(0, min(self.T, self.N - self.before))


class Weights(NamedTuple):
    """Weights (out, in) and biases of address (None if not learned), gate, update and write layers."""

    address: Tensor | None
    address_bias: Tensor | None
    gate: Tensor
    gate_bias: Tensor
    update: Tensor
    update_bias: Tensor
    write: Tensor
    write_bias: Tensor


class Tape(NamedTuple):
    """Buffers of a scan. Row t of `early` belongs to step t but for its last R columns: they hold the write
    vector of step t - 1, because one product with h makes both.

    early (T + 1, B, early); late (T, B, late) activated; seen (T + 1, B, X + H + R) is [x of t; h of t - 1;
    r of t];
    chosen: flat row (T, B) of each hard read, weights (T, B, N) of each soft one;
    kept: memories of soft reads at every `span`-th step after the fill phase (K, B, N, R).
    """

    early: Tensor
    late: Tensor
    seen: Tensor
    chosen: Tensor
    kept: Tensor


def rows(s: Sizes, weights: Weights, columns: slice) -> Tensor:
    """The parts of address, gate and write weights that act on the given input columns: (early, columns)."""
    parts = [weights.gate[:, columns], weights.write[:, columns]]
    if weights.address is not None:
        parts.insert(0, weights.address[:, columns])
    return torch.cat(parts)


def buffers(s: Sizes, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Empty `early`, `late` and `seen`.

    They share one allocation: C libraries return freed memory to the system by the size of the largest block,
    and with three blocks every call had to fault its pages in again, a fifth of its time.
    """
    shapes = [(s.T + 1, s.B, s.early), (s.T, s.B, s.late), (s.T + 1, s.B, s.X + s.H + s.R)]
    sizes = [math.prod(shape) for shape in shapes]
    parts = like.new_empty(sum(sizes)).split_with_sizes(sizes)
    early, late, seen = (part.view(shape) for part, shape in zip(parts, shapes, strict=True))
    return early, late, seen


def project(s: Sizes, x: Tensor, weights: Weights, noise: Tensor | None, early: Tensor, late: Tensor) -> None:
    """Fill `early` and `late` with what depends on x alone, for all steps at once."""
    flat = x.reshape(s.T * s.B, s.X)
    table, cut = early.view(-1, s.early), s.early - s.R
    bias = weights.gate_bias
    first = weights.gate[:, : s.X]
    if weights.address is not None and weights.address_bias is not None:
        bias = torch.cat([weights.address_bias, bias])
        first = torch.cat([weights.address[:, : s.X], first])
    torch.addmm(bias, flat, first.t(), out=table[: s.T * s.B, :cut])
    torch.addmm(weights.write_bias, flat, weights.write[:, : s.X].t(), out=table[s.B :, cut:])
    early[0, :, cut:] = 0
    early[-1, :, :cut] = 0
    if noise is not None and s.A:
        early[:-1, :, : s.A] += noise
    offset = weights.update_bias.clone()
    offset[2 * s.H : 3 * s.H] += FORGET
    torch.addmm(offset, flat, weights.update[:, : s.X].t(), out=late.view(-1, s.late))


def output(s: Sizes, tape: Tape) -> Tensor:
    """The cell's output (T, B, H + R): next h and read vector, each behind its gate."""
    out = tape.late.new_empty(s.T, s.B, s.H + s.R)
    gates, h = tape.late[..., 3 * s.H :], slice(s.X, s.X + s.H)
    torch.mul(gates[..., : s.H], tape.seen[1:, :, h], out=out[..., : s.H])
    torch.mul(gates[..., s.H :], tape.seen[:-1, :, s.X + s.H :], out=out[..., s.H :])
    return out
