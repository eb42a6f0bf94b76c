"""Critical Weights Rewinding and Fine-tuning (CWRF): rewind the most vulnerable weights, tune the others.

Our implementation from descriptions of the method; its code was not released.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.losses.base import loss_of
from retrace.defenses.membership.rewinding.rewind import everywhere, opposite, rewind_and_finetune
from retrace.defenses.membership.rewinding.scores import flat, kinds, pearson, top_mask, weight_scores
from retrace.defenses.membership.settings import Cwrf, DpSgd
from retrace.seeds import derive
from retrace.training.fit import cross_entropy, fit
from retrace.training.shadows import Shadows, Tensors

SHOWN = 300  # weights of each kind in the scatter


def cwrf(bench: Bench, settings: Cwrf) -> Defended:
    """Score, rewind, fine-tune; `settings.variant` and `select` give the ablations and controls.

    A3, the method: rewound weights stay frozen, the others are tuned. A2: only the rewound ones are tuned.
    A1: the weights are removed (zero, frozen). "none": nothing is rewound, all are tuned.
    """
    vulnerability, learnability = _scores(bench, settings)
    trained = bench.trained
    mask = top_mask(_selecting(bench, settings, vulnerability, learnability), settings.rate)
    if settings.variant == "none":
        mask = everywhere(trained, False)
    values: Tensors = {name: p.detach() for name, p in bench.start.params.items()}
    if settings.variant == "A1":
        values = {name: torch.zeros_like(p) for name, p in values.items()}
    elif settings.values == "redrawn":
        values = _redrawn(bench, values)
    frozen = opposite(mask) if settings.variant == "A2" else mask
    epochs = round(settings.epochs * bench.schedule.epochs)
    schedule = bench.rated(settings.learning_rate).lasting(epochs)
    loss = settings.loss if isinstance(settings.loss, DpSgd) else loss_of(settings.loss, bench.classes)
    models = rewind_and_finetune(bench, trained, mask, values, frozen, loss, schedule)
    return Defended(models, *_notes(trained, vulnerability, learnability, settings.rate))


def _scores(bench: Bench, settings: Cwrf) -> tuple[Tensors, Tensors]:
    name = f"cwrf {settings.weight} {settings.step} {settings.passes} {settings.start} {settings.divergence}"
    if name not in bench.memo:
        begin = bench.trained
        if settings.start == "scratch":
            begin = bench.start.copy()
            fit(begin, bench.data, cross_entropy, bench.schedule.lasting(1), bench.seed)
        how = (settings.step, settings.passes, settings.divergence)
        bench.memo[name] = (
            weight_scores(bench, begin, settings.weight, *how),
            weight_scores(bench, begin, 0.0, *how),
        )
    found: tuple[Tensors, Tensors] = bench.memo[name]
    return found


def _selecting(bench: Bench, settings: Cwrf, vulnerability: Tensors, learnability: Tensors) -> Tensors:
    if settings.select == "vulnerability":
        return vulnerability
    if settings.select == "learnability":
        return learnability
    if settings.select == "magnitude":
        return {name: p.detach().abs() for name, p in bench.trained.params.items()}
    row = flat(vulnerability)
    draws = [
        torch.rand(
            row.shape[1], generator=torch.Generator().manual_seed(derive(bench.seed, "random mask", n))
        )
        for n in bench.trained.numbers
    ]
    parts = torch.split(torch.stack(draws).to(row.device), [v[0].numel() for v in vulnerability.values()], 1)
    return {name: part.view_as(vulnerability[name]) for name, part in zip(vulnerability, parts, strict=True)}


def _redrawn(bench: Bench, values: Tensors) -> Tensors:
    """The initial values of another model: the same distribution, other numbers."""
    return {
        name: p.roll(1, 0) if len(p) > 1 else p.flatten().flip(0).view_as(p) for name, p in values.items()
    }


def _notes(
    models: Shadows, vulnerability: Tensors, learnability: Tensors, rate: float
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    v, s = flat(vulnerability), flat(learnability)
    size = flat({name: p.detach().abs() for name, p in models.params.items()})
    top = v.sort(1, descending=True).values[:, : max(1, round(rate * v.shape[1]))]
    notes = {
        "score_r": pearson(v, s),
        "score_r_magnitude": pearson(v, size),
        "score_r_misplaced": pearson(v, s.roll(s.shape[1] // 2, 1)),
        "score_share": (top.double().sum(1) / v.double().sum(1)).tolist(),
    }
    kind = kinds(models)
    scatter: dict[str, list[list[float]]] = {}
    for one in dict.fromkeys(kind.values()):
        names = [name for name in vulnerability if kind[name] == one]
        a, b = (flat({name: part[name] for name in names}) for part in (vulnerability, learnability))
        notes[f"score_r_{one}"] = pearson(a, b)
        at = torch.linspace(0, a.shape[1] - 1, min(SHOWN, a.shape[1])).long().to(a.device)
        scatter[one] = [_short(a[0, at]), _short(b[0, at])]
    return notes, {"scores": scatter}


def _short(values: Tensor) -> list[float]:
    return [float(f"{v:.4g}") for v in values.tolist()]
