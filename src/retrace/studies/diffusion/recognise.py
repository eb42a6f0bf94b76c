"""A small classifier of real held-out images, which says what drawn images show."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retrace.seeds import derive
from retrace.training.optim import Optimiser, OptimiserSettings

HIDDEN, BATCH, RATE = 128, 64, 2e-3


def trained(x: Tensor, y: Tensor, classes: int, epochs: int, seed: int) -> nn.Module:
    """A perceptron with one hidden layer, trained on images x (N,C,S,S) with classes y (N,)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "diffusion", "classifier"))
        net = nn.Sequential(
            nn.Flatten(), nn.Linear(x[0].numel(), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)
        )
    net = net.to(x.device)
    optimiser = Optimiser(OptimiserSettings(lr=RATE), net.parameters())
    rng = torch.Generator().manual_seed(derive(seed, "diffusion", "classifier", "order"))
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x), generator=rng).to(x.device), BATCH):
            optimiser.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return net


@torch.no_grad()
def share(net: nn.Module, x: Tensor, label: int) -> float:
    """Share of images x (N,C,S,S) that the classifier takes for that class."""
    return float((net(x).argmax(1) == label).float().mean())
