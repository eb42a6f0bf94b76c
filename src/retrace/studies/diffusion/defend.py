"""Train the model so that it gives less away: fewer steps, without near duplicates, with DP-SGD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from retrace.attacks.extraction.nearest import near_duplicates
from retrace.device import current
from retrace.nets.diffusion.model import Diffuser
from retrace.privacy.accounting import noise_for
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.diffusion.scoring import errors, images
from retrace.studies.diffusion.setup import (
    FORM,
    Data,
    contexts,
    pictures,
    predictor,
    recipe,
    restored,
    schedule,
    set_up,
    untrained,
)
from retrace.training.diffusion.fit import Pictures, Recipe, fit
from retrace.training.diffusion.private import fit_privately

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Defend


def run(params: Defend, inputs: Inputs, seed: int) -> Output:
    """`half`: the model after half of its steps; `dedup` and `private` begin as it did, with no more steps.

    `blank` is the model before training, from which nothing can leak. Results: `kept`, for each domain which
    members stay when near duplicates go; the noise for epsilon and delta. Scratch: of the judged domains
    `<defence>/<domain>/errors` (K,n+N), and the same of `reference`, the reference model after half of its
    steps: one trained for longer would be no match for these.
    """
    data = set_up(inputs, current())
    kept, deduplicated = _without_duplicates(params, data)
    stored = inputs["train"].read_scratch()
    made = {
        "reference": restored(params, data, stored, "reference_half"),
        "blank": _start(params, data, seed),
        "half": restored(params, data, stored, "half"),
        "dedup": _trained(params, data, deduplicated, seed),
    }
    rate = params.private_batch / (params.domains * params.members)
    noise = noise_for(params.epsilon, rate, params.private_steps, params.delta, accountant="rdp")
    made["private"] = _private(params, data, noise, seed)
    scratch: dict[str, Array] = {}
    for name, model in made.items():
        for k in range(params.domains - 1):
            context, _ = contexts(model, data.domains[k], data.device)
            predict = predictor(model, schedule(params), context)
            found = errors(params, predict, schedule(params).alpha, images(params, data, k), seed)
            scratch[f"{name}/{k}/errors"] = found
    return Output({"kept": kept, "noise": noise}, scratch=scratch)


def _without_duplicates(params: Defend, data: Data) -> tuple[list[list[bool]], Pictures]:
    """Which members of each trained domain stay, and these as one set."""
    stay = []
    for x in data.members[: params.domains]:
        stay.append(~near_duplicates((x.cpu().numpy() + 1) / 2, params.near))
    rows = torch.from_numpy(np.concatenate(stay)).to(data.device)
    whole = pictures(data, data.members[: params.domains])
    form: Tensor = whole.x[rows].contiguous(memory_format=FORM)
    return [one.tolist() for one in stay], Pictures(form, whole.domains[rows])


def _start(params: Defend, data: Data, seed: int) -> Diffuser:
    return untrained(params, data, derive(seed, "target"))


def _trained(params: Defend, data: Data, rows: Pictures, seed: int) -> Diffuser:
    half = params.steps // 2
    plan = recipe(params, params.steps)
    short = Recipe(half, plan.batch, plan.rate, plan.warmup, "constant", plan.dropout, plan.clip, plan.ema)
    return fit(_start(params, data, seed), schedule(params), rows, short, derive(seed, "target"))[half]


def _private(params: Defend, data: Data, noise: float, seed: int) -> Diffuser:
    plan = Recipe(
        params.private_steps,
        params.private_batch,
        params.rate,
        0,
        "constant",
        params.dropout,
        1.0,
        params.ema,
    )
    rows = pictures(data, data.members[: params.domains])
    model = _start(params, data, seed)
    return fit_privately(model, schedule(params), rows, plan, noise, params.bound, derive(seed, "private"))
