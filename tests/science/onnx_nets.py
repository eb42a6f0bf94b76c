"""Small ONNX files for the tests, and points of a box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def save(path: Path, nodes: list, weights: dict[str, np.ndarray], shape: list, out: list) -> Path:
    """A model of input x and output y."""
    constants = [numpy_helper.from_array(np.asarray(w), name) for name, w in weights.items()]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        for name, dims in (("x", shape), ("y", out))
    ]
    graph = helper.make_graph(nodes, "net", [ends[0]], [ends[1]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def single(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def dense(path: Path, seed: int, inputs: int = 2, width: int = 6, outputs: int = 2) -> Path:
    """Two hidden layers, the second one leaky."""
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["1"]),
        helper.make_node("Add", ["1", "b"], ["2"]),
        helper.make_node("Relu", ["2"], ["3"]),
        helper.make_node("Gemm", ["3", "c", "d"], ["4"], transB=1),
        helper.make_node("LeakyRelu", ["4"], ["5"], alpha=0.1),
        helper.make_node("Gemm", ["5", "e", "f"], ["y"], transB=1),
    ]
    weights = {
        "a": single(rng, inputs, width),
        "b": single(rng, width),
        "c": single(rng, width, width),
        "d": single(rng, width),
        "e": single(rng, outputs, width),
        "f": single(rng, outputs),
    }
    return save(path, nodes, weights, [1, inputs], [1, outputs])


def vnnlib(low: list[float], high: list[float], outputs: int, *asserts: str) -> str:
    """A property of a box."""
    lines = [f"(declare-const X_{k} Real)" for k in range(len(low))]
    lines += [f"(declare-const Y_{k} Real)" for k in range(outputs)]
    for k, (a, b) in enumerate(zip(low, high, strict=True)):
        lines += [f"(assert (>= X_{k} {a!r}))", f"(assert (<= X_{k} {b!r}))  ; an end"]
    return "\n".join([*lines, *(f"(assert {each})" for each in asserts)])
