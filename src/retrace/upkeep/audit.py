"""Spot audit: compute random tasks again, with all they need, and compare their results."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from retrace.config import Config
from retrace.errors import RetraceError
from retrace.planning.plan import Task
from retrace.planning.workflow import Workflow
from retrace.records.evidence import read_record


def run(config: Config, root: Path, count: int, seed: int | None = None) -> int:
    """Recompute `count` random tasks that have evidence; print a line for each.

    The needed scratch is made again too, in a folder that is removed. Returns 1 when a result differs.
    Bytes are expected to be equal on one device class only; the line says when classes differ.
    """
    flow = Workflow.plan(config, root)
    tasks = [t for plan in flow.plans.values() for t in plan.tasks.values() if (root / t.evidence).is_file()]
    if not tasks:
        raise RetraceError(
            f"nothing to audit: no evidence at scale {config.scale}; run snakemake or `retrace pull`"
        )
    seed = secrets.randbelow(10**6) if seed is None else seed
    print(f"random choice {seed}", flush=True)
    rng = np.random.default_rng(seed)
    chosen = [tasks[i] for i in rng.permutation(len(tasks))[:count]]
    failures = 0
    with tempfile.TemporaryDirectory(prefix="retrace-audit-") as folder:
        place = _mirror(root, Path(folder))
        for task in chosen:
            _compute(flow, task, place)
            failures += not _same(task, root, place)
    return int(failures > 0)


def _mirror(root: Path, place: Path) -> Path:
    for name in ("data", "src", "config", "claims", "envs"):
        (place / name).symlink_to(root / name)
    return place


def _compute(flow: Workflow, task: Task, place: Path) -> None:
    if (place / task.evidence).is_file():
        return
    for need in task.needs.values():
        _compute(flow, need, place)
    words, spec = [sys.executable, "-m", "retrace.job"], flow.task_spec(task.key)
    done = subprocess.run(words, input=spec, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RetraceError(
            f"audit: {task.label} failed: {(done.stderr.strip() or 'killed').splitlines()[-1]}"
        )


def _same(task: Task, root: Path, place: Path) -> bool:
    old, new = read_record(root / task.evidence), read_record(place / task.evidence)
    equal: bool = json.dumps(old["results"], sort_keys=True) == json.dumps(new["results"], sort_keys=True)
    equal &= old["files"] == new["files"]
    machines = {old["environment"].get("name"), new["environment"].get("name")}
    note = "" if len(machines) == 1 else f" (computed on {' and on '.join(sorted(map(str, machines)))})"
    print(f"{'same   ' if equal else 'DIFFERS'}  {task.label}  {task.key}{note}", flush=True)
    return equal
