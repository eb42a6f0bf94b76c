"""Rehearse one cell: its stages one after another, each in a fork, and a record of what came of them."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from retrace.config import Config
from retrace.planning.preflight import has_accelerator
from retrace.rehearsal import memory
from retrace.rehearsal.fork import Ran, forked
from retrace.rehearsal.plan import NARROW, Rehearsal, Step, Version
from retrace.rehearsal.stand_ins import STAND_INS
from retrace.verbs import stage

PASSED, FAILED, TOO_BIG = "passed", "failed", "too big here"


@dataclass(frozen=True)
class StageRecord:
    """What came of a stage: seconds, and the memory (GB) that it took at most."""

    verb: str
    part: str
    line: str
    seconds: float
    cpu_seconds: float
    host_gb: float
    device_gb: float


@dataclass(frozen=True)
class Record:
    """What came of a cell. `size`: whole or narrow, and then what was `narrowed`.

    `needs_gb`: memory that the whole takes, where it is known, or the least that it takes, where it was
    refused; `has_gb`: what there was. `line`: what went wrong first.
    """

    scale: str
    study: str
    cell: str
    outcome: str
    size: str
    device: str
    line: str
    needs_gb: float | None
    has_gb: float
    narrowed: dict[str, str]
    stages: list[StageRecord] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all that this machine can run has run."""
        return not self.line


def rehearse(rehearsal: Rehearsal, config: Config, root: Path) -> Record:
    """Run the whole where an accelerator has the memory for it, else the narrow cell; nothing is raised.

    Cells of the scales for CPUs are run whole anywhere. Files are left below `plan.HOME`; scratch and drawn
    models go when nothing more needs them.
    """
    device = "cuda" if config.device == "cuda" or (config.device == "auto" and has_accelerator()) else "cpu"
    free = forked(memory.device_free).value if device == "cuda" else None
    has = free or memory.host()
    needs, refused = rehearsal.needs, False
    version, done = rehearsal.narrow, []
    if (rehearsal.for_cpus or device == "cuda") and (needs is None or needs <= has):
        version, done = rehearsal.whole, _run(rehearsal.whole, device, root)
        if any(ran.memory for _, ran in done):
            version, needs, refused = rehearsal.narrow, max(has, needs or 0.0), True
    if version is rehearsal.narrow:
        done = _run(version, device, root)
    trouble = rehearsal.whole.trouble or rehearsal.narrow.trouble
    line = trouble or _first_trouble(done)
    too_big = refused or (needs is not None and needs > has) or any(ran.memory for _, ran in done)
    failed = bool(trouble) or any(not ran.well and not ran.memory for _, ran in done)
    return Record(
        rehearsal.scale,
        rehearsal.study,
        rehearsal.cell,
        FAILED if failed else TOO_BIG if too_big else PASSED,
        "narrow" if version is rehearsal.narrow else "whole",
        device,
        line,
        None if needs is None else round(needs / memory.GB, 1),
        round(has / memory.GB, 1),
        rehearsal.narrowed if version is rehearsal.narrow else {},
        [_stage_record(step, ran) for step, ran in done],
    )


def _run(version: Version, device: str, root: Path) -> list[tuple[Step, Ran]]:
    """Every step whose needs are there, with how it went."""
    done: list[tuple[Step, Ran]] = []
    lost: set[str] = set()
    with _drawn_model(version, device, root) as drawn:
        if not drawn.well:
            return [(version.steps[0], drawn)]
        for module in {step.task.recipe["module"]: None for step in version.steps}:
            with suppress(Exception):  # the stage's own fork will say what is wrong
                importlib.import_module(module)
        for number, step in enumerate(version.steps):
            ran = None
            if lost.isdisjoint(need.key for need in step.task.needs.values()):
                ran = _run_step(step, version, device, root)
                done.append((step, ran))
                words = f"{step.task.stage.verb} {step.part}".strip()
                print(f"{words}: {ran.line or 'passed'} ({ran.seconds:.1f} s)", flush=True)
            if ran is None or not ran.well:
                lost.add(step.task.key)
            _drop_scratch(version, number, root)
    return done


def _run_step(step: Step, version: Version, device: str, root: Path) -> Ran:
    """A step in a fork that may take what memory is free; CUDA maps more than it uses: no limit."""
    job = step.job(version.config, device)
    work: Callable[[], object] = partial(stage.run, job, root, root)
    if version.model and version.model[0] in STAND_INS:
        work = partial(_standing_in, version.model[0], root / version.model[1], work)
    return forked(work, memory.host() if device == "cpu" else None)


def _standing_in(name: str, folder: Path, work: Callable[[], object]) -> object:
    from retrace.rehearsal.checkpoints import standing_in

    return standing_in(name, folder, work)


@contextmanager
def _drawn_model(version: Version, device: str, root: Path) -> Iterator[Ran]:
    """The folder of the version's language model or checkpoint, if it has one, while it is needed."""
    if version.model is None:
        yield forked(lambda: None)
        return
    name, folder = version.model
    narrow = folder.endswith(NARROW)

    def write() -> None:
        if name in STAND_INS:
            from retrace.rehearsal.checkpoints import write_checkpoint

            write_checkpoint(root / folder, name)
        else:
            from retrace.rehearsal.models import write_model  # transformers takes seconds to import

            write_model(root / folder, name, narrow, "cpu" if narrow else device)

    yield forked(write)
    shutil.rmtree(root / folder, ignore_errors=True)


def _drop_scratch(version: Version, number: int, root: Path) -> None:
    """Remove scratch of the steps so far that no later one needs."""
    config, later = version.config, version.steps[number + 1 :]
    needed = {need.key for step in later for need in step.task.needs.values()}
    for step in version.steps[: number + 1]:
        scratch = step.job(config, "cpu").out.get("scratch")
        if scratch and step.task.key not in needed:
            (root / scratch).unlink(missing_ok=True)


def _first_trouble(done: list[tuple[Step, Ran]]) -> str:
    """What went wrong first, a fault of the code before a lack of memory."""
    wrong = sorted(((step, ran) for step, ran in done if not ran.well), key=lambda pair: pair[1].memory)
    return next(
        (f"{' '.join((step.task.stage.verb, step.part)).strip()}: {ran.line}" for step, ran in wrong), ""
    )


def _stage_record(step: Step, ran: Ran) -> StageRecord:
    return StageRecord(
        step.task.stage.verb,
        step.part,
        ran.line,
        round(ran.seconds, 2),
        round(ran.cpu_seconds, 2),
        round(ran.host / memory.GB, 2),
        round(ran.device / memory.GB, 2),
    )
