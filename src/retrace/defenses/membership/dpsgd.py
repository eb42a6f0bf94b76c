"""DP-SGD: clipped per-sample gradients, Gaussian noise, Poisson batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.settings import DpSgd
from retrace.privacy.accounting import epsilon, noise_for
from retrace.seeds import derive
from retrace.stage import StageError
from retrace.training.fit import Hold, Schedule
from retrace.training.optim import Optimiser, OptimiserSettings
from retrace.training.per_sample import clipped_sums
from retrace.training.shadows import Shadows


def dpsgd(bench: Bench, settings: DpSgd) -> Defended:
    """Train from scratch with (epsilon, delta)-differential privacy for the members of each model.

    Notes, the same for all models: `epsilon`, `delta`, `noise_multiplier`.
    """
    models, schedule = bench.start.copy(), bench.rated(settings.learning_rate)
    epochs = max(1, round(settings.epochs * schedule.epochs))
    words = train_privately(bench, models, settings, schedule.lasting(epochs))
    return Defended(models, {name: [value] * len(models) for name, value in words.items()})


def train_privately(
    bench: Bench, models: Shadows, settings: DpSgd, schedule: Schedule, hold: Hold | None = None
) -> dict[str, float]:
    """Train the models in place by the schedule and return epsilon, delta and noise multiplier.

    `hold` freezes entries. No weight decay. StageError for networks with batch norm, which mixes examples,
    and for an epsilon out of reach.
    Source: Abadi et al., Deep learning with differential privacy (CCS 2016), algorithm 1.
    """
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in models.base.modules()):
        raise StageError(
            "dpsgd: batch norm mixes examples, which no clipping undoes; use a network without it"
        )
    members = bench.rows.shape[1]
    rate = min(1.0, schedule.batch / members)
    per_epoch = max(1, round(1 / rate))
    steps, delta = per_epoch * schedule.epochs, settings.delta or 1 / members
    noise = settings.noise_multiplier or noise_for(
        settings.epsilon or 0.0, rate, steps, delta, accountant=settings.accountant
    )
    optimiser = Optimiser(
        OptimiserSettings("sgd", schedule.learning_rate, 0.0, schedule.momentum), models.params.values()
    )
    draws = [torch.Generator().manual_seed(derive(bench.seed, "dpsgd", n)) for n in models.numbers]
    for step in range(steps):
        optimiser.lr = schedule.rate(step // per_epoch)
        rows, weights = poisson(bench.rows, rate, draws)
        sums = clipped_sums(models, bench.x[rows], bench.y[rows], weights, settings.clip)
        _add_noise(models, sums, noise * settings.clip, rate * members, draws)
        optimiser.step()
        if hold is not None:
            hold.apply(models.params)
    spent = epsilon(noise, rate, steps, delta, settings.accountant)
    return {"epsilon": spent, "delta": delta, "noise_multiplier": noise}


def poisson(rows: Tensor, rate: float, draws: list[torch.Generator]) -> tuple[Tensor, Tensor]:
    """Each row of (G,n) with probability `rate`: padded (G,B), and weights 1 for those drawn, 0 for padding.

    The accountant's bound holds for this sampling, not for shuffled batches.
    """
    drawn = torch.stack([torch.rand(rows.shape[1], generator=g) for g in draws]) < rate
    drawn = drawn.to(rows.device)
    most = max(1, int(drawn.sum(1).max()))
    first = drawn.to(torch.uint8).sort(dim=1, descending=True, stable=True)
    return rows.gather(1, first.indices[:, :most]), first.values[:, :most].float()


def _add_noise(
    models: Shadows, sums: dict[str, Tensor], scale: float, expected: float, draws: list[torch.Generator]
) -> None:
    for name, p in models.params.items():
        noise = torch.stack([torch.randn(p.shape[1:], generator=g) for g in draws]).to(p.device)
        p.grad = (sums[name] + scale * noise) / expected
