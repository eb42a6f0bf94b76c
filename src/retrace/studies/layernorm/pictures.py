"""Sets of pictures: CIFAR-10 as the workflow reads it, UTKFace and NICO++ from folders in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from retrace.data.texts.labelled_sets import Labelled
from retrace.data.wheels import cache_folder
from retrace.stage import Inputs, StageError

SIDE = 224
TRAINING = 50_000  # of CIFAR-10: the training pictures come first
EVERY = 5  # of a folder's pictures one in so many is for tests


def labels(name: str, inputs: Inputs) -> Labelled:
    """Classes of a set, its rows numbered; the texts are empty."""
    if name == "cifar10":
        y = inputs["dataset"].read_arrays()["y"]
        held, names = np.arange(len(y)) >= TRAINING, tuple(str(c) for c in range(10))
    else:
        folder = _folder(name)
        y, names = np.array(folder.targets, dtype=np.int64), tuple(folder.classes)
        held = np.arange(len(y)) % EVERY == EVERY - 1
    return Labelled([""] * len(y), y, names, np.flatnonzero(~held), np.flatnonzero(held))


def pixels(name: str, rows: np.ndarray, inputs: Inputs) -> Tensor:
    """Pictures of these rows as bytes (N,3,224,224), resized."""
    if name == "cifar10":
        x = torch.from_numpy(inputs["dataset"].read_arrays()["x"][rows]).permute(0, 3, 1, 2)
        parts = [_resized(part.float()) for part in torch.split(x, 256)]
    else:
        folder = _folder(name)
        whole = [torch.from_numpy(np.asarray(folder[int(i)][0].convert("RGB"))) for i in rows]
        parts = [_resized(picture.permute(2, 0, 1)[None].float()) for picture in whole]
    return torch.cat(parts)


def _resized(x: Tensor) -> Tensor:
    made = torch.nn.functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return made.round().clamp(0, 255).to(torch.uint8)


def _folder(name: str) -> Any:
    from torchvision.datasets import ImageFolder

    place = cache_folder() / "pictures" / name
    try:
        return ImageFolder(str(place))
    except (OSError, RuntimeError) as error:
        said = str(error).splitlines()[0][:120]
        raise StageError(f"data set {name}: put its pictures in {place}/<class>/ ({said})") from None
