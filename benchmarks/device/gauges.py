"""What the machine is, how fast it computes and launches, and whether our meter reads its energy right."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable
from importlib.metadata import version

import torch

from device.stages import guarded, say
from retrace import device
from retrace.meter import Meter

BUSY = 8.0  # seconds of work under the meter


def describe(part: str) -> None:
    """Names and versions; with a GPU also its driver, memory, rates and the time of a launch."""
    names = ("torch", "torchvision", "transformers", "numpy", "pydantic", "codecarbon", "safetensors")
    say(
        part=part,
        what="versions",
        ok=True,
        python=platform.python_version(),
        **{n: version(n) for n in names},
    )
    chosen = os.environ["RETRACE_DEVICE"]
    say(part=part, what="device", ok=True, cpus=os.cpu_count(), **device.describe(chosen))
    if chosen == "cuda":
        query = "name,driver_version,memory.total,power.draw,power.limit,clocks.sm,mig.mode.current"
        print(_smi(query), torch.version.cuda, torch.backends.cudnn.version())
        say(part=part, what="nvidia-smi", ok=True, read=_smi(query))
    guarded(part, "rates", lambda: rates(part, chosen))


def rates(part: str, chosen: str) -> None:
    """Matrix products a second in the precisions used, and seconds of a launch of next to nothing."""
    size = 8192 if chosen == "cuda" else 256
    for name, kind, tf32 in (
        ("float32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("bfloat16", torch.bfloat16, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(size, size, device=chosen, dtype=kind) for _ in range(2))
        taken = _seconds(lambda a=a, b=b: a @ b, 5, chosen)  # type: ignore[misc]
        say(part=part, what=f"matrix product {name}", ok=True, tflops=round(2 * size**3 / taken / 1e12, 2))
    torch.backends.cuda.matmul.allow_tf32 = False
    small = torch.zeros(16, device=chosen)
    say(part=part, what="launch", ok=True, microseconds=1e6 * _seconds(lambda: small.add_(1.0), 2000, chosen))


def _seconds(call: Callable[[], object], times: int, chosen: str) -> float:
    def wait() -> None:
        if chosen == "cuda":
            torch.cuda.synchronize()

    call()
    wait()
    start = time.perf_counter()
    for _ in range(times):
        call()
    wait()
    return (time.perf_counter() - start) / times


def energy(part: str) -> None:
    """Energy of busy seconds by our meter, by the GPU's own counter, and by nvidia-smi's power over time."""
    chosen = os.environ["RETRACE_DEVICE"]
    for name, busy in (("busy", True), ("idle", False)):
        guarded(part, f"energy {name}", lambda name=name, busy=busy: _energy(part, name, busy, chosen))  # type: ignore[misc]


def _energy(part: str, name: str, busy: bool, chosen: str) -> None:
    size = 8192 if chosen == "cuda" else 256
    a = torch.randn(size, size, device=chosen, dtype=torch.bfloat16) if busy else None
    powers: list[float] = []
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(powers, done, chosen))
    with Meter(device=chosen) as meter:
        counter, start = _counter(chosen), time.perf_counter()
        watch.start()
        while time.perf_counter() - start < BUSY:
            if a is None:
                time.sleep(0.1)
                continue
            for _ in range(20):
                a @ a
            if chosen == "cuda":
                torch.cuda.synchronize()
        seconds, counted = time.perf_counter() - start, _counter(chosen) - counter
        done.set()
        watch.join()
    mean = sum(powers) / max(len(powers), 1)
    say(
        part=part,
        what=f"energy {name}",
        ok=True,
        seconds=seconds,
        meter_gpu_joules=meter.record["gpu_kwh"] * 3.6e6,
        counter_joules=counted,
        smi_joules=mean * seconds,
        smi_watts=[round(min(powers, default=0)), round(mean), round(max(powers, default=0))],
        record=meter.record,
    )


def _watch(powers: list[float], done: threading.Event, chosen: str) -> None:
    while chosen == "cuda" and not done.wait(0.2):
        powers.append(float(_smi("power.draw").split()[0]))


def _counter(chosen: str) -> float:
    """Joules that the GPU says it has used since its driver was loaded."""
    if chosen != "cuda":
        return 0.0
    import pynvml

    pynvml.nvmlInit()
    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(0))) / 1000


def _smi(query: str) -> str:
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
