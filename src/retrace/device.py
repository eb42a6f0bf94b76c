"""The device a stage computes on, its threads, and what the evidence says of both."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from retrace.stage import StageError

REQUESTS = ("auto", "cpu", "cuda")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def pick(request: str) -> str:
    """Turn "auto", "cpu" or "cuda" into "cpu" or "cuda"; only "cpu" leaves PyTorch unloaded.

    Raises ValueError for another request, StageError when CUDA is asked for and there is none.
    """
    if request not in REQUESTS:
        raise ValueError(f"device {request!r} is unknown; use one of {', '.join(REQUESTS)}")
    if request == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if request == "cuda":
        raise StageError(
            f"device cuda was asked for, but PyTorch {torch.__version__} sees no GPU: "
            "check `nvidia-smi` and the PyTorch build, or set device to auto or cpu"
        )
    return "cpu"


def current() -> str:
    """The device this job was given ("cpu" or "cuda"); without one, what `pick("auto")` finds."""
    return pick(os.environ.get("RETRACE_DEVICE", "auto"))


def limit_threads(n: int) -> None:
    """Let NumPy, BLAS, OpenMP and PyTorch (loaded now or later) use `n` threads, sleeping when idle.

    Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"threads must be at least 1, not {n}")
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(n)), OMP_WAIT_POLICY="PASSIVE")
    threadpool_limits(n)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)


def describe(device: str = "cpu") -> dict[str, Any]:
    """What evidence records of the machine: device class and name, threads, package versions.

    Never loads PyTorch: its version is None when the stage did not use it. Versions come without the
    build's suffix (what follows a plus sign), so that machines can be compared.
    """
    torch = sys.modules.get("torch")
    name = torch.cuda.get_device_name() if torch is not None and device == "cuda" else _cpu_name()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdigit() else os.cpu_count()
    return {
        "device": device,
        "name": name,
        "machine": platform.machine(),
        "threads": threads if torch is None else torch.get_num_threads(),
        "python": platform.python_version(),
        "numpy": _plain(np.__version__),
        "torch": None if torch is None else _plain(str(torch.__version__)),
    }


def _plain(version: str) -> str:
    return version.split("+", 1)[0]


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
