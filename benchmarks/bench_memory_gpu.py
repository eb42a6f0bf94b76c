"""Time of a training step of the memory networks on a GPU: launched operation by operation, or as one graph.

Run `python benchmarks/bench_memory_gpu.py` on a machine with a CUDA device; elsewhere it says so and ends.
Sides: plain steps and fused scan, each as it is and in a CUDA graph; torch.nn.LSTM of the same hidden size;
with `--compile` the plain steps under torch.compile(mode="reduce-overhead"), which takes minutes. Times are
CUDA events around forward and backward pass, medians, sides in turn.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from retrace.nets.memory.base import MemoryNet
from retrace.nets.memory.launch import undisturbed
from retrace.nets.memory.registry import BUILDERS, build

INPUTS, OUTPUTS = 10, 8


class Whole(nn.Module):
    """A fresh sequence from x to logits, without the checks of the input, which wait for the device."""

    def __init__(self, net: MemoryNet, fused: bool) -> None:
        super().__init__()
        self.net, self.fused = net, fused

    def forward(self, x: Tensor) -> Tensor:
        net, net.fused = self.net, self.fused
        return net.head(net.scan(x, net.start(x.shape[1]), net.draw(x), False)[0])


def milliseconds(call: Callable[[Tensor], Tensor], x: Tensor, params: list[nn.Parameter]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    torch.autograd.grad(call(x).square().mean(), params, allow_unused=True)
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def sides(name: str, x: Tensor, sizes: tuple[int, int, int], compiled: bool) -> dict[str, list[float]]:
    net = build(name, INPUTS, OUTPUTS, *sizes, seed=0).cuda().train()
    params = [p for p in net.parameters() if p.requires_grad]
    calls: dict[str, Callable[[Tensor], Tensor]] = {}
    for fused in (False, True):
        label = "scan" if fused else "plain"
        calls[label] = Whole(net, fused)
        try:
            with undisturbed():
                recorded = torch.cuda.make_graphed_callables(Whole(net, fused), (x.clone(),))
            calls[f"{label}, graph"] = recorded
        except RuntimeError as error:
            print(f"{name}, {label}: cannot be recorded: {str(error).splitlines()[0]}")
    if compiled:
        calls["plain, compiled"] = torch.compile(Whole(net, False), mode="reduce-overhead")
    times: dict[str, list[float]] = {label: [] for label in calls}
    for turn in range(13):
        for label, call in calls.items():
            taken = milliseconds(call, x, params)
            times[label] += [taken] if turn > 2 else []
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=100)
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--networks", nargs="+", choices=BUILDERS, default=list(BUILDERS))
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device here: nothing to measure")
        return 0
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    x = torch.rand(given.steps, given.batch, INPUTS, device="cuda")
    for name in given.networks:
        times = sides(name, x, (given.hidden, given.slots, given.width), given.compile)
        shown = ", ".join(f"{label} {statistics.median(values):.2f}" for label, values in times.items())
        print(f"{name:15} {shown} ms", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
