"""From a torch module to a `Network`: batch norm folded, one error for what has no bound."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from retrace.verify.builder import Builder, finite, misfit
from retrace.verify.layers import Add, Convolution, Dense, Flatten, Relu, Shape
from retrace.verify.network import Network, Residual

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def fold(
    module: nn.Module,
    input_shape: Shape,
    *,
    batch: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> Network:
    """The module as a network of affine maps and ReLUs with every batch norm folded into the layer before it.

    Takes Sequential, `Residual`, Linear, Conv2d, BatchNorm1d/2d, ReLU, Flatten, Identity and Dropout (as in
    evaluation). `input_shape` is without the batch. With `batch` (n, *input_shape) batch norms use the biased
    statistics of that batch as in training, else the running ones. Weights are detached and folded
    in float64; the network has `dtype`, the module's own by default.
    Errors: ValueError for a layer without bounds, one whose options have none, one that does not fit the
    shape before it, or one with a weight or statistic that is NaN or infinite.
    """
    with torch.no_grad():
        builder = _Folding(input_shape, None if batch is None else batch.double())
        builder.add(module, 0, "net")
        wanted = dtype or next((p.dtype for p in module.parameters()), torch.get_default_dtype())
        return builder.network(wanted)


class _Folding(Builder):
    """A builder that takes torch's layers; it remembers the scale of each batch norm folded into a node."""

    def __init__(self, input_shape: Shape, batch: Tensor | None) -> None:
        super().__init__(input_shape, batch)
        self.gammas: dict[int, Tensor] = {}

    def add(self, module: nn.Module, source: int, name: str) -> int:
        """Append what `module` does to node `source`; the number of the node that holds its result."""
        if isinstance(module, nn.Sequential):
            for key, child in module.named_children():
                source = self.add(child, source, f"{name}.{key}")
            return source
        if isinstance(module, Residual):
            self.shared.add(source)
            body = self.add(module.body, source, f"{name}.body")
            short = self.add(module.shortcut, source, f"{name}.shortcut")
            if self.shapes[body] != self.shapes[short]:
                raise ValueError(
                    f"{name}: branches of shapes {self.shapes[body]} and {self.shapes[short]} cannot be added"
                )
            return self.append(Add(), (body, short), name)
        if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
            return source
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            return self.norm(module, source, name)
        if isinstance(module, nn.ReLU):
            return self.append(Relu(self.gammas.get(source)), (source,), name)
        if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
            return self.append(Flatten(), (source,), name)
        if isinstance(module, nn.Linear) and len(self.shapes[source]) == 1:
            return self.append(Dense(*self.weights(module, name)), (source,), name)
        if isinstance(module, nn.Conv2d) and _plain(module):
            weight, bias = self.weights(module, name)
            stride, padding = (module.stride[0], module.stride[1]), (module.padding[0], module.padding[1])
            operation = Convolution(weight, bias, stride, (int(padding[0]), int(padding[1])))
            return self.append(operation, (source,), name)
        raise ValueError(
            f"{name}: no bounds for {_line(module)} on shape {self.shapes[source]}; build the network from"
            " Linear (on flat input), Conv2d (one group, no dilation, zero padding in numbers), BatchNorm,"
            " ReLU, Flatten() and verify.network.Residual"
        )

    def weights(self, layer: nn.Linear | nn.Conv2d, name: str) -> tuple[Tensor, Tensor]:
        bias = layer.weight.new_zeros(layer.weight.shape[0]) if layer.bias is None else layer.bias
        finite(name, layer.weight, bias)
        return _own(layer.weight), _own(bias)

    def norm(self, module: Norm, source: int, name: str) -> int:
        if module.num_features != self.shapes[source][0]:
            raise ValueError(misfit(name, module, self.shapes[source]))
        mean, variance = self.statistics(module, source, name)
        root = torch.rsqrt(variance + module.eps)
        gamma = torch.ones_like(root) if module.weight is None else _own(module.weight)
        beta = torch.zeros_like(root) if module.bias is None else _own(module.bias)
        scale, shift = gamma * root, beta - mean * gamma * root
        finite(name, mean, variance, scale, shift)
        source = self.scale(scale, shift, source, name)
        self.gammas[source] = gamma.detach()
        return source

    def statistics(self, module: Norm, source: int, name: str) -> tuple[Tensor, Tensor]:
        value = self.values[source]
        if value is not None:
            over = [d for d in range(value.ndim) if d != 1]
            return value.mean(over), value.var(over, correction=0)
        if module.running_mean is None or module.running_var is None:
            raise ValueError(f"{name}: batch norm without running statistics; give fold() a batch")
        return _own(module.running_mean), _own(module.running_var)


def _line(module: nn.Module) -> str:
    """A module on one line: with its options where these fit."""
    text = str(module)
    return type(module).__name__ if "\n" in text else text


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().double()


def _plain(layer: nn.Conv2d) -> bool:
    return (
        layer.groups == 1
        and tuple(layer.dilation) == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )
