"""PIA and PIAN: the noise that the model sees in the clean image stands for the noise that is added."""

from __future__ import annotations

import math
from typing import Any

from retrace.attacks.diffusion.noise import Alpha, Predict, moved, squared


def pia(predict: Predict, alpha: Alpha, x: Any, t: int) -> tuple[Any, Any]:
    """Scores (N,) of PIA and of PIAN for images x (N,C,H,W), at step t; three calls of the model.

    The score is minus the l4 error at step t. PIAN first gives the noise the mean absolute value that
    Gaussian noise has, sqrt(2 / pi), image by image. Source: Kong et al. (ICLR 2024), equations 9 to 14.
    """
    noise = predict(x, 0)
    size = abs(noise).reshape(len(x), -1).sum(-1) / noise[0].reshape(-1).shape[0]
    normal = noise * (math.sqrt(2 / math.pi) / size).reshape(-1, *[1] * (x.ndim - 1))
    return _score(predict, alpha, x, noise, t), _score(predict, alpha, x, normal, t)


def _score(predict: Predict, alpha: Alpha, x: Any, noise: Any, t: int) -> Any:
    return -squared(predict(moved(x, noise, alpha(t)), t) - noise, 4)
