"""Judge one paper: its claims against the table of its study's evidence."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retrace.claims.judge import judge
from retrace.claims.load import load_claims
from retrace.evidence import read_evidence
from retrace.files import write_atomic
from retrace.seeds import derive
from retrace.study import Evidence, EvidenceRow

SCHEMA = 1


def run(spec: dict[str, Any], root: Path) -> None:
    """Write the verdicts of `spec["paper"]`: claims, costs, and the figures that go with them."""
    paper = spec["paper"]
    claims = load_claims(root / "claims" / f"{paper}.yaml")
    rows = evidence_rows(spec["rows"], root)
    table = importlib.import_module(f"retrace.studies.{spec['study']}.table").table(rows)
    verdicts = {
        "schema": SCHEMA,
        "paper": paper,
        "title": claims.title,
        "study": spec["study"],
        "scale": spec["scale"],
        "claims": judge(claims, table, seed=derive("judge", paper), estimated=table.attrs.get("estimated", ())),
        "cost": cost(rows),
        "figures": spec["figures"],
    }
    write_atomic(root / spec["out"][0], (json.dumps(verdicts, indent=1) + "\n").encode())


def evidence_rows(listed: Iterable[list[Any]], root: Path) -> list[EvidenceRow]:
    """The rows of a spec, [cell, seed, params, {verb: path}] each, with their evidence read once."""
    read: dict[str, Evidence] = {}

    def evidence(path: str) -> Evidence:
        if path not in read:
            read[path] = read_evidence(root / path, arrays=(root / path).with_suffix(".npz"))
        return read[path]

    return [
        EvidenceRow(cell, seed, params, {verb: evidence(path) for verb, path in paths.items()})
        for cell, seed, params, paths in listed
    ]


def cost(rows: Iterable[EvidenceRow]) -> dict[str, Any]:
    """What the evidence took to compute, each job once: seconds, CPU seconds, kWh, kg CO2e, methods."""
    meters = {id(e): e.meter for row in rows for e in row.evidence.values()}.values()
    total = {name: sum(m[name] for m in meters) for name in ("seconds", "cpu_seconds", "kwh", "kg_co2e")}
    factors = sorted({m["factor_kg_per_kwh"] for m in meters})
    return {
        "jobs": len(meters),
        **total,
        "methods": sorted({m["method"] for m in meters}),
        "factor_kg_per_kwh": factors[0] if len(factors) == 1 else factors,
        "overhead_seconds": sum(m["overhead_seconds"] for m in meters),
    }


def read_verdicts(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The verdict files that exist, in the order given."""
    return [json.loads(path.read_bytes()) for path in paths if path.is_file()]
