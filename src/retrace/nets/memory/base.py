"""What all memory networks share: start, loop over steps, linear head, checks of the input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

State = tuple[Any, ...]


def detach(state: State) -> State:
    """The same state cut from its graph, to carry it over in truncated back-propagation."""
    return type(state)(*(part.detach() if isinstance(part, Tensor) else part for part in state))


def parameter_count(net: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def orthogonal(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer whose whole weight matrix is orthogonal, bias zero (official code of ARMIN)."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class MemoryNet(nn.Module, ABC):
    """A recurrent network whose state is a named tuple: `net(x, state) -> (y, state, reads)`.

    x (T, B, inputs); y (T, B, outputs) are logits, the task's sigmoid or softmax is left to the loss; reads
    are the read weights (T, B, slots) when asked for, else None. Without a state every sequence starts
    afresh. `kappa` is the inverse temperature of reads by Gumbel noise (`tempered`); others ignore it.
    """

    fills: ClassVar[bool] = False  # writes slot 0, 1, ... first, and only then over what it has
    tempered = False  # whether `kappa` changes its gradient

    def __init__(
        self, inputs: int, outputs: int, hidden: int, slots: int, width: int, features: int, overwrite: bool
    ) -> None:
        super().__init__()
        sizes = {"inputs": inputs, "outputs": outputs, "hidden": hidden, "slots": slots, "width": width}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, not {size}")
        self.inputs, self.hidden, self.slots, self.width = inputs, hidden, slots, width
        self.overwrite = overwrite
        self.kappa, self.fused = 1.0, True
        self.head = orthogonal(features, outputs)

    def set_kappa(self, kappa: float) -> None:
        """Set the inverse temperature of the reads; ValueError unless above 0."""
        if not kappa > 0:
            raise ValueError(f"kappa must be above 0, not {kappa}")
        self.kappa = float(kappa)

    @abstractmethod
    def start(self, batch: int) -> State:
        """The state before the first step of `batch` sequences."""

    @abstractmethod
    def scan(
        self, x: Tensor, state: State, noise: Tensor | None, reads: bool
    ) -> tuple[Tensor, State, Tensor | None]:
        """All steps one after the other: features (T, B, F), next state, read weights when asked for."""

    def draw(self, x: Tensor) -> Tensor | None:
        """The noise of a whole sequence (T, B, slots), or None for a network that needs none."""
        return None

    def forward(
        self, x: Tensor, state: State | None = None, reads: bool = False
    ) -> tuple[Tensor, State, Tensor | None]:
        """Run a sequence (T, B, inputs); see the class. ValueError for input that it cannot take."""
        self.check(x, state)
        if state is None:
            state = self.start(x.shape[1])
        features, state, weights = self.scan(x, state, self.draw(x), reads)
        return self.head(features), state, None if weights is None else weights.detach()

    def check(self, x: Tensor, state: State | None) -> None:
        """Refuse a wrong shape, NaN or infinity, and a sequence that overflows a memory that must not."""
        if x.dim() != 3 or x.shape[2] != self.inputs or 0 in x.shape:
            raise ValueError(f"input has shape {tuple(x.shape)}; give (steps, batch, {self.inputs}), none 0")
        if not torch.isfinite(x).all():
            t, b = (int(i) for i in torch.nonzero(~torch.isfinite(x))[0, :2])
            raise ValueError(f"input is not finite at step {t} of sequence {b}; clean the data first")
        if state is not None:
            tensors = [part for part in state if isinstance(part, Tensor)]
            if any(part.shape[0] != x.shape[1] for part in tensors):
                raise ValueError(f"the state is of another batch size than the input's {x.shape[1]}")
            if not all(bool(torch.isfinite(part).all()) for part in tensors):
                raise ValueError("the state is not finite; lower the learning rate or clip the gradient")
        steps = x.shape[0] + (0 if state is None else int(getattr(state, "steps", 0)))
        if self.fills and not self.overwrite and steps > self.slots:
            raise ValueError(
                f"{steps} steps do not fit into {self.slots} slots; give more slots or overwrite=True"
            )


class Stepped(MemoryNet):
    """A network with a memory: plain steps, and a scan with a backward pass of its own.

    `fused` picks the scan, else the steps run one by one: equal up to rounding.
    """

    @abstractmethod
    def step(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, State, Tensor]:
        """One step: x (B, inputs) to features (B, F), next state and read weights (B, slots)."""

    @abstractmethod
    def run(self, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, State, Tensor]:
        """The fused scan: features (T, B, F), next state and what was read, as `read_weights` takes it."""

    def read_weights(self, chosen: Tensor) -> Tensor:
        """Read weights (T, B, slots) from what `run` says was read."""
        return chosen

    def scan(
        self, x: Tensor, state: State, noise: Tensor | None, reads: bool
    ) -> tuple[Tensor, State, Tensor | None]:
        """The fused scan, or step by step when `fused` is off: equal outputs and gradients."""
        if self.fused:
            out, state, chosen = self.run(x, state, noise)
            return out, state, self.read_weights(chosen) if reads else None
        features, weights = [], []
        for t, now in enumerate(x):
            one, state, weight = self.step(now, state, None if noise is None else noise[t])
            features.append(one)
            if reads:
                weights.append(weight)
        return torch.stack(features), state, torch.stack(weights) if reads else None
