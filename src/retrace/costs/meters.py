"""What stages took, by the evidence that lies here: of this scale or another, whole or rehearsed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrace.errors import RetraceError
from retrace.sheet import counts_of, known_studies, used_share
from retrace.work import Work

WHOLE, REHEARSED = "evidence", "results/rehearsal"  # folders of evidence


@dataclass(frozen=True)
class Metered:
    """One finished stage: its work, the seconds it took on its device (CPU seconds on a CPU), its energy.

    `used`: the share of capped amounts that were done. What was `rehearsed` is cut short by hand, so that it
    tells nothing of stop rules.
    """

    study: str
    verb: str
    device: str
    cell: str
    work: Work
    seconds: float
    kwh: float
    used: float = 1.0
    rehearsed: bool = False

    @property
    def kind(self) -> tuple[str, str, str]:
        """Study, verb and device: what has rates of its own."""
        return self.study, self.verb, self.device


def files(root: Path) -> list[str]:
    """Paths of all evidence, relative to the root, in order of name."""
    found = []
    for place in (WHOLE, REHEARSED):
        for folder, _, names in os.walk(root / place):
            inside = os.path.relpath(folder, root)
            found += [f"{inside}/{name}" for name in names if name.endswith(".json")]
    return sorted(found)


def read(root: Path, paths: list[str]) -> Iterator[Metered]:
    """The meters in these files; what cannot be counted (damaged, of a study or parameters gone) is left out.

    A recipe holds its own parameters and the keys of what it needs; those of the others come from there.
    """
    records: dict[str, tuple[str, dict[str, Any]]] = {}
    for path in paths:
        with suppress(OSError, ValueError):
            record = json.loads((root / path).read_bytes())
            if isinstance(record, dict):
                records[path.rsplit("-", 1)[-1].removesuffix(".json")] = path, record
    known = set(known_studies())
    for path, record in records.values():
        with suppress(KeyError, TypeError, ValueError, AttributeError, IndexError, RetraceError):
            *_, studies, study, verb = record["recipe"]["module"].split(".")
            if studies != "studies" or study not in known:
                continue
            meter, params = record["meter"], _params(record["recipe"], records)
            device = meter["device"]
            seconds = meter["cpu_seconds"] if device == "cpu" else meter["seconds"]
            work = counts_of(study)(verb, params, device)
            share = used_share(study, verb, params, record["results"])
            cell, rehearsed = path.split("/")[-3], path.startswith(REHEARSED)
            yield Metered(study, verb, device, cell, work, seconds, meter["kwh"], share, rehearsed)


def _params(recipe: Mapping[str, Any], records: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Parameters of a stage and of all that it needs; KeyError where the evidence of one is not here."""
    found: dict[str, Any] = {}
    for key in recipe["needs"].values():
        found |= _params(records[key][1]["recipe"], records)
    return {**found, **recipe["params"]}
