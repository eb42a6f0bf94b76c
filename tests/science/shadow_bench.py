"""A tiny bench of models for tests of training and defences."""

from __future__ import annotations

import torch
from torch import nn

from retrace.defenses.membership.bench import Bench
from retrace.nets.targets import build_target
from retrace.training.fit import Schedule, cross_entropy, fit
from retrace.training.halves import complementary_halves, member_rows
from retrace.training.shadows import Shadows

torch.set_num_threads(1)
CLASSES, SHAPE = 4, (1, 4, 4)


def pool(rows: int, seed: int = 0, noise: float = 1.0):
    """Rows of noisy patterns, x (N,1,4,4) and y (N,)."""
    patterns = torch.randn(CLASSES, *SHAPE, generator=torch.Generator().manual_seed(9))
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(rows) % CLASSES
    return patterns[y] + noise * torch.randn(rows, *SHAPE, generator=draw), y


def fresh(numbers, network="mlp-relu-8-6", head=nn.Linear) -> Shadows:
    """Untrained models; model n is drawn from seed 100 + n."""
    return Shadows.initial(
        lambda seed: build_target(network, SHAPE, CLASSES, seed, head), [100 + n for n in numbers], numbers
    )


def bench(network="mlp-relu-8-6", models: int = 4, epochs: int = 4, examples: int = 80, **more) -> Bench:
    """Models trained plainly on halves of a pool, ready to be defended."""
    numbers = range(models)
    x, y = pool(examples)
    rows = torch.from_numpy(member_rows(complementary_halves(max(4, models), examples, 0)))[:models]
    start = fresh(numbers, network)
    trained = start.copy()
    made = Bench(
        x,
        y,
        rows,
        *pool(40, seed=1),
        classes=CLASSES,
        schedule=Schedule(epochs=epochs, batch=16, learning_rate=0.1),
        seed=3,
        start=start,
        trained=trained,
        fresh=lambda head: fresh(numbers, network, head),
    )
    fit(trained, made.data, cross_entropy, made.schedule, made.seed)
    return made
