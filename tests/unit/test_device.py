"""Device choice and description; PyTorch stays unloaded unless needed."""

import os
import subprocess
import sys
import types

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from retrace import device
from retrace.stage import StageError


def fake_torch(cuda: bool) -> types.SimpleNamespace:
    threads = {"n": 8}
    return types.SimpleNamespace(
        __version__="9.8.7+local",
        cuda=types.SimpleNamespace(is_available=lambda: cuda, get_device_name=lambda: "Toy GPU"),
        set_num_threads=lambda n: threads.update(n=n),
        get_num_threads=lambda: threads["n"],
    )


@pytest.mark.parametrize(
    ("request_", "cuda", "expected"),
    [("auto", False, "cpu"), ("auto", True, "cuda"), ("cuda", True, "cuda"), ("cpu", True, "cpu")],
)
def test_pick(monkeypatch, request_, cuda, expected):
    monkeypatch.setitem(sys.modules, "torch", fake_torch(cuda))
    assert device.pick(request_) == expected


def test_missing_cuda_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", fake_torch(False))
    with pytest.raises(StageError, match=r"cuda was asked for.*9\.8\.7.*auto or cpu") as caught:
        device.pick("cuda")
    assert "\n" not in str(caught.value)


def test_unknown_request():
    with pytest.raises(ValueError, match=r"'gpu' is unknown; use one of auto, cpu, cuda"):
        device.pick("gpu")


def test_cpu_path_never_loads_torch():
    code = (
        "import sys; from retrace import device; device.pick('cpu'); device.limit_threads(1);"
        "d = device.describe(); assert 'torch' not in sys.modules; print(d['torch'], d['threads'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "1"]


def test_describe_strips_the_build(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", fake_torch(True))
    seen = device.describe("cuda")
    assert (seen["torch"], seen["name"], seen["device"]) == ("9.8.7", "Toy GPU", "cuda")
    assert seen["threads"] == 8
    assert device.describe("cpu")["name"] not in ("", "Toy GPU")


def test_limit_threads_reaches_all(monkeypatch):
    torch = fake_torch(False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    for name in (*device.THREAD_VARIABLES, "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "unset")
    before = {pool["prefix"]: pool["num_threads"] for pool in threadpool_info()}
    try:
        threadpool_limits(2)
        device.limit_threads(1)
        assert torch.get_num_threads() == 1
        assert {os.environ[name] for name in device.THREAD_VARIABLES} == {"1"}
        assert all(pool["num_threads"] == 1 for pool in threadpool_info())
    finally:
        threadpool_limits(before)


def test_threads_below_one():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        device.limit_threads(0)
