"""What a job is told: one frozen class a kind, and the only place that writes and reads its JSON.

The planner makes these, a rule carries their text, a verb (`retrace.verbs`) receives them. Paths are relative
to the root. Nothing here enters a key by itself: what does is in `recipe` and `code`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from retrace.errors import RetraceError, did_you_mean, unknown


@dataclass(frozen=True)
class MeterSettings:
    """How energy becomes carbon (kg CO2e per kWh), and the watts assumed where no counter is found."""

    country: str
    factor: float
    cpu_watts: float
    ram_watts: float


@dataclass(frozen=True)
class Context:
    """Where and how a job runs: its device, its threads, its meter, where the larger data sets lie.

    `kept`: the folder below the root that stands for the root where evidence and products are meant; not
    empty with a storage provider only.
    """

    device: str
    threads: int
    datasets: str
    download: bool
    meter: MeterSettings
    kept: str


class RowFiles(NamedTuple):
    """One cell and seed of a sheet: the evidence file of each of its verbs."""

    cell: str
    seed: int
    evidence: dict[str, str]


@dataclass(frozen=True)
class Job:
    """What all jobs are told: their words for people, and the context."""

    label: str
    context: Context


@dataclass(frozen=True)
class StageJob(Job):
    """Run one stage: `reads` maps parameters to data sets, `needs` verbs to the files of what they left."""

    study: str
    verb: str
    seed: int
    params: dict[str, Any]
    reads: dict[str, str]
    recipe: dict[str, Any]
    needs: dict[str, dict[str, str]]
    out: dict[str, str]


@dataclass(frozen=True)
class ProductJob(Job):
    """What all jobs but stages are told: the files to leave."""

    out: list[str]


@dataclass(frozen=True)
class PaperJob(ProductJob):
    """What judging and drawing a paper share: its rows, their parameters by cell, its figures, planned code.

    A figure is its `name` and `caption`; `code` maps modules to their digests.
    """

    paper: str
    study: str
    scale: str
    cells: dict[str, dict[str, Any]]
    rows: list[RowFiles]
    figures: list[dict[str, str]]
    code: dict[str, str]


@dataclass(frozen=True)
class JudgeJob(PaperJob):
    """Judge one paper: its claims as the plan read them, the looks at them, the seeds of its table's cells.

    Without `looks` there is one, at the seeds that there are.
    """

    claims: dict[str, Any]
    looks: list[int]
    seeds: dict[str, int]


@dataclass(frozen=True)
class DrawJob(PaperJob):
    """Draw one paper from its rows and its verdict file."""

    verdict: str


@dataclass(frozen=True)
class ReportJob(ProductJob):
    """Write the page and the table from verdict files and each paper's figures; `options` of `--config`."""

    scale: str
    options: list[str]
    verdicts: list[str]
    figures: dict[str, list[str]]
    code: dict[str, str]


@dataclass(frozen=True)
class PublishJob(ProductJob):
    """Copy files (to: from); the workflow then touches the stamp in `out`."""

    copies: dict[str, str]


KINDS: dict[str, type[Job]] = {
    "stage": StageJob,
    "judge": JudgeJob,
    "draw": DrawJob,
    "report": ReportJob,
    "publish": PublishJob,
}
NAMES = {kind: name for name, kind in KINDS.items()}


def write_job(job: Job) -> str:
    """The JSON (one line, sorted names) that the job is started with."""
    context = {**vars(job.context), "meter": vars(job.context.meter)}
    body = {**vars(job), "kind": NAMES[type(job)], "context": context}
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_job(text: str) -> Job:
    """The job of a text that `write_job` wrote.

    Raises RetraceError, one line, for other text, an unknown kind, and an unknown or missing field.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise RetraceError(f"a job's text is not JSON ({error}); copy the whole shell line") from None
    name = values.pop("kind", None) if isinstance(values, dict) else None
    if name not in KINDS:
        raise RetraceError(unknown("kind of job", str(name), KINDS))
    place = f"{name} job"
    body = _fields(KINDS[name], values, place)
    context = _fields(Context, body["context"], f"{place}: context")
    meter = MeterSettings(**_fields(MeterSettings, context["meter"], f"{place}: context.meter"))
    body["context"] = Context(**{**context, "meter": meter})
    if "rows" in body:
        body["rows"] = [RowFiles(*row) for row in body["rows"]]
    return KINDS[name](**body)


def _fields(kind: type[Any], values: Any, place: str) -> dict[str, Any]:
    known = [field.name for field in fields(kind)]
    if not isinstance(values, dict):
        raise RetraceError(f"{place}: not a JSON object, got {values!r:.40}")
    for name in values:
        if name not in known:
            raise RetraceError(f"{place}: unknown field {name!r}{did_you_mean(name, known)}")
    for name in known:
        if name not in values:
            raise RetraceError(f"{place}: no field {name!r}")
    return values
