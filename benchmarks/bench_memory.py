"""Compare the fused scan of the ARMIN cell with its steps one by one, torch.nn.LSTM and the bare products.

Run `python benchmarks/bench_memory.py`: one thread, CPU seconds of forward and backward, sides in turn, the
median of 5 rounds. The floor is the time of the matrix products of all steps alone, forward and backward, on
buffers that exist. Saved: bytes kept for the backward pass besides parameters and input. With
`--compile` also the cell under torch.compile (needs a C++ compiler): what compiling takes, and a step then.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from threadpoolctl import threadpool_limits
from timing import cpu_seconds

from retrace.nets.memory.base import MemoryNet
from retrace.nets.memory.cost import saved_bytes
from retrace.nets.memory.registry import build

INPUTS, OUTPUTS, HIDDEN, SLOTS, WIDTH = 10, 8, 100, 50, 32
PROMISED = 2.0
CLOSE = 1e-5


class Line(NamedTuple):
    name: str
    steps: float
    fused: float
    lstm: float
    floor: float
    gap: float
    saved: tuple[int, int, int]


def train_step(net: MemoryNet, x: torch.Tensor, seed: int = 0) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    net.zero_grad()
    y, _, _ = net(x)
    y.square().mean().backward()
    return [y.detach(), *(p.grad for p in net.parameters() if p.grad is not None)]


def products(batch: int, steps: int) -> Callable[[], None]:
    """The matrix products of the cell, as few and as large as its recurrence allows; buffers are ready."""
    first, second, gate = SLOTS + HIDDEN + 2 * WIDTH, 4 * HIDDEN + WIDTH, HIDDEN + WIDTH
    shapes = ((HIDDEN, first), (WIDTH, gate), (gate, second))
    step = []  # (left, right, out): forward, then back
    for rows, columns in shapes:
        weight = torch.rand(rows, columns)
        step.append((torch.rand(batch, rows), weight, torch.empty(batch, columns)))
        step.append((torch.rand(batch, columns), weight.t().contiguous(), torch.empty(batch, rows)))
    n, whole = batch * steps, []
    for rows, columns in (*shapes, (INPUTS, first), (INPUTS, second)):
        whole.append((torch.rand(columns, n), torch.rand(n, rows), torch.empty(columns, rows)))
    for columns in (first, second):
        whole.append((torch.rand(n, INPUTS), torch.rand(INPUTS, columns), torch.empty(n, columns)))

    def run() -> None:
        for _ in range(steps):
            for left, right, out in step:
                torch.mm(left, right, out=out)
        for left, right, out in whole:
            torch.mm(left, right, out=out)

    return run


def compare(read: str, batch: int, steps: int, rounds: int) -> Line:
    torch.manual_seed(0)
    x = torch.rand(steps, batch, INPUTS)
    net = build(f"armin-{read}", INPUTS, OUTPUTS, HIDDEN, SLOTS, WIDTH, seed=0)
    lstm = build("lstm", INPUTS, OUTPUTS, HIDDEN, 1, 1, seed=0)
    found, times, saved = {}, {"steps": [], "fused": [], "lstm": [], "floor": []}, {}
    sides = {"steps": (net, False), "fused": (net, True), "lstm": (lstm, True)}
    bare = products(batch, steps)
    for turn in range(rounds + 1):  # the first warms up
        for side, (model, fused) in sides.items():
            model.fused = fused
            seconds, found[side] = cpu_seconds(lambda model=model: train_step(model, x))
            times[side] += [seconds] if turn else []
        seconds, _ = cpu_seconds(bare)
        times["floor"] += [seconds] if turn else []
    for side, (model, fused) in sides.items():
        model.fused = fused
        saved[side] = saved_bytes(lambda model=model: model(x), [*model.parameters(), x])
    gap = max(float((a - b).abs().max()) for a, b in zip(found["steps"], found["fused"], strict=True))
    middle = {side: statistics.median(values) / steps for side, values in times.items()}
    return Line(f"{read} read, batch {batch}, {steps} steps", **middle, gap=gap, saved=tuple(saved.values()))


def compiled(read: str, batch: int, steps: int, rounds: int) -> tuple[float, float, float]:
    """Seconds to compile, then CPU seconds a step compiled and fused, sides in turn.

    The cell is compiled, and the read with its address; placing what is written depends on the step's number,
    for every value of which torch would compile again.
    """
    x = torch.rand(steps, batch, INPUTS)
    nets = [build(f"armin-{read}", INPUTS, OUTPUTS, HIDDEN, SLOTS, WIDTH, seed=0) for _ in range(2)]
    nets[0].fused = False
    nets[0].cell.compile()
    nets[0].weights = torch.compile(nets[0].weights)
    began = time.perf_counter()
    for _ in range(3):
        train_step(nets[0], x)
    first = time.perf_counter() - began
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for side, net in zip(times, nets, strict=True):
            side.append(cpu_seconds(lambda net=net: train_step(net, x))[0] / steps)
    return first, *(statistics.median(side) for side in times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    short = 0
    with threadpool_limits(1):
        for batch in given.batches:
            for read in ("soft", "hard"):
                line = compare(read, batch, given.steps, given.rounds)
                ratio = line.steps / line.fused
                short += ratio < PROMISED or line.gap > CLOSE
                verdict = "kept" if ratio >= PROMISED else "MISSED"
                print(
                    f"{line.name}: {1e6 * line.steps:.0f} -> {1e6 * line.fused:.0f} CPU-us a step, ", end=""
                )
                print(f"{ratio:.2f}x (promised {PROMISED:g}x: {verdict}), difference {line.gap:.1e}")
                print(
                    f"    nn.LSTM {1e6 * line.lstm:.0f} us (fused takes {line.fused / line.lstm:.1f}x); ",
                    end="",
                )
                print(f"products alone {1e6 * line.floor:.0f} us ({line.fused / line.floor:.1f}x)")
                one, two, three = (n / 2**20 for n in line.saved)
                print(
                    f"    saved: {one:.2f} -> {two:.2f} MiB ({one / two:.1f}x less); nn.LSTM {three:.2f} MiB"
                )
                if given.compile:
                    first, own, fused = compiled(read, batch, given.steps, given.rounds)
                    print(
                        f"    torch.compile: {first:.0f} s to compile, then {1e6 * own:.0f} us a step, ",
                        end="",
                    )
                    print(f"{own / fused:.2f} of the fused scan's {1e6 * fused:.0f}")
    return int(short > 0)


if __name__ == "__main__":
    raise SystemExit(main())
