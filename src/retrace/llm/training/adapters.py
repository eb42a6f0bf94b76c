"""Low-rank adapters of many runs on one frozen network: a batch mixes the runs, the network is passed once.

Hu et al. (LoRA, 2022): a linear layer adds (alpha/r) B A x. Run k owns slice k of the stacked A and B, each
row of a batch belongs to a run, and slices never mix, so training together equals training apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from retrace.llm.kernels.layers import Switch, hooked
from retrace.llm.training.tune import LINEARS

Pair = tuple[Tensor, Tensor]  # P (out,r) and Q (r,in) of a change P Q
Parts = list[tuple[int, int]]  # runs and how many rows (or tokens) in a row belong to each


class Adapters(nn.Module):
    """Adapters of `len(seeds)` runs on the named linears of layers `start` and up; they begin as zero.

    `down[name]` is A (R,r,in), drawn for each run from its own seed, `up[name]` is B (R,out,r), in float32.
    """

    def __init__(
        self,
        net: Any,
        seeds: Sequence[int],
        rank: int = 8,
        alpha: float = 16.0,
        names: Sequence[str] = LINEARS,
        start: int = 0,
    ) -> None:
        super().__init__()
        self.runs, self.rank, self.scale = len(seeds), rank, alpha / rank
        self.places = [
            f"model.layers.{number}.{name}"
            for number in range(start, len(net.model.layers))
            for name in names
        ]
        self._modules_of = [net.get_submodule(place) for place in self.places]
        device = net.model.embed_tokens.weight.device
        draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        for module in self._modules_of:
            bound = module.in_features**-0.5  # torch's own start of a linear layer
            drawn = [torch.rand(rank, module.in_features, generator=g) * 2 * bound - bound for g in draws]
            self.down.append(nn.Parameter(torch.stack(drawn).to(device)))
            self.up.append(nn.Parameter(torch.zeros(self.runs, module.out_features, rank, device=device)))

    @contextmanager
    def attached(self, run_of_row: Sequence[int]) -> Iterator[Switch]:
        """For the time of a block, row r of the caller passes the adapter of run `run_of_row[r]`."""
        now: Parts = []

        def switch(rows: Sequence[int]) -> None:
            now[:] = _parts([run_of_row[row] for row in rows])

        with hooked(self._hooks(lambda: now, 0), before=False):
            yield switch

    @contextmanager
    def end_to_end(self, run_of_row: Sequence[int], lengths: Sequence[int]) -> Iterator[None]:
        """The same for rows of these lengths that lie end to end in one row (`layers.run_rows`)."""
        owners = [run for run, length in zip(run_of_row, lengths, strict=True) for _ in range(length)]
        parts = _parts(owners)
        with hooked(self._hooks(lambda: parts, 1), before=False):
            yield

    def _hooks(self, now: Callable[[], Parts], axis: int) -> list[tuple[nn.Module, Any]]:
        """Hooks that add to a module's output what the runs' adapters make of its input, part by part."""

        def hook(down: Tensor, up: Tensor) -> Any:
            def add(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
                parts, x = now(), given[0]
                if x.shape[axis] != sum(count for _, count in parts):
                    raise RuntimeError("the kernel did not tell the adapters which rows its batch holds")
                pieces = torch.split(x.to(down.dtype), [count for _, count in parts], axis)
                downs, ups = down.unbind(), up.unbind()  # indexing would add a whole stack of zeros a run
                made = [
                    piece @ downs[run].T @ ups[run].T for piece, (run, _) in zip(pieces, parts, strict=True)
                ]
                return out + self.scale * torch.cat(made, axis).to(out.dtype)

            return add

        found = zip(self._modules_of, self.down, self.up, strict=True)
        return [(module, hook(down, up)) for module, down, up in found]

    def factors(self, place: str, run: int) -> Pair:
        """P (out,r) and Q (r,in) of run `run` at `place`: the change of that weight is P Q."""
        number = self.places.index(place)
        return self.scale * self.up[number][run].detach(), self.down[number][run].detach()

    @torch.no_grad()
    def put(self, run: int, factors: Mapping[str, Pair]) -> None:
        """Let run `run` begin as this change of every place; places that are not named change nothing.

        Errors: ValueError for a place that there is not, and for factors of another shape (those of another
        base, say).
        """
        if unknown := sorted(set(factors) - set(self.places)):
            raise ValueError(f"no adapter at {unknown[0]}: it is one of another base or of other layers")
        for number, place in enumerate(self.places):
            if place not in factors:
                self.up[number][run] = 0
                continue
            p, q = factors[place]
            for what, own, wanted in (("up", p, self.up), ("down", q, self.down)):
                if own.shape != wanted[number][run].shape:
                    raise ValueError(
                        f"adapter at {place}: {what} has shape {tuple(own.shape)}, this base takes "
                        f"{tuple(wanted[number][run].shape)}; it is one of another base or rank"
                    )
            self.up[number][run] = p.to(self.up[number]) / self.scale
            self.down[number][run] = q.to(self.down[number])


def _parts(runs: Sequence[int]) -> Parts:
    """Runs of neighbours: (run, how many)."""
    return [(run, len(list(same))) for run, same in groupby(runs)]


@torch.no_grad()
def merge(net: Any, adapters: Adapters, run: int) -> None:
    """Add the adapter of one run to the weights of `net`, in place."""
    for place in adapters.places:
        p, q = adapters.factors(place, run)
        weight = net.get_submodule(place).weight
        weight += (p @ q).to(weight.dtype)
