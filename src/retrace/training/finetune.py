"""Fine-tune a classifier of named tensors: Adam or Muon at a constant rate, entries held still."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from retrace.training.optim import Optimiser, OptimiserSettings

Named = dict[str, Tensor]
MOMENTUM = 0.95  # Muon's, as its authors have it


@dataclass(frozen=True)
class Tuning:
    """`rate` is Adam's; Muon moves hidden matrices at `muon_rate`, everything else by Adam at `rate`.

    `half`: products in bfloat16 (weights and optimiser stay float32).
    """

    epochs: int
    batch: int
    rate: float
    optimiser: Literal["adam", "muon"] = "adam"
    muon_rate: float = 1e-3
    half: bool = False

    def autocast(self, device: str) -> AbstractContextManager[object]:
        """The precision of products."""
        return torch.autocast(device, torch.bfloat16, enabled=self.half)


def take(inputs: Named, rows: Tensor) -> Named:
    """Rows of named tensors; a mask's columns that these rows do not use are cut off."""
    made = {name: values[rows] for name, values in inputs.items()}
    if "attention_mask" in made:
        width = int(made["attention_mask"].sum(1).max())
        made = {name: values[:, :width] for name, values in made.items()}
    return made


def tune(
    net: nn.Module,
    inputs: Named,
    targets: Tensor,
    tuning: Tuning,
    seed: int,
    after_step: Callable[[], object] = lambda: None,
) -> Iterator[float]:
    """Train all that has requires_grad on rows of `inputs` and `targets` (N,); yields each epoch's mean loss.

    The order of rows depends on `seed` alone. `after_step` runs after every step (to hold entries still).
    """
    params = [p for p in net.parameters() if p.requires_grad]
    steppers: list[Callable[[], object]] = []
    device = targets.device.type
    rng = torch.Generator().manual_seed(seed)
    for _ in range(tuning.epochs):
        losses = []
        order = torch.randperm(len(targets), generator=rng).to(targets.device)
        for rows in torch.split(order, tuning.batch):
            with tuning.autocast(device):
                logits = net(take(inputs, rows))
            loss = nn.functional.cross_entropy(logits, targets[rows])
            for p in params:
                p.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
            # what no output depends on (a pooler, say) has no gradient, in this step as in all
            steppers = steppers or _steppers(net, [p for p in params if p.grad is not None], tuning)
            for step in steppers:
                step()
            after_step()
            losses.append(loss.detach() * len(rows))
        yield float(torch.stack(losses).sum() / len(targets))


def _steppers(net: nn.Module, params: Sequence[nn.Parameter], tuning: Tuning) -> list[Callable[[], object]]:
    settings = OptimiserSettings("adam", lr=tuning.rate, weight_decay=0.0)
    if tuning.optimiser == "adam":
        return [Optimiser(settings, params).step]
    hidden = {
        id(p) for n, p in net.named_parameters() if p.ndim == 2 and "head" not in n and "embed" not in n
    }
    matrices = [p for p in params if id(p) in hidden]
    others = [p for p in params if id(p) not in hidden]
    muon = torch.optim.Muon(matrices, lr=tuning.muon_rate, weight_decay=0.0, momentum=MOMENTUM)
    return [muon.step, Optimiser(settings, others).step]


@torch.no_grad()
def predictions(net: nn.Module, inputs: Named, tuning: Tuning, batch: int = 64) -> Tensor:
    """Logits (N,K) in evaluation mode, without gradients."""
    some = next(iter(inputs.values()))
    with tuning.autocast(some.device.type):
        parts = torch.split(torch.arange(len(some), device=some.device), batch)
        return torch.cat([net(take(inputs, rows)).float() for rows in parts])
