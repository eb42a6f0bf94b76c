"""Do a piece of work in a fork of this process: what it raises and takes is told, and it may be killed."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from retrace.errors import RetraceError
from retrace.rehearsal import memory, places

PR_SET_PDEATHSIG = 1
# how PyTorch, NumPy and this library say that memory was refused
REFUSED = (
    "can't allocate memory",
    "out of memory",
    "fit the memory",
    "Unable to allocate",
    "not enough memory",
)


@dataclass(frozen=True)
class Ran:
    """How it went: what was returned (JSON), or the line of what went wrong, and whether that was memory.

    Seconds; bytes at most, of the host (what was loaded before the fork counts) and of the device.
    """

    value: Any
    line: str
    memory: bool
    seconds: float
    cpu_seconds: float
    host: float
    device: float

    @property
    def well(self) -> bool:
        """Whether nothing went wrong."""
        return not self.line


def forked(work: Callable[[], Any], most: float | None = None) -> Ran:
    """Do `work` in a fork that may take `most` bytes of memory; it ends with the fork whatever happens."""
    began = time.perf_counter()
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        with os.fdopen(writing, "wb") as end:
            end.write(json.dumps(_told(work, most)).encode())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as start:
        said = start.read()
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    told: dict[str, Any] = (
        json.loads(said) if said and code == 0 else {"line": _death(code), "memory": code == -signal.SIGKILL}
    )
    return Ran(
        told.get("value"),
        told.get("line", ""),
        told.get("memory", False),
        time.perf_counter() - began,
        used.ru_utime + used.ru_stime,
        1024.0 * used.ru_maxrss,
        told.get("device", 0.0),
    )


def _told(work: Callable[[], Any], most: float | None) -> dict[str, Any]:
    told: dict[str, Any] = {}
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # no fork outlives a run that was killed
        if most is not None:
            memory.limit(most)
        told["value"] = work()
    except KeyboardInterrupt:
        told["line"] = "interrupted"
    except BaseException as error:
        traceback.print_exc()
        told["line"] = _line(error)
        told["memory"] = isinstance(error, MemoryError) or any(words in str(error) for words in REFUSED)
    return {**told, "device": memory.device_peak()}


def _line(error: BaseException) -> str:
    """What a user can act on; of anything else its kind, its first line and where in here it arose."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, RetraceError):
        return said
    ours = [f for f in traceback.extract_tb(error.__traceback__) if places.own(f.filename)]
    place = f"{places.own(ours[-1].filename)}:{ours[-1].lineno}: " if ours else ""
    return f"{place}{type(error).__name__}: {said}"


def _death(code: int) -> str:
    if code == -signal.SIGKILL:
        return "killed, as the system does where memory ends"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended early with status {code}"
