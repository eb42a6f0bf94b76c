"""Judge one paper: its claims against the table of its study's evidence."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retrace.claims.judge import judge
from retrace.claims.load import load_claims
from retrace.evidence import read_evidence, read_record
from retrace.files import write_atomic
from retrace.seeds import derive
from retrace.study import Evidence, EvidenceRow

SCHEMA = 1


def run(spec: dict[str, Any], root: Path) -> None:
    """Write the verdicts of `spec["paper"]`: claims, costs, and the figures that go with them."""
    paper = spec["paper"]
    claims = load_claims(root / "claims" / f"{paper}.yaml")
    rows = evidence_rows(spec, root)
    records = {path: read_record(root / path) for *_, paths in spec["rows"] for path in paths.values()}
    meters = {path: record["meter"] for path, record in records.items()}
    table = importlib.import_module(f"retrace.studies.{spec['study']}.table").table(rows)
    verdicts = {
        "schema": SCHEMA,
        "paper": paper,
        "title": claims.title,
        "study": spec["study"],
        "scale": spec["scale"],
        "claims": judge(claims.claims, table, derive("judge", paper), table.attrs.get("estimated", ())),
        "cost": total_cost(meters.values()),
        "meters": meters,
        "environment": environment(records.values()),
        "figures": spec["figures"],
    }
    write_atomic(root / spec["out"][0], (json.dumps(verdicts, indent=1) + "\n").encode())


def evidence_rows(spec: dict[str, Any], root: Path) -> list[EvidenceRow]:
    """The rows of a spec ([cell, seed, {verb: path}], parameters by cell), with their evidence read once."""
    read: dict[str, Evidence] = {}

    def evidence(path: str) -> Evidence:
        if path not in read:
            read[path] = read_evidence(root / path, arrays=(root / path).with_suffix(".npz"))
        return read[path]

    return [
        EvidenceRow(cell, seed, spec["cells"][cell], {verb: evidence(path) for verb, path in paths.items()})
        for cell, seed, paths in spec["rows"]
    ]


def total_cost(meters: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Sums over jobs: seconds, CPU seconds, the meter's overhead (s), kWh, kg CO2e; methods, factors."""
    meters = list(meters)
    names = ("seconds", "cpu_seconds", "overhead_seconds", "kwh", "kg_co2e")
    factors = sorted({m["factor_kg_per_kwh"] for m in meters})
    return {
        "jobs": len(meters),
        **{name: sum(m[name] for m in meters) for name in names},
        "methods": sorted({m["method"] for m in meters}),
        "factor_kg_per_kwh": factors[0] if len(factors) == 1 else factors,
    }


def environment(records: Iterable[dict[str, Any]]) -> dict[str, str]:
    """What the evidence was computed with: the different values of each entry, most often just one."""
    seen: dict[str, set[str]] = {}
    for record in records:
        for name, value in record["environment"].items():
            if value is not None and name != "lock":
                seen.setdefault(name, set()).add(str(value))
    return {name: ", ".join(sorted(values)) for name, values in sorted(seen.items())}


def read_verdicts(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The verdict files that exist, in the order given."""
    return [json.loads(path.read_bytes()) for path in paths if path.is_file()]
