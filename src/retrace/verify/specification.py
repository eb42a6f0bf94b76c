"""What is to be proved: every other class's logit stays below the label's."""

from __future__ import annotations

import torch
from torch import Tensor


def rivals(labels: Tensor, classes: int) -> Tensor:
    """For each label (n,) the other classes in rising order: (n, classes - 1).

    Errors: ValueError for a label outside 0 .. classes - 1, or a network with a single output.
    """
    if classes < 2:
        raise ValueError(f"the network has {classes} output: a margin needs two classes or more")
    if bool((labels < 0).any()) or bool((labels >= classes).any()):
        raise ValueError(f"a label lies outside 0 to {classes - 1}: the network has {classes} classes")
    every = torch.arange(classes - 1, device=labels.device)
    return every + (every >= labels[:, None]).long()


def margin_rows(labels: Tensor, classes: int) -> Tensor:
    """Rows (n, classes - 1, classes) that take z_y - z_c out of the logits, c in the order of `rivals`."""
    others = rivals(labels, classes)
    eye = torch.eye(classes, device=labels.device)
    return eye[labels][:, None] - eye[others]
