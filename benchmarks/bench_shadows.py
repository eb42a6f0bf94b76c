"""Compare stacked shadow training, batched input gradients and DP-SGD's clipped sums with their loops.

Run `python benchmarks/bench_shadows.py`: one thread, CPU seconds, the same input and batches for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, TensorDataset

from retrace.metrics.sample_gradients import input_gradient_norms
from retrace.nets.targets import build_target
from retrace.training.fit import Data, Schedule, cross_entropy, fit, orders
from retrace.training.halves import complementary_halves, member_rows
from retrace.training.per_sample import clipped_sums
from retrace.training.shadows import Shadows

SHAPE, CLASSES, SEED = (1, 8, 8), 10, 5
Line = tuple[str, float, float, float, float]


def cpu_seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def fresh(models: int) -> Shadows:
    seeds = range(models)
    return Shadows.initial(lambda seed: build_target("mlp-relu-128-128", SHAPE, CLASSES, seed), seeds, seeds)


def loop(x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor, schedule: Schedule) -> list[torch.nn.Module]:
    """Each model by itself, as most code does: a DataLoader over its members and torch.optim.SGD."""
    nets = []
    for number, own in enumerate(rows):
        net = build_target("mlp-relu-128-128", SHAPE, CLASSES, number).train()
        optimiser = torch.optim.SGD(net.parameters(), 1.0, momentum=0.9, weight_decay=5e-4)
        data = TensorDataset(x[own], y[own])
        for epoch in range(schedule.epochs):
            optimiser.param_groups[0]["lr"] = schedule.rate(epoch)
            order = orders((number,), len(own), epoch, SEED)[0].tolist()
            for images, labels in DataLoader(data, schedule.batch, sampler=order):
                optimiser.zero_grad()
                F.cross_entropy(net(images)[0], labels).backward()
                optimiser.step()
        nets.append(net.eval())
    return nets


def bench_training(models: int, examples: int, epochs: int) -> Line:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(examples, *SHAPE, generator=draw), torch.randint(CLASSES, (examples,), generator=draw)
    rows = torch.from_numpy(member_rows(complementary_halves(models, examples, 0)))
    schedule = Schedule(epochs=epochs, batch=64)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)  # its imports are not the loop's fault
    slow, nets = cpu_seconds(lambda: loop(x, y, rows, schedule))
    stacked = fresh(models)
    fast, _ = cpu_seconds(lambda: fit(stacked, Data(x, y, rows), cross_entropy, schedule, SEED))
    with torch.no_grad():
        gap = max(float((nets[k](x)[0] - stacked.predict(x)[0][k]).abs().max()) for k in range(models))
    return f"{models} shadow MLPs, {epochs} epochs, against a DataLoader loop", slow, fast, gap, 5


def bench_input_gradients(models: int, examples: int) -> Line:
    draw = torch.Generator().manual_seed(1)
    x, y = torch.randn(examples, *SHAPE, generator=draw), torch.randint(CLASSES, (examples,), generator=draw)
    stacked = fresh(models)

    def per_sample() -> torch.Tensor:
        norms = torch.empty(models, examples)
        for k in range(models):
            net = build_target("mlp-relu-128-128", SHAPE, CLASSES, k).eval()
            for i in range(examples):
                one = x[i : i + 1].clone().requires_grad_(True)
                F.cross_entropy(net(one)[0], y[i : i + 1]).backward()
                norms[k, i] = one.grad.norm()
        return norms

    slow, direct = cpu_seconds(per_sample)
    fast, ours = cpu_seconds(lambda: input_gradient_norms(stacked, x, y))
    gap = float((ours - direct).abs().max())
    return f"input gradients of {models} x {examples} against a loop over samples", slow, fast, gap, 5


def bench_private_steps(models: int, batch: int, steps: int) -> Line:
    """Clipped sums of DP-SGD against opacus, a model at a time, by hooks (its default)."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    draw = torch.Generator().manual_seed(2)
    x, y = torch.randn(batch, *SHAPE, generator=draw), torch.randint(CLASSES, (batch,), generator=draw)
    stacked = fresh(models)
    nets = [GradSampleModule(build_target("mlp-relu-128-128", SHAPE, CLASSES, k)) for k in range(models)]
    privates = [
        DPOptimizer(
            torch.optim.SGD(net.parameters(), 0.0),
            noise_multiplier=0.0,
            max_grad_norm=1.0,
            expected_batch_size=batch,
        )
        for net in nets
    ]

    def theirs() -> list[list[torch.Tensor]]:
        for _ in range(steps):
            for net, private in zip(nets, privates, strict=True):
                private.zero_grad()
                F.cross_entropy(net(x)[0], y).backward()
                private.clip_and_accumulate()
        return [[p.summed_grad for p in private.params] for private in privates]

    shared = x.expand(models, *x.shape), y.expand(models, -1), torch.ones(models, batch)

    def ours() -> dict[str, torch.Tensor]:
        for _ in range(steps):
            sums = clipped_sums(stacked, *shared, clip=1.0)
        return sums

    slow, direct = cpu_seconds(theirs)
    fast, sums = cpu_seconds(ours)
    gap = max(
        float((sums[name][k] - g).abs().max())
        for k in range(models)
        for name, g in zip(sums, direct[k], strict=True)
    )
    return f"clipped sums, {models} MLPs, batch {batch}, {steps} steps, against opacus", slow, fast, gap, 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        lines = [bench_training(args.models, 1000, args.epochs), bench_input_gradients(4, 500)]
        lines += [bench_private_steps(models, 64, 20) for models in (1, args.models)]
    for name, slow, fast, gap, wanted in lines:
        verdict = "reached" if slow / fast >= wanted else "NOT REACHED"
        verdict = f" (at least {wanted}x: {verdict})" if wanted else ""
        print(f"{name}: {slow:.2f} s / {fast:.3f} s = {slow / fast:.1f}x{verdict}, gap {gap:.1e}")


if __name__ == "__main__":
    main()
