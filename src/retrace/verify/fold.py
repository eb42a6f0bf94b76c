"""From a torch module to a `Network`: batch norm folded, one error for what has no bound."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from retrace.verify.layers import Add, Convolution, Dense, Flatten, Operation, Relu, Scale, Shape
from retrace.verify.network import Network, Node, Residual

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
        builder = _Builder(input_shape, None if batch is None else batch.double())
        builder.add(module, 0, "net")
        wanted = dtype or next((p.dtype for p in module.parameters()), torch.get_default_dtype())
        return builder.network(wanted)


class _Builder:
    def __init__(self, input_shape: Shape, batch: Tensor | None) -> None:
        self.shapes, self.values = [tuple(input_shape)], [batch]
        self.nodes: list[Node] = []
        self.names: list[str] = []  # of the layer that made each node
        self.gammas: dict[int, Tensor] = {}  # node number -> scale of the batch norm folded into it
        self.readers: dict[int, int] = {}

    def network(self, dtype: torch.dtype) -> Network:
        if len(self.shapes[-1]) != 1:
            raise ValueError(
                f"the network's output has shape {self.shapes[-1]}: end it with Flatten or Linear"
            )
        net = Network(tuple(self.nodes), self.shapes[0]).to(dtype)
        for name, node in zip(self.names, net.nodes, strict=True):
            if isinstance(node.operation, Dense | Convolution | Scale):
                _finite(f"{name}, folded, in {dtype}", node.operation.weight, node.operation.bias)
        return net

    def add(self, module: nn.Module, source: int, name: str) -> int:
        """Append what `module` does to node `source`; the number of the node that holds its result."""
        if isinstance(module, nn.Sequential):
            for key, child in module.named_children():
                source = self.add(child, source, f"{name}.{key}")
            return source
        if isinstance(module, Residual):
            self.readers[source] = (
                self.readers.get(source, 0) + 2
            )  # both branches read it: nothing folds into it
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
        _finite(name, layer.weight, bias)
        return _own(layer.weight), _own(bias)

    def norm(self, module: Norm, source: int, name: str) -> int:
        if module.num_features != self.shapes[source][0]:
            raise ValueError(_misfit(name, module, self.shapes[source]))
        mean, variance = self.statistics(module, source, name)
        root = torch.rsqrt(variance + module.eps)
        gamma = torch.ones_like(root) if module.weight is None else _own(module.weight)
        beta = torch.zeros_like(root) if module.bias is None else _own(module.bias)
        scale, shift = gamma * root, beta - mean * gamma * root
        _finite(name, mean, variance, scale, shift)
        before = self.nodes[source - 1].operation if source else None
        if (
            isinstance(before, Dense | Convolution)
            and source == len(self.nodes)
            and not self.readers.get(source)
        ):
            wide = scale.reshape(-1, *[1] * (before.weight.ndim - 1))
            folded = replace(before, weight=before.weight * wide, bias=before.bias * scale + shift)
            self.nodes[source - 1] = replace(self.nodes[source - 1], operation=folded)
            value = self.values[source]
            self.values[source] = None if value is None else Scale(scale, shift).apply(value)
        else:
            source = self.append(Scale(scale, shift), (source,), name)
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

    def append(self, operation: Operation, inputs: tuple[int, ...], name: str) -> int:
        given = [self.values[k] for k in inputs]
        if isinstance(operation, Add):
            shape, value = self.shapes[inputs[0]], None if given[0] is None else given[0] + _real(given[1])
        elif isinstance(operation, Relu):
            shape, value = self.shapes[inputs[0]], None if given[0] is None else given[0].relu()
        else:
            try:
                shape = tuple(operation.apply(_trial(operation, self.shapes[inputs[0]])).shape[1:])
            except RuntimeError:
                raise ValueError(_misfit(name, operation, self.shapes[inputs[0]])) from None
            value = None if given[0] is None else operation.apply(given[0])
        self.nodes.append(Node(operation, inputs, shape))
        self.names.append(name)
        self.shapes.append(shape)
        self.values.append(value)
        return len(self.nodes)


def _finite(name: str, *tensors: Tensor) -> None:
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise ValueError(
            f"{name}: a weight or statistic is NaN or infinite (did training diverge?): train it again"
        )


def _line(module: nn.Module) -> str:
    """A module on one line: with its options where these fit."""
    text = str(module)
    return type(module).__name__ if "\n" in text else text


def _misfit(name: str, layer: object, shape: Shape) -> str:
    return (
        f"{name}: {type(layer).__name__} does not fit its input of shape {shape}: check the layers, and the"
        " input_shape given to fold(), that of one input without the batch"
    )


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().double()


def _plain(layer: nn.Conv2d) -> bool:
    return (
        layer.groups == 1
        and tuple(layer.dilation) == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _real(value: Tensor | None) -> Tensor:
    assert value is not None
    return value


def _trial(operation: Operation, shape: Shape) -> Tensor:
    """One input of zeros where the operation's weights are."""
    weight = getattr(operation, "weight", None)
    if isinstance(weight, Tensor):
        return weight.new_zeros(1, *shape)
    return torch.zeros(1, *shape, device="cpu")
