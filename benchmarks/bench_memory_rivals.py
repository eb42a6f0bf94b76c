"""CPU time of a training step of every memory network: its plain steps against its fused scan.

Run `python benchmarks/bench_memory_rivals.py`: one thread, CPU seconds of forward and backward at the sizes
of the laptop's copy task, both sides in turn, medians. The LSTM has the library's own scan on both sides.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from threadpoolctl import threadpool_limits
from timing import cpu_seconds

from retrace.nets.memory.base import MemoryNet
from retrace.nets.memory.registry import BUILDERS, build

INPUTS, OUTPUTS, HIDDEN, SLOTS, WIDTH = 10, 8, 64, 24, 32
CLOSE = 1e-5


def train_step(net: MemoryNet, x: torch.Tensor) -> list[torch.Tensor]:
    torch.manual_seed(0)
    net.zero_grad()
    y, _, _ = net(x)
    y.square().mean().backward()
    return [y.detach(), *(p.grad for p in net.parameters() if p.grad is not None)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=14)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--networks", nargs="+", choices=BUILDERS, default=list(BUILDERS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    x, apart = torch.rand(given.steps, given.batch, INPUTS), 0
    with threadpool_limits(1):
        for name in given.networks:
            net = build(name, INPUTS, OUTPUTS, 102 if name == "lstm" else HIDDEN, SLOTS, WIDTH, seed=0)
            found: dict[bool, list[torch.Tensor]] = {}
            times: dict[bool, list[float]] = {False: [], True: []}
            for turn in range(given.rounds + 1):  # the first warms up
                for net.fused in (False, True):
                    seconds, found[net.fused] = cpu_seconds(lambda net=net: train_step(net, x))
                    times[net.fused] += [seconds] if turn else []
            plain, fused = (1000 * statistics.median(times[side]) for side in (False, True))
            gap = max(float((a - b).abs().max()) for a, b in zip(*found.values(), strict=True))
            apart += gap > CLOSE
            print(
                f"{name:15} {plain:7.2f} -> {fused:6.2f} CPU-ms, {plain / fused:.2f}x, difference {gap:.0e}"
            )
    return int(apart > 0)


if __name__ == "__main__":
    raise SystemExit(main())
