"""On a GPU a scan waits for the launches of its many small operations: record it as a CUDA graph, replay it.

A recurrent step of these networks is a few dozen kernels of some microseconds each. Whether a recording pays
depends on sizes and device, so it is measured: a scan is replayed where its recording gave the same outputs
and gradients as the plain launch and took less time, and is launched plainly elsewhere. Each shape is
measured once; sequences of many lengths are padded to a few.
"""

from __future__ import annotations

import gc
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
KEPT = 32  # recordings held at once; each has buffers of its own
SHORTEST = 8  # lengths are padded to multiples of this, or of an eighth of the next power of two
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
def launched(net: MemoryNet, varied: bool = False) -> Iterator[None]:
    """Within it a network on a CUDA device scans by the faster way; elsewhere nothing changes.

    `varied`: sequences of many lengths of which none is carried on; see `Launcher`.
    """
    if next(net.parameters()).device.type != "cuda":
        yield
        return
    net.scan = Launcher(net, record, device_time, varied)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del net.scan


class Launcher:
    """Stands in for `net.scan`; picks a way for each signature of input, state and network.

    A signature is measured once: one whose recording had to make room is launched plainly from then on.
    `varied`: recordings are of padded lengths, and the state that they return is the one after the padding,
    which must not be carried on.
    """

    def __init__(self, net: MemoryNet, record: Record, clock: Clock, varied: bool = False) -> None:
        self.net, self.record, self.clock, self.varied = net, record, clock, varied
        self.ways: dict[Hashable, Call | None] = {}  # None: plainly
        self.held: list[Hashable] = []  # signatures with a recording, the oldest first

    def __call__(
        self, x: Tensor, state: State, noise: Tensor | None, reads: bool
    ) -> tuple[Tensor, State, Tensor | None]:
        """As `MemoryNet.scan`; asked for reads, or without gradients, it scans plainly."""
        if not reads and torch.is_grad_enabled():
            more = padded(len(x)) - len(x) if self.varied else 0
            along = [lengthened(part, more) for part in (x, noise) if part is not None]
            given = (along[0], *tensors(state), *along[1:])
            key = self._signature(given, state, noise is not None)
            if key not in self.ways:
                self._decide(key, given, state, noise is not None)
            call = self.ways[key]
            if call is not None:
                out, *parts = call(*given)
                return out[: len(x)], refill(advanced(state, len(x)), parts), None
        return type(self.net).scan(self.net, x, state, noise, reads)

    def _signature(self, given: Sequence[Tensor], state: State, noisy: bool) -> Hashable:
        net = self.net
        filled = min(getattr(state, "steps", 0), net.slots)  # a full memory is written by what is read
        shapes = tuple((tuple(t.shape), t.dtype, t.requires_grad) for t in given)
        return shapes, filled, noisy, net.kappa if net.tempered else None, net.training, net.fused

    def _decide(self, key: Hashable, given: tuple[Tensor, ...], state: State, noisy: bool) -> None:
        self.ways[key] = self._faster(given, state, noisy)
        if self.ways[key] is not None:
            self.held.append(key)
        if len(self.held) > KEPT:
            self.ways[self.held.pop(0)] = None

    def _faster(self, given: tuple[Tensor, ...], state: State, noisy: bool) -> Call | None:
        """The recording if it gives the same and takes less time."""
        plain = Tensors(self.net, state, noisy)
        try:
            recorded = self.record(Tensors(self.net, state, noisy), given)
            same = alike(*(outcome(call, plain, given) for call in (plain, recorded)))
        except RuntimeError as error:  # an operation that cannot be recorded
            same, reason = False, str(error)
        else:
            reason = "its recording gives other numbers"
        if not same:
            warnings.warn(f"the scan is launched operation by operation: {reason}", stacklevel=5)
            return None
        times = [
            min(self.clock(partial(outcome, call, plain, given)) for _ in range(ROUNDS))
            for call in (plain, recorded)
        ]
        return recorded if times[1] < times[0] else None


def padded(steps: int) -> int:
    """The length that `steps` steps are padded to: at most an eighth more, or `SHORTEST`'s multiple."""
    unit = max(SHORTEST, (1 << (steps - 1).bit_length()) // 8)
    return -(-steps // unit) * unit


def lengthened(part: Tensor, more: int) -> Tensor:
    """(T, ...) with `more` steps of zeros behind."""
    return torch.cat([part, part.new_zeros(more, *part.shape[1:])]) if more else part


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
    with undisturbed():
        call: Any = torch.cuda.make_graphed_callables(whole, samples, allow_unused_input=True)
    return cast(Call, call)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within it no garbage is collected: CUDA ends a recording during which another one is freed.

    After a failure the device's random stream still counts as recorded and refuses to draw: it gets a new
    state that goes on where the old one was.
    """
    collects = gc.isenabled()
    gc.collect()  # recordings of networks that are gone; what is left is held
    gc.disable()
    try:
        yield
    except RuntimeError:
        stream = torch.cuda.default_generators[torch.cuda.current_device()]
        stream.graphsafe_set_state(stream.clone_state())
        raise
    finally:
        if collects:
            gc.enable()


def device_time(run: Callable[[], object]) -> float:
    """Milliseconds on the device, and waiting for it, of one call."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))
