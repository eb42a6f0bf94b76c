"""SELENA: each member is answered for by models that have not seen it, and the answers are distilled."""

from __future__ import annotations

import torch
from torch import Tensor

from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.distilling.distil import distillation
from retrace.defenses.membership.settings import Selena
from retrace.seeds import derive
from retrace.stage import StageError
from retrace.training.fit import Data, cross_entropy, fit, gather
from retrace.training.shadows import Shadows


def selena(bench: Bench, settings: Selena) -> Defended:
    """Split-AI, then self-distillation on the members with the ensemble's answers as soft labels.

    A model's members are dealt into `parts` equal heaps, and sub-model j is trained without heaps j to
    j + left_out - 1, so that each example is left out by exactly `left_out` (the paper draws which).
    Source: Tang et al., Mitigating membership inference by self-distillation (USENIX Security 2022).
    """
    members = bench.rows.shape[1]
    if members % settings.parts:
        raise StageError(
            f"selena: {members} members cannot be dealt into {settings.parts} equal heaps; choose a divisor"
        )
    order = torch.stack(
        [
            torch.randperm(members, generator=torch.Generator().manual_seed(derive(bench.seed, "heaps", n)))
            for n in bench.start.numbers
        ]
    )
    heaps = bench.rows.gather(1, order.to(bench.rows.device)).view(len(bench.start), settings.parts, -1)
    total = torch.zeros(*bench.rows.shape[:1], len(bench.x), bench.classes, device=bench.x.device)
    for part in range(settings.parts):
        away = [(part + i) % settings.parts for i in range(settings.left_out)]
        kept = [heap for heap in range(settings.parts) if heap not in away]
        answers = _sub_model(bench, part, heaps[:, kept].flatten(1))
        unseen = heaps[:, away].flatten(1)
        index = unseen.unsqueeze(-1).expand(-1, -1, bench.classes)
        total.scatter_add_(1, index, gather(answers, unseen) / settings.left_out)
    models = bench.start.copy()
    data = Data(bench.x, bench.y, bench.rows, {"teacher": total})
    fit(models, data, distillation(1.0), bench.rated(settings.learning_rate), bench.seed)
    return Defended(models)


def _sub_model(bench: Bench, part: int, rows: Tensor) -> Tensor:
    models: Shadows = bench.start.copy()
    fit(models, Data(bench.x, bench.y, rows), cross_entropy, bench.schedule, derive(bench.seed, "part", part))
    logits, _ = models.predict(bench.x)
    return logits.softmax(-1)
