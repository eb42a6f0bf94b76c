"""Run one stage of a study under the meter and leave its evidence."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrace import device, files
from retrace.config import validate
from retrace.data import sets
from retrace.errors import RetraceError
from retrace.garbage import uncollected
from retrace.jobs import StageJob
from retrace.meter import Meter, MeterRecord
from retrace.params import StageParams
from retrace.recipe import code_digest, digest
from retrace.records import evidence
from retrace.sheet import load_study
from retrace.stage import Array, Evidence, Output
from retrace.study import Stage
from retrace.verbs.arithmetic import settle


def run(job: StageJob, root: Path, kept: Path) -> None:
    """Compute the stage and write its scratch, arrays and evidence, the evidence last.

    Data lie below `root`, evidence and scratch below `kept`.

    Raises RetraceError (one line) when an input is damaged, the code changed since planning, the stage
    fails for a known reason, or the results are not finite.
    """
    module = job.recipe["module"]
    if code_digest(module) != job.recipe["code"]:
        raise RetraceError("the code changed since this run was planned; start the run again")
    for param, name in job.reads.items():
        if name and sets.fingerprint(root, job.context.datasets, name) != job.recipe["data"][param]:
            raise RetraceError(f"data set {name} changed since this run was planned; start the run again")
    inputs = {verb: _need(paths, kept) for verb, paths in job.needs.items()}
    inputs |= {param: _data(name, job, root) for param, name in job.reads.items() if name}
    with uncollected():
        params = _params(job)
        chosen = device.pick(job.context.device)
        os.environ["RETRACE_DEVICE"] = chosen
        settled = settle(chosen, _stage(job).torch, job.params)
        stage = importlib.import_module(module)
    with Meter(**vars(job.context.meter), device=chosen) as meter:
        output: Output = stage.run(params, inputs, job.seed)
    _write(job, root, kept, output, meter.record, {**_environment(job, chosen), **settled})


def _stage(job: StageJob) -> Stage:
    """What the study declares of the job's stage."""
    return load_study(job.study).stage(job.verb)


def _params(job: StageJob) -> StageParams:
    """The job's parameters as the type that its stage declares."""
    return validate(_stage(job).params, job.params, f"{job.study} {job.verb}")


def _need(paths: dict[str, str], kept: Path) -> Evidence:
    beside = {kind: kept / path for kind, path in paths.items() if kind != "evidence"}
    return evidence.read_evidence(kept / paths["evidence"], **beside)


def _data(name: str, job: StageJob, root: Path) -> Evidence:
    images = sets.load(root, name, folder=job.context.datasets, download=job.context.download)
    return Evidence(
        {"name": name, "classes": images.classes}, read_arrays=lambda: {"x": images.x, "y": images.y}
    )


def _write(
    job: StageJob, root: Path, kept: Path, output: Output, record: MeterRecord, environment: dict[str, Any]
) -> None:
    _refuse_nonfinite(output.results, "results")
    written = {}
    for kind, write in (("scratch", files.write_tensors), ("arrays", _write_npz)):
        values = getattr(output, kind)
        if bool(values) != (kind in job.out):
            raise RetraceError(
                f"the stage {'left no' if not values else 'left undeclared'} {kind}: fix its declaration"
            )
        if values:
            written[kind] = write(kept / job.out[kind], values)
    blocks = {
        "recipe": job.recipe,
        "results": output.results,
        "timing": output.timing,
        "meter": record,
        "environment": {**environment, "lock": _lock_digest(root)},
        "files": written,
    }
    evidence.write_evidence(kept / job.out["evidence"], evidence.seal(blocks))


def _write_npz(path: Path, values: Mapping[str, Array]) -> str:
    data = files.npz_bytes(values)
    files.write_atomic(path, data)
    return files.sha256(data)


def _environment(job: StageJob, chosen: str) -> dict[str, Any]:
    seen = device.describe(chosen)
    # a fork of the run's server (retrace.warm) has what other jobs load, too
    return seen if _stage(job).torch else {**seen, "torch": None}


def _refuse_nonfinite(value: Any, path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise RetraceError(
            f"{path} is {value}: not a finite number, as after a rate too high or a mean of nothing"
        )
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list | tuple)
        else ()
    )
    for name, item in items:
        _refuse_nonfinite(item, f"{path}.{name}")


def _lock_digest(root: Path) -> str:
    lock = root / "envs" / "requirements.txt"
    return digest(lock.read_text()) if lock.is_file() else "none"
