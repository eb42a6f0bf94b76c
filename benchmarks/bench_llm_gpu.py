"""Unit scores of a random network of Llama-2-7B's size in bfloat16: time and memory of one accelerator.

Run `python benchmarks/bench_llm_gpu.py` on a machine with a GPU. Random weights: it says what the code costs,
nothing about any model. `--layers 2 --rows 8 --device cpu` tries the same path without one.
"""

from __future__ import annotations

import argparse
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from retrace.llm.kernels.layers import embed, run
from retrace.llm.kernels.units import unit_scores
from retrace.llm.rows import Row


def build(layers: int, device: str) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=4096,
        intermediate_size=11_008,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=32,
        max_position_embeddings=4096,
    )
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        net = LlamaForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    return net.eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--budget", type=int, default=8192)
    parser.add_argument("--device", default="cuda")
    chosen = parser.parse_args()
    cuda = chosen.device == "cuda"
    net = build(chosen.layers, chosen.device)
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 32_000, (chosen.rows, chosen.tokens), generator=draw)
    rows = [Row(tuple(line), 1) for line in ids.tolist()]
    fits = max(1, chosen.budget // chosen.tokens)

    def trunk() -> None:
        with torch.no_grad():
            for part in ids.to(chosen.device).split(fits):
                run(net, embed(net, part))

    def timed(call: object) -> float:
        if cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        call()  # type: ignore[operator]
        if cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start

    trunk()  # the first pass also loads kernels
    plain = timed(trunk)
    scores = timed(lambda: unit_scores(net, rows, budget=chosen.budget))
    parameters = sum(p.numel() for p in net.parameters())
    print(f"{parameters / 1e9:.2f} G weights, {chosen.rows} x {chosen.tokens} tokens, {chosen.device}")
    print(f"layers alone {plain:.2f} s, unit scores {scores:.2f} s ({scores / plain:.2f}x)")
    if cuda:
        print(
            f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB, {torch.cuda.get_device_name()}"
        )


if __name__ == "__main__":
    main()
