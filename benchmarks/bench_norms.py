"""Gradients at LayerNorms and singular values of Jacobians beside the direct ways; one thread, CPU time.

Run `python benchmarks/bench_norms.py`. The network is all-MiniLM-L6-v2 on keyword texts.
"""

from __future__ import annotations

import numpy as np
import torch
from timing import cpu_seconds
from torch import nn

from retrace.data.texts.labelled_sets import of_keywords
from retrace.llm.branches import layers
from retrace.llm.encoders import Pretrained
from retrace.metrics.jacobians import largest_singular_values
from retrace.metrics.norm_gradients import norm_input_gradients
from retrace.nets.layernorms import find
from retrace.training.finetune import take

SAMPLES, ITERATIONS = 32, 40


def main() -> None:
    torch.set_num_threads(1)
    pool, pretrained = of_keywords(), Pretrained("minilm")
    net = pretrained.network(6, seed=0).requires_grad_(False)
    inputs, y = pretrained.encode(pool.texts[:SAMPLES], 32), torch.from_numpy(pool.y[:SAMPLES])
    modules = [norm.module for norm in find(net.backbone)]

    def gradients(rows: torch.Tensor) -> torch.Tensor:
        def losses() -> torch.Tensor:
            return nn.functional.cross_entropy(net(take(inputs, rows)), y[rows], reduction="none")

        return norm_input_gradients(net.embedding(), modules, losses)[0]

    gradients(torch.arange(2))
    slow, one = cpu_seconds(lambda: torch.cat([gradients(torch.tensor([i])) for i in range(SAMPLES)], 1))
    fast, all_at_once = cpu_seconds(lambda: gradients(torch.arange(SAMPLES)), 3)
    line(
        "gradients at 13 LayerNorms: a pass a sample", slow, fast, float((one / all_at_once - 1).abs().max())
    )

    ids = take(inputs, torch.arange(1))
    branches = layers(net.backbone, ids["input_ids"].shape[1])
    assert branches is not None
    x = net.backbone.embeddings(ids["input_ids"])

    def whole() -> float:
        flat = torch.autograd.functional.jacobian(branches[0].feed, x).reshape(x.numel(), x.numel())
        return float(torch.linalg.matrix_norm(flat, 2))

    slow, exact = cpu_seconds(whole)
    fast, found = cpu_seconds(lambda: float(largest_singular_values(branches[0].feed, x, ITERATIONS)[0]), 3)
    line(f"s_max of a feed-forward branch, {x.numel()} x {x.numel()}", slow, fast, abs(found / exact - 1))


def line(what: str, slow: float, fast: float, error: float) -> None:
    print(f"| {what} | {slow:.2f} | {fast:.3f} | {np.round(slow / fast, 1)} | {error:.0e} |", flush=True)


if __name__ == "__main__":
    main()
