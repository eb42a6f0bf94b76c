"""Networks from ONNX files; needs the package `onnx` (the extra `retrace[onnx]`)."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retrace.errors import RetraceError
from retrace.verify.foreign.graph import Graph, Step, numbered, readers
from retrace.verify.foreign.operators import MOVES, OPERATORS
from retrace.verify.layers import Flatten, Shape
from retrace.verify.network import Network

NEAR = 1e-3  # how far ONNX's own float32 may lie from the float64 network, as a share of the larger output


@dataclass(frozen=True)
class Model:
    """`network` in float64, and the file's own graph."""

    network: Network
    proto: Any
    batched: bool
    place: str

    def run(self, x: Tensor) -> Tensor:
        """Outputs (outputs,) of float32 inputs (inputs,) by onnx's reference implementation."""
        from onnx.reference import ReferenceEvaluator

        shape = ((1,) if self.batched else ()) + self.network.input_shape
        name = _inputs(self.proto.graph)[0].name
        (out, *_) = ReferenceEvaluator(self.proto, new_ops=[_norm()]).run(
            None, {name: x.float().numpy().reshape(shape)}
        )
        return torch.from_numpy(np.array(out, dtype=np.float64)).flatten()

    def compare(self, points: Tensor) -> None:
        """Run both at points (n, inputs) inside the property's box.

        Errors: RetraceError where they differ: then the network was read wrongly.
        """
        for x in points.float():
            ours = self.network(x.double().reshape(1, *self.network.input_shape))[0]
            theirs = self.run(x)
            far = (ours - theirs).abs().max() / theirs.abs().max().clamp(min=1.0)
            if not float(far) <= NEAR:
                raise RetraceError(
                    f"{self.place}: its outputs differ from those of onnx's own reference by a share of"
                    f" {float(far):.1g}: please report this network"
                )


def read(path: Path) -> Model:
    """The network of an ONNX file (also .gz).

    Errors: RetraceError without the package `onnx`, for a file that is none, an operator that has no exact
    form here (with its node), or a shape that cannot be told.
    """
    try:
        import onnx
    except ImportError:
        raise RetraceError("reading ONNX needs the package onnx: pip install 'retrace[onnx]'") from None
    from google.protobuf.message import DecodeError

    try:
        raw = path.read_bytes()
        proto = onnx.load_model_from_string(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    except OSError as error:
        raise RetraceError(f"{path}: {error.strerror or error}") from None
    except (DecodeError, EOFError) as error:
        raise RetraceError(f"{path}: not an ONNX file ({error})") from None
    if not proto.graph.node:
        raise RetraceError(f"{path}: not an ONNX file, or one without a node")
    try:
        with torch.no_grad():
            return _model(proto, str(path))
    except ValueError as error:
        raise RetraceError(f"{path}: {error}") from None


def _model(proto: Any, place: str) -> Model:
    from onnx import numpy_helper

    graph = proto.graph
    if len(_inputs(graph)) != 1 or len(graph.output) != 1:
        raise ValueError(
            f"{len(_inputs(graph))} inputs and {len(graph.output)} outputs; one of each is taken"
        )
    shape, batched = _shape(_inputs(graph)[0])
    made = Graph(shape, batched)
    known: dict[str, int | np.ndarray] = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    known[_inputs(graph)[0].name] = 0
    count = readers(graph.node, [out.name for out in graph.output])
    for number, node in enumerate(graph.node):
        step = _step(node, number, known)
        values = _values(made, node, step)
        for name, value in zip(node.output, values, strict=False):
            known[name] = value
            if isinstance(value, int) and count[name] > 1:
                made.builder.shared.add(value)
    last = known.get(graph.output[0].name)
    if not isinstance(last, int):
        raise ValueError(f"the output {graph.output[0].name} does not depend on the input")
    if last != len(made.builder.nodes) or len(made.builder.shapes[last]) != 1 or not last:
        made.builder.append(Flatten(), (last,), "the output")
    return Model(made.builder.network(torch.float64), proto, batched, place)


def _inputs(graph: Any) -> list[Any]:
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def _shape(value: Any) -> tuple[Shape, bool]:
    """The input's shape without the batch, and whether ONNX has a batch in front."""
    dims = [d.dim_value for d in value.type.tensor_type.shape.dim]  # 0: a name or nothing
    batched = len(dims) > 1
    own = dims[1:] if batched else dims
    if not own or not all(d > 0 for d in own) or (batched and dims[0] > 1):
        shown = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        raise ValueError(f"the input {value.name} has shape {shown}: fix it, with a batch of 1 in front")
    return tuple(own), batched


def _step(node: Any, number: int, known: dict[str, int | np.ndarray]) -> Step:
    from onnx import helper

    name = f"node {number} ({node.op_type} {node.name or node.output[0]})"
    options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    for read in node.input:
        if read and read not in known:
            raise ValueError(f"{name}: reads {read}, which no node before it gives")
    return Step(node.op_type, name, options, tuple(known[n] if n else None for n in node.input))


def _values(graph: Graph, node: Any, step: Step) -> Sequence[int | np.ndarray]:
    """What the node's outputs hold."""
    if not any(isinstance(value, int) for value in step.given):
        return [np.asarray(a) for a in _evaluate(node, step, {})]
    if step.operator == "Shape":
        return [np.array(graph.full(step.node()), dtype=np.int64)]
    if step.operator == "Cast":
        return [step.node()]
    if step.operator in MOVES or (step.operator == "Pad" and not np.any(step.options.get("pads", 1))):
        if step.operator == "Pad":
            return [step.node()]
        source = step.node()
        (numbers,) = _evaluate(node, step, {0: numbered(graph.full(source))})
        return [graph.rearrange(source, np.asarray(numbers), step.name)]
    if step.operator not in OPERATORS:
        known = ", ".join(sorted((*OPERATORS, *MOVES)))
        raise ValueError(f"{step.name}: no exact form for this operator; taken are {known}")
    return [OPERATORS[step.operator](graph, step)]


def _norm() -> Any:
    """Batch norm in inference: onnx's reference of the opsets up to 13 uses the batch's own statistics."""
    from onnx.reference.op_run import OpRun

    class BatchNormalization(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(self, x: Any, *rest: Any, epsilon: float = 1e-5, **_: Any) -> tuple[Any]:
            scale, bias, mean, variance = (r.reshape(-1, *[1] * (x.ndim - 2)) for r in rest)
            return (((x - mean) / np.sqrt(variance + np.float32(epsilon)) * scale + bias).astype(x.dtype),)

    return BatchNormalization


def _evaluate(node: Any, step: Step, instead: dict[int, np.ndarray]) -> list[Any]:
    """The node run by onnx's reference implementation on constants."""
    from onnx.reference import ReferenceEvaluator

    feeds = {name: instead.get(k, step.given[k]) for k, name in enumerate(node.input) if name}
    try:
        return list(ReferenceEvaluator(node).run(None, feeds))
    except Exception as error:  # of any operator, by any library
        raise ValueError(f"{step.name}: {type(error).__name__}: {error}".split("\n")[0]) from None
