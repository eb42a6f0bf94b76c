"""Products of bfloat16 matrices on a processor without instructions for them: PyTorch's against ours.

python benchmarks/bench_bfloat16.py

CPU milliseconds, one thread, medians of 5; both in one run, PyTorch first, since ours stay once set.
Jobs replace nothing where the processor has the instructions; here they are replaced all the same.
"""

from __future__ import annotations

from statistics import median
from time import process_time

import torch
import torch.nn.functional as F

from retrace.verbs.bfloat16 import multiply_in_float32, supported

WIDTH, INNER = 576, 1536
SHAPES = ((1, "one token"), (16, "16 tokens"), (256, "256 tokens"), (1024, "1,024 tokens"))


def main() -> None:
    torch.set_num_threads(1)
    print(f"bfloat16 in hardware: {supported()}; {torch.backends.cpu.get_cpu_capability()}")
    before = everything()
    multiply_in_float32()
    after = everything()
    print(f"{'':36s} float32  PyTorch     ours    ratio")
    for (name, exact, theirs), (_, _, ours) in zip(before, after, strict=True):
        print(f"{name:36s} {exact:7.2f}  {theirs:7.2f}  {ours:7.2f}  {theirs / ours:6.1f}x")


def everything() -> list[tuple[str, float, float]]:
    """Name, milliseconds in float32, milliseconds in bfloat16."""
    rows = [(f"linear {WIDTH} -> {INNER}, {words}", count) for count, words in SHAPES]
    made = [(name, forward(count, torch.float32), forward(count, torch.bfloat16)) for name, count in rows]
    name = f"the same, {SHAPES[-2][1]}, forward and backward"
    return [*made, (name, backward(torch.float32), backward(torch.bfloat16))]


def forward(count: int, dtype: torch.dtype) -> float:
    x, w = torch.randn(count, WIDTH).to(dtype), torch.randn(INNER, WIDTH).to(dtype)
    return timed(lambda: F.linear(x, w))


def backward(dtype: torch.dtype) -> float:
    x = torch.randn(SHAPES[-2][0], WIDTH).to(dtype).requires_grad_()
    w = torch.randn(INNER, WIDTH).to(dtype).requires_grad_()
    return timed(lambda: F.linear(x, w).sum().backward())


def timed(function: object, times: int = 10) -> float:
    found = []
    for _ in range(5):
        start = process_time()
        for _ in range(times):
            function()  # type: ignore[operator]
        found.append(1e3 * (process_time() - start) / times)
    return median(found)


if __name__ == "__main__":
    main()
