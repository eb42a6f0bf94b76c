"""Hand a job to its verb; whatever goes wrong is said in one line."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from retrace.errors import RetraceError
from retrace.jobs import DrawJob, Job, JudgeJob, PublishJob, ReportJob, StageJob, read_job
from retrace.recipe import code_digest

LOST = (
    "CUDA error",
    "CUDA driver error",
    "CUDA unknown error",
    "cuDNN error",
    "CUBLAS error",
)  # PyTorch's words


def run(text: str, root: Path) -> int:
    """Run the job of a text; 0 when done, 1 after a one-line error."""
    try:
        job = read_job(text)
    except RetraceError as error:
        print(f"retrace: {error}", file=sys.stderr)
        return 1
    try:
        _dispatch(job, root)
    except RetraceError as error:
        print(f"retrace: {job.label}: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"retrace: {job.label}: out of memory; run fewer jobs at once (--cores 1)", file=sys.stderr)
        return 1
    except Exception as error:
        if fault := _device_fault(error):
            print(f"retrace: {job.label}: {fault}", file=sys.stderr)
            return 1
        traceback.print_exc()
        print(f"retrace: {job.label}: unexpected {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _device_fault(error: Exception) -> str:
    """A line for an accelerator that failed under a job or lacks memory; empty for other errors."""
    torch = sys.modules.get("torch")  # loaded where it can raise this
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return "out of memory on the accelerator; nvidia-smi tells what else holds some, or take a larger one"
    said = str(error).partition("\n")[0]
    if not (isinstance(error, RuntimeError) and said.startswith(LOST)):
        return ""
    return (
        f"the accelerator failed ({said}); nvidia-smi tells whether it is still there; start the run again, "
        "elsewhere if this comes back"
    )


def check_code(planned: dict[str, str]) -> None:
    """Refuse to run modules that were edited after the run was planned: the key would be another's."""
    for module, digest in planned.items():
        if code_digest(module) != digest:
            raise RetraceError(f"{module} changed since this run was planned; start the run again")


def _dispatch(job: Job, root: Path) -> None:
    # imported here so that a drawing job never pays for the meter, nor a stage for matplotlib
    if isinstance(job, JudgeJob | DrawJob | ReportJob):
        check_code(job.code)
    kept = root / job.context.kept
    match job:
        case StageJob():
            from retrace.verbs import stage

            stage.run(job, root, kept)
        case JudgeJob():
            from retrace.verbs import judge

            judge.run(job, kept)
        case DrawJob():
            from retrace.verbs import draw

            draw.run(job, kept)
        case ReportJob():
            from retrace.verbs import report

            report.run(job, kept)
        case PublishJob():
            from retrace.verbs import publish

            publish.run(job, root, kept)
