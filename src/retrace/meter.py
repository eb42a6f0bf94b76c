"""The energy meter of every stage: CodeCarbon, offline, with an honest account of how it knew.

Four methods, in order of preference:
- "nvml": the device is a GPU; its own counter, over the whole GPU (run one job at a time on it);
- "rapl": the processor's own counter, over the whole package, other jobs included (for published
  numbers run one job at a time);
- "cpu_load": no counter and `cpu_watts=None`; CodeCarbon's guess of the processor's power times its load;
- "constant": no counter; `cpu_watts` times the CPU seconds of this process and its children.
Memory has no counter: `ram_watts` times wall time in all four. The last two are estimates.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from types import FrameType, TracebackType
from typing import Any, Protocol

from typing_extensions import TypedDict  # that of typing is not enough for pydantic before Python 3.12

from retrace.stage import StageError

KWH = 3.6e6  # joules
# methods that give no single job's energy: two are estimates, and "rapl" counts the jobs beside it, too
ESTIMATES = ("constant", "cpu_load", "rapl")
BUSY_SECONDS = 1.0  # CPU seconds from which zero energy is not believed


class MeterRecord(TypedDict):
    """What a meter leaves: times in seconds, energies in kWh, powers in watts, carbon in kg CO2e."""

    codecarbon: str
    country: str
    cpu_kwh: float
    cpu_seconds: float
    cpu_watts: float | None
    device: str
    factor_kg_per_kwh: float
    gpu_kwh: float
    kg_co2e: float
    kwh: float
    method: str
    overhead_seconds: float
    ram_kwh: float
    ram_watts: float
    seconds: float


def estimate_kwh(cpu_seconds: float, record: Mapping[str, Any]) -> float:
    """The share in kWh of a metered job's energy that goes to `cpu_seconds` of it.

    An allocation in proportion to CPU seconds, not a measurement of that part. Raises ValueError when
    the record holds no CPU seconds or fewer than asked for.
    """
    total = float(record["cpu_seconds"])
    if not 0 <= cpu_seconds <= total * 1.001 + 0.05 or total <= 0:
        raise ValueError(f"estimate_kwh: {cpu_seconds} CPU seconds are not a part of the job's {total}")
    return float(record["kwh"]) * cpu_seconds / total


class _Source(Protocol):
    """What counts the energy: started by its constructor, read once by `stop` as (cpu, ram, gpu) kWh."""

    def stop(self) -> tuple[float, float, float]: ...


class _Load:
    """CodeCarbon's process load model alone.

    The full tracker first asks py-cpuinfo for the model name and pandas for its power, which takes over
    a CPU second and is then overridden by the given watts; there is no option to skip it.
    """

    def __init__(self, cpu_watts: float, ram_watts: float) -> None:
        from codecarbon.core.util import count_cpus
        from codecarbon.external.hardware import CPU, MODE_CPU_LOAD
        from codecarbon.external.ram import RAM

        # CodeCarbon spreads the power of a processor over its cores; cpu_watts is that of one core.
        tdp: Any = cpu_watts * count_cpus()
        memory: Any = ram_watts  # CodeCarbon declares whole watts but takes any
        self._cpu = CPU(".", MODE_CPU_LOAD, "constant", tdp, tracking_mode="process")
        self._ram = RAM(tracking_mode="process", force_ram_power=memory)
        self._watts = cpu_watts
        self._reaped = _children_seconds()
        self._start = time.perf_counter()
        self._cpu.start()  # type: ignore[no-untyped-call]

    def stop(self) -> tuple[float, float, float]:
        seconds = time.perf_counter() - self._start
        # CodeCarbon sees living children only; the system accounts for those that have ended.
        ended = self._watts * (_children_seconds() - self._reaped) / KWH
        cpu = self._cpu.measure_power_and_energy(last_duration=seconds)[1].kWh
        return cpu + ended, self._ram.measure_power_and_energy(last_duration=seconds)[1].kWh, 0.0


class _Tracker:
    """CodeCarbon's offline tracker, for machines with a counter or with unknown watts."""

    def __init__(
        self, country: str, factor: float, machine_watts: float | None, ram_watts: float, gpu: bool
    ) -> None:
        from codecarbon import OfflineEmissionsTracker

        # All that a user's .codecarbon.config or environment could bend or send elsewhere is set here.
        self._tracker = OfflineEmissionsTracker(
            country_iso_code=country,
            force_carbon_intensity_g_co2e_kwh=1000 * factor,
            force_cpu_power=machine_watts,  # None, too, is said: a user's own watts would replace the counter
            force_ram_power=ram_watts,
            tracking_mode="process",
            log_level="error",
            allow_multiple_runs=True,
            output_methods=[],
            output_dir=".",
            emissions_endpoint=None,
            pue=1.0,
            wue=0.0,
            force_mode_cpu_load=False,
            rapl_include_dram=False,
            rapl_prefer_psys=False,
            gpu_ids=[_own_gpu()] if gpu else [],
        )
        self._tracker.start()

    def stop(self) -> tuple[float, float, float]:
        self._tracker.stop()
        data = getattr(self._tracker, "final_emissions_data", None)
        return (data.cpu_energy, data.ram_energy, data.gpu_energy) if data else (0.0, 0.0, 0.0)


class Meter:
    """Measures one block of work: `with Meter() as m: ...`, then `m.record`.

    `country`: ISO 3166 alpha-3; `factor`: kg CO2e per kWh, used in place of CodeCarbon's table;
    `cpu_watts`: power of one busy core, used only where no counter exists (None: CodeCarbon's guess);
    `ram_watts`: power of the memory; `device`: "cpu" or "cuda".
    The record has seconds, cpu_seconds (children that have ended included), energies in kWh, kg_co2e and
    overhead_seconds (CPU seconds of the meter itself). It is also there after an exception or SIGTERM.
    Raises ValueError for bad arguments; StageError for a GPU without a counter and for busy work that
    measures as zero energy.
    """

    def __init__(
        self,
        country: str = "FRA",
        factor: float = 0.475,
        cpu_watts: float | None = 15.0,
        ram_watts: float = 3.0,
        device: str = "cpu",
    ) -> None:
        if len(country) != 3 or not country.isalpha() or not country.isupper():
            raise ValueError(f"meter: country {country!r} is not a three-letter ISO code such as FRA")
        if device not in ("cpu", "cuda"):
            raise ValueError(f"meter: device {device!r} is unknown; use cpu or cuda")
        if not factor >= 0 or not ram_watts >= 0 or (cpu_watts is not None and not cpu_watts > 0):
            raise ValueError("meter: factor and ram_watts must be at least 0, cpu_watts above 0")
        self.country, self.factor, self.device = country, factor, device
        self.cpu_watts, self.ram_watts = cpu_watts, ram_watts
        self.method = ""
        self._record: MeterRecord | None = None

    @property
    def record(self) -> MeterRecord:
        """The meter record; ValueError while the block is still running."""
        if self._record is None:
            raise ValueError("meter: no record yet; read it after the with block")
        return self._record

    def __enter__(self) -> Meter:
        before = _cpu_seconds()
        self._record = None
        self._source = self._start()
        self._old_handler = _exit_on_sigterm()
        self._begin, self._cpu_begin = time.perf_counter(), _cpu_seconds()
        self._overhead = self._cpu_begin - before
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds, after = time.perf_counter() - self._begin, _cpu_seconds()
        if self._old_handler is not None:
            signal.signal(signal.SIGTERM, self._old_handler)
        cpu, ram, gpu = self._source.stop()
        self._overhead += _cpu_seconds() - after
        gpu = gpu if self.device == "cuda" else 0.0
        self._record = {
            "seconds": seconds,
            "cpu_seconds": after - self._cpu_begin,
            "kwh": cpu + ram + gpu,
            "kg_co2e": (cpu + ram + gpu) * self.factor,
            "cpu_kwh": cpu,
            "ram_kwh": ram,
            "gpu_kwh": gpu,
            "method": self.method,
            "cpu_watts": self.cpu_watts,
            "ram_watts": self.ram_watts,
            "device": self.device,
            "factor_kg_per_kwh": self.factor,
            "country": self.country,
            "overhead_seconds": self._overhead,
            "codecarbon": self._version,
        }
        if kind is None:
            refuse_zero(self._record)

    def _start(self) -> _Source:
        from codecarbon.core.cpu import is_rapl_available
        from codecarbon.core.gpu import is_nvidia_system

        logging.getLogger("codecarbon").setLevel(logging.ERROR)
        self._version = version("codecarbon")
        gpu, rapl = self.device == "cuda", is_rapl_available()
        if gpu and not is_nvidia_system():
            raise StageError(
                "meter: device is cuda but `nvidia-smi` does not answer, so the GPU's energy cannot be "
                "read; install the NVIDIA tools or set device to cpu"
            )
        guess = self.cpu_watts is None
        self.method = "nvml" if gpu else "rapl" if rapl else "cpu_load" if guess else "constant"
        if self.cpu_watts is not None and self.method == "constant":
            return _Load(self.cpu_watts, self.ram_watts)
        from codecarbon.core.util import count_cpus

        watts = None if rapl or self.cpu_watts is None else self.cpu_watts * count_cpus()
        return _Tracker(self.country, self.factor, watts, self.ram_watts, gpu)


def refuse_zero(record: Mapping[str, Any]) -> None:
    """Raise StageError when a record claims no energy for busy work (a broken or unreadable counter)."""
    busy = record["seconds"] if record["device"] == "cuda" else record["cpu_seconds"]
    part = "gpu_kwh" if record["device"] == "cuda" else "cpu_kwh"
    if busy > BUSY_SECONDS and not record[part] > 0:
        raise StageError(
            f"meter: {part} is {record[part]} after {busy:.1f} s of work on {record['device']} "
            f"(method {record['method']}): the counter does not count; check its permissions"
        )


def _cpu_seconds() -> float:
    return time.process_time() + _children_seconds()


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _own_gpu() -> str:
    """The GPU that PyTorch calls cuda:0: the first visible one, by index or UUID."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"


def _exit_on_sigterm() -> Any:
    """Make SIGTERM unwind the stack; the old handler, or None where ours was not set."""
    if threading.current_thread() is not threading.main_thread():
        return None
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return None
    return signal.signal(signal.SIGTERM, _raise_exit)


def _raise_exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
