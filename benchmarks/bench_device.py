"""All that only an accelerator can tell, in one go: cut gpu-scale cells of every study, then benchmarks.

Run `PYTHONPATH=src python benchmarks/bench_device.py --out FOLDER --seconds 400` on a machine with a CUDA
device, in a checkout (data come from its own store; neither Snakemake nor DVC is needed). Each part is a
process of its own with a limit; those that may do so run beside one another, the timed ones alone. FOLDER
gets `results.jsonl` (a line a stage or number) and `log.txt`. `--device cpu` tries all of it without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from device.cells import bring_data
from device.parts import PARTS, Part
from device.stages import begin

HERE = Path(__file__).resolve().parent
LAST = 12  # lines of the log of a failed part that are shown


@dataclass
class Running:
    """A part at work."""

    name: str
    part: Part
    process: subprocess.Popen[str]
    log: IO[str]
    began: float
    limit: float


def start(name: str, device: str, left: float) -> Running:
    part = PARTS[name]
    words = (
        [str(HERE / part.run[0]), *part.run[1:]]
        if isinstance(part.run, tuple)
        else [__file__, "--part", name, "--device", device]
    )
    ours = {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RETRACE_DEVICE": device}
    search = os.pathsep.join([str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")])
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read when the part has ended
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **ours, "PYTHONPATH": search},
        cwd=HERE.parent,
        start_new_session=True,
        text=True,
    )
    return Running(name, part, process, log, time.perf_counter(), min(part.limit, left))


def ended(running: Running) -> bool:
    """Whether the part has ended; it is killed at its limit."""
    over = time.perf_counter() - running.began > running.limit
    if running.process.poll() is None and over:
        os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()
    return running.process.poll() is not None


def collect(running: Running, out: Path) -> list[dict[str, Any]]:
    """Move what a part said into the files; its results."""
    running.log.seek(0)
    lines = running.log.read().splitlines()
    seconds = time.perf_counter() - running.began
    code = running.process.returncode
    results = [json.loads(line[1:]) for line in lines if line.startswith("@{")]
    results.append(
        {"part": running.name, "what": "end", "ok": code == 0, "code": code, "seconds": round(seconds)}
    )
    said = [line for line in lines if not line.startswith("@{")]
    with (out / "results.jsonl").open("a") as file:
        file.writelines(json.dumps(result) + "\n" for result in results)
    with (out / "log.txt").open("a") as file:
        file.write(f"\n===== {running.name}: status {code}, {seconds:.0f} s\n" + "\n".join(said) + "\n")
    failed = [r["what"] for r in results if not r["ok"]]
    print(
        f"{running.name}: status {code}, {seconds:.0f} s, {len(results)} results, not ok: {failed}",
        flush=True,
    )
    if code != 0 or isinstance(running.part.run, tuple):
        print("\n".join(f"    {line}" for line in said[-LAST:]), flush=True)
    return results


def conduct(names: list[str], device: str, together: int, seconds: float, out: Path) -> list[dict[str, Any]]:
    """Run the parts in order, those that share the machine `together` at a time, within so many seconds."""
    waiting, running, results = list(names), [], []
    began = time.perf_counter()
    while waiting or running:
        left = seconds - (time.perf_counter() - began)
        if waiting and left < 5:
            print(f"no time left for {', '.join(waiting)}", flush=True)
            waiting = []
        if waiting:
            alone = PARTS[waiting[0]].alone or any(one.part.alone for one in running)
            if len(running) < (1 if alone else together):
                running.append(start(waiting.pop(0), device, left))
                continue
        for one in [one for one in running if ended(one)]:
            running.remove(one)
            results += collect(one, out)
        time.sleep(0.1)
    return results


def table(results: list[dict[str, Any]]) -> None:
    """Last, what went wrong and the figures, short."""
    print("\n===== not ok")
    for r in results:
        if not r["ok"] and r["what"] != "end":
            told = r.get("error") or r.get("differ")
            print(f"{r['part']} | {r['what']} | {str(told)[:200]} | {' '.join(r.get('at', []))}")
    print("===== ok (seconds, GiB of device)")
    parts: dict[str, list[str]] = {}
    for r in results:
        if r["ok"] and "device_gib" in r and not r["what"].endswith("again"):
            parts.setdefault(r["part"], []).append(
                f"{' '.join(r['what'].split()[1:])} {r['seconds']:.0f} {r['device_gib']:.1f}"
            )
    for part, lines in parts.items():
        if not part.startswith(("smoke", "deterministic")):
            print(f"{part}: {'; '.join(lines)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "results/device")))
    parser.add_argument("--seconds", type=float, default=500)
    parser.add_argument("--together", type=int, default=6, help="parts at a time")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--part", choices=PARTS, help="one part, in this process")
    given = parser.parse_args()
    if given.part:
        begin(given.device)
        PARTS[given.part].run(given.part)  # type: ignore[operator]
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    bring_data()
    began = time.perf_counter()
    table(conduct(given.only, given.device, given.together, given.seconds, given.out))
    print(f"{time.perf_counter() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
