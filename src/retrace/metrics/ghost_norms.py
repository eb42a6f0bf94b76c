"""Norms of each example's own loss gradient, without forming any of these gradients.

A linear layer's weight gradient is the outer product of its input a and its output's gradient d, so its
squared norm is |a|^2 |d|^2 (Goodfellow, Efficient per-example gradient computations, 2015). A convolution's
is a sum of such products over places t: the squared norm of A D', with A (K,T) the unfolded input and D
(O,T). Either that is computed, or, where there are few places, the sum of (A'A) * (D'D) (Bu et al., NeurIPS
2022).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sample_gradient_norms(net: nn.Module, x: Tensor, y: Tensor, batch: int = 250) -> Tensor:
    """L2 norms (N,) of the cross-entropy's gradient by all weights and biases, one for each of x (N,...).

    `net` in evaluation mode, its parameters those of Conv2d (undilated, one group) and Linear layers;
    ValueError names a layer that has others. No example may touch another.
    """
    touched = _layers(net)
    parts = zip(torch.split(x, batch), torch.split(y, batch), strict=True)
    return torch.cat([_norms(net, touched, *part) for part in parts])


def _layers(net: nn.Module) -> list[nn.Module]:
    found = [(name, m) for name, m in net.named_modules() if any(True for _ in m.parameters(recurse=False))]
    for name, module in found:
        plain = isinstance(module, nn.Linear) or (
            isinstance(module, nn.Conv2d) and module.groups == 1 and module.dilation == (1, 1)
        )
        if not plain:
            raise ValueError(f"layer {name}: gradient norms of a {type(module).__name__} are not known here")
    return [module for _, module in found]


def _norms(net: nn.Module, touched: list[nn.Module], x: Tensor, y: Tensor) -> Tensor:
    tape: list[tuple[nn.Module, Tensor, Tensor]] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> Tensor:
        tape.append((module, given[0].detach().clone(), made))
        return made.clone()  # a ReLU in place would overwrite what is differentiated

    hooks = [module.register_forward_hook(keep) for module in touched]
    try:
        loss = F.cross_entropy(net(x), y, reduction="sum")
    finally:
        for hook in hooks:
            hook.remove()
    deltas = torch.autograd.grad(loss, [made for _, _, made in tape])
    squares = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for (module, a, _), d in zip(tape, deltas, strict=True):
        squares += _convolution(module, a, d) if isinstance(module, nn.Conv2d) else _linear(module, a, d)
    return squares.sqrt()


def _linear(module: nn.Module, a: Tensor, d: Tensor) -> Tensor:
    return (a.square().sum(1) + int(module.bias is not None)) * d.square().sum(1)


def _convolution(module: nn.Conv2d, a: Tensor, d: Tensor) -> Tensor:
    d = d.flatten(2)  # (N,O,T)
    columns = F.unfold(a, module.kernel_size, padding=module.padding, stride=module.stride)  # type: ignore[arg-type]
    k, t, o = columns.shape[1], d.shape[2], d.shape[1]
    if t * (k + o) < k * o:
        squares = ((columns.transpose(1, 2) @ columns) * (d.transpose(1, 2) @ d)).sum((1, 2))
    else:
        squares = (columns @ d.transpose(1, 2)).square().sum((1, 2))
    return squares + d.sum(2).square().sum(1) if module.bias is not None else squares
