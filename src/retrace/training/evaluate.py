"""Accuracy and loss of a network, with batch norms folded into the convolutions before them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.training.memory import keep_freed_memory

BATCH = 300  # images a forward pass: larger batches are no faster on a CPU


@dataclass(frozen=True)
class Scores:
    """Share of images classified right, in [0, 1], and mean cross-entropy in nats."""

    accuracy: float
    loss: float


def foldable(net: nn.Module) -> list[tuple[str, str]]:
    """Names of each convolution and of the batch norm that alone reads its output.

    Empty for networks whose forward pass cannot be traced.
    """
    if not any(isinstance(m, nn.BatchNorm2d) for m in net.modules()):
        return []
    try:
        graph = torch.fx.symbolic_trace(net).graph
    except Exception:  # tracing fails in many ways; an unfolded network is right too, only slower
        return []
    pairs = []
    for node in graph.nodes:
        if node.op != "call_module" or not node.args or not isinstance(node.args[0], torch.fx.Node):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) != 1:
            continue
        conv, norm = net.get_submodule(str(before.target)), net.get_submodule(str(node.target))
        folds = isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats and norm.affine
        if folds and type(conv) is nn.Conv2d:
            pairs.append((str(before.target), str(node.target)))
    return pairs


class Evaluator:
    """Scores a network on one set of images again and again while it trains.

    It holds a twin in evaluation mode that shares the network's tensors, except that batch norms are
    folded into their convolutions; so the network itself may stay in training mode.
    `x` (N, C, H, W) float32, `y` (N,) int64.
    """

    def __init__(self, net: nn.Module, x: Tensor, y: Tensor, batch: int = BATCH) -> None:
        if not len(y) or len(x) != len(y):
            raise ValueError(f"evaluation: {len(x)} images and {len(y)} labels; need as many, at least one")
        keep_freed_memory()
        self.parts = list(zip(torch.split(x, batch), torch.split(y, batch), strict=True))
        self.rows = len(y)
        self.twin = copy.deepcopy(net).eval()
        for own, shared in zip(self.twin.modules(), net.modules(), strict=True):
            own._parameters, own._buffers = dict(shared._parameters), dict(shared._buffers)
        self.folds: list[tuple[nn.Conv2d, nn.Conv2d, nn.BatchNorm2d]] = []
        for conv_name, norm_name in foldable(net):
            conv, norm = net.get_submodule(conv_name), net.get_submodule(norm_name)
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            folded = self.twin.get_submodule(conv_name)
            assert isinstance(folded, nn.Conv2d)
            folded._parameters["weight"] = nn.Parameter(torch.empty_like(conv.weight), requires_grad=False)
            folded._parameters["bias"] = nn.Parameter(torch.empty_like(norm.bias), requires_grad=False)
            owner, _, attribute = norm_name.rpartition(".")
            setattr(self.twin.get_submodule(owner), attribute, nn.Identity())
            self.folds.append((folded, conv, norm))

    @torch.no_grad()
    def _refresh(self) -> None:
        for folded, conv, norm in self.folds:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert folded.bias is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            torch.mul(conv.weight, scale.view(-1, 1, 1, 1), out=folded.weight)
            shift = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
            torch.sub(norm.bias, shift * scale, out=folded.bias)

    def logits(self) -> Tensor:
        """(N, classes) logits of the network as it is now."""
        self._refresh()
        with torch.inference_mode():
            return torch.cat([self.twin(x) for x, _ in self.parts])

    def accuracy(self, needed: float = 0.0) -> float:
        """Share of images classified right, in [0, 1].

        As soon as the share cannot reach `needed` any more, the count ends: what is returned is then the
        most that it could have been, which lies below `needed`.
        """
        self._refresh()
        most = self.rows
        with torch.inference_mode():
            for x, y in self.parts:
                most -= int((self.twin(x).argmax(1) != y).sum())
                if most / self.rows < needed:
                    break
        return most / self.rows

    def scores(self) -> Scores:
        """Accuracy and mean cross-entropy."""
        logits = self.logits()
        labels = torch.cat([y for _, y in self.parts])
        right = int((logits.argmax(1) == labels).sum())
        return Scores(right / self.rows, float(F.cross_entropy(logits.double(), labels)))


def evaluate(net: nn.Module, x: Tensor, y: Tensor, batch: int = BATCH) -> Scores:
    """Accuracy and mean cross-entropy of `net` on `x` (N, C, H, W) float32 with labels `y` (N,)."""
    return Evaluator(net, x, y, batch).scores()
