"""Small changes of a frozen diffusion model, for D domains at once: LoRA, a hypernetwork, new words.

Parameters have D as their first axis, and a batch is D blocks of equal size, one a domain. No domain's
numbers meet another's, so training all at once is training one after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retrace.nets.diffusion.model import Diffuser

Layers = Literal["attention", "unet", "everything"]
ATTENTION = ("to_q", "to_k", "to_v", "to_out", "context_k", "context_v")


def adapted_layers(model: Diffuser, layers: Layers) -> dict[str, nn.Linear | nn.Conv2d]:
    """Name -> layer: of the attention blocks, of the whole UNet, or of the text encoder, too."""
    found = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    if layers == "attention":
        return {n: m for n, m in found.items() if n.rpartition(".")[2] in ATTENTION}
    return {n: m for n, m in found.items() if layers == "everything" or n.startswith("unet.")}


class LowRank(nn.Module):
    """W + scale B A for every adapted layer; B starts at zero. Source: Hu et al. (ICLR 2022)."""

    def __init__(
        self, model: Diffuser, layers: Layers, rank: int, domains: int, seed: int, scale: float = 1.0
    ) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank {rank}: a low-rank adapter has at least 1")
        self.layers, self.scale = adapted_layers(model, layers), scale
        rng = torch.Generator().manual_seed(seed)
        self.names = list(self.layers)
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        for layer in self.layers.values():
            out, *rest = layer.weight.shape
            inner = torch.Size(rest).numel()
            drawn = torch.randn(1, rank, inner, generator=rng) / inner**0.5  # the same start for all domains
            self.down.append(nn.Parameter(drawn.repeat(domains, 1, 1).to(layer.weight)))
            self.up.append(nn.Parameter(torch.zeros(domains, out, rank).to(layer.weight)))

    def _change(self, k: int, layer: nn.Linear | nn.Conv2d, x: Tensor) -> Tensor:
        down, up = self.down[k], self.up[k]
        d, rank, _ = down.shape
        if isinstance(layer, nn.Linear):
            rows = x.reshape(d, -1, x.shape[-1])
            changed: Tensor = (rows @ down.transpose(1, 2)) @ up.transpose(1, 2)
            return changed.reshape(*x.shape[:-1], -1)
        kernel = down.reshape(d * rank, x.shape[1], *layer.kernel_size)
        small = F.conv2d(x, kernel, None, layer.stride, layer.padding)  # of all domains: cheaper than apart
        places = small.shape[2:]
        small = small.reshape(d, -1, d, rank, places.numel())
        own = torch.stack([small[k, :, k] for k in range(d)])  # (D,b,r,P)
        made: Tensor = up.unsqueeze(1) @ own
        return made.reshape(len(x), -1, *places)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The model with its changes, inside."""
        with ExitStack() as stack:
            for k, layer in enumerate(self.layers.values()):

                def changed(module: Any, given: Any, made: Tensor, k: int = k) -> Tensor:
                    return made + self.scale * self._change(k, module, given[0])

                stack.callback(layer.register_forward_hook(changed).remove)
            yield

    @torch.no_grad()
    def merge(self, model: Diffuser, domain: int) -> None:
        """Add one domain's changes to the weights of `model`, which is then as fast as before."""
        places = dict(model.named_modules())
        for k, name in enumerate(self.names):
            weight = places[name].weight
            change = self.scale * (self.up[k][domain] @ self.down[k][domain])
            weight.add_(change.reshape(weight.shape))  # type: ignore[operator, arg-type]


class Hyper(nn.Module):
    """A residual layer on the prompt before each attention block's keys, and one before its values.

    Its second matrix starts at zero. Source: what diffusion tools call a hypernetwork (NovelAI, 2022).
    """

    def __init__(self, model: Diffuser, hidden: int, domains: int, seed: int) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        linear = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
        self.layers = [m for n, m in linear.items() if n.rpartition(".")[2] in ("context_k", "context_v")]
        self.first, self.second = nn.ParameterList(), nn.ParameterList()
        for layer in self.layers:
            width = layer.in_features
            drawn = torch.randn(1, width, hidden, generator=rng) / width**0.5
            self.first.append(nn.Parameter(drawn.repeat(domains, 1, 1).to(layer.weight)))
            self.second.append(nn.Parameter(torch.zeros(domains, hidden, width).to(layer.weight)))

    @contextmanager
    def attached(self, domain: int | None = None) -> Iterator[None]:
        """The model with its changes, inside: of all domains, or of one for the whole batch."""
        part = slice(None) if domain is None else slice(domain, domain + 1)
        with ExitStack() as stack:
            for first, second, layer in zip(self.first, self.second, self.layers, strict=True):

                def changed(module: Any, given: Any, a: Tensor = first, b: Tensor = second) -> tuple[Tensor]:
                    a, b = a[part], b[part]
                    rows = given[0].reshape(len(a), -1, given[0].shape[-1])
                    return (given[0] + (F.silu(rows @ a) @ b).reshape(given[0].shape),)

                stack.callback(layer.register_forward_pre_hook(changed).remove)
            yield


class Words(nn.Module):
    """`count` new words a domain instead of its name, which they start as. Source: Gal et al. (ICLR 2023)."""

    def __init__(self, model: Diffuser, names: Tensor, count: int) -> None:
        super().__init__()
        start = model.text.table.weight.detach()[names]  # (D,E)
        self.rows = nn.Parameter(start.unsqueeze(1).repeat(1, count, 1))

    def embedded(self, model: Diffuser, tokens: Tensor) -> Tensor:
        """Prompts (D*b,T) whose last token is a name -> embeddings (D*b,T-1+count,E)."""
        lead = model.text.table(tokens[:, :-1])
        own = self.rows.repeat_interleave(len(tokens) // len(self.rows), 0)
        return torch.cat([lead, own], 1)
