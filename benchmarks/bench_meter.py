"""What the meter costs a job and how well it counts: `python benchmarks/bench_meter.py`.

Each figure is from fresh processes, in CPU seconds (children included), median of five.
"""

import json
import os
import statistics
import subprocess
import sys

WATTS = 15.0
HEAD = """
import json, sys, time, retrace.study  # which every job loads
def work():
    end = time.process_time() + float(sys.argv[1])
    while time.process_time() < end: pass
"""
PROGRAMS = {
    "bare job": HEAD + "work(); print('{}')",
    "with the meter": HEAD
    + f"""
from retrace.meter import Meter
with Meter(cpu_watts={WATTS}) as m:
    work()
print(json.dumps(m.record))
""",
    "with CodeCarbon's tracker": HEAD
    + """
import os
os.environ["CODECARBON_LOG_LEVEL"] = "error"
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", force_cpu_power=30.0, force_ram_power=3.0,
    tracking_mode="process", log_level="error", output_methods=[])
tracker.start()
work()
tracker.stop()
print('{}')
""",
}


def run(program: str, busy: float) -> tuple[float, dict]:
    """CPU seconds of a fresh process and the record it printed."""
    before = os.times()
    command = [sys.executable, "-c", PROGRAMS[program], str(busy)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, json.loads(done.stdout)


def main() -> None:
    """Print overheads, then the accuracy on busy loops of several lengths."""
    costs = {name: statistics.median(run(name, 0.0)[0] for _ in range(5)) for name in PROGRAMS}
    for name, seconds in costs.items():
        print(f"{name:26s} {seconds:5.2f} CPU-s, above bare {seconds - costs['bare job']:+.2f}")
    for busy in (0.5, 2.0, 8.0):
        record = run("with the meter", busy)[1]
        watts = 3.6e6 * record["cpu_kwh"] / record["cpu_seconds"]
        against = f", {watts / WATTS - 1:+.2%} off {WATTS} W" if record["method"] == "constant" else ""
        print(
            f"busy {busy:3.1f} s: {record['cpu_kwh']:.3e} kWh by {record['method']} = {watts:.2f} W"
            f"{against}; overhead by its own account {record['overhead_seconds']:.3f} CPU-s"
        )


if __name__ == "__main__":
    main()
