"""What every attack accepts: array types, and the checks that turn bad input into one clear line."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.errors import RetraceError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class AttackError(RetraceError, ValueError):
    """Arrays or settings that an attack cannot use; one line that names them and the remedy."""


def as_array(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Return `values` as an array; AttackError for what has no regular shape or needs another step first."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists; tensors with a gradient
        raise AttackError(f"{name}: no array of numbers: {' '.join(str(error).split())}") from None


def as_numbers(values: npt.ArrayLike, name: str) -> Floats:
    """Return `values` as float64 of any shape, finite or not; AttackError when they are no numbers."""
    array = as_array(values, name)
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
        raise AttackError(f"{name}: numbers are wanted; got {array.dtype}")
    return array.astype(np.float64, copy=False)


def as_floats(values: npt.ArrayLike, name: str, shape: tuple[int | None, ...]) -> Floats:
    """Return `values` as finite float64 of that shape (None = any length, not 0); else AttackError."""
    array = as_numbers(values, name)
    _check_shape(array, name, shape)
    if not array.size:
        got = " x ".join(map(str, array.shape))
        raise AttackError(f"{name}: there is nothing in it ({got}); give one value or more")
    if not np.isfinite(array).all():
        raise AttackError(
            f"{name}: {int((~np.isfinite(array)).sum())} values are not finite; clip them first"
        )
    return array


def as_bools(values: npt.ArrayLike, name: str, shape: tuple[int | None, ...]) -> Bools:
    """Return `values` as booleans of that shape; AttackError when they are not bool or 0 and 1."""
    array = as_array(values, name)
    _check_shape(array, name, shape)
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise AttackError(f"{name}: membership is True or False (or 1 and 0); got {array.dtype}")
    return array.astype(np.bool_)


def as_labels(values: npt.ArrayLike, name: str, count: int, classes: int | None = None) -> Ints:
    """Return integer labels (count,) in [0, classes); else AttackError."""
    array = as_array(values, name)
    _check_shape(array, name, (count,))
    if not np.issubdtype(array.dtype, np.integer):
        raise AttackError(f"{name}: labels are integers from 0; got {array.dtype}")
    if array.size and (array.min() < 0 or (classes is not None and array.max() >= classes)):
        top = "" if classes is None else f" to {classes - 1}"
        raise AttackError(f"{name}: labels run from 0{top}; got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def _check_shape(array: npt.NDArray[Any], name: str, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = " x ".join("any" if want is None else str(want) for want in shape)
        got = " x ".join(map(str, array.shape)) or "a single number"
        raise AttackError(f"{name}: the shape must be {wanted}; got {got}")
