"""The meter: arithmetic of the constant method, no network, survival, honest refusal."""

import inspect
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from retrace import meter
from retrace.meter import KWH, Meter, MeterRecord, estimate_kwh, refuse_zero
from retrace.stage import StageError

KEYS = {
    "cpu_watts",
    "ram_watts",
    "seconds", "cpu_seconds", "kwh", "kg_co2e", "cpu_kwh", "ram_kwh", "gpu_kwh", "method", "device",
    "factor_kg_per_kwh", "country", "overhead_seconds", "codecarbon",
}  # fmt: skip


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@pytest.fixture
def no_counter(monkeypatch):
    monkeypatch.setattr("codecarbon.core.cpu.is_rapl_available", lambda: False)


@pytest.mark.usefixtures("no_counter")
def test_constant_is_watts_times_cpu_seconds():
    with Meter(factor=0.2, cpu_watts=20.0, ram_watts=5.0) as m:
        spin(0.4)
        time.sleep(0.2)
    r = m.record
    assert set(r) == KEYS == set(MeterRecord.__annotations__)
    assert (r["method"], r["device"], r["country"], r["gpu_kwh"]) == ("constant", "cpu", "FRA", 0.0)
    # CodeCarbon reads CPU time in ticks of 10 ms, at both ends
    assert r["cpu_kwh"] * KWH / 20.0 == pytest.approx(r["cpu_seconds"], abs=0.03)
    assert r["ram_kwh"] == pytest.approx(5.0 * r["seconds"] / KWH, rel=0.05)
    assert r["kwh"] == pytest.approx(r["cpu_kwh"] + r["ram_kwh"])
    assert r["kg_co2e"] == pytest.approx(0.2 * r["kwh"])
    assert r["seconds"] >= 0.6 > r["cpu_seconds"]


@pytest.mark.usefixtures("no_counter")
def test_children_count():
    code = "import time\nwhile time.process_time() < 0.5: pass"
    with Meter(cpu_watts=10.0) as m:
        subprocess.run([sys.executable, "-c", code], check=True)
    assert m.record["cpu_seconds"] >= 0.45
    assert m.record["cpu_kwh"] * KWH / 10.0 == pytest.approx(m.record["cpu_seconds"], abs=0.05)


@pytest.mark.parametrize("watts", [15.0, None])
def test_no_network_and_no_files(monkeypatch, tmp_path, watts):
    calls = []

    def refuse(*args, **kwargs):
        calls.append(args)  # CodeCarbon would swallow the error
        raise OSError("no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".codecarbon.config").write_text(
        "[codecarbon]\nsave_to_api=true\nemissions_endpoint=http://127.0.0.1:9\npue=3\noutput_methods=csv,api\n"
        "electricitymaps_api_token=x\n"
    )
    with Meter(cpu_watts=watts) as m:
        spin(0.1)
    assert calls == []
    assert m.record["kwh"] > 0
    assert m.record["ram_kwh"] * KWH / 3.0 == pytest.approx(m.record["seconds"], rel=0.2, abs=0.1)  # no pue
    assert [path.name for path in tmp_path.iterdir()] == [".codecarbon.config"]


def test_exception_keeps_the_record():
    with pytest.raises(KeyError), Meter() as m:  # noqa: PT012
        spin(0.05)
        raise KeyError("body")
    assert m.record["cpu_seconds"] >= 0.05
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_sigterm_keeps_the_record(tmp_path):
    code = """
        import json, time
        from retrace.meter import Meter
        m = Meter()
        try:
            with m:
                print("ready", flush=True)
                time.sleep(60)
        finally:
            print(json.dumps(m.record["method"]), flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 128 + signal.SIGTERM
    assert out.strip().strip('"') in ("constant", "rapl")


def test_own_sigterm_handler_is_left_alone():
    calls = []
    old = signal.signal(signal.SIGTERM, lambda *a: calls.append(a[0]))
    try:
        with Meter():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, old)
    assert calls == [signal.SIGTERM]


def test_record_before_the_end():
    with Meter() as m, pytest.raises(ValueError, match="no record yet"):
        _ = m.record


class Broken:
    def stop(self):
        return 0.0, 1e-6, 0.0


def test_busy_work_with_zero_energy_is_refused(monkeypatch):
    monkeypatch.setattr(meter, "_Load", lambda *a: Broken())
    monkeypatch.setattr(meter, "_Tracker", lambda *a: Broken())
    monkeypatch.setattr(meter, "BUSY_SECONDS", 0.05)
    with pytest.raises(StageError, match=r"cpu_kwh is 0\.0 after .* s of work on cpu"), Meter():
        spin(0.1)
    with pytest.raises(KeyError), Meter():  # noqa: PT012  the body's own error is not hidden
        spin(0.1)
        raise KeyError
    with Meter():
        pass  # too short to tell


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, False),
        ({"gpu_kwh": 0.0}, True),
        ({"gpu_kwh": 0.0, "seconds": 0.5}, False),
        ({"cpu_kwh": 0.0}, False),
    ],
)
def test_gpu_energy_is_judged_on_wall_time(change, refused):
    record = {
        "seconds": 9.0,
        "cpu_seconds": 0.1,
        "device": "cuda",
        "cpu_kwh": 1.0,
        "gpu_kwh": 1.0,
        "method": "nvml",
    }
    if refused:
        with pytest.raises(StageError, match="gpu_kwh"):
            refuse_zero(record | change)
    else:
        refuse_zero(record | change)


def test_gpu_without_a_counter_is_refused_before_the_work(monkeypatch):
    monkeypatch.setattr("codecarbon.core.gpu.is_nvidia_system", lambda: False)
    with pytest.raises(StageError, match="nvidia-smi"), Meter(device="cuda"):
        pytest.fail("the work started")


@pytest.mark.parametrize(
    ("device", "rapl", "watts", "method", "machine_watts"),
    [("cpu", True, 15.0, "rapl", None), ("cpu", False, None, "cpu_load", None),
     ("cuda", True, 15.0, "nvml", None), ("cuda", False, 15.0, "nvml", 60.0)],
)  # fmt: skip
def test_counters_are_preferred_to_watts(monkeypatch, device, rapl, watts, method, machine_watts):
    seen = []

    class Fake:
        def __init__(self, *args):
            seen.append(args)

        def stop(self):
            return 1.0, 2.0, 4.0

    monkeypatch.setattr(meter, "_Tracker", Fake)
    monkeypatch.setattr("codecarbon.core.gpu.is_nvidia_system", lambda: True)
    monkeypatch.setattr("codecarbon.core.cpu.is_rapl_available", lambda: rapl)
    monkeypatch.setattr("codecarbon.core.util.count_cpus", lambda: 4)
    with Meter(cpu_watts=watts, device=device) as m:
        pass
    assert m.record["method"] == method
    assert m.record["kwh"] == (7.0 if device == "cuda" else 3.0)  # an idle GPU is not the CPU job's
    assert seen == [("FRA", 0.475, machine_watts, 3.0, device == "cuda")]


@pytest.mark.parametrize(
    "bad",
    [
        {"country": "France"},
        {"device": "auto"},
        {"factor": -1},
        {"cpu_watts": 0},
        {"ram_watts": float("nan")},
    ],
)
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match="meter: "):
        Meter(**bad)


def test_estimate_is_a_share():
    record = {"kwh": 6.0, "cpu_seconds": 3.0}
    assert estimate_kwh(1.0, record) == pytest.approx(2.0)
    assert estimate_kwh(0.0, record) == 0
    assert sum(estimate_kwh(s, record) for s in (0.5, 1.0, 1.5)) == pytest.approx(6.0)
    for part in (-0.1, 3.2, float("nan")):
        with pytest.raises(ValueError, match="not a part"):
            estimate_kwh(part, record)
    with pytest.raises(ValueError, match="not a part"):
        estimate_kwh(0.0, {"kwh": 0.0, "cpu_seconds": 0.0})


# what sends, names or shows, and what the carbon alone depends on, which is not CodeCarbon's here
HARMLESS = {
    "project_name", "measure_power_secs", "api_call_interval", "api_endpoint", "api_key", "output_file",
    "save_to_file", "save_to_api", "save_to_logger", "save_to_prometheus", "save_to_logfire",
    "logging_logger", "prometheus_url", "output_handlers", "experiment_id", "experiment_name",
    "electricitymaps_api_token", "co2_signal_api_token", "on_csv_write", "logger_preamble", "metadata",
    "region", "cloud_provider", "cloud_region", "country_2letter_iso_code",
}  # fmt: skip


@pytest.mark.parametrize(("watts", "counted"), [(None, True), (60.0, False)])
def test_no_setting_of_the_user_s_stands_for_a_counter(monkeypatch, tmp_path, watts, counted):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".codecarbon.config").write_text("[codecarbon]\nforce_cpu_power=5\nrapl_prefer_psys=true\n")
    for name in ("FORCE_CPU_POWER", "FORCE_RAM_POWER", "PUE"):
        monkeypatch.setenv(f"CODECARBON_{name}", "300")
    monkeypatch.setattr("codecarbon.core.cpu.is_rapl_available", lambda: True)
    # what it found before in this process it would not look for again
    monkeypatch.setattr("codecarbon.core.resource_tracker.get_or_run_setup", lambda _, setup: setup())
    asked = []
    tracking = "codecarbon.core.resource_tracker.ResourceTracker"
    monkeypatch.setattr(f"{tracking}._setup_rapl", lambda _: asked.append("counter"))
    monkeypatch.setattr(f"{tracking}._setup_fallback_tracking", lambda _, tdp, power: asked.append(power))
    tracker = meter._Tracker("FRA", 0.475, watts, 3.0, False)
    tracker.stop()
    assert asked == ["counter" if counted else 60.0]
    assert tracker._tracker._rapl_prefer_psys is False


def test_every_setting_that_bends_an_energy_is_ours(monkeypatch):
    import codecarbon

    given = {}
    monkeypatch.setattr(
        codecarbon, "OfflineEmissionsTracker", lambda **words: given.update(words) or Tracker()
    )

    class Tracker:
        def start(self):
            pass

    meter._Tracker("FRA", 0.475, None, 3.0, False)
    both = (codecarbon.EmissionsTracker.__mro__[1], original := sys.modules["codecarbon.emissions_tracker"])
    taken = {
        name
        for kind in (both[0], original.OfflineEmissionsTracker)
        for name in inspect.signature(kind.__init__).parameters
    }
    assert taken - {"self", "args", "kwargs"} - HARMLESS == set(given)
