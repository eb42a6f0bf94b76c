"""Privacy-Preserving Training Principle (PPTP), reconstructed: protect only the region that leaks.

Only the idea is published where we could read it: generality and membership risk sit in different regions
of a network, and training should protect the risky one. Probe and choice of the region are ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from retrace.attacks.roc import auc
from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.losses.base import loss_of
from retrace.defenses.membership.plain import with_loss
from retrace.defenses.membership.rewinding.blocks import Region, blocks, cuts, mirrored, region_mask
from retrace.defenses.membership.rewinding.rewind import opposite, rewind, rewind_and_finetune
from retrace.defenses.membership.settings import Pptp
from retrace.stage import StageError
from retrace.training.fit import cross_entropies, gather
from retrace.training.norm_statistics import reestimate
from retrace.training.shadows import Shadows

Look = dict[str, list[float]]  # accuracy and AUC of each model


def pptp(bench: Bench, settings: Pptp) -> Defended:
    """Plain training of all blocks, then a second phase with the privacy loss on the region alone.

    Regions are chosen on the mean over the models that train together. Notes of an automatic choice, for
    block b from 1: `block_b_generality`, the fall of reference accuracy when the block is rewound (the
    loss would fall with the confidence in wrong labels, where some are flipped);
    `block_b_risk`, the fall of the loss attack's AUC when it is retrained with the privacy loss, and
    `block_b_cost`, the accuracy that this takes; `region_first`, `region_last` from 1.
    """
    count = len(blocks(bench.trained))
    given = {"head": [count - 1], "all": list(range(count))}
    named = settings.region if isinstance(settings.region, list) else given.get(settings.region)
    if named is not None:
        region = tuple(named)
        if not region or min(region) < 0 or max(region) >= count:
            raise StageError(f"pptp region {list(region)}: the network has blocks 0 to {count - 1}")
        return Defended(_second_phase(bench, settings, region))
    name = f"pptp {settings.model_dump_json(exclude={'region'})}"
    if name not in bench.memo:
        bench.memo[name] = _probe(bench, settings, count)
    chosen, trained, notes, pictures = bench.memo[name]
    region = mirrored(chosen, count) if settings.region == "mirror" else chosen
    ends = {"region_first": region[0] + 1.0, "region_last": region[-1] + 1.0}
    everyone = {end: [value] * len(bench.trained) for end, value in ends.items()}
    return Defended(trained[region].copy(), notes | everyone, pictures)


def _second_phase(bench: Bench, settings: Pptp, region: Region) -> Shadows:
    inside = region_mask(bench.trained, region)
    rewound = inside if settings.rewind else {name: torch.zeros_like(part) for name, part in inside.items()}
    schedule = bench.rated(settings.learning_rate).lasting(
        max(1, round(settings.epochs * bench.schedule.epochs))
    )
    loss = loss_of(settings.loss, bench.classes)
    return rewind_and_finetune(
        bench, bench.trained, rewound, bench.start.params, opposite(inside), loss, schedule
    )


def _probe(
    bench: Bench, settings: Pptp, count: int
) -> tuple[Region, dict[Region, Shadows], dict[str, list[float]], dict[str, Any]]:
    singles: list[Region] = [(b,) for b in range(count)]
    regions = list(dict.fromkeys([*singles, *cuts(count)]))
    trained = {region: _second_phase(bench, settings, region) for region in regions}
    looks = {region: _look(bench, models) for region, models in trained.items()}
    plain = _look(bench, bench.trained)
    private = with_loss(bench, settings.loss).models
    notes: dict[str, list[float]] = {}
    for (b,) in singles:
        mask = region_mask(bench.trained, (b,))
        undone = rewind(bench.trained, mask, bench.start.params)
        swapped = rewind(bench.trained, mask, private.params)
        for models in (undone, swapped):
            reestimate(models, bench.x, bench.rows)
        notes[f"block_{b + 1}_generality"] = _less(plain["accuracy"], _look(bench, undone)["accuracy"])
        notes[f"block_{b + 1}_swap"] = _less(plain["auc"], _look(bench, swapped)["auc"])
        notes[f"block_{b + 1}_risk"] = _less(plain["auc"], looks[(b,)]["auc"])
        notes[f"block_{b + 1}_cost"] = _less(plain["accuracy"], looks[(b,)]["accuracy"])
    chosen = choose({r: looks[r] for r in cuts(count)}, plain, settings)
    return chosen, trained, notes, {"region": [b + 1 for b in chosen], "blocks": count}


def choose(looks: dict[Region, Look], plain: Look, settings: Pptp) -> Region:
    """The region with the largest fall of the AUC among those that cost little enough accuracy.

    Where none does, the one that costs least.
    """
    last = max(b for region in looks for b in region)
    sides = {"deep": [r for r in looks if r[-1] == last], "shallow": [r for r in looks if r[0] == 0]}
    allowed = sides.get(settings.order, list(looks))
    cost = {r: float(np.mean(plain["accuracy"]) - np.mean(looks[r]["accuracy"])) for r in allowed}
    gain = {r: float(np.mean(plain["auc"]) - np.mean(looks[r]["auc"])) for r in allowed}
    cheap = [r for r in allowed if cost[r] <= settings.tolerance]
    return max(cheap, key=lambda r: gain[r]) if cheap else min(allowed, key=lambda r: cost[r])


def _look(bench: Bench, models: Shadows) -> Look:
    """What a defender can see without the test set: the reference examples serve as non-members."""
    logits, _ = models.predict(bench.reference_x)
    labels = bench.reference_y.expand(len(models), -1)
    outside = cross_entropies(logits, labels)
    pool, _ = models.predict(bench.x)
    inside = gather(cross_entropies(pool, bench.y.expand(len(models), -1)), bench.rows)
    scores = -torch.cat([inside, outside], 1).double().cpu().numpy()
    member = np.arange(scores.shape[1]) < inside.shape[1]
    return {
        "accuracy": (logits.argmax(-1) == labels).double().mean(1).tolist(),
        "auc": [auc(row, member) for row in scores],
    }


def _less(a: list[float], b: list[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]
