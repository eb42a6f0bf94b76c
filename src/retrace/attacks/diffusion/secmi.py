"""SecMI: how far one deterministic step forth and back leads from a point of the image's DDIM inversion."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from retrace.attacks.arrays import AttackError
from retrace.attacks.diffusion.noise import Alpha, Predict, image_of, moved, squared


def secmi(predict: Predict, alpha: Alpha, x: Any, stops: Collection[int], stride: int) -> dict[int, Any]:
    """Scores (N,) of SecMI's statistic at each step of `stops`, minus the squared distance.

    The image is inverted from step 0 in strides up to the last of `stops`, no further: t / stride + 2 calls
    of the model for one stop at t, where the official ladder always makes 38.
    AttackError for a stop that is no multiple of the stride. Source: Duan et al. (ICML 2023), equations 8, 9.
    """
    if stride < 1 or not stops or any(t < stride or t % stride for t in stops):
        raise AttackError(f"stops {sorted(stops)}: multiples of the stride {stride}, from one stride on")
    found: dict[int, Any] = {}
    at, t = x, 0
    while t <= max(stops):
        noise = predict(at, t)
        above = moved(image_of(at, noise, alpha(t)), noise, alpha(t + stride))
        if t in stops:
            back = predict(above, t + stride)
            returned = moved(image_of(above, back, alpha(t + stride)), back, alpha(t))
            found[t] = -squared(returned - at)
        at, t = above, t + stride
    return found
