"""Training of recurrent networks: truncated back-propagation, clipping, annealed reads, a rule to stop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.rmsprop import rmsprop

from retrace.nets.memory.base import MemoryNet, State, detach
from retrace.nets.memory.launch import launched
from retrace.stage import StageError
from retrace.training.memory import keep_freed_memory
from retrace.training.optim import Optimiser, OptimiserSettings
from retrace.training.steps import Stopwatch, seeded

Loss = Literal["bits", "last", "every"]


@dataclass(frozen=True)
class Piece:
    """What one optimiser step sees: `x` (T,B,X), `y`, and whether sequences start here or go on.

    `y`: bits (A,B,Y) of the last A steps, classes (B,) after the last step, or classes (T,B) of every step.
    """

    x: Tensor
    y: Tensor
    fresh: bool = True


@dataclass(frozen=True)
class FitSettings:
    """How to train.

    `clip`: gradients by value or by their global norm, at `clip_at`. `kappa`: (first, growth, every,
    last): the inverse temperature of hard reads grows by `growth` each `every` steps up to `last`. `window`:
    steps averaged into one record; training stops when the share of errors of a window is at most `stop`.
    `cut`: the gradient goes back no further than the last multiple of so many time steps of a piece.
    `drop_at`: from that step on (counted from 0) the learning rate is a tenth.
    """

    optimiser: Literal["adam", "rmsprop"] = "adam"
    learning_rate: float = 2e-3
    clip: Literal["norm", "value"] = "norm"
    clip_at: float = 10.0
    kappa: tuple[float, float, int, float] = (1.0, 1.0, 400, 50.0)
    window: int = 25
    stop: float = -1.0
    cut: int | None = None
    drop_at: int | None = None

    def kappa_at(self, step: int) -> float:
        """Inverse temperature of step `step`, counted from 0."""
        first, growth, every, last = self.kappa
        return min(first + growth * (step // every), last)


@dataclass
class History:
    """A record a window: optimiser steps so far, mean loss of a sequence in bits, share of errors.

    `seconds` and `cpu_seconds` so far, a number a window, are the clock's. `stopped`: the stop rule was met.
    """

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    stopped: bool = False


class Rmsprop:
    """RMSprop with momentum 0.9 and smoothing 0.95, as ARMIN's published code trains; see `Optimiser`."""

    def __init__(self, learning_rate: float, params: list[torch.nn.Parameter]) -> None:
        self.params, self.lr = params, learning_rate
        self.square = [torch.zeros_like(p) for p in params]
        self.momentum = [torch.zeros_like(p) for p in params]
        self.counts = [torch.zeros((), device=p.device) for p in params]

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters one step against their gradients."""
        rmsprop(
            self.params,  # type: ignore[arg-type]
            [p.grad for p in self.params if p.grad is not None],
            self.square,
            [],
            self.momentum,
            self.counts,
            lr=self.lr,
            alpha=0.95,
            eps=1e-8,
            weight_decay=0.0,
            momentum=0.9,
            centered=False,
        )


def fit(net: MemoryNet, pieces: Iterable[Piece], loss: Loss, settings: FitSettings, seed: int) -> History:
    """Train `net` in place on one piece after another; `seed` fixes the noise of its reads.

    Only time spent on steps is counted, not the drawing of pieces. Leaves it in evaluation mode.
    StageError, one line, when a loss is not finite.
    """
    keep_freed_memory()
    params = [p for p in net.parameters() if p.requires_grad]
    adam = OptimiserSettings("adam", settings.learning_rate, weight_decay=0.0)
    optimiser = (
        Optimiser(adam, params) if settings.optimiser == "adam" else Rmsprop(settings.learning_rate, params)
    )
    history, watch = History(), Stopwatch()
    state: State | None = None
    window: list[Tensor] = []
    net.train()
    with seeded(seed, params[0].device), launched(net, varied=loss == "bits" and settings.cut is None):
        for count, piece in enumerate(pieces):
            with watch:
                net.set_kappa(settings.kappa_at(count))
                if count == settings.drop_at:
                    optimiser.lr = settings.learning_rate / 10
                y, state = _forward(net, piece, state, settings.cut, count)
                bits, errors = losses(y, piece.y, loss)
                for p in params:
                    p.grad = torch.zeros_like(p) if p.grad is None else p.grad.zero_()
                bits.backward()  # type: ignore[no-untyped-call]
                _clip(params, settings)
                optimiser.step()
                window.append(torch.stack([bits.detach() * _terms(piece.y, loss), errors]))
            if len(window) == settings.window:
                _record(history, window, count + 1, watch)
                if history.errors[-1] <= settings.stop:
                    history.stopped = True
                    break
        if window and not history.stopped:
            _record(history, window, count + 1, watch)
    net.eval()
    return history


def losses(y: Tensor, wanted: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of a prediction in bits, and the share of wrong ones (no gradient).

    `y` (T,B,Y) logits of a whole piece; `wanted` as in `Piece`.
    """
    if loss == "bits":
        answer = y[-len(wanted) :]
        mean = F.binary_cross_entropy_with_logits(answer, wanted)
        wrong = (answer.detach() > 0) != (wanted > 0.5)
    else:
        logits = y[-1] if loss == "last" else y.flatten(0, 1)
        classes = wanted.flatten()
        mean = F.cross_entropy(logits, classes)
        wrong = logits.detach().argmax(-1) != classes
    return mean / 0.6931471805599453, wrong.to(mean.dtype).mean()


def _terms(wanted: Tensor, loss: Loss) -> int:
    """Predictions of one sequence: its loss is their sum."""
    if loss == "bits":
        return wanted.shape[0] * wanted.shape[2]
    return 1 if loss == "last" else wanted.shape[0]


def _forward(
    net: MemoryNet, piece: Piece, state: State | None, cut: int | None, count: int
) -> tuple[Tensor, State]:
    """Outputs of a whole piece and the state after it, without its graph."""
    state, outputs = None if piece.fresh else state, []
    try:
        for part in torch.split(piece.x, cut or len(piece.x)):
            y, state, _ = net(part, state)
            outputs.append(y)
            state = detach(state)
    except ValueError as error:
        raise StageError(f"training step {count + 1}: {error}") from None
    assert state is not None
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs), state


def _clip(params: list[torch.nn.Parameter], settings: FitSettings) -> None:
    grads = [p.grad for p in params if p.grad is not None]
    if settings.clip == "value":
        torch._foreach_clamp_min_(grads, -settings.clip_at)
        torch._foreach_clamp_max_(grads, settings.clip_at)
        return
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    torch._foreach_mul_(grads, torch.clamp(settings.clip_at / (norm + 1e-6), max=1.0))


def _record(history: History, window: list[Tensor], steps: int, watch: Stopwatch) -> None:
    values = torch.stack(window).double()
    if not bool(torch.isfinite(values).all()):
        bad = int((~torch.isfinite(values).all(1)).nonzero()[0])
        raise StageError(
            f"training: loss is {float(values[bad, 0])} at step {steps - len(window) + bad + 1}; "
            "lower learning_rate or clip_at"
        )
    history.steps.append(steps)
    history.loss.append(float(values[:, 0].mean()))
    history.errors.append(float(values[:, 1].mean()))
    history.seconds.append(watch.seconds)
    history.cpu_seconds.append(watch.cpu_seconds)
    window.clear()
