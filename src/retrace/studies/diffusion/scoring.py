"""Scores of a domain's images under a model, for every attack that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from retrace.attacks.diffusion.loss import noise_errors
from retrace.attacks.diffusion.noise import Alpha, Predict, check_images
from retrace.attacks.diffusion.pia import pia
from retrace.attacks.diffusion.secmi import secmi
from retrace.seeds import derive
from retrace.stage import Array
from retrace.studies.diffusion.setup import FORM, Data
from retrace.training.batches import to_tensor

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Attack, Counts, Scoring


def images(params: Counts, data: Data, k: int) -> Tensor:
    """Domain k's members, then its others, (n+N,C,S,S)."""
    x = torch.cat([data.members[k], data.others[k]]).contiguous(memory_format=FORM)
    check_images(x, tuple(data.members.shape[2:]))
    return x


def strays(data: Data, k: int) -> dict[str, Tensor]:
    """Domain k's images from elsewhere, by source."""
    found = {"shifted": data.parts["shifted"][k]}
    if f"other.{k}" in data.parts:
        found["other"] = data.parts[f"other.{k}"]
    return {name: to_tensor(x, str(data.device)) for name, x in found.items()}


def errors(params: Scoring, predict: Predict, alpha: Alpha, x: Tensor, seed: int) -> Array:
    """Errors (K,N) of the noise at each of `times`, that noise being the same for all models of the seed."""
    rng = torch.Generator().manual_seed(derive(seed, "diffusion", "attack"))
    noises = torch.randn(len(params.times), *x.shape[1:], generator=rng).to(x.device)
    return np.stack([e.cpu().numpy() for e in noise_errors(predict, alpha, x, noises, params.times)])


def pia_scores(params: Attack, predict: Predict, alpha: Alpha, x: Tensor) -> dict[str, Array]:
    """Scores (N,) of PIA and PIAN."""
    both = pia(predict, alpha, x, params.pia_time)
    return {name: scores.cpu().numpy() for name, scores in zip(("pia", "pian"), both, strict=True)}


def secmi_scores(
    params: Attack, predict: Predict, alpha: Alpha, x: Tensor, stops: list[int]
) -> dict[str, Array]:
    """Scores (N,) of SecMI at each of `stops`."""
    found = secmi(predict, alpha, x, stops, params.stride)
    return {f"secmi_{t}": scores.cpu().numpy() for t, scores in found.items()}
