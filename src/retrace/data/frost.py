"""Frost textures drawn by arithmetic, so that no photographs need to be shipped."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from retrace.data.images import Pixels

TEXTURES = 6
SIZE = 256
# Cold light: a little less red, a little more blue.
TINT = np.array([0.92, 0.98, 1.06], dtype=np.float64)

Plane = npt.NDArray[np.float64]


def _noise(rng: np.random.Generator, exponent: float, angle: float, stretch: float) -> Plane:
    """Periodic Gaussian noise (SIZE,SIZE), amplitude as frequency**-exponent, stretched along `angle`."""
    from scipy import fft  # slow to import: a sheet only names these

    fy, fx = np.meshgrid(fft.fftfreq(SIZE), fft.fftfreq(SIZE), indexing="ij")
    along = fx * np.cos(angle) + fy * np.sin(angle)
    across = fy * np.cos(angle) - fx * np.sin(angle)
    frequency = np.hypot(along * stretch, across)
    frequency[0, 0] = np.inf
    low_cut = 1 - np.exp(-((frequency * 48) ** 2))  # no structure much wider than a crop
    spectrum = fft.fft2(rng.standard_normal((SIZE, SIZE))) * frequency**-exponent * low_cut
    plane = fft.ifft2(spectrum).real
    return np.asarray((plane - plane.mean()) / plane.std())


@cache
def texture(index: int) -> Pixels:
    """Frost texture `index` (0..5) as uint8 (256,256,3): crystal needles over rime, periodic at its edges.

    Ours, procedural: it stands for the frost photographs of ImageNet-C (Hendrycks and Dietterich 2019).
    """
    if not 0 <= index < TEXTURES:
        raise ValueError(f"frost texture must be 0..{TEXTURES - 1}, not {index}")
    rng = np.random.default_rng([0xF057, index])
    heading = rng.uniform(0, np.pi)
    grey = 0.30 + 0.10 * _noise(rng, 1.8, 0.0, 1.0)
    for spread in (-0.52, 0.0, 0.52):
        needles = _noise(rng, 2.2, heading + spread, 6.0)
        ridge = np.exp(-((needles / 0.12) ** 2))  # bright where the noise crosses zero
        patch = 1 / (1 + np.exp(-4 * _noise(rng, 2.5, 0.0, 1.0)))  # each heading has its own places
        grey = grey + (0.12 + 0.55 * ridge) * patch
    colour = np.clip(grey, 0, 1)[..., None] * TINT
    return np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8)


def crops(
    count: int, height: int, width: int, channels: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Random crops of random textures, float32 (count,height,width,channels) in [0,1]; crops wrap round.

    One channel gets the mean of the three colours. Errors: ValueError for more than 256 pixels a side.
    """
    if max(height, width) > SIZE:
        raise ValueError(f"frost covers images up to {SIZE} pixels a side, not {height}x{width}")
    stack = np.stack([texture(i) for i in range(TEXTURES)]).astype(np.float32) / 255
    if channels != 3:
        stack = np.repeat(stack.mean(axis=3, keepdims=True), channels, axis=3)
    which = rng.integers(TEXTURES, size=count)
    rows = (rng.integers(SIZE, size=(count, 1)) + np.arange(height)) % SIZE
    columns = (rng.integers(SIZE, size=(count, 1)) + np.arange(width)) % SIZE
    return np.asarray(stack[which[:, None, None], rows[:, :, None], columns[:, None, :]], dtype=np.float32)
