"""Whole files or none, the same bytes for the same arrays, and nothing pickled."""

from __future__ import annotations

import errno
import os
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retrace import files
from retrace.errors import RetraceError

DTYPES = st.sampled_from([np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64, np.bool_])
ARRAYS = st.dictionaries(
    st.text("abc.0é/", min_size=1, max_size=6).filter(lambda name: name.strip("./")),
    hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
    min_size=1,
    max_size=4,
)
same_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = {f"{n:02d}": np.full(1, n) for n in range(40)}
FORMATS = [(files.npz_bytes, files.read_npz), (files.tensor_bytes, files.read_tensors)]


def check_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype
        assert one[name].shape == other[name].shape
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize(("to_bytes", "read"), FORMATS)
@given(arrays=ARRAYS, order=st.randoms())
@same_folder
def test_arrays_come_back_and_their_bytes_are_deterministic(tmp_path, to_bytes, read, arrays, order):
    data = to_bytes(arrays)
    shuffled = list(arrays)
    order.shuffle(shuffled)
    views = {name: np.asarray(arrays[name].T, order="C").T for name in shuffled}  # another layout in memory
    assert to_bytes(views) == data
    path = tmp_path / "a"
    files.write_atomic(path, data)
    check_equal(read(path, files.sha256(data)), arrays)


@pytest.mark.parametrize(("to_bytes", "read"), FORMATS)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@same_folder
def test_every_flipped_bit_is_refused_by_name_and_set_aside(tmp_path, to_bytes, read, place, bit):
    data = bytearray(to_bytes({"x": np.arange(20.0), "y": np.ones((2, 3), np.uint8)}))
    digest = files.sha256(bytes(data))
    data[int(place * len(data))] ^= 1 << bit
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(RetraceError, match=r"a: damaged .* kept as a\.damaged; rerun"):
        read(path, digest)
    assert not path.exists()
    assert (tmp_path / "a.damaged").read_bytes() == data
    (tmp_path / "a.damaged").unlink()  # the next example's lies in the same folder


def test_what_was_set_aside_before_is_kept(tmp_path):
    path = tmp_path / "a"
    for content in (b"1", b"2", b"3"):
        path.write_bytes(content)
        files.set_aside(path)
    kept = {aside.name: aside.read_bytes() for aside in tmp_path.iterdir()}
    assert kept == {"a.damaged": b"1", "a.2.damaged": b"2", "a.3.damaged": b"3"}


@pytest.mark.parametrize(("to_bytes", "read"), FORMATS)
def test_every_truncation_is_refused(tmp_path, to_bytes, read):
    data = to_bytes({"x": np.arange(5.0)})
    for length in range(len(data)):
        path = tmp_path / "a"
        path.write_bytes(data[:length])
        with pytest.raises(RetraceError, match="damaged"):
            read(path, files.sha256(data))


@pytest.mark.parametrize(("to_bytes", "read"), FORMATS)
def test_what_is_missing_is_named(tmp_path, to_bytes, read):
    with pytest.raises(RetraceError, match="nothing: missing; rerun"):
        read(tmp_path / "nothing", "0" * 64)


def test_objects_are_never_pickled():
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        files.npz_bytes({"x": np.array([{}, "a"], dtype=object)})
    with pytest.raises(Exception, match="object"):
        files.tensor_bytes({"x": np.array([{}, "a"], dtype=object)})


@pytest.mark.parametrize("name", ["file", "allow_pickle"])
def test_no_name_of_an_array_is_special(tmp_path, name):
    data = files.npz_bytes({name: np.arange(3)})
    files.write_atomic(tmp_path / "a", data)
    check_equal(files.read_npz(tmp_path / "a", files.sha256(data)), {name: np.arange(3)})


def failing(code):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    return fail


OLD, NEW = b"old and whole", b"new and whole"
REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk is full; free some space",
    errno.EACCES: "may not be written; make",
    errno.EROFS: "may not be written; make",
    errno.EIO: "could not be written: Input/output error",
}


@pytest.mark.parametrize("code", REMEDIES)
@pytest.mark.parametrize("step", ["os.fsync", "Path.open", "Path.replace"])
@pytest.mark.parametrize("before", [OLD, None])
def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path, monkeypatch, code, step, before):
    path = tmp_path / "folder" / "evidence.json"
    path.parent.mkdir()
    if before:
        path.write_bytes(before)
    owner, name = (os, "fsync") if step == "os.fsync" else (Path, step.removeprefix("Path."))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(code))
        with pytest.raises(RetraceError) as caught:
            files.write_atomic(path, NEW)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert REMEDIES[code] in line
    assert "\n" not in line
    assert [p.name for p in path.parent.iterdir()] == ([path.name] if before else [])
    if before:
        assert path.read_bytes() == before
    files.write_atomic(path, NEW)  # and all is well once the cause is gone
    assert path.read_bytes() == NEW


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RetraceError, match="could not be written"):
        files.write_atomic(tmp_path / "file" / "below.json", NEW)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ("mount", "-t", "tmpfs", "-o", "size=64k", "retrace-test", str(folder))
    if os.geteuid() or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a file system")
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def test_a_disk_that_is_really_full(small_disk):
    path = small_disk / "a.npz"
    files.write_atomic(path, OLD)
    with pytest.raises(RetraceError, match="the disk is full"):
        files.write_atomic(path, bytes(200_000))
    assert [p.name for p in small_disk.iterdir()] == ["a.npz"]
    assert path.read_bytes() == OLD


@pytest.mark.parametrize(("to_bytes", "read"), FORMATS)
def test_arrays_come_in_the_order_of_their_names(tmp_path, to_bytes, read):
    """A stage that draws random numbers array by array depends on it."""
    data = to_bytes(dict(reversed(MANY.items())))
    (tmp_path / "arrays").write_bytes(data)
    assert list(read(tmp_path / "arrays", files.sha256(data))) == list(MANY)


@given(arrays=ARRAYS)
@same_folder
def test_tensors_are_written_as_safetensors_writes_them_and_held_once(tmp_path, arrays):
    expected, path = safetensors.numpy.save(arrays), tmp_path / "t"
    assert files.write_tensors(path, arrays) == files.sha256(expected)
    assert path.read_bytes() == files.tensor_bytes(arrays) == expected
    check_equal(files.read_tensors(path, files.sha256(expected)), arrays)


def test_arrays_lie_in_their_file_and_what_is_changed_stays_in_memory(tmp_path):
    path, array = tmp_path / "t", np.arange(1 << 20, dtype=np.float32)
    tracemalloc.start()
    digest = files.write_tensors(path, {"x": array})
    found = files.read_tensors(path, digest)["x"]
    assert tracemalloc.get_traced_memory()[1] < array.nbytes / 4
    tracemalloc.stop()
    found += 1
    assert found.flags.writeable
    assert files.sha256(path.read_bytes()) == digest
    with pytest.raises(ValueError, match="array 'c' of complex128 cannot be written"):
        files.write_tensors(path, {"c": np.zeros(2, np.complex128)})
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
