"""The inputs' moments for all compressors of weights from one pass: X'X and the mean of |x|, in float32.

`statistics` has float64 sums for variances; here X'X is what costs, and is kept cheap: once for all matrices
that read an input, above the diagonal only, summed where it lies. Layers are visited one after another, so
only one layer's moments are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retrace.llm.kernels.layers import embed, hooked, run
from retrace.llm.kernels.statistics import INPUTS
from retrace.stage import StageError

TILE = 192  # rows of X'X computed at once, from the diagonal on
READERS = {  # the matrices that read an input, as they are stacked
    "attention": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "output": ("self_attn.o_proj",),
    "mlp": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}


@dataclass
class Gram:
    """Sums over n tokens of an input x (d,): of |x|, `sizes` (d,), and of xx', `upper` (d,d), float32.

    Of `upper` only what lies above the diagonal's tiles is summed; read it through `hessian`.
    """

    n: int
    sizes: Tensor
    upper: Tensor

    @property
    def hessian(self) -> Tensor:
        """2 X'X / n (d,d), both triangles."""
        whole = self.upper.triu()
        return (whole + whole.triu(1).T) * (2 / self.n)

    @property
    def norms(self) -> Tensor:
        """Root mean square by channel (d,)."""
        return (self.upper.diagonal() / self.n).sqrt()

    @property
    def mean_size(self) -> Tensor:
        """Mean of |x| by channel (d,)."""
        return self.sizes / self.n

    def add(self, x: Tensor) -> None:
        """Add tokens x (N,d)."""
        self.n += len(x)
        x = x.float()
        self.sizes += x.abs().sum(0)
        for first in range(0, len(self.upper), TILE):
            end = first + TILE
            self.upper[first:end, first:].addmm_(x[:, first:end].T, x[:, first:])


def grams(
    net: Any, rows: Sequence[Sequence[int]], edited: bool = False, budget: int = 2048
) -> Iterator[dict[str, Gram]]:
    """For each layer, in order, the moments of its four inputs over all tokens of rows of one length.

    With `edited`, later layers see the outputs of the layer as the caller left it when he asks for the next
    one (a second pass through every layer, as the authors of the compressors do it); without, dense ones.
    Hidden states of all rows are held. StageError for fewer tokens than the widest input has channels.
    """
    widest = max(net.model.layers[0].get_submodule(name).in_features for name in INPUTS.values())
    check_tokens(sum(map(len, rows)), widest)
    device, together = net.model.embed_tokens.weight.device, max(1, budget // len(rows[0]))
    with torch.no_grad():
        parts = [
            embed(net, torch.tensor([list(row) for row in rows[i : i + together]], device=device))
            for i in range(0, len(rows), together)
        ]
    for number, layer in enumerate(net.model.layers):
        sums = {name: _empty(layer.get_submodule(at).in_features, device) for name, at in INPUTS.items()}
        with torch.no_grad(), hooked([(layer.get_submodule(INPUTS[n]), _adding(g)) for n, g in sums.items()]):
            after = [run(net, states, number, number + 1) for states in parts]
        yield sums
        if edited:
            with torch.no_grad():
                after = [run(net, states, number, number + 1) for states in parts]
        parts = after


def check_tokens(tokens: int, width: int) -> None:
    """Refuse (StageError) a calibration shorter than the width: X'X would have no full rank."""
    if tokens < width:
        raise StageError(
            f"calibration of {tokens} tokens is shorter than the widest input ({width} channels): "
            "take more or longer rows"
        )


def _adding(gram: Gram) -> Any:
    def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        gram.add(given[0].flatten(0, 1))

    return hook


def _empty(width: int, device: torch.device) -> Gram:
    return Gram(0, torch.zeros(width, device=device), torch.zeros(width, width, device=device))
