"""Language-model kernels beside the direct ways, on SmolLM2-135M-Instruct: same input, CPU time, one thread.

Run `python benchmarks/bench_llm.py`. Requests are harmless (TruthfulQA and look-alikes); no answer is shown.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from timing import cpu_seconds

from retrace.data.texts import own, read
from retrace.llm import chat
from retrace.llm.judges import margin
from retrace.llm.kernels.generate import generate
from retrace.llm.kernels.layers import embed, pad, run
from retrace.llm.kernels.masks import UnitMasks, masked, nothing_masked, prune
from retrace.llm.kernels.nll import mean_nll
from retrace.llm.kernels.score import Item, score
from retrace.llm.kernels.sweep import variant_nll
from retrace.llm.kernels.units import unit_scores
from retrace.llm.load import LanguageModel, load
from retrace.llm.rows import Row, batches

Line = tuple[str, float, float, float]


@torch.no_grad()
def option_by_option(net: Any, items: Sequence[Item], batched: bool) -> list[list[float]]:
    """A row for every option, alone or in the same batches as ours; head and log-softmax over whole rows."""
    rows = [(i, item.prefix, option) for i, item in enumerate(items) for option in item.options]
    lengths = [len(before) + len(option) for _, before, option in rows]
    sums = [0.0] * len(rows)
    for group in batches(lengths, 2048) if batched else [[k] for k in range(len(rows))]:
        ids = pad([rows[k][1] + rows[k][2] for k in group], torch.device("cpu"))
        found = net(ids).logits.log_softmax(-1)
        for place, k in enumerate(group):
            _, before, option = rows[k]
            at = torch.arange(len(before) - 1, lengths[k] - 1)
            sums[k] = float(found[place, at, torch.tensor(option)].double().sum())
    made: list[list[float]] = [[] for _ in items]
    for (i, *_), value in zip(rows, sums, strict=True):
        made[i].append(value)
    return made


def bench_scoring(model: LanguageModel, prompts: Sequence[tuple[int, ...]]) -> list[Line]:
    items = margin.items(model, prompts)
    fast, ours = cpu_seconds(lambda: score(model.net, items))
    lines = []
    for name, batched in (("options: one pass each", False), ("options: rows in batches", True)):
        slow, theirs = cpu_seconds(lambda batched=batched: option_by_option(model.net, items, batched))
        lines.append((name, slow, fast, float(np.abs(np.array(ours) - np.array(theirs)).max())))
    return lines


def random_masks(model: LanguageModel, variants: int, first: int, seed: int) -> UnitMasks:
    """Each variant lacks 0.5 to 15 % of the neurons of the layers from `first` on."""
    made = nothing_masked(model.net, variants)
    rng = np.random.default_rng(seed)
    for variant, share in enumerate(np.geomspace(0.005, 0.15, variants)):
        among = made.mlp[variant, first:]
        gone = rng.choice(among.numel(), int(share * among.numel()), replace=False)
        among.view(-1)[torch.from_numpy(gone)] = False
    return made


@torch.no_grad()
def plain_generation(model: LanguageModel, prompts: Sequence[tuple[int, ...]], new: int) -> list[list[int]]:
    """transformers' own greedy generation of one padded batch."""
    width, ends = max(map(len, prompts)), int(model.tokenizer.eos_token_id)
    ids = pad(prompts, torch.device("cpu"), left=True)
    real = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    out = model.net.generate(
        ids, attention_mask=real, max_new_tokens=new, do_sample=False, pad_token_id=ends, eos_token_id=ends
    )
    return [[t for t in line if t != ends] for line in out[:, width:].tolist()]


@torch.no_grad()
def plain_nll(model: LanguageModel, rows: Sequence[Row]) -> np.ndarray:
    """Answer NLL of one padded batch with all logits."""
    found = model.net(pad([row.ids for row in rows], torch.device("cpu"))).logits.log_softmax(-1)
    sums = [
        found[i, torch.arange(r.start - 1, len(r.ids) - 1), torch.tensor(r.answer)]
        for i, r in enumerate(rows)
    ]
    return np.array([-float(values.double().mean()) for values in sums])


def bench_sweep(
    model: LanguageModel, prompts: Sequence[tuple[int, ...]], rows: Sequence[Row], masks: UnitMasks
) -> list[Line]:
    """A sweep point: 12 generated tokens a prompt and the NLL of known answers."""
    variants, ends = len(masks), int(model.tokenizer.eos_token_id)

    def copies(measure: Callable[[LanguageModel], Any]) -> tuple[float, list[Any]]:
        def every() -> list[Any]:
            found = []
            for variant in range(variants):
                net = copy.deepcopy(model.net)
                prune(net, masks.mlp[variant], masks.heads[variant])
                found.append(measure(LanguageModel(model.name, net, model.tokenizer, "")))
            return found

        return cpu_seconds(every)

    def answers() -> list[list[list[int]]]:
        with masked(model.net, masks, [v for v in range(variants) for _ in prompts]) as switch:
            return generate(model.net, prompts, 12, ends, 16_384, switch, variants, masks.first)

    fast, ours = cpu_seconds(answers)
    nll_fast, nll = cpu_seconds(lambda: variant_nll(model.net, masks, rows))
    lines, first = [], f"from layer {masks.first}"
    for name, generation, likelihood in (
        ("transformers", lambda m: plain_generation(m, prompts, 12), lambda m: plain_nll(m, rows)),
        (
            "our kernels",
            lambda m: generate(m.net, prompts, 12, ends)[0],
            lambda m: mean_nll(m.net, rows),
        ),
    ):
        slow, theirs = copies(generation)
        differ = sum(a != b for x, y in zip(ours, theirs, strict=True) for a, b in zip(x, y, strict=True))
        nll_slow, expected = copies(likelihood)
        gap = float(np.abs(nll - np.array(expected)).max())
        print(f"{name}, {first}: {differ} of {variants * len(prompts)} answers differ")
        lines += [
            (f"answers {first}, copies by {name}", slow, fast, 0.0),
            (f"NLL {first}, copies by {name}", nll_slow, nll_fast, gap),
            (f"sweep {first}, copies by {name}", slow + nll_slow, fast + nll_fast, gap),
        ]
    return lines


@torch.no_grad()
def bench_scores(model: LanguageModel, sets: Sequence[Sequence[Row]]) -> list[Line]:
    rows = [row for part in sets for row in part]

    def plain() -> None:
        for first in range(0, len(rows), 16):
            model.net(pad([row.ids for row in rows[first : first + 16]], torch.device("cpu")))

    def trunk() -> None:
        for part in sets:
            for group in batches([len(row.ids) for row in part]):
                run(model.net, embed(model.net, pad([part[i].ids for i in group], torch.device("cpu"))))

    fast, _ = cpu_seconds(lambda: [unit_scores(model.net, part) for part in sets])
    return [
        ("unit scores, against a plain forward", cpu_seconds(plain)[0], fast, 0.0),
        ("unit scores, against layers alone", cpu_seconds(trunk)[0], fast, 0.0),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = load(chosen.model)
    asked = own.lookalikes() if chosen.model == "tiny" else read.prompts("truthfulqa")
    prompts = [chat.prompt_ids(model, prompt.text, bare=True) for prompt in asked[: chosen.prompts]]
    benign = [
        chat.answered(model, chat.prompt_ids(model, p.text, bare=True), p.answers[0])
        for p in asked[: chosen.rows]
    ]
    refused = [
        chat.answered(model, chat.prompt_ids(model, p.text, bare=True), own.REFUSALS[i % len(own.REFUSALS)])
        for i, p in enumerate(own.lookalikes()[: chosen.rows])
    ]
    score(model.net, margin.items(model, prompts[:2]))  # warm
    print(f"{'':40}{'direct CPU s':>14}{'ours CPU s':>12}{'ratio':>8}{'max difference':>16}")
    show(bench_scoring(model, prompts))
    show(bench_scores(model, [refused, benign]))
    for first in (0, model.layers // 2):
        masks = random_masks(model, chosen.variants, first, chosen.seed)
        show(bench_sweep(model, prompts, benign[: chosen.prompts], masks))


def show(lines: Sequence[Line]) -> None:
    for name, slow, fast, gap in lines:
        print(f"{name:40}{slow:14.2f}{fast:12.2f}{slow / fast:7.2f}x{gap:16.1e}", flush=True)


if __name__ == "__main__":
    main()
