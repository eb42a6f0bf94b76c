"""One optimiser step after another, with as little Python and as few synchronisations as possible."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.stage import StageError
from retrace.training.batches import Batch
from retrace.training.memory import keep_freed_memory
from retrace.training.optim import Optimiser, OptimiserSettings


@dataclass
class Stopwatch:
    """Wall and CPU seconds spent inside `with` blocks; waits for the accelerator where there is one."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    _start: tuple[float, float] = field(default=(0.0, 0.0), repr=False)

    def __enter__(self) -> None:
        self._start = (time.perf_counter(), time.process_time())

    def __exit__(self, *_: object) -> None:
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - self._start[0]
        self.cpu_seconds += time.process_time() - self._start[1]


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from `seed` inside the block, and leave the global random state as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class Stepper:
    """Trains a network batch by batch with cross-entropy; keeps each step's loss and gradient norm.

    The network trains in place, in channels-last memory format. `losses` and `norms` hold one scalar
    tensor a step (norms, the L2 norm of all gradients together, only where `track_norms`).
    """

    def __init__(self, net: nn.Module, settings: OptimiserSettings, track_norms: bool = False) -> None:
        keep_freed_memory()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.net = net
        self.params = [p for p in net.parameters() if p.requires_grad]
        self.optimiser = Optimiser(settings, self.params)
        self.track_norms = track_norms
        self.losses: list[Tensor] = []
        self.norms: list[Tensor] = []

    def run(self, batches: Sequence[Batch]) -> None:
        """Take one step on each batch."""
        self.net.train()
        for x, y in batches:
            self.optimiser.zero_grad()
            loss = F.cross_entropy(self.net(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            if self.track_norms:
                norms = torch._foreach_norm(self.optimiser.gradients())
                self.norms.append(torch.linalg.vector_norm(torch.stack(norms)))
            self.optimiser.step()
            self.losses.append(loss.detach())

    def check_finite(self, checked: int, per_epoch: int) -> None:
        """StageError naming epoch and step (from 1) if a loss after the first `checked` is not finite."""
        bad = (~torch.isfinite(torch.stack(self.losses[checked:]))).nonzero()
        if len(bad):
            step = checked + int(bad[0])
            raise StageError(
                f"training: loss is {float(self.losses[step])} at epoch {step // per_epoch + 1}, step "
                f"{step % per_epoch + 1} of {per_epoch}; lower the learning rate or check the images"
            )
