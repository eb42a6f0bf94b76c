"""Voting with kept keys and values, and accounting by look-up, beside the direct ways: CPU time, one thread.

Run `python benchmarks/bench_prompts.py` (SmolLM2-135M-Instruct, float32; `--model tiny` to try it).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from timing import cpu_seconds

from retrace.device import limit_threads
from retrace.llm.kernels.layers import embed, logits, pad, run
from retrace.llm.load import load
from retrace.llm.prompts.frame import HINTS, Example, frame, tail
from retrace.llm.prompts.voters import Voters, cast
from retrace.privacy.accountant import Accountant, spent, token

VOTERS, TOKENS = 32, 4


@torch.no_grad()
def anew(net: Any, rows: Sequence[tuple[int, ...]]) -> torch.Tensor:
    """Logits after every group's whole prompt, in one padded batch."""
    states = run(net, embed(net, pad(rows, torch.device("cpu"))))
    last = torch.tensor([len(row) - 1 for row in rows])
    return logits(net, states[torch.arange(len(rows)), last])


def bench_voting(name: str) -> None:
    """Tokens that all groups vote on: first and later ones apart."""
    model = load(name)
    made = frame(model, "infer", "", ["positive", "negative"], HINTS[0])
    groups = [
        [Example(f"a film about {g} and {k}", "positive", "positive") for k in range(3)]
        for g in range(VOTERS)
    ]
    tails = [tail(model, made, group, TOKENS) for group in groups]
    kept = Voters(model.net, made.shared, tails, TOKENS)
    said: tuple[int, ...] = ()
    slow, fast, same = [], [], []
    for step in range(TOKENS):
        rows = [(*made.shared, *t, *said) for t in tails]
        seconds, direct = cpu_seconds(lambda rows=rows: anew(model.net, rows))
        slow.append(seconds)
        seconds, ours = cpu_seconds(lambda said=said: kept.logits(range(VOTERS), said))
        fast.append(seconds)
        noise = -torch.log(-torch.log(torch.rand(ours.shape, generator=torch.Generator().manual_seed(step))))
        votes = cast(ours, noise, 0.4)
        same.append(votes == cast(direct, noise, 0.4))
        said = (*said, int(np.bincount(votes).argmax()))
    print(f"| a token of {VOTERS} votes, first | {slow[0]:.2f} | {fast[0]:.2f} | {slow[0] / fast[0]:.1f} |")
    later = float(np.median(slow[1:])), float(np.median(fast[1:]))
    print(
        f"| a token of {VOTERS} votes, later | {later[0]:.2f} | {later[1]:.3f} | {later[0] / later[1]:.1f} |"
    )
    print(f"votes equal in {sum(same)} of {TOKENS} tokens")


def bench_accounting() -> None:
    """Epsilon after each of 500 tokens: the accountant anew each time, or a table."""

    def rebuilt() -> float:
        counted = Accountant()
        counted.step(token(1.8, 5e-7, 0.0154, "poisson"), 500)
        return counted.epsilon(1e-5)

    slow, direct = cpu_seconds(rebuilt)
    build, table = cpu_seconds(lambda: spent(token(1.8, 5e-7, 0.0154, "poisson"), 500, 1e-5))
    fast, _ = cpu_seconds(lambda: [table[500] for _ in range(10_000)])
    each = fast / 10_000
    print(f"| epsilon after a token | {slow:.4f} | {each:.2g} | {slow / each:,.0f} |")
    every, looked_up = 500 * slow, build + 500 * each
    print(f"| 500 tokens, table built | {every:.2f} | {looked_up:.3f} | {every / looked_up:.0f} |")
    print(f"difference {abs(direct - float(table[500])):.1g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="smollm2-135m-instruct")
    limit_threads(1)
    bench_accounting()
    bench_voting(parser.parse_args().model)
