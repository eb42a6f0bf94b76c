"""Small random networks for the tests of the bound engine, and CROWN written out neuron by neuron."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from retrace.verify.domain import Box, ball
from retrace.verify.fold import fold
from retrace.verify.network import Network, Residual


def _settle(module: nn.Sequential, shape: tuple[int, ...]) -> None:
    """Random norms with statistics of random inputs, and logits centred on these so that no class rules."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias, std=0.3)
            norm.momentum = 1.0
    x = torch.rand(128, *shape)
    with torch.no_grad():
        module.train()(x)
        module[-1].bias -= module.eval()(x).mean(0)


def dense(width: int = 8) -> nn.Sequential:
    layers = [nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 3))


def residual(width: int = 6) -> nn.Sequential:
    body = nn.Sequential(nn.Linear(width, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, width))
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), Residual(body), nn.ReLU(), nn.Linear(width, 3))


def convolutional() -> nn.Sequential:
    first = [nn.Conv2d(1, 3, 3, 2, 1), nn.BatchNorm2d(3), nn.ReLU()]
    second = [nn.Conv2d(3, 2, 3, 1, 1), nn.ReLU(), nn.Conv2d(2, 2, 2, 2), nn.ReLU()]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))


def residual_convolutional() -> nn.Sequential:
    block = Residual(nn.Sequential(nn.Conv2d(2, 2, 3, 1, 1), nn.BatchNorm2d(2)))
    return nn.Sequential(nn.Conv2d(1, 2, 2, 2), nn.ReLU(), block, nn.ReLU(), nn.Flatten(), nn.Linear(18, 3))


KINDS = {
    "dense": (dense, (4,)),
    "residual": (residual, (4,)),
    "convolutional": (convolutional, (1, 8, 8)),
    "residual convolutional": (residual_convolutional, (1, 6, 6)),
}


def draw(
    kind: str, seed: int, images: int = 2, radius: float = 0.15, dtype: torch.dtype = torch.float64
) -> tuple[nn.Module, Network, Box, Tensor]:
    """A random module, its network, balls round random inputs, and the labels the network gives these."""
    torch.manual_seed(seed)
    build, shape = KINDS[kind]
    module = build()
    _settle(module, shape)
    module = module.to(dtype)
    net = fold(module, shape)
    x = torch.rand(images, *shape, dtype=dtype)
    return module, net, ball(x, radius), net(x).argmax(1)


def points(region: Box, count: int) -> Tensor:
    """Points (count, n, *shape) of the boxes: half inside, half on corners."""
    share = torch.rand(count, *region.lower.shape, dtype=region.lower.dtype)
    share[: count // 2] = share[: count // 2].round()
    return region.lower + share * (region.upper - region.lower)


def segments(module: nn.Sequential, shape: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The affine maps between ReLUs as dense matrices, found by running the module on unit vectors."""
    parts: list[list[nn.Module]] = [[]]
    for layer in module:
        if isinstance(layer, nn.ReLU):
            parts.append([])
        else:
            parts[-1].append(layer)
    found = []
    for part in parts:
        piece, size = nn.Sequential(*part), int(np.prod(shape))
        with torch.no_grad():
            zero = piece(torch.zeros(1, *shape, dtype=torch.float64))
            unit = piece(torch.eye(size, dtype=torch.float64).reshape(size, *shape))
        found.append(((unit - zero).flatten(1).numpy().T, zero.flatten().numpy()))
        shape = tuple(zero.shape[1:])
    return found


def direct_crown(
    maps: list[tuple[np.ndarray, np.ndarray]], low: np.ndarray, high: np.ndarray, row: np.ndarray
) -> tuple[list[tuple[np.ndarray, np.ndarray]], float]:
    """Bounds of every ReLU's input and of row . logits over one box, one neuron and one entry at a time."""
    known: list[tuple[np.ndarray, np.ndarray]] = []

    def pull(depth: int, a: np.ndarray) -> float:
        d = 0.0
        for layer in range(depth, -1, -1):
            weight, bias = maps[layer]
            d += float(a @ bias)
            a = a @ weight
            if layer:
                lower, upper = known[layer - 1]
                for j in range(len(a)):
                    if upper[j] <= 0:
                        a[j] = 0.0
                    elif lower[j] < 0:
                        if a[j] < 0:
                            d -= a[j] * upper[j] * lower[j] / (upper[j] - lower[j])
                            a[j] *= upper[j] / (upper[j] - lower[j])
                        else:
                            a[j] *= 1.0 if upper[j] > -lower[j] else 0.0
        return d + sum(min(c * x, c * y) for c, x, y in zip(a, low, high, strict=True))

    before, after = low, high
    for depth, (weight, bias) in enumerate(maps[:-1]):
        middle, radius = weight @ (before + after) / 2 + bias, np.abs(weight) @ (after - before) / 2
        lower, upper = middle - radius, middle + radius
        for j in range(len(bias)):
            if depth and lower[j] < 0 < upper[j]:
                unit = np.eye(len(bias))[j]
                lower[j], upper[j] = max(lower[j], pull(depth, unit)), min(upper[j], -pull(depth, -unit))
        known.append((lower, upper))
        before, after = np.maximum(lower, 0), np.maximum(upper, 0)
    return known, pull(len(maps) - 1, row)
