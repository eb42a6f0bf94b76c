"""On a GPU a scan waits for the launches of its many small operations: record it as a CUDA graph, replay it.

A recurrent step of these networks is a few dozen kernels of some microseconds each. Whether a recording pays
depends on sizes and device, so it is measured: a scan is replayed where its recording gave the same outputs
and gradients as the plain launch and took less time, and is launched plainly elsewhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from retrace.nets.memory.base import MemoryNet, State

Call = Callable[..., tuple[Tensor, ...]]
Record = Callable[["Tensors", tuple[Tensor, ...]], Call]  # may change the module that it is given
Clock = Callable[[Callable[[], object]], float]

ROUNDS = 5  # timings of each way; the fastest counts
KEPT = 32  # ways remembered; each recording holds buffers of its own
CLOSE = 1e-5  # largest difference, relative to the largest value


class Tensors(nn.Module):
    """A scan from tensors to tensors: (x, state's tensors, noise if any) to (features, state's tensors).

    The number of steps that the state holds is fixed, as is the network's `kappa`.
    """

    def __init__(self, net: MemoryNet, state: State, noisy: bool) -> None:
        super().__init__()
        self.net, self.state, self.noisy = net, state, noisy

    def forward(self, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Features (T,B,F) and the tensors of the next state; no read weights."""
        noise = rest[-1] if self.noisy else None
        scan = type(self.net).scan  # not the one that `launched` puts before it
        out, after, _ = scan(self.net, x, refill(self.state, rest), noise, False)
        return out, *tensors(after)


@contextmanager
def launched(net: MemoryNet) -> Iterator[None]:
    """Within it a network on a CUDA device scans by the faster way; elsewhere nothing changes."""
    if next(net.parameters()).device.type != "cuda":
        yield
        return
    net.scan = Launcher(net, record, device_time)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del net.scan


class Launcher:
    """Stands in for `net.scan`; picks a way for each signature of input, state and network."""

    def __init__(self, net: MemoryNet, record: Record, clock: Clock) -> None:
        self.net, self.record, self.clock = net, record, clock
        self.ways: dict[Hashable, Call] = {}

    def __call__(
        self, x: Tensor, state: State, noise: Tensor | None, reads: bool
    ) -> tuple[Tensor, State, Tensor | None]:
        """As `MemoryNet.scan`; asked for reads, or without gradients, it scans plainly."""
        if reads or not torch.is_grad_enabled():
            return type(self.net).scan(self.net, x, state, noise, reads)
        given = (x, *tensors(state), *([] if noise is None else [noise]))
        key = self._signature(given, state, noise is not None)
        if key not in self.ways:
            if len(self.ways) >= KEPT:
                del self.ways[next(iter(self.ways))]
            self.ways[key] = self._choose(given, state, noise is not None)
        out, *parts = self.ways[key](*given)
        return out, refill(advanced(state, len(x)), parts), None

    def _signature(self, given: Sequence[Tensor], state: State, noisy: bool) -> Hashable:
        net = self.net
        filled = min(getattr(state, "steps", 0), net.slots)  # a full memory is written by what is read
        shapes = tuple((tuple(t.shape), t.dtype, t.requires_grad) for t in given)
        return shapes, filled, noisy, net.kappa, net.training, net.fused

    def _choose(self, given: tuple[Tensor, ...], state: State, noisy: bool) -> Call:
        plain = Tensors(self.net, state, noisy)
        try:
            recorded = self.record(Tensors(self.net, state, noisy), given)
            same = alike(*(outcome(call, plain, given) for call in (plain, recorded)))
        except RuntimeError as error:  # an operation that cannot be recorded
            return self._plainly(plain, str(error))
        if not same:
            return self._plainly(plain, "its recording gives other numbers")
        times = [
            min(self.clock(partial(outcome, call, plain, given)) for _ in range(ROUNDS))
            for call in (plain, recorded)
        ]
        return recorded if times[1] < times[0] else plain

    @staticmethod
    def _plainly(plain: Tensors, reason: str) -> Call:
        warnings.warn(f"the scan is launched operation by operation: {reason}", stacklevel=4)
        return plain


def tensors(state: State) -> list[Tensor]:
    """The tensors of a state, in order."""
    return [part for part in state if isinstance(part, Tensor)]


def refill(state: State, parts: Sequence[Tensor]) -> State:
    """The state with other tensors, in order; what it holds besides stays."""
    feed = iter(parts)
    return type(state)(*(next(feed) if isinstance(part, Tensor) else part for part in state))


def advanced(state: State, steps: int) -> State:
    """The state with `steps` steps more, where it counts them."""
    now = getattr(state, "steps", None)
    return state if now is None else state._replace(steps=now + steps)  # type: ignore[attr-defined]


def outcome(call: Call, whole: Tensors, given: tuple[Tensor, ...]) -> list[Tensor | None]:
    """Outputs and gradients (None: not used) of one forward and backward pass."""
    fresh = [t.detach().clone().requires_grad_(t.requires_grad) for t in given]
    outputs = call(*fresh)
    wanted = [t for t in [*fresh, *whole.parameters()] if t.requires_grad]
    total = torch.stack([out.square().mean() for out in outputs]).sum()
    gradients = torch.autograd.grad(total, wanted, allow_unused=True)
    return [*(out.detach().clone() for out in outputs), *gradients]


def alike(first: Sequence[Tensor | None], second: Sequence[Tensor | None]) -> bool:
    """Whether all tensors agree within `CLOSE`; an unused one counts as zeros."""
    for a, b in zip(first, second, strict=True):
        if a is None and b is None:
            continue
        one = torch.zeros_like(b) if a is None else a  # type: ignore[arg-type]
        other = torch.zeros_like(one) if b is None else b
        limit = CLOSE * max(float(one.abs().max()), 1e-3) if one.numel() else 0.0
        if one.numel() and not float((one - other).abs().max()) <= limit:
            return False
    return True


def record(whole: Tensors, given: tuple[Tensor, ...]) -> Call:
    """The scan, forward and backward, as CUDA graphs."""
    samples: Any = tuple(t.detach().clone().requires_grad_(t.requires_grad) for t in given)
    call: Any = torch.cuda.make_graphed_callables(whole, samples, allow_unused_input=True)
    return cast(Call, call)


def device_time(run: Callable[[], object]) -> float:
    """Milliseconds on the device, and waiting for it, of one call."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))
