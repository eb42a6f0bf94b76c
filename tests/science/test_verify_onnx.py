"""Networks from ONNX equal onnx's own reference; what cannot be read is one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx_nets import dense, helper, save, single, vnnlib

from retrace import cli
from retrace.errors import RetraceError
from retrace.verify.bounds import crown
from retrace.verify.domain import box
from retrace.verify.foreign import onnx_file

RNG = np.random.default_rng(0)
MAPS = {  # nodes between a map (1, 2, 6, 7) and what is flattened
    "average pooling": [helper.make_node("AveragePool", ["x"], ["o"], kernel_shape=[2, 3], strides=[2, 1])],
    "padded mean": [
        helper.make_node(
            "AveragePool", ["x"], ["o"], kernel_shape=[3, 3], pads=[1, 0, 0, 1], count_include_pad=1
        )
    ],
    "global mean": [helper.make_node("GlobalAveragePool", ["x"], ["o"])],
    "max pooling": [helper.make_node("MaxPool", ["x"], ["o"], kernel_shape=[2, 2], strides=[2, 2])],
    "padded maximum": [
        helper.make_node("MaxPool", ["x"], ["o"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 1])
    ],
    "dilated maximum": [helper.make_node("MaxPool", ["x"], ["o"], kernel_shape=[2, 2], dilations=[2, 2])],
    "groups": [helper.make_node("Conv", ["x", "grouped", "four"], ["o"], group=2, pads=[1, 0, 2, 1])],
    "dilation": [helper.make_node("Conv", ["x", "w"], ["o"], dilations=[2, 1], strides=[2, 2])],
    "same": [helper.make_node("Conv", ["x", "w"], ["o"], strides=[2, 2], auto_pad="SAME_LOWER")],
    "same at the end": [helper.make_node("Conv", ["x", "w"], ["o"], strides=[2, 2], auto_pad="SAME_UPPER")],
    "read twice": [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Mul", ["a", "low"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["o"]),
    ],
    "norm": [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "three", "three", "three", "three"], ["o"]),
    ],
    "leaky": [helper.make_node("LeakyRelu", ["x"], ["o"], alpha=0.3)],
    "absolute": [helper.make_node("Abs", ["x"], ["o"])],
    "clipped": [helper.make_node("Clip", ["x", "low", "high"], ["o"])],
    "clipped above": [helper.make_node("Clip", ["x", "", "high"], ["o"])],
    "by entry": [
        helper.make_node("Sub", ["x", "image"], ["a"]),
        helper.make_node("Div", ["a", "image"], ["b"]),
        helper.make_node("Sub", ["low", "b"], ["o"]),
    ],
    "residual": [
        helper.make_node("Conv", ["x", "square"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Sub", ["c", "x"], ["o"]),
    ],
    "moves": [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        helper.make_node("Slice", ["a", "ones", "fives", "axes"], ["b"]),
        helper.make_node("Shape", ["b"], ["s"]),
        helper.make_node("Reshape", ["b", "s"], ["c"]),
        helper.make_node("MatMul", ["c", "right"], ["o"]),
    ],
}
WEIGHTS = {
    "w": single(RNG, 3, 2, 3, 3),
    "square": single(RNG, 2, 2, 3, 3),
    "grouped": single(RNG, 4, 1, 3, 2),
    "four": single(RNG, 4),
    "three": np.abs(single(RNG, 3)) + 0.5,
    "image": np.abs(single(RNG, 1, 2, 6, 7)) + 0.5,
    "low": np.float32(-0.4),
    "high": np.float32(0.7),
    "right": single(RNG, 6, 2),
    "ones": np.array([1]),
    "fives": np.array([5]),
    "axes": np.array([1]),
}


@pytest.mark.parametrize("kind", MAPS)
def test_a_network_equals_its_reference_and_lies_within_its_bounds(kind, tmp_path):
    last = helper.make_node("Flatten", ["o"], ["y"])
    model = onnx_file.read(
        save(tmp_path / "net.onnx", [*MAPS[kind], last], WEIGHTS, ["batch", 2, 6, 7], [1, "k"])
    )
    x = torch.from_numpy(single(np.random.default_rng(1), 20, 84))
    ours = model.network(x.double().reshape(-1, 2, 6, 7))
    theirs = torch.stack([model.run(each) for each in x])
    assert torch.allclose(ours, theirs, atol=1e-5)
    model.compare(x)
    ends = torch.tensor([-0.5, 0.5], dtype=torch.float64)[:, None, None, None, None].expand(2, 1, 2, 6, 7)
    region = box(ends[0], ends[1])
    known = crown.preactivations(model.network, region)
    rows = torch.eye(ours.shape[1], dtype=torch.float64)[None]
    bound = crown.bound_rows(model.network, model.network.output, known, region)
    inside = model.network((x.double().clamp(-0.5, 0.5)).reshape(-1, 2, 6, 7))
    assert bool((bound(rows) <= inside.amin(0) + 1e-9).all())
    assert bool((-bound(-rows) >= inside.amax(0) - 1e-9).all())


def test_a_network_that_was_read_wrongly_is_caught(tmp_path):
    model = onnx_file.read(dense(tmp_path / "net.onnx", 0))
    x = torch.zeros(1, 2)
    model.compare(x)
    model.proto.graph.initializer[5].raw_data = (np.ones(2, np.float32) * 50).tobytes()
    with pytest.raises(RetraceError, match="differ from those of onnx's own reference"):
        model.compare(x)


BAD = {
    "sigmoid": (
        [helper.make_node("Sigmoid", ["x"], ["y"], name="last")],
        r"node 0 \(Sigmoid last\): no exact",
    ),
    "product": (
        [helper.make_node("Mul", ["x", "x"], ["y"])],
        r"node 0 \(Mul y\): input 1 must be a constant",
    ),
    "misfit": ([helper.make_node("Gemm", ["x", "w"], ["y"])], r"Gemm y\): Dense does not fit"),
    "missing": ([helper.make_node("Relu", ["z"], ["y"])], "reads z, which no node"),
    "no number": ([helper.make_node("Gemm", ["x", "nan"], ["y"])], "NaN or infinite"),
    "constant": ([helper.make_node("Identity", ["w"], ["y"])], "does not depend on the input"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_one_line_with_its_node(kind, tmp_path):
    nodes, says = BAD[kind]
    weights = {"w": np.ones((3, 3), np.float32), "nan": np.full((2, 2), np.nan, np.float32)}
    with pytest.raises(RetraceError, match=says) as refused:
        onnx_file.read(save(tmp_path / "net.onnx", nodes, weights, [1, 2], [1, 2]))
    assert "\n" not in str(refused.value)


def test_files_that_are_no_networks_and_shapes_without_numbers_are_refused(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no network")
    with pytest.raises(RetraceError, match="not an ONNX file"):
        onnx_file.read(tmp_path / "net.onnx")
    with pytest.raises(RetraceError, match="No such file"):
        onnx_file.read(tmp_path / "none.onnx")
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    with pytest.raises(RetraceError, match=r"shape \[1, 'n'\]: fix it"):
        onnx_file.read(save(tmp_path / "net.onnx", relu, {}, [1, "n"], [1, "n"]))


def test_the_command_answers_in_the_competitions_words(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no checkout is needed
    path, wanted = dense(tmp_path / "net.onnx", 3), tmp_path / "p.vnnlib"
    model = onnx_file.read(path)
    words = ["verify", str(path), str(wanted), "--seconds", "60"]
    middle = float(model.run(torch.zeros(2))[0])
    wanted.write_text(vnnlib([-1.0, -1.0], [1.0, 1.0], 2, f"(<= Y_0 {middle + 0.1:f})"))
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("sat\n((X_0 ")
    values = dict(pair.strip("()\n").split() for pair in said[4:].split("\n ") for pair in [pair])
    x = torch.tensor([float(values["X_0"]), float(values["X_1"])])
    assert x.abs().max() <= 1
    assert model.run(x).tolist() == [float(values["Y_0"]), float(values["Y_1"])]
    assert float(values["Y_0"]) <= middle + 0.1
    wanted.write_text(vnnlib([-1.0, -1.0], [1.0, 1.0], 2, "(<= Y_0 -1000)"))
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "unsat\n"
    wanted.write_text(vnnlib([-1.0], [1.0], 2, "(<= Y_0 0)"))
    assert cli.main(words) == 1
    assert "the property has 1 inputs and 2 outputs, the network 2 and 2" in capsys.readouterr().err
    assert cli.main([*words[:-1], "0"]) == 1
    assert "--seconds is 0" in capsys.readouterr().err
