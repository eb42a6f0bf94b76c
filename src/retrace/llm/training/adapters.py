"""Low-rank adapters of many runs on one frozen network: a batch mixes the runs, the network is passed once.

Hu et al. (LoRA, 2022): a linear layer adds (alpha/r) B A x. Run k owns slice k of the stacked A and B, each
row of a batch belongs to a run, and slices never mix, so training together equals training apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from retrace.llm.kernels.layers import Switch, hooked
from retrace.llm.training.tune import LINEARS


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
        self.runs, self.scale = len(seeds), alpha / rank
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
        of_row = torch.tensor(list(run_of_row), device=self.down[0].device)
        now = of_row[:0]

        def switch(rows: Sequence[int]) -> None:
            nonlocal now
            now = of_row[torch.tensor(list(rows), device=of_row.device)]

        def hook(down: Tensor, up: Tensor) -> Any:
            def add(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
                if len(given[0]) != len(now):
                    raise RuntimeError("the kernel did not tell the adapters which rows its batch holds")
                inner = given[0].to(down.dtype) @ down[now].transpose(1, 2)
                return out + self.scale * (inner @ up[now].transpose(1, 2)).to(out.dtype)

            return add

        parts = zip(self._modules_of, self.down, self.up, strict=True)
        with hooked([(module, hook(down, up)) for module, down, up in parts], before=False):
            yield switch

    def factors(self, place: str, run: int) -> tuple[Tensor, Tensor]:
        """P (out,r) and Q (r,in) of run `run` at `place`: the change of that weight is P Q."""
        number = self.places.index(place)
        return self.scale * self.up[number][run].detach(), self.down[number][run].detach()


@torch.no_grad()
def merge(net: Any, adapters: Adapters, run: int) -> None:
    """Add the adapter of one run to the weights of `net`, in place."""
    for place in adapters.places:
        p, q = adapters.factors(place, run)
        weight = net.get_submodule(place).weight
        weight += (p @ q).to(weight.dtype)
