"""Stages of cut cells run in this process: time, memory, failures, and whether a second run is the same."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from device.cells import ROOT, Chosen, data
from retrace.recipe import canonical
from retrace.sheet import load_study
from retrace.stage import Evidence
from retrace.verbs.arithmetic import settle

sys.path.insert(0, str(ROOT / "tests/science"))
import cell as in_memory  # the tests' way to run a stage

SHOWN = 4  # frames of a failure


def say(**values: Any) -> None:
    """A result for the file of results."""
    print("@" + json.dumps(values), flush=True)


def guarded(part: str, what: str, call: Callable[[], Any]) -> Any:
    """What `call` gives, or None after its failure is told; tells seconds and memory of device and host."""
    cuda = os.environ["RETRACE_DEVICE"] == "cuda"
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start, found, told = time.perf_counter(), None, {}
    try:
        found = call()
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f"{f.filename.split('/retrace/')[-1]}:{f.lineno}" for f in frames if "/retrace/" in f.filename]
        told = {"error": f"{type(error).__name__}: {str(error)[:400]}", "at": own[-SHOWN:]}
        traceback.print_exc()
    if cuda:
        try:
            torch.cuda.synchronize()
        except Exception as error:
            told = {"error": f"device lost: {error}", **told}
    told["seconds"] = round(time.perf_counter() - start, 2)
    if cuda:
        told["device_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    told["host_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    say(part=part, what=what, ok="error" not in told, **told)
    return found


def run_cells(
    part: str,
    study: str,
    cells: Iterable[tuple[str, Chosen]],
    verbs: tuple[str, ...] = (),
    again: tuple[str, ...] = (),
) -> None:
    """Stages of the cells (all, or `verbs`) with seed 0, some `again`; one whose need failed is left out."""
    declared = load_study(study)
    wanted = [stage for stage in declared.stages if not verbs or stage.verb in verbs]
    for name, chosen in cells:
        params = in_memory.params_of(study, chosen)
        inputs: dict[str, Evidence] = {}
        for stage in wanted:
            reads = {param: getattr(params, param) for param in stage.reads}
            inputs |= {param: data(found) for param, found in reads.items() if found and param not in inputs}
            if not all(need in inputs for need in stage.needs):
                say(
                    part=part,
                    what=f"{study} {name} {stage.verb}",
                    ok=False,
                    error="left out: its need failed",
                )
                continue

            def once(verb: str = stage.verb, chosen: Chosen = chosen, given: Any = inputs) -> Evidence:
                return in_memory.run(study, verb, chosen, given)

            first = guarded(part, f"{study} {name} {stage.verb}", once)
            if first is None:
                continue
            inputs[stage.verb] = first
            if stage.verb in again:
                second = guarded(part, f"{study} {name} {stage.verb} again", once)
                if second is not None:
                    same = compare(first, second)
                    say(part=part, what=f"{study} {name} {stage.verb} same bytes", ok=not same, differ=same)


def compare(first: Evidence, second: Evidence) -> list[str]:
    """What differs between two runs of a stage: results, and arrays with their largest difference."""
    found = []
    if canonical(first.results) != canonical(second.results):
        found.append("results")
    for kind in ("read_arrays", "read_scratch"):
        one, other = getattr(first, kind)(), getattr(second, kind)()
        for name in one:
            if one[name].shape != other[name].shape:
                found.append(f"{name} {one[name].shape} {other[name].shape}")
            elif one[name].tobytes() != other[name].tobytes():
                gap = np.abs(one[name].astype(np.float64) - other[name].astype(np.float64)).max()
                found.append(f"{name} {gap:.1e} of {np.abs(one[name].astype(np.float64)).max():.1e}")
    return found[:3] + ([f"and {len(found) - 3} more"] if len(found) > 3 else [])


def begin(device: str) -> None:
    """Fix the device and its arithmetic as a job does; each kind of warning once a line."""
    os.environ["RETRACE_DEVICE"] = device
    torch.set_num_threads(1)
    warnings.simplefilter("default")
    settle(device)
