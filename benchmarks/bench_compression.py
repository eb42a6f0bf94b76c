"""Statistics of compressors beside a bare forward pass, walks beside plain loops: CPU time, one thread.

Run `python benchmarks/bench_compression.py` (SmolLM2-135M-Instruct, float32; `--model tiny` to try it).
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from timing import cpu_seconds
from torch import Tensor

from retrace.compress.weights.awq import awq
from retrace.compress.weights.columns import factor
from retrace.compress.weights.gptq import gptq
from retrace.compress.weights.grids import uniform_grid
from retrace.compress.weights.names import pattern
from retrace.compress.weights.sparsegpt import sparsegpt
from retrace.device import limit_threads
from retrace.llm.kernels.grams import grams
from retrace.llm.kernels.layers import HEAD_ROWS, embed, logits, run
from retrace.llm.load import load

GROUP = 64


@torch.no_grad()
def forward(net: Any, ids: Tensor) -> None:
    """All logits, in blocks as the kernels compute them."""
    states = run(net, embed(net, ids)).flatten(0, 1)
    for first in range(0, len(states), HEAD_ROWS):
        logits(net, states[first : first + HEAD_ROWS])


def bench_statistics(name: str) -> None:
    """One pass with X'X of every input, beside a forward pass of the same rows."""
    model = load(name)
    ids = torch.randint(
        0, model.net.config.vocab_size - 8, (32, 64), generator=torch.Generator().manual_seed(0)
    )
    bare, _ = cpu_seconds(lambda: forward(model.net, ids), 3)
    whole, _ = cpu_seconds(lambda: list(grams(model.net, ids.tolist())), 3)
    share = f"{whole / bare:.2f} passes"
    print(f"| statistics of 2,048 tokens: a forward pass; with X'X | {bare:.2f} | {whole:.2f} | {share} |")


def plain(weight: Tensor, hessian: Tensor, new: Any, blocks: int) -> Tensor:
    """The published loop: a column at a time, errors spread within a block at once, then to later blocks."""
    damped = hessian + 0.01 * hessian.diagonal().mean() * torch.eye(len(hessian))
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    w, width = weight.clone(), weight.shape[1]
    for first in range(0, width, blocks):
        end = min(first + blocks, width)
        block, errors = w[:, first:end].clone(), torch.zeros(len(w), end - first)
        own = upper[first:end, first:end]
        for j in range(end - first):
            column = new(first, j, block, own)
            error = (block[:, j] - column) / own[j, j]
            w[:, first + j] = column
            block[:, j:] -= error[:, None] @ own[j, j:][None]
            errors[:, j] = error
        w[:, end:] -= errors @ upper[first:end, end:]
    return w


def plain_gptq(weight: Tensor, hessian: Tensor, bits: int, blocks: int) -> Tensor:
    """GPTQ by the plain loop."""
    most, grid = float(2**bits - 1), {}

    def new(first: int, j: int, block: Tensor, own: Tensor) -> Tensor:
        if (first + j) % GROUP == 0:
            some = block[:, j : j + GROUP]
            grid["now"] = uniform_grid(some.amin(1), some.amax(1), most)
        step, zero = grid["now"]
        return ((block[:, j] / step).round().add(zero).clamp(0, most) - zero) * step

    return plain(weight, hessian, new, blocks)


def plain_sparsegpt(weight: Tensor, hessian: Tensor, blocks: int) -> Tensor:
    """SparseGPT at 2:4 by the plain loop."""
    mask: dict[str, Tensor] = {}

    def new(first: int, j: int, block: Tensor, own: Tensor) -> Tensor:
        if j % 4 == 0:
            scores = (block[:, j : j + 4] / own.diagonal()[j : j + 4]) ** 2
            low = torch.topk(scores, 2, dim=1, largest=False).indices
            mask["now"] = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, low, True)
        return block[:, j] * ~mask["now"][:, j % 4]

    return plain(weight, hessian, new, blocks)


def bench_walks() -> None:
    """A layer of SmolLM2: matrices one by one and bits one by one, against stacks."""
    layer = {
        "attention": ([576, 192, 192], 576),
        "output": ([576], 576),
        "mlp": ([1536, 1536], 576),
        "down": ([576], 1536),
    }
    draw = torch.Generator().manual_seed(0)
    slow = {"gptq": 0.0, "gptq whole": 0.0, "sparse": 0.0, "sparse whole": 0.0}
    fast = {"gptq": 0.0, "sparse": 0.0, "awq": 0.0}
    apart = 0.0
    for rows, width in layer.values():
        x = torch.randn(3000, width, generator=draw) * torch.rand(width, generator=draw)
        hessian = 2 * x.T @ x / len(x)
        weights = [torch.randn(r, width, generator=draw) * 0.05 for r in rows]
        stack = torch.cat(weights)

        def walk(stack: Tensor = stack, hessian: Tensor = hessian) -> Tensor:
            return gptq(stack, factor(hessian), [8, 4, 3], GROUP)

        def prune(stack: Tensor = stack, hessian: Tensor = hessian, rows: list[int] = rows) -> Tensor:
            return sparsegpt(stack, factor(hessian), [pattern("2:4")], rows)[0]

        for name, blocks in (("", 128), (" whole", width)):
            seconds, found = cpu_seconds(
                lambda b=blocks, w=weights, h=hessian: [
                    [plain_gptq(one, h, bits, b) for one in w] for bits in (8, 4, 3)
                ]
            )
            slow[f"gptq{name}"] += seconds
            seconds, _ = cpu_seconds(
                lambda b=blocks, w=weights, h=hessian: [plain_sparsegpt(one, h, b) for one in w]
            )
            slow[f"sparse{name}"] += seconds
        seconds, stacked = cpu_seconds(walk)
        fast["gptq"] += seconds
        # a tie in rounding goes on through a row: shares of equal entries, not the largest difference
        apart = max(apart, float((stacked[0] - torch.cat(found[0])).abs().gt(1e-4).float().mean()))
        seconds, _ = cpu_seconds(prune)
        fast["sparse"] += seconds
        seconds, _ = cpu_seconds(lambda s=stack, h=hessian, x=x: awq(s, x.abs().mean(0), h, 4, GROUP))
        fast["awq"] += seconds
    for name, words in (
        ("gptq", "GPTQ, a layer at 8, 4 and 3 bits"),
        ("sparse", "SparseGPT, a layer at 2:4"),
    ):
        for kind, loop in (("", "blocks of 128"), (" whole", "no blocks")):
            before = slow[f"{name}{kind}"]
            told = f"{words}, plain loop with {loop}"
            print(f"| {told} | {before:.2f} | {fast[name]:.2f} | {before / fast[name]:.1f}x |")
    print(f"| entries of the 8-bit stack further than 1e-4 from the plain loop's | | {apart:.1e} | |")
    print(f"| AWQ, a layer at 4 bits | | {fast['awq']:.2f} | |")


def main() -> None:
    """Print rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    chosen = parser.parse_args()
    limit_threads(1)
    print("| what | plain CPU s | ours CPU s | ratio |\n| --- | --- | --- | --- |")
    bench_statistics(chosen.model)
    bench_walks()


if __name__ == "__main__":
    main()
