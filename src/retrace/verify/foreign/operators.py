"""ONNX operators that have an exact form in affine maps, ReLUs and sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from retrace.verify import lower
from retrace.verify.foreign.graph import Graph, Step, tensor
from retrace.verify.layers import Add, Dense
from retrace.verify.lower import Pads, Pair

MOST = 1 << 26  # entries of a matrix that stands for a product of unusual shape


def _gemm(graph: Graph, step: Step) -> int:
    weight = step.constant(1) * step.options.get("alpha", 1.0)
    weight = weight if step.options.get("transB") else weight.T
    bias = step.constant(2, np.zeros(1)) * step.options.get("beta", 1.0)
    if step.options.get("transA") or len(graph.builder.shapes[step.node()]) != 1:
        raise ValueError(f"{step.name}: Gemm wants a flat input, not transposed")
    wide = np.broadcast_to(bias.reshape(-1), (len(weight),))
    return graph.builder.append(Dense(tensor(weight), tensor(wide)), (step.node(),), step.name)


def _matmul(graph: Graph, step: Step) -> int:
    left = isinstance(step.given[0], np.ndarray)
    node, constant = step.node(int(left)), step.constant(int(not left))
    shape = graph.builder.shapes[node]
    if len(shape) == 1 and constant.ndim == 2 and not left:
        zero = torch.zeros(constant.shape[1], dtype=torch.float64)
        return graph.builder.append(Dense(tensor(constant.T), zero), (node,), step.name)
    size, full = int(np.prod(shape)), graph.full(node)
    try:
        probe = np.zeros(full)
        out = np.asarray(constant @ probe if left else probe @ constant)
        if size * out.size > MOST:
            raise ValueError(f"{step.name}: a product of {full} with {constant.shape} is too large")
        units = np.eye(size).reshape(size, *full)
        maps = np.stack([constant @ u if left else u @ constant for u in units]).reshape(size, -1)
    except ValueError as error:
        raise ValueError(f"{step.name}: {error}") from None
    flat = graph.rearrange(node, np.arange(size)[None] if graph.batched else np.arange(size), step.name)
    dense = Dense(tensor(maps.T), torch.zeros(out.size, dtype=torch.float64))
    done = graph.builder.append(dense, (flat,), step.name)
    return graph.rearrange(done, np.arange(out.size).reshape(out.shape), step.name)


def _pair(values: list[int] | None, default: int = 1) -> Pair:
    return (int(values[0]), int(values[1])) if values else (default, default)


def _pads(graph: Graph, step: Step, kernel: Pair) -> Pads:
    """top, left, bottom, right; refuses what is not two-dimensional, and rounding up."""
    shape = graph.builder.shapes[step.node()]
    if len(shape) != 3:
        raise ValueError(f"{step.name}: {step.operator} wants a map (channels, height, width), not {shape}")
    automatic = step.options.get("auto_pad", b"NOTSET").decode()
    stride, dilation = _pair(step.options.get("strides")), _pair(step.options.get("dilations"))
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        both: list[tuple[int, int]] = []
        for k in (0, 1):
            window, size = (kernel[k] - 1) * dilation[k] + 1, shape[1 + k]
            total = max(0, (-(-size // stride[k]) - 1) * stride[k] + window - size)
            less, more = total // 2, total - total // 2
            both.append((less, more) if automatic == "SAME_UPPER" else (more, less))
        return both[0][0], both[1][0], both[0][1], both[1][1]
    top, left, bottom, right = (int(p) for p in step.options.get("pads") or (0, 0, 0, 0))
    reach = [(kernel[k] - 1) * dilation[k] + 1 for k in (0, 1)]
    room = (shape[1] + top + bottom - reach[0], shape[2] + left + right - reach[1])
    if step.options.get("ceil_mode") and any(room[k] % stride[k] for k in (0, 1)):
        raise ValueError(f"{step.name}: ceil_mode on windows that do not fit evenly: pad the map instead")
    return top, left, bottom, right


def _conv(graph: Graph, step: Step) -> int:
    weight = step.constant(1)
    if weight.ndim != 4:
        raise ValueError(f"{step.name}: a convolution in {weight.ndim - 2} dimensions; two are taken")
    bias = step.constant(2, np.zeros(len(weight)))
    pads = _pads(graph, step, (weight.shape[2], weight.shape[3]))
    layer = lower.convolution(
        tensor(weight),
        tensor(bias),
        _pair(step.options.get("strides")),
        pads,
        _pair(step.options.get("dilations")),
        int(step.options.get("group", 1)),
    )
    return graph.builder.append(layer, (step.node(),), step.name)


def _average_pool(graph: Graph, step: Step) -> int:
    kernel = _pair(step.options.get("kernel_shape"))
    pads = _pads(graph, step, kernel)
    if any(pads) and not step.options.get("count_include_pad"):
        raise ValueError(f"{step.name}: a mean that leaves out padding; set count_include_pad")
    if _pair(step.options.get("dilations")) != (1, 1):
        raise ValueError(f"{step.name}: a dilated mean is not taken")
    channels = graph.builder.shapes[step.node()][0]
    layer = lower.average_pool(channels, kernel, _pair(step.options.get("strides")), pads)
    return graph.builder.append(layer, (step.node(),), step.name)


def _global_average_pool(graph: Graph, step: Step) -> int:
    shape = graph.builder.shapes[step.node()]
    if len(shape) != 3:
        raise ValueError(f"{step.name}: wants a map (channels, height, width), not {shape}")
    layer = lower.average_pool(shape[0], (shape[1], shape[2]), (1, 1))
    return graph.builder.append(layer, (step.node(),), step.name)


def _max_pool(graph: Graph, step: Step) -> int:
    kernel = _pair(step.options.get("kernel_shape"))
    pads, stride = _pads(graph, step, kernel), _pair(step.options.get("strides"))
    dilation = _pair(step.options.get("dilations"))
    return lower.max_pool(graph.builder, step.node(), step.name, kernel, stride, pads, dilation)


def _norm(graph: Graph, step: Step) -> int:
    if step.options.get("training_mode"):
        raise ValueError(f"{step.name}: a batch norm in training; export the network in evaluation")
    gamma, beta, mean, variance = (step.constant(k) for k in (1, 2, 3, 4))
    factor = gamma / np.sqrt(variance + step.options.get("epsilon", 1e-5))
    shift = beta - mean * factor
    return graph.builder.scale(tensor(factor), tensor(shift), step.node(), step.name)


def _sum(graph: Graph, step: Step) -> int:
    """Add and Sub, of two nodes of one shape or of a node and a constant."""
    sign = -1.0 if step.operator == "Sub" else 1.0
    if isinstance(step.given[1], np.ndarray):
        return graph.affine(step.node(), np.ones(()), sign * step.constant(1), step.name)
    if isinstance(step.given[0], np.ndarray):
        return graph.affine(step.node(1), np.full((), sign), step.constant(0), step.name)
    a, b = step.node(), step.node(1)
    if graph.builder.shapes[a] != graph.builder.shapes[b]:
        raise ValueError(f"{step.name}: adds shapes {graph.builder.shapes[a]} and {graph.builder.shapes[b]}")
    graph.builder.shared |= {a, b}
    return graph.builder.append(Add(), (a, b if sign > 0 else graph.negative(b, step.name)), step.name)


def _product(graph: Graph, step: Step) -> int:
    """Mul and Div by a constant."""
    first = isinstance(step.given[0], np.ndarray) and step.operator == "Mul"
    factor = step.constant(0 if first else 1)
    if step.operator == "Div":
        if not factor.all():
            raise ValueError(f"{step.name}: divides by 0")
        factor = 1 / factor
    return graph.affine(step.node(int(first)), factor, np.zeros(()), step.name)


def _relu(graph: Graph, step: Step) -> int:
    return lower.relu(graph.builder, step.node(), step.name)


def _leaky(graph: Graph, step: Step) -> int:
    return lower.leaky(graph.builder, step.node(), float(step.options.get("alpha", 0.01)), step.name)


def _abs(graph: Graph, step: Step) -> int:
    return lower.leaky(graph.builder, step.node(), -1.0, step.name)


def _clip(graph: Graph, step: Step) -> int:
    ends = []
    for k, option in ((1, "min"), (2, "max")):
        array = step.given[k] if k < len(step.given) else None
        end = step.options.get(option) if array is None else float(step.constant(k))
        ends.append(None if end is None or abs(end) >= np.finfo(np.float32).max else float(end))
    return lower.clip(graph.builder, step.node(), ends[0], ends[1], step.name)


def _same(graph: Graph, step: Step) -> int:
    return step.node()


OPERATORS: dict[str, Callable[[Graph, Step], int]] = {
    "Abs": _abs,
    "Add": _sum,
    "AveragePool": _average_pool,
    "BatchNormalization": _norm,
    "Clip": _clip,
    "Conv": _conv,
    "Div": _product,
    "Dropout": _same,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "Identity": _same,
    "LeakyRelu": _leaky,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "Mul": _product,
    "Neg": lambda graph, step: graph.negative(step.node(), step.name),
    "Relu": _relu,
    "Sub": _sum,
}
MOVES = ("Flatten", "Gather", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
