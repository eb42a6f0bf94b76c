"""Fine-tune the pretrained model in every way of the sheet, and attack it before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from retrace.attacks.diffusion.loss import clid_scores
from retrace.attacks.roc import auc
from retrace.device import current
from retrace.nets.diffusion.model import Diffuser
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.diffusion.scoring import errors, images, pia_scores, secmi_scores, strays
from retrace.studies.diffusion.setup import (
    FORM,
    Data,
    as_bytes,
    contexts,
    draw,
    predictor,
    restored,
    schedule,
    set_up,
)
from retrace.studies.diffusion.tuning import Pair, Sets, Tuned, tune
from retrace.training.batches import to_tensor
from retrace.training.diffusion.fit import Pictures

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Attack, Tuning

UNTRAINED = ("none", "db_lora")  # what the untrained domain is looked at under


def run(params: Attack, inputs: Inputs, seed: int) -> Output:
    """Scratch: scores as `<tuning>/<domain>/<attack>` (n+N,), errors of the loss attacks (K,n+N) among them.

    Domains are judged ones by number, `calibration` (of the untuned model alone) and `untrained`. Of the
    tunings in `deep` also `.../stray.<source>`, errors of images from elsewhere, and `.../drawn`, uint8
    images. `reference/<domain>/...` are the reference model's. Results: `stop`, SecMI's step, chosen on the
    calibration domain, and AUCs of all steps there.
    """
    data, device = set_up(inputs, current()), current()
    weights = inputs["train"].read_scratch()
    target, reference = (restored(params, data, weights, name) for name in ("target", "reference"))
    sets = {
        name: torch.stack([to_tensor(x, device) for x in weights[name]]) for name in ("own", "plain", "clean")
    }
    kept: dict[str, Array] = {}
    last = params.domains - 1
    for k in range(params.domains + 1):
        _reference(params, data, reference, k, seed, kept)
    plain = Tuned(target, None, 0)
    _look(params, data, plain, "none", last, params.stops, seed, kept)
    member = np.arange(params.members + params.others) < params.members
    areas = {t: auc(kept[f"none/calibration/secmi_{t}"], member) for t in params.stops}
    stop = max(areas, key=lambda t: areas[t])
    for name, how in params.tunings.items():
        chosen = _sets(params, how, data, sets, name in UNTRAINED)
        tuned_all = tune(params, how, target, schedule(params), chosen, seed)
        if how.data == "domain":  # one model for all
            tuned_all = tuned_all * last
        for k, tuned in enumerate(tuned_all):
            place = params.domains if k == last else k
            _look(params, data, tuned, name, place, [stop], seed, kept)
    for k in range(last):
        kept[f"none/{k}/drawn"] = as_bytes(sets["own"][k])
    return Output({"stop": stop, "stops": {str(t): a for t, a in areas.items()}}, scratch=kept)


def _slot(params: Attack, k: int) -> str:
    return {params.domains - 1: "calibration", params.domains: "untrained"}.get(k, str(k))


def _reference(
    params: Attack, data: Data, model: Diffuser, k: int, seed: int, kept: dict[str, Array]
) -> None:
    plan = schedule(params)
    predict = predictor(model, plan, contexts(model, data.domains[k], data.device)[0])
    place = f"reference/{_slot(params, k)}"
    kept[f"{place}/errors"] = errors(params, predict, plan.alpha, images(params, data, k), seed)
    for source, x in strays(data, k).items():
        kept[f"{place}/stray.{source}"] = errors(params, predict, plan.alpha, x, seed)


def _look(
    params: Attack,
    data: Data,
    tuned: Tuned,
    name: str,
    k: int,
    stops: list[int],
    seed: int,
    kept: dict[str, Array],
) -> None:
    """Scores of domain k under a tuned model; of all attacks, strays and drawn images if it is in `deep`."""
    plan, x, place = schedule(params), images(params, data, k), f"{name}/{_slot(params, k)}"
    with tuned.ready(data.domains[k]) as pair:
        predict = predictor(tuned.model, plan, pair[0])
        own = kept[f"{place}/errors"] = errors(params, predict, plan.alpha, x, seed)
        scores = secmi_scores(params, predict, plan.alpha, x, stops)
        if name in params.deep and k != params.domains:
            empty = errors(params, predictor(tuned.model, plan, pair[1]), plan.alpha, x, seed)
            scores |= {"clid": clid_scores(own, empty)} | pia_scores(params, predict, plan.alpha, x)
        kept.update({f"{place}/{attack}": found for attack, found in scores.items()})
        if name not in params.deep or k >= params.domains - 1:
            return
        for source, stray in strays(data, k).items():
            kept[f"{place}/stray.{source}"] = errors(params, predict, plan.alpha, stray, seed)
        if name != "none":
            kept[f"{place}/drawn"] = _drawn(params, tuned, data, pair, derive(seed, k))


def _drawn(params: Attack, tuned: Tuned, data: Data, pair: Pair, seed: int) -> Array:
    return as_bytes(draw(params, tuned.model, schedule(params), pair, data.members, seed))


def _sets(params: Attack, how: Tuning, data: Data, sets: dict[str, Tensor], untrained: bool) -> Sets:
    """What a tuning gets to see, for each judged domain and, if asked for, the untrained one, last."""
    last = params.domains - 1
    which = [*range(last), *([params.domains] if untrained else [])]
    prior = None
    if how.data == "domain":  # the calibration domain's images, with its name
        which = [last]
        x = sets["own"][which]
    elif how.data == "real":
        x = data.reference[which]
    else:
        x = sets["plain" if how.plain else how.data if how.data == "clean" else "own"][which]
    if how.prior:
        other = torch.tensor(data.domains[last], device=data.device)
        prior = Pictures(sets["own"][last].contiguous(memory_format=FORM), other.repeat(params.drawn))
    words = torch.tensor([data.domains[k] for k in which], device=data.device)
    return Sets(x, words, prior)
