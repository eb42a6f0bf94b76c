"""Judge one paper: its claims against the table of its study's evidence."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from retrace.claims.cost import seed_price, total_cost
from retrace.claims.judge import judge
from retrace.claims.load import parse_claims
from retrace.claims.looks import Looks
from retrace.claims.model import Claim
from retrace.claims.record import PaperVerdict
from retrace.claims.sealed import write_verdict
from retrace.config import validate
from retrace.jobs import JudgeJob, PaperJob
from retrace.records.evidence import read_evidence, read_record
from retrace.sheet import load_study, params_model
from retrace.stage import Evidence, EvidenceRow
from retrace.tabled import Tabled


def run(job: JudgeJob, root: Path) -> None:
    """Write the verdicts of the paper: claims, costs, and the figures that go with them."""
    # from the plan, not from the file, which may have changed since
    claims = parse_claims(job.claims, f"claims/{job.paper}.yaml")
    records = {path: read_record(root / path) for row in job.rows for path in row.evidence.values()}
    meters = {path: record["meter"] for path, record in records.items()}
    tabled = table_of(job, evidence_rows(job, root))
    looks = Looks(tuple(job.looks), job.seeds)
    study = load_study(job.study)
    names = {cell: study.setting(cell, params) for cell, params in job.cells.items()}

    def price(claim: Claim) -> float | None:
        patterns = claim.evidence.cells if claim.evidence else []
        rows = [row for row in job.rows if any(fnmatchcase(names[row.cell], p) for p in patterns)]
        return seed_price(((row.seed, path) for row in rows for path in row.evidence.values()), meters)

    verdict = PaperVerdict(
        paper=job.paper,
        title=claims.title,
        study=job.study,
        scale=job.scale,
        claims=judge(claims.claims, tabled.frame, tabled.rows, tabled.untested, looks, price),
        cost=total_cost(meters.values()),
        meters=meters,
        environment=environment(record["environment"] for record in records.values()),
        figures=job.figures,
    )
    write_verdict(root / job.out[0], verdict)


def table_of(job: PaperJob, rows: list[EvidenceRow[BaseModel]]) -> Tabled[Any]:
    """The table of the job's study from its evidence."""
    tabled: Tabled[Any] = importlib.import_module(f"retrace.studies.{job.study}.table").table(rows)
    return tabled


def evidence_rows(job: PaperJob, root: Path) -> list[EvidenceRow[BaseModel]]:
    """The rows of a paper's job with their evidence, each file read once."""
    read: dict[str, Evidence] = {}

    def evidence(path: str) -> Evidence:
        if path not in read:
            read[path] = read_evidence(root / path, arrays=(root / path).with_suffix(".npz"))
        return read[path]

    model = params_model(job.study)
    params = {cell: validate(model, values, f"cell {cell}") for cell, values in job.cells.items()}
    return [
        EvidenceRow(cell, seed, params[cell], {verb: evidence(path) for verb, path in paths.items()})
        for cell, seed, paths in job.rows
    ]


def environment(environments: Iterable[Mapping[str, str | None]]) -> dict[str, str]:
    """What the evidence was computed with: the different values of each entry, most often just one."""
    seen: dict[str, set[str]] = {}
    for entries in environments:
        for name, value in entries.items():
            if value is not None and name != "lock":
                seen.setdefault(name, set()).add(str(value))
    return {name: ", ".join(sorted(values)) for name, values in sorted(seen.items())}
