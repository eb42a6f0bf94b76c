"""How long the laptop scale takes on so many cores, worked out from the meters of the evidence here.

python benchmarks/bench_schedule.py [--seeds 3] [--cores 2 4 8]

List scheduling, the longest chain of jobs first, as the workflow orders them: a job takes its metered CPU
seconds and `START`; `PRODUCTS` CPU seconds a paper are added at the end to judge and draw.
"""

from __future__ import annotations

import argparse
import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from retrace.config import load_config
from retrace.planning.plan import Task
from retrace.planning.workflow import Workflow
from retrace.records.evidence import read_record
from retrace.yamls import read_yaml

ROOT = Path(__file__).resolve().parent.parent
START = 0.7  # seconds that a job takes beside its stage
PRODUCTS = 15.0  # CPU seconds to judge and draw one paper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--cores", type=int, nargs="*", default=[2, 4, 8])
    options = parser.parse_args()
    raw = read_yaml(ROOT / "config/config.yaml", "config/config.yaml") or {}
    flow = Workflow.plan(load_config({**raw, **({"seeds": options.seeds} if options.seeds else {})}), ROOT)
    tasks = {task.key: task for plan in flow.plans.values() for task in plan.tasks.values()}
    taken = {key: read_record(ROOT / task.evidence)["meter"]["cpu_seconds"] for key, task in tasks.items()}
    whole, longest = sum(taken.values()), max(taken.values())
    print(f"{len(tasks)} stages, {whole:,.0f} CPU s inside them; longest {longest:.0f} s")
    by_study: dict[str, float] = defaultdict(float)
    for key, seconds in taken.items():
        by_study[tasks[key].study] += seconds
    print(", ".join(f"{name} {seconds:,.0f}" for name, seconds in sorted(by_study.items())))
    seconds = {key: taken[key] + START for key in tasks}
    for cores in options.cores:
        wall = scheduled(tasks, seconds, cores) + PRODUCTS * len(flow.papers) / cores
        print(f"{cores} cores: {wall / 60:.0f} minutes")


def scheduled(tasks: Mapping[str, Task], seconds: Mapping[str, float], cores: int) -> float:
    """When the last of the tasks ends that take so many seconds each."""
    after: dict[str, list[str]] = defaultdict(list)
    for key, task in tasks.items():
        for need in task.needs.values():
            after[need.key].append(key)
    return _makespan({k: [n.key for n in t.needs.values()] for k, t in tasks.items()}, after, seconds, cores)


def _makespan(
    before: Mapping[str, Sequence[str]],
    after: Mapping[str, Sequence[str]],
    seconds: Mapping[str, float],
    cores: int,
) -> float:
    @cache
    def chain(key: str) -> float:
        return seconds[key] + max(map(chain, after.get(key, ())), default=0.0)

    waiting = {key: len(set(needs)) for key, needs in before.items()}
    ready = [(-chain(key), key) for key, count in waiting.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < cores:
            _, key = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[key], key))
        now, done = heapq.heappop(running)
        for key in after.get(done, ()):
            waiting[key] -= 1
            if not waiting[key]:
                heapq.heappush(ready, (-chain(key), key))
    return now


if __name__ == "__main__":
    main()
