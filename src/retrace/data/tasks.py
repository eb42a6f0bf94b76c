"""Task shifts of reuse studies: ten-class target tasks made from the images of the source task."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from retrace.data import corruptions
from retrace.data.corruptions import Corruption
from retrace.data.images import Images, Pixels
from retrace.errors import unknown

Change = Callable[[Pixels, np.random.Generator], Pixels]

BLUR = 1.8 / 28  # sigma over the side of the image
SALT_AND_PEPPER = "sp:0.05"
CONTRAST = 0.4


def _contrast(x: Pixels, _: np.random.Generator) -> Pixels:
    """Pull every value towards mid-grey."""
    table = np.rint(127.5 + CONTRAST * (np.arange(256) - 127.5)).astype(np.uint8)
    return np.asarray(table[x], dtype=np.uint8)


def _blur(x: Pixels, rng: np.random.Generator) -> Pixels:
    return corruptions.apply(x, Corruption("blur", BLUR * x.shape[1]), rng)


def _permute(x: Pixels, rng: np.random.Generator) -> Pixels:
    """One permutation of the pixel places, the same for every image; channels stay together."""
    count, height, width, channels = x.shape
    order = rng.permutation(height * width)
    return x.reshape(count, height * width, channels)[:, order].reshape(x.shape)


SQUARE = ("rot90", "rot270", "transpose")  # tasks that turn rows into columns
PLAIN: dict[str, Change] = {
    "same": lambda x, _: x.copy(),
    "invert": lambda x, _: 255 - x,
    "contrast": _contrast,
    "rot180": lambda x, _: np.ascontiguousarray(x[:, ::-1, ::-1]),
    "rot90": lambda x, _: np.ascontiguousarray(np.rot90(x, axes=(1, 2))),
    "rot270": lambda x, _: np.ascontiguousarray(np.rot90(x, 3, axes=(1, 2))),
    "fliplr": lambda x, _: np.ascontiguousarray(x[:, :, ::-1]),
    "flipud": lambda x, _: np.ascontiguousarray(x[:, ::-1]),
    "transpose": lambda x, _: np.ascontiguousarray(x.swapaxes(1, 2)),
    "perm": _permute,
    "blur": _blur,
    "sp": lambda x, rng: corruptions.apply(x, SALT_AND_PEPPER, rng),
}


def names(side: int) -> tuple[str, ...]:
    """The tasks for images of `side` pixels: sixteen at 28, with blocks of 14, 7 and 4 pixels.

    Other sizes take blocks of a half, a quarter and an eighth of the side where those are whole and above 1.
    """
    sizes = (14, 7, 4) if side == 28 else tuple(side // k for k in (2, 4, 8) if side % k == 0 and side > k)
    blocks = tuple(f"blocks{size}" for size in sizes)
    plain = tuple(PLAIN)
    return (*plain[:9], *blocks, *plain[9:], "other")


def shuffle_blocks(x: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """Cut images into blocks of `size` pixels a side and permute them, the same way for every image.

    No block stays in its place, so that a shuffle of few blocks is as hard with one seed as with another.
    Errors: ValueError when `size` does not divide the height and the width.
    """
    count, height, width, channels = x.shape
    if size < 1 or height % size or width % size:
        raise ValueError(f"blocks of {size} pixels do not divide images of {height}x{width}")
    rows, columns = height // size, width // size
    if rows * columns < 2:
        raise ValueError(f"a single block of {size} pixels cannot be shuffled; take smaller blocks")
    cut = x.reshape(count, rows, size, columns, size, channels).swapaxes(2, 3)
    shuffled = cut.reshape(count, rows * columns, size, size, channels)[:, _derangement(rows * columns, rng)]
    return shuffled.reshape(count, rows, columns, size, size, channels).swapaxes(2, 3).reshape(x.shape)


def _derangement(count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    while True:  # one draw in e is kept
        order = rng.permutation(count)
        if not np.any(order == np.arange(count)):
            return order


def resize(x: Pixels, height: int, width: int, channels: int) -> Pixels:
    """Images (N,h,w,c) bilinearly resized to (N,height,width,channels), uint8.

    Grey is repeated over channels; colour becomes grey by its mean. Errors: ValueError otherwise.
    """
    planes = np.moveaxis(x, 3, 1).astype(np.float32)
    if planes.shape[1] != channels:
        if 1 not in (planes.shape[1], channels):
            raise ValueError(f"cannot turn {planes.shape[1]} channels into {channels}")
        planes = np.repeat(planes.mean(axis=1, keepdims=True), channels, axis=1)
    down, across = _bilinear(x.shape[1], height), _bilinear(x.shape[2], width)
    resized = down @ planes @ across.T
    return np.ascontiguousarray(np.moveaxis(np.rint(resized).astype(np.uint8), 1, 3))


def _bilinear(old: int, new: int) -> npt.NDArray[np.float32]:
    """The matrix (new, old) of linear interpolation between pixel centres, edges repeated."""
    from scipy.ndimage import gaussian_filter1d, zoom  # slow to import: a sheet only names these

    matrix = np.eye(old)
    if new < old:  # without smoothing, shrinking would drop thin strokes
        matrix = gaussian_filter1d(matrix, (old / new - 1) / 2, axis=0, mode="nearest")
    matrix = zoom(matrix, (new / old, 1), order=1, mode="nearest", grid_mode=True)
    return np.asarray(matrix, dtype=np.float32)


def apply(images: Images, task: str, rng: np.random.Generator, other: Images | None = None) -> Images:
    """The target task `task` (or `task:<task>`) made from `images`; labels stay, pixels change.

    Permutations are drawn once a task. Equal Generators give equal permutations for any number of images,
    so a task may also be applied to training and test images apart. `other` is the data set that the task
    `other` takes instead, resized to the form of `images`.
    Errors: ValueError on an unknown task, blocks that do not fit, quarter turns of oblong images, no `other`.
    """
    name = task.removeprefix("task:")
    _, height, width, channels = images.x.shape
    if name == "other":
        if other is None:
            raise ValueError("task 'other' needs a second data set; name it in the study's sheet")
        return Images(resize(other.x, height, width, channels), other.y, other.classes)
    if name in SQUARE and height != width:
        raise ValueError(f"task {name!r} needs square images, not {height}x{width}")
    size = name.removeprefix("blocks")
    if size != name and size.isdecimal():
        return Images(shuffle_blocks(images.x, int(size), rng), images.y, images.classes)
    if name not in PLAIN:
        raise ValueError(f"task {task!r}: {unknown('task', name, names(height))}")
    return Images(PLAIN[name](images.x, rng), images.y, images.classes)
