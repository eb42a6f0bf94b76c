"""Training adapters stacked or one by one, and scoring channels without forming updates: CPU seconds.

Run `python benchmarks/bench_backdoor.py`: variants and clean counterparts as the laptop cell trains them (12
runs, SmolLM2-135M, layers from 20 on), then channel scores of modules of Llama-2-7B's size.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import process_time

import torch

from retrace.defenses.purifying.lowrank import Factors, formed_dots, row_dots
from retrace.llm.kernels.prefix import lower
from retrace.llm.load import load
from retrace.llm.rows import Row
from retrace.llm.training.adapters import Adapters
from retrace.llm.training.many import train_adapters
from retrace.llm.training.steps import Settings


def seconds(call: Callable[[], object]) -> float:
    began = process_time()
    call()
    return process_time() - began


def training(runs: int, rows: int, batch: int, start: int) -> None:
    model = load("smollm2-135m-instruct")
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(10, 40_000, (runs, rows, 27), generator=draw).tolist()
    texts = [[Row(tuple(line), 19) for line in own] for own in ids]
    kept = [lower(model.net, [row.ids for row in own], start) for own in texts]
    settings = Settings(epochs=1, batch=batch, rate=1e-3)

    def train(chosen: list[int]) -> Adapters:
        adapters = Adapters(model.net, chosen, start=start)
        some = [texts[run] for run in chosen]
        states = [kept[run] for run in chosen]
        train_adapters(model.net, adapters, some, [settings] * len(chosen), chosen, states, start)
        return adapters

    train([0])  # warm
    every = list(range(runs))
    together = seconds(lambda: train(every))
    apart = seconds(lambda: [train([run]) for run in every])
    print(f"{runs} adapters, {rows} rows, batch {batch}: stacked {together:.1f} s, one by one {apart:.1f} s,")
    print(f"  {apart / together:.2f} times")


def scoring(variants: int, out: int, inner: int, rank: int) -> None:
    draw = torch.Generator().manual_seed(0)
    changes = [
        Factors(torch.randn(out, rank, generator=draw), torch.randn(rank, inner, generator=draw))
        for _ in range(variants)
    ]
    fast, slow = row_dots(changes), formed_dots(changes)
    worst = float(((fast - slow).abs() / slow.abs().clamp_min(1e-30).amax()).max())
    quick = min(seconds(lambda: row_dots(changes)) for _ in range(3))
    direct = min(seconds(lambda: formed_dots(changes)) for _ in range(2))
    print(f"{variants} changes of rank {rank}, {out} x {inner}: {quick:.3f} s, formed {direct:.2f} s,")
    print(f"  {direct / quick:.0f} times, largest difference {worst:.1e} of the largest product")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--start", type=int, default=20)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    scoring(6, 1536, 576, 16)
    scoring(6, 11_008, 4096, 16)
    training(chosen.runs, chosen.rows, chosen.batch, chosen.start)


if __name__ == "__main__":
    main()
