"""Pretrain the model and its reference, let both draw, and let a classifier say what they drew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from retrace.device import current
from retrace.nets.diffusion.model import Diffuser
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.diffusion import recognise
from retrace.studies.diffusion.setup import (
    Data,
    as_bytes,
    contexts,
    draw,
    of_domains,
    pictures,
    recipe,
    schedule,
    set_up,
    untrained,
    weights,
)
from retrace.training.batches import to_tensor
from retrace.training.diffusion.fit import fit

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Train

HALVES = {"target": "half", "reference": "reference_half"}  # names after half of the steps


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """`target` on the members, `reference` on as many other images; both also after half of their steps.

    Results: `quality`, shares of images that show their domain, by what drew them and by domain: `real` are
    members, which the classifier has not seen. Scratch: weights (`half` and `reference_half` are those after
    half), and drawn images uint8: `own` (D+1,N,S,S,C) by the target, `plain` without guidance and `clean` by
    the reference, of judged domains.
    """
    data, plan = set_up(inputs, current()), schedule(params)
    half = params.steps // 2
    models: dict[str, Diffuser] = {}
    for name, x in (("target", data.members), ("reference", data.reference)):
        model = untrained(params, data, derive(seed, name))
        rows = pictures(data, of_domains(params, x))
        kept = fit(model, plan, rows, recipe(params, params.steps), derive(seed, name), keep=[half])
        models[name] = kept[params.steps]
        models[HALVES[name]] = kept[half]
    sets = {
        "own": _drawn(params, models["target"], data, params.domains + 1, seed),
        "plain": _drawn(params, models["target"], data, params.domains - 1, seed, guidance=1.0),
        "clean": _drawn(params, models["reference"], data, params.domains - 1, seed),
    }
    scratch = {key: v for name, model in models.items() for key, v in weights(model, name).items()}
    results = {"quality": quality(params, data, sets, seed), "parameters": _size(models["target"])}
    return Output(results, scratch={**scratch, **sets})


def _drawn(
    params: Train, model: Diffuser, data: Data, count: int, seed: int, guidance: float | None = None
) -> Array:
    """Images uint8 (count,N,S,S,C) of the first domains."""
    plan, found = schedule(params), []
    for k in range(count):
        pair = contexts(model, data.domains[k], data.device)
        found.append(draw(params, model, plan, pair, data.members, derive(seed, k), guidance))
    return as_bytes(torch.stack(found))


def quality(params: Train, data: Data, sets: dict[str, Array], seed: int) -> dict[str, Any]:
    """Share of each domain's images that a classifier of held-out real images recognises, set by set."""
    held = to_tensor(data.parts["held.x"], str(data.device))
    labels = torch.from_numpy(np.ascontiguousarray(data.parts["held.y"])).to(data.device)
    net = recognise.trained(held, labels, data.classes, params.recognise_epochs, seed)
    found = {"real": data.parts["members"], **sets}
    return {
        name: [
            recognise.share(net, to_tensor(images, str(data.device)), data.domains[k])
            for k, images in enumerate(group)
        ]
        for name, group in found.items()
    }


def _size(model: Diffuser) -> int:
    return sum(p.numel() for p in model.parameters())
