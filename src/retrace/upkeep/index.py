"""The readable index of evidence: which file holds which cell, seed and stage, and what it cost."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from retrace.config import SCALES, Config
from retrace.errors import RetraceError
from retrace.files import write_atomic
from retrace.planning.plan import plan_all
from retrace.planning.workflow import Workflow
from retrace.records.evidence import read_record

COLUMNS = ("study", "verb", "group", "seed", "key", "state", "cpu_seconds", "kwh", "method", "path")


def lines(config: Config, root: Path) -> list[dict[str, str]]:
    """One record a task of the planned scale; `state` is present, missing or damaged."""
    return [
        _line(task.evidence, (study, task.stage.verb, task.group, task.seeds, task.key), root)
        for study, plan in plan_all(config, root).items()
        for task in plan.tasks.values()
    ]


def _line(path: str, names: tuple[str, ...], root: Path) -> dict[str, str]:
    state, meter = "missing", {}
    if (root / path).is_file():
        try:
            state, meter = "present", read_record(root / path)["meter"]
        except RetraceError:
            state = "damaged"
    costs = (f"{meter['cpu_seconds']:.2f}", f"{meter['kwh']:.3g}", meter["method"]) if meter else ("", "", "")
    return dict(zip(COLUMNS, (*names, state, *costs, path), strict=True))


def write(rows: list[dict[str, str]], root: Path) -> None:
    """Leave the lines in results/index.csv."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(root / "results" / "index.csv", buffer.getvalue().encode())


def text(rows: list[dict[str, str]]) -> str:
    """The lines as a table for the terminal."""
    shown = [COLUMNS, *(tuple(row[name] for name in COLUMNS) for row in rows)]
    widths = [max(len(row[i]) for row in shown) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    )


def spent(config: Config, root: Path) -> list[Path]:
    """Scratch files that no stage to come reads: at every scale, what needs them has its evidence."""
    scratch: set[str] = set()
    needed: set[str] = set()
    for scale in SCALES:
        flow = Workflow.plan(_everything(config, scale), root)
        for plan in flow.plans.values():
            scratch.update(task.outputs["scratch"] for task in plan.tasks.values() if task.stage.scratch)
        needed |= flow.scratch_to_come
    return sorted(path for name in scratch - needed if (path := root / name).is_file())


def reached(config: Config, root: Path) -> set[str]:
    """Paths of all evidence, scratch and products that sheets and claims reach at any scale.

    `config` says where the data sets are that the user unpacks: what they hold is in the keys.
    """
    paths: set[str] = set()
    for scale in SCALES:
        flow = Workflow.plan(_everything(config, scale), root)
        for plan in flow.plans.values():
            for task in plan.tasks.values():
                paths.update(task.outputs.values())
        for product in (*flow.judged.values(), *flow.drawn.values(), flow.report):
            paths.update(product.outputs)
    return paths


def _everything(config: Config, scale: str) -> Config:
    return config.model_copy(update={"scale": scale, "studies": "all", "seeds": "sheet"})
