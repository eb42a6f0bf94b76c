"""Train all models of a setting without any defence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from retrace.attacks.roc import auc
from retrace.device import current
from retrace.metrics.norm_disparity import norm_auc, representation_norms, standardised_difference
from retrace.seeds import derive
from retrace.stage import Inputs, Output
from retrace.studies.membership.setup import Setup, schedule, set_up, untrained
from retrace.training.fit import Data, cross_entropies, cross_entropy, fit
from retrace.training.shadows import Shadows, groups, join

if TYPE_CHECKING:
    from retrace.studies.membership.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Plain training; leaves the weights of all models, stacked.

    Results: `checkpoints`, for each epoch looked at and each model: standardised norm disparity between
    members and non-members, AUC of the norm and of the loss as membership scores.
    """
    device = current()
    setup = set_up(inputs, device)
    places = groups(untrained(params, setup, range(1), seed, device).base, params.models, device)
    done, looks = [], []
    for group in places:
        models = untrained(params, setup, group, seed, device)
        looks.append(train_group(params, setup, models, seed))
        done.append(models)
    models = join(done)
    results = {
        "parameters": sum(p[0].numel() for p in models.params.values()),
        "stacked": [len(group) for group in places],
        "checkpoints": [_merged(list(each)) for each in zip(*looks, strict=True)],
    }
    return Output(results, scratch=models.arrays())


def train_group(params: Train, setup: Setup, models: Shadows, seed: int) -> list[dict[str, Any]]:
    """Train one group in place and return what its checkpoints showed."""
    looks: list[dict[str, Any]] = []

    def look(epoch: int) -> None:
        if params.checkpoints and epoch % params.checkpoints == 0:
            looks.append({"epoch": epoch, **disparity(setup, models)})

    data = Data(setup.x["pool"], setup.y["pool"], setup.rows[list(models.numbers)])
    fit(models, data, cross_entropy, schedule(params), derive(seed, "order"), each_epoch=look)
    return looks


def disparity(setup: Setup, models: Shadows) -> dict[str, list[float]]:
    """Of each model: norm disparity, AUC of the norm (the better sign), AUC of the loss."""
    logits, features = models.predict(setup.x["pool"])
    losses = cross_entropies(logits, setup.y["pool"].expand(len(models), -1)).cpu().numpy().astype(np.float64)
    norms = representation_norms(features.cpu().numpy())
    inside = setup.member[list(models.numbers)]
    pairs = list(zip(norms, inside, strict=True))
    return {
        "disparity": [standardised_difference(n, m) for n, m in pairs],
        "norm_auc": [norm_auc(n, m) for n, m in pairs],
        "loss_auc": [auc(-one, m) for one, m in zip(losses, inside, strict=True)],
    }


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    merged = {name: [v for part in parts for v in part[name]] for name in parts[0] if name != "epoch"}
    return {"epoch": parts[0]["epoch"], **merged}
