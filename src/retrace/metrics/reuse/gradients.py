"""Gradients of a network before any retraining step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from retrace.metrics.activations import device_of
from retrace.metrics.reuse.clustering import Labels, check_labels


def initial_gradient_norm(net: nn.Module, images: Tensor, labels: Labels, batch: int = 128) -> float:
    """Return the L2 norm, over all trainable parameters, of the gradient of the mean cross-entropy.

    images (N,C,H,W), labels (N,) within the network's classes. The network stays in eval mode (running
    statistics of batch norm); its training flags and stored gradients are left as they were.
    """
    flags = {module: module.training for module in net.modules()}
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("the network has no trainable parameter; its gradient norm is undefined")
    device = device_of(net)
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    totals = [torch.zeros_like(parameter, dtype=torch.float64) for parameter in parameters]
    net.eval()
    try:
        for start in range(0, len(images), batch):
            rows = slice(start, start + batch)
            logits = net(images[rows].to(device))
            check_labels(targets[rows].numpy(), len(logits), logits.shape[1])
            loss = nn.functional.cross_entropy(logits, targets[rows].to(device), reduction="sum")
            for total, gradient in zip(
                totals, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True
            ):
                if gradient is not None:
                    total += gradient
    finally:
        for module, training in flags.items():
            module.training = training
    return float(torch.sqrt(torch.stack([total.square().sum() for total in totals]).sum()) / len(images))
