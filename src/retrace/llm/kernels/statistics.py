"""One pass over the data for everything that needs the inputs of linear layers: counts, sums, X'X.

From these follow Wanda's norms, the Hessians of SparseGPT and GPTQ, the scales of AWQ and the variances of
FLAP and SSAH. Layers are visited one after another, so only one layer's statistics are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retrace.llm.kernels.layers import embed, hooked, pad, run
from retrace.llm.rows import Row, batches

BLOCK = 64  # tokens widened at once: larger blocks leave the cache
# the four distinct inputs of a layer: q, k and v share one, gate and up share one
INPUTS = {
    "attention": "self_attn.q_proj",
    "output": "self_attn.o_proj",
    "mlp": "mlp.gate_proj",
    "down": "mlp.down_proj",
}


@dataclass
class Moments:
    """Float64 sums over n tokens of an input x of d channels: `total`, `squares` (d,), `gram` (d,d)."""

    n: int
    total: Tensor
    squares: Tensor
    gram: Tensor | None

    @property
    def mean(self) -> Tensor:
        """Mean by channel (d,)."""
        return self.total / self.n

    @property
    def variance(self) -> Tensor:
        """Unbiased variance by channel (d,); ValueError below two tokens."""
        if self.n < 2:
            raise ValueError(f"a variance needs two tokens or more, not {self.n}")
        return ((self.squares - self.total**2 / self.n) / (self.n - 1)).clamp_min(0)

    @property
    def norms(self) -> Tensor:
        """Root mean square by channel (d,): Wanda's norm of the activations, up to the factor root n."""
        return (self.squares / self.n).sqrt()

    @property
    def hessian(self) -> Tensor:
        """2 X'X / n (d,d), as SparseGPT and GPTQ use it; ValueError when X'X was not collected."""
        if self.gram is None:
            raise ValueError("X'X was not collected: ask for it with gram=True")
        return 2 * self.gram / self.n

    def add(self, x: Tensor) -> None:
        """Add tokens x (N,d)."""
        self.n += len(x)
        for some in torch.split(x, BLOCK):
            wide = some.double()
            self.total += wide.sum(0)
            if self.gram is None:
                self.squares += wide.square().sum(0)
        if self.gram is not None:
            narrow = x.to(torch.promote_types(x.dtype, torch.float32))
            self.gram += (narrow.T @ narrow).double()
            self.squares = self.gram.diagonal()


def merged(parts: Sequence[Moments]) -> Moments:
    """Moments over the tokens of several disjoint sets, without X'X."""
    n = sum(part.n for part in parts)
    total, squares = (
        torch.stack([getattr(part, name) for part in parts]).sum(0) for name in ("total", "squares")
    )
    return Moments(n, total, squares, None)


def moments(
    net: Any,
    rows: Sequence[Row],
    inputs: Sequence[str] = tuple(INPUTS),
    gram: bool = True,
    answers: bool = False,
    edited: bool = False,
    budget: int = 2048,
) -> Iterator[dict[str, Moments]]:
    """For each layer, in order, the moments of the named inputs over all tokens of `rows`.

    `answers` counts the tokens of answers only. With `edited`, later layers see the outputs of the layer as
    the caller left it when he asks for the next one (a second pass through every layer); without, dense ones.
    Hidden states of all rows are held: tokens x D. ValueError for an unknown input.
    """
    for [sums] in moments_by(net, rows, [answers], inputs, gram, edited, budget):
        yield sums


def moments_by(
    net: Any,
    rows: Sequence[Row],
    answers: Sequence[bool],
    inputs: Sequence[str] = tuple(INPUTS),
    gram: bool = True,
    edited: bool = False,
    budget: int = 2048,
) -> Iterator[list[dict[str, Moments]]]:
    """`moments` for each of `answers`, from one pass."""
    if unknown := [name for name in inputs if name not in INPUTS]:
        raise ValueError(f"unknown input {unknown[0]!r} (known: {', '.join(INPUTS)})")
    groups = batches([len(row.ids) for row in rows], budget)
    device = net.model.embed_tokens.weight.device
    with torch.no_grad():
        states = [embed(net, pad([rows[i].ids for i in group], device)) for group in groups]
    counted = [[_counted([rows[i] for i in group], only, device) for only in answers] for group in groups]
    for number, layer in enumerate(net.model.layers):
        widths = {name: layer.get_submodule(INPUTS[name]).in_features for name in inputs}
        sums = [{name: _empty(width, gram, device) for name, width in widths.items()} for _ in answers]
        after = [_visit(net, number, layer, x, which, sums) for x, which in zip(states, counted, strict=True)]
        yield sums
        if edited:
            with torch.no_grad():
                after = [run(net, x, number, number + 1) for x in states]
        states = after


@torch.no_grad()
def _visit(
    net: Any,
    number: int,
    layer: Any,
    states: Tensor,
    counted: Sequence[Tensor | None],
    sums: Sequence[dict[str, Moments]],
) -> Tensor:
    def collect(name: str) -> Any:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            x = given[0].flatten(0, 1)
            for which, to in zip(counted, sums, strict=True):
                to[name].add(x if which is None else x[which])

        return hook

    places = [(layer.get_submodule(INPUTS[name]), collect(name)) for name in sums[0]]
    with hooked(places):
        return run(net, states, number, number + 1)


def _counted(rows: Sequence[Row], answers: bool, device: torch.device) -> Tensor | None:
    """Flat positions (in a padded batch) of the tokens that count; None when all do."""
    width = max(len(row.ids) for row in rows)
    if not answers and all(len(row.ids) == width for row in rows):
        return None
    places = [
        i * width + t for i, row in enumerate(rows) for t in range(row.start if answers else 0, len(row.ids))
    ]
    return torch.tensor(places, device=device)


def _empty(width: int, gram: bool, device: torch.device) -> Moments:
    zeros = torch.zeros(width, dtype=torch.float64, device=device)
    square = torch.zeros(width, width, dtype=torch.float64, device=device) if gram else None
    return Moments(0, zeros, zeros.clone(), square)
