"""Optimiser settings, and Adam and SGD on torch's fused kernels.

`torch.optim.Adam(...)` imports the compiler (torch._dynamo) when it is first made: over a second of
CPU time in every job. The functional forms below do the same arithmetic without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd


@dataclass(frozen=True)
class OptimiserSettings:
    """Adam or SGD with its learning rate and L2 weight decay; `momentum` is SGD's.

    `schedule`: pairs (epoch, lr), the learning rate from that epoch (counted from 0) on.
    """

    name: Literal["adam", "sgd"] = "adam"
    lr: float = 1e-3
    weight_decay: float = 1e-5
    momentum: float = 0.9
    schedule: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if self.name not in ("adam", "sgd"):
            raise ValueError(f"optimiser {self.name!r}: unknown; use adam or sgd")

    def lr_at(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        rate = self.lr
        for start, lr in sorted(self.schedule):
            if epoch >= start:
                rate = lr
        return rate


class Optimiser:
    """Adam or SGD with momentum over float32 parameters; betas (0.9, 0.999) and eps 1e-8 as in torch.

    `state` holds the running tensors, a list each, in the order of `params`.
    """

    def __init__(self, settings: OptimiserSettings, params: Iterable[nn.Parameter]) -> None:
        self.params = list(params)
        self.settings = settings
        self.lr = settings.lr
        names = ("mean", "square") if settings.name == "adam" else ()
        self.state: dict[str, list[Tensor]] = {k: [torch.zeros_like(p) for p in self.params] for k in names}
        self.buffers: list[Tensor | None] = [None for _ in self.params]
        self.counts = [torch.zeros((), device=p.device) for p in self.params]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.params:
            p.grad = None

    def gradients(self) -> list[Tensor]:
        """Gradients of the last backward pass; ValueError if a parameter took no part in it."""
        grads = [p.grad for p in self.params if p.grad is not None]
        if len(grads) != len(self.params):
            raise ValueError("optimiser: a parameter has no gradient; freeze it or use it in the network")
        return grads

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters one step against their gradients."""
        decay = self.settings.weight_decay
        if self.settings.name == "sgd":
            sgd(
                self.params,  # type: ignore[arg-type]
                self.gradients(),
                self.buffers,
                has_sparse_grad=False,
                weight_decay=decay,
                momentum=self.settings.momentum,
                lr=self.lr,
                dampening=0.0,
                nesterov=False,
                maximize=False,
                fused=True,
            )
            return
        adam(
            self.params,  # type: ignore[arg-type]
            self.gradients(),
            self.state["mean"],
            self.state["square"],
            [],
            self.counts,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.lr,
            weight_decay=decay,
            eps=1e-8,
            maximize=False,
            fused=True,
        )

    def keep(self, params: list[nn.Parameter], index: Tensor) -> None:
        """Go on with `params`, whose first axis is the rows `index` of the present ones."""
        self.params = params
        self.state = {k: [t[index] for t in tensors] for k, tensors in self.state.items()}
        self.buffers = [None if t is None else t[index] for t in self.buffers]
