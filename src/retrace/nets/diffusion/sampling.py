"""Images drawn by DDIM in whole batches, with guidance, and with the predicted image held in its range."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from retrace.nets.diffusion.schedule import Schedule

Predict = Callable[[Tensor, int], Tensor]  # noise in images (B,C,S,S) at a step


@torch.no_grad()
def ddim(predict: Predict, schedule: Schedule, noise: Tensor, steps: int, clip: bool = True) -> Tensor:
    """Images (B,C,S,S) from pure noise of that shape, deterministic.

    `clip`: the predicted image is held in [-1, 1] at every step, and the noise is what then remains; without
    it errors of the first, noisiest steps grow and images come out as blots.
    Sources: Song, Meng and Ermon (ICLR 2021), equation 12; Saharia et al. (NeurIPS 2022), section 2.3.
    """
    ladder = schedule.ladder(steps)
    x = noise
    for t, following in zip(ladder, [*ladder[1:], -1], strict=True):
        found = predict(x, t)
        image = schedule.image(x, found, t)
        if clip:
            image = image.clamp(-1, 1)
            share = schedule.alpha(t)
            found = (x - share**0.5 * image) / (1 - share) ** 0.5
        x = schedule.moved(image, found, following)
    return x.clamp(-1, 1) if clip else x


def guided(predict: Predict, empty: Predict, guidance: float) -> Predict:
    """The noise for a prompt, moved away from that for the empty one by the factor `guidance`.

    1 leaves it as it is and asks nothing of `empty`. Source: Ho and Salimans (2022), equation 6.
    """
    if guidance == 1:
        return predict

    def both(x: Tensor, t: int) -> Tensor:
        left = empty(x, t)
        return left + guidance * (predict(x, t) - left)

    return both
