"""A data set as a user has it (NPZ, CSV, a folder of images a class), as images and labels from 0."""

from __future__ import annotations

import csv
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.data.images import Images
from retrace.stage import StageError

Array = npt.NDArray[Any]
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Given:
    """Images and labels of a user's data set, and what was done to make them."""

    images: Images
    how: str


def read(path: Path, label: str = "label", shape: tuple[int, int, int] | None = None) -> Given:
    """The data set at `path`, by its kind: .npz (`x`, `y`), .csv, or a folder with a folder a class.

    `label`: the column of a CSV that holds the class; `shape`: (H,W,C) of its other columns, row by row (a
    table without one is (1, columns, 1)). StageError, one line, with the remedy, for what does not fit.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise StageError(f"{path}: no such file or folder")
    if path.suffix == ".npz":
        return _npz(path)
    if path.suffix == ".csv":
        return _csv(path, label, shape)
    raise StageError(f"{path}: give an .npz, a .csv or a folder with a folder of images for every class")


def _npz(path: Path) -> Given:
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError("a single array")
        with file:
            if lacking := [name for name in ("x", "y") if name not in file]:
                raise StageError(
                    f"{path}: no array {lacking[0]!r} (it has {', '.join(file.files) or 'none'}); save with "
                    "np.savez_compressed(path, x=images, y=labels)"
                )
            x, y = file["x"], file["y"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        line = "pickled objects, or no NPZ at all" if "pickle" in line else line
        raise StageError(f"{path}: not a readable NPZ ({line}); save it with np.savez_compressed") from None
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4:
        raise StageError(f"{path}: x has shape {x.shape}; images are (N, height, width, channels)")
    if x.shape[1] in (1, 3) and x.shape[3] not in (1, 3) and x.shape[2] == x.shape[3]:
        raise StageError(
            f"{path}: x {x.shape} has its channels in front; save x.transpose(0, 2, 3, 1) instead"
        )
    if not np.issubdtype(y.dtype, np.integer) or y.ndim != 1:
        raise StageError(f"{path}: y is {y.dtype} {y.shape}; labels are whole numbers (N,) from 0")
    return Given(_images(path, _bytes(path, x, "x"), y), f"from {path.name}, as it was")


def _csv(path: Path, label: str, shape: tuple[int, int, int] | None) -> Given:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StageError(f"{path}: cannot be read ({error}); make it a CSV in UTF-8") from None
    if len(lines) < 2:
        raise StageError(
            f"{path}: a line of column names and one of values or more; it has {len(lines)} lines"
        )
    head, body = [name.strip() for name in lines[0][1]], lines[1:]
    if head.count(label) != 1:
        raise StageError(f"{path}: no single column {label!r} in line 1; name the class's with --label")
    at = head.index(label)
    for number, row in body:
        if len(row) != len(head):
            raise StageError(f"{path}: line {number} has {len(row)} values, line 1 has {len(head)} names")
        if not row[at].strip():
            raise StageError(
                f"{path}: line {number} has no class in its column {label!r}; fill it or leave it out"
            )
    values = np.array([_numbers(path, number, head, row, at) for number, row in body])
    sides = shape or (1, values.shape[1], 1)
    if int(np.prod(sides)) != values.shape[1]:
        raise StageError(
            f"{path}: {values.shape[1]} columns besides {label!r} are no {'x'.join(map(str, sides))} values; "
            "mend --shape"
        )
    names = [row[at].strip() for _, row in body]
    classes, y = _numbered(names)
    images = _images(path, _bytes(path, values.reshape(-1, *sides), "the columns"), y)
    return Given(images, f"from {path.name}; classes in order: {' '.join(classes)}")


def _numbers(path: Path, line: int, head: list[str], row: list[str], label: int) -> list[float]:
    """The values of a line, less its class's."""
    found = []
    for column, (name, text) in enumerate(zip(head, row, strict=True)):
        try:
            found += [] if column == label else [float(text)]
        except ValueError:
            raise StageError(
                f"{path}: line {line} has {text.strip()!r} in its column {name!r}; columns other than "
                f"{head[label]!r} hold numbers"
            ) from None
    return found


def _folder(path: Path) -> Given:
    from PIL import Image, UnidentifiedImageError

    found = sorted((file.parent.name, file) for file in path.glob("*/*") if _picture(file))
    if astray := [file for file in sorted(path.iterdir()) if _picture(file)]:
        raise StageError(f"{astray[0]}: lies in no class's folder; move it into one")
    if not found:
        raise StageError(f"{path}: no images in it; it must hold a folder for every class, with images")
    for folder in sorted(path.iterdir()):
        if folder.is_dir() and folder.name not in {name for name, _ in found} and folder.name[0] not in "._":
            raise StageError(f"{folder}: no images in it; put those of its class there, or take it away")
    pictures: list[Array] = []
    for _, file in found:
        try:
            with Image.open(file) as picture:
                if picture.mode not in ("L", "RGB"):
                    raise StageError(f"{file}: mode {picture.mode}; save it as grey (L) or RGB, 8 bits")
                pixels = np.asarray(picture)
        except (OSError, UnidentifiedImageError) as error:
            raise StageError(f"{file}: not a readable image ({str(error).splitlines()[0]})") from None
        pictures.append(pixels if pixels.ndim == 3 else pixels[..., None])
        if pictures[-1].shape != pictures[0].shape:
            raise StageError(
                f"{file}: {pictures[-1].shape}, the first image has {pictures[0].shape}; give all one size "
                "and mode"
            )
    classes, y = _numbered([name for name, _ in found])
    return Given(
        _images(path, np.stack(pictures), y),
        f"from folder {path.name}; classes in order: {' '.join(classes)}",
    )


def _picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURES and not file.name.startswith(".")


def _numbered(names: list[str]) -> tuple[list[str], Array]:
    """Class names in order and a number for each row; whole numbers keep their order, not the alphabet's."""
    whole = all(name.isdecimal() for name in names)
    classes = sorted(set(names), key=lambda name: (int(name), name) if whole else (0, name))
    number = {name: place for place, name in enumerate(classes)}
    return classes, np.array([number[name] for name in names], dtype=np.int64)


def _bytes(path: Path, x: Array, name: str) -> Array:
    """Whole numbers from 0 to 255 of any type as uint8."""
    if x.dtype == np.uint8:
        return x
    if not (np.issubdtype(x.dtype, np.number) and np.isrealobj(x)) or not np.isfinite(x).all():
        raise StageError(f"{path}: {name} must hold finite numbers from 0 to 255; it is {x.dtype}")
    if x.size and (x.min() < 0 or x.max() > 255 or (x != np.round(x)).any()):
        raise StageError(
            f"{path}: {name} must hold whole numbers from 0 to 255, it has {x.min():g} to {x.max():g}; "
            "of values between 0 and 1 store (255 * x).round(), of a table stretch each column so"
        )
    return x.astype(np.uint8)


def _images(path: Path, x: Array, y: Array) -> Images:
    if not len(x) or len(x) != len(y):
        raise StageError(f"{path}: {len(x)} images and {len(y)} labels; they go together, one or more")
    present = np.unique(y)
    if present[0] < 0 or not np.array_equal(present, np.arange(len(present))):
        missing = sorted({*range(max(int(present[-1]) + 1, 0))} - {*present.tolist()})[:3]
        gap = f"no {', '.join(map(str, missing))}" if missing else "numbers below 0"
        raise StageError(f"{path}: labels run from 0 without gaps; it has {gap}: number the classes anew")
    if len(present) < 2:
        raise StageError(f"{path}: one class alone; a data set has two or more")
    return Images(x, y.astype(np.int64), len(present))
