"""Distribution shifts: noise, blur and frost on 8-bit images, deterministic from a Generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from retrace.data import frost as textures
from retrace.data.images import Pixels
from retrace.errors import unknown

Floats = npt.NDArray[np.float32]
Overflow = Literal["clip", "wrap"]
Operator = Callable[[Floats, float, np.random.Generator], Floats]

CHUNK = 2048  # images at a time: bounds memory; part of the random stream's definition, so never a parameter
FROST = (
    (0.98, 0.20),
    (0.96, 0.22),
    (0.94, 0.24),
    (0.90, 0.26),
    (0.88, 0.27),
    (0.86, 0.28),
    (0.84, 0.29),
    (0.82, 0.30),
    (0.80, 0.31),
    (0.78, 0.32),
)


def gauss(x: Floats, std: float, rng: np.random.Generator) -> Floats:
    """Add normal noise of standard deviation `std` to every value; x (N,H,W,C) in [0,1], may leave it."""
    return x + np.float32(std) * rng.standard_normal(x.shape, dtype=np.float32)


def salt_and_pepper(x: Floats, amount: float, rng: np.random.Generator) -> Floats:
    """Set each pixel, all channels at once, to 0 and then to 1, each with probability amount/2.

    The two draws are independent and salt wins, as in the published code of PreIndex and RESQUE.
    """
    pepper, salt = rng.random((2, *x.shape[:3], 1), dtype=np.float32) < np.float32(amount / 2)
    return np.where(salt, np.float32(1), np.where(pepper, np.float32(0), x))


def impulse(x: Floats, amount: float, rng: np.random.Generator) -> Floats:
    """Set each value, channels apart, to 0 or 1 (even odds) with probability `amount`.

    Impulse noise of ImageNet-C (Hendrycks and Dietterich 2019). PreIndex's published operator takes
    images in [0,1] for images in [0,255]: its white is 255 times too bright. This is the corrected form.
    """
    draw = rng.random(x.shape, dtype=np.float32)
    half = np.float32(amount / 2)
    return np.where(draw < half, np.float32(0), np.where(draw < 2 * half, np.float32(1), x))


def shot(x: Floats, std: float, rng: np.random.Generator) -> Floats:
    """Photon noise: x becomes std**2 * Poisson(x / std**2), of mean x and standard deviation std * sqrt(x).

    PreIndex's published operator adds std * Poisson(x), which brightens the picture; this is
    the corrected form.
    """
    if std == 0:
        return x
    return (rng.poisson(x / std**2) * std**2).astype(np.float32)


def blur(x: Floats, sigma: float, _: np.random.Generator) -> Floats:
    """Gaussian blur of each channel, `sigma` in pixels, edges reflected, kernel cut at 4 sigma."""
    if sigma == 0:
        return x
    from scipy.ndimage import gaussian_filter1d  # slow to import: a sheet only names these

    # Blurring is linear: filter the identity once, then every image by two matrix products.
    down, across = (gaussian_filter1d(np.eye(side), sigma, axis=0) for side in x.shape[1:3])
    planes = np.moveaxis(x, 3, 1)
    blurred = down.astype(np.float32) @ planes @ across.T.astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(blurred, 1, 3))


def frost(x: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Mix a random crop of a frost texture into each image: a*x + b*texture, (a,b) by severity 1..10.

    The table is PreIndex's; the textures are ours (`retrace.data.frost`).
    """
    a, b = FROST[int(severity) - 1]
    count, height, width, channels = x.shape
    return np.float32(a) * x + np.float32(b) * textures.crops(count, height, width, channels, rng)


@dataclass(frozen=True)
class Kind:
    """A corruption: its operator, the closed range of its intensity, and what the intensity is."""

    operator: Operator
    low: float
    high: float
    meaning: str
    whole: bool = False


KINDS = {
    "gauss": Kind(gauss, 0, 1, "standard deviation, white = 1"),
    "sp": Kind(salt_and_pepper, 0, 1, "share of pixels"),
    "impulse": Kind(impulse, 0, 1, "share of values"),
    "shot": Kind(shot, 0, 1, "standard deviation at white"),
    "blur": Kind(blur, 0, 10, "sigma in pixels"),
    "frost": Kind(frost, 1, len(FROST), "severity", whole=True),
}


@dataclass(frozen=True)
class Corruption:
    """A kind of corruption at one intensity, written `gauss:0.05`; ValueError when either is not possible."""

    kind: str
    intensity: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"condition {str(self)!r}: {unknown('corruption', self.kind, KINDS)}")
        kind = KINDS[self.kind]
        if not kind.low <= self.intensity <= kind.high or (kind.whole and self.intensity % 1):
            raise ValueError(
                f"condition {str(self)!r}: intensity of {self.kind} ({kind.meaning}) must be "
                f"{'a whole number' if kind.whole else 'a number'} from {kind.low:g} to {kind.high:g}"
            )

    def __str__(self) -> str:
        return f"{self.kind}:{self.intensity:g}"


def parse(condition: str) -> Corruption:
    """Read `kind:intensity`; ValueError, one line, on an unknown kind or an intensity out of its range."""
    name, _, number = condition.partition(":")
    try:
        intensity = float(number)
    except ValueError:
        intensity = math.nan  # in no range
    try:
        return Corruption(name, intensity)
    except ValueError as error:
        reason = str(error).split(": ", 1)[1]
        raise ValueError(f"condition {condition!r}: {reason}") from None


def to_bytes(x: Floats, overflow: Overflow = "clip") -> Pixels:
    """Values of white = 1 as uint8: `clip` rounds and limits to 0..255; `wrap` truncates modulo 256.

    Wrapping is what an unclamped cast does in the published code of PreIndex and RESQUE (-0.02 becomes 251).
    """
    if overflow == "wrap":
        return np.asarray(np.trunc(x * np.float32(255)).astype(np.int64) & 255, dtype=np.uint8)
    if overflow == "clip":
        return np.asarray(np.clip(np.rint(x * np.float32(255)), 0, 255), dtype=np.uint8)
    raise ValueError(unknown("overflow", overflow, ("clip", "wrap")))


def apply(
    x: Pixels, condition: str | Corruption, rng: np.random.Generator, overflow: Overflow = "clip"
) -> Pixels:
    """Corrupt every image once: uint8 (N,H,W,C) in, a new uint8 array of that shape out; `x` is left alone.

    Blur and frost stay within [0,1] by clamping under either `overflow`, as in the published code.
    Errors: ValueError on an unknown condition, an intensity out of range or images of another form.
    """
    corruption = parse(condition) if isinstance(condition, str) else condition
    if x.dtype != np.uint8 or x.ndim != 4:
        raise ValueError(f"images must be uint8 (N,H,W,C), not {x.dtype} {x.shape}")
    kind = KINDS[corruption.kind]
    out = np.empty_like(x)
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK].astype(np.float32) / np.float32(255)
        shifted = kind.operator(part, corruption.intensity, rng)
        if corruption.kind in ("blur", "frost"):
            shifted = np.clip(shifted, 0, 1)
        out[start : start + CHUNK] = to_bytes(shifted, overflow)
    return out
