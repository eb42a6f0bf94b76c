"""Time the whole workflow in a clean copy: plan, cold run, run that does nothing, and what Snakemake adds.

python benchmarks/bench_run.py [--target all] [--scale laptop] [--seeds 3] [--into FOLDER] [--limit] [--cold]

Orchestration overhead = wall time x cores - CPU seconds inside stages (as the evidence's meters have them):
it holds Snakemake, start-up of Python and libraries, judging, drawing, and cores waiting for the last job.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
LIMIT = ["--max-jobs-per-timespan", "101/1s"]  # acts as Snakemake's default of 100, which the Snakefile lifts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="all", help="a study, a paper, or all")
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--seeds", help="as many seeds as this instead of the sheets' own")
    parser.add_argument("--into", type=Path, help="keep the copy here")
    parser.add_argument("--limit", action="store_true", help="keep a rate limit like Snakemake's default")
    parser.add_argument("--cold", action="store_true", help="every job starts by itself, without the server")
    options = parser.parse_args()
    if options.cold:
        os.environ["RETRACE_WARM"] = "0"
    place = options.into or Path(tempfile.mkdtemp(prefix="retrace-bench-"))
    copy(place)
    config = [options.target, *(LIMIT if options.limit else []), "--config", f"scale={options.scale}"]
    config += [f"seeds={options.seeds}"] if options.seeds else []
    cores = len(os.sched_getaffinity(0))
    figures = {
        "plan (-n), everything to do": timed(place, [*config, "-n"]),
        "cold run": timed(place, config),
        "run with nothing to do": timed(place, config),
    }
    print(f"\n{options.target}, scale {options.scale}, {cores} cores")
    for name, (wall, cpu, own) in figures.items():
        print(f"{name:32s} {wall:8.1f} s wall  {cpu:8.1f} s CPU  {own:8.1f} s in Snakemake's main process")
    stages = [json.loads(path.read_bytes())["meter"] for path in place.glob("evidence/**/*.json")]
    inside = sum(meter["cpu_seconds"] for meter in stages)
    wall, cpu, _ = figures["cold run"]
    print(f"{'CPU inside stages':32s} {inside:8.1f} s in {len(stages)} jobs")
    waste = wall * cores - inside
    print(f"{'orchestration overhead':32s} {waste:8.1f} core-s ({waste / (wall * cores):.0%})")
    print(f"{'of which CPU outside stages':32s} {cpu - inside:8.1f} s")
    print(f"{'of which the meter':32s} {sum(meter['overhead_seconds'] for meter in stages):8.1f} s")


def copy(place: Path) -> None:
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    shutil.copytree(ROOT / "data" / "raw", place / "data" / "raw", dirs_exist_ok=True)


def timed(place: Path, words: list[str], said: Path | None = None) -> tuple[float, float, float]:
    """Wall time, CPU time with all children, CPU time of Snakemake's main process (read twice a second).

    What it prints goes to the file `said`, if one is given.
    """
    environment = {**os.environ, "PYTHONPATH": str(place / "src")}
    before, start, own = os.times(), time.perf_counter(), 0.0
    with (
        said.open("w") if said else nullcontext() as out,
        psutil.Popen(["snakemake", *words], cwd=place, env=environment, stdout=out, stderr=out) as process,
    ):
        while process.poll() is None:
            used = process.cpu_times()
            own = max(own, used.user + used.system)
            time.sleep(0.5)
    after, wall = os.times(), time.perf_counter() - start
    if process.returncode:
        sys.exit(f"snakemake {' '.join(words)} failed in {place}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, own


if __name__ == "__main__":
    main()
