"""The memory study's evidence as a table: one row per seed, cell and network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.data.sequences.tasks import Characters, Pixels, Task
from retrace.meter import ESTIMATES, estimate_kwh
from retrace.stage import Array, EvidenceRow
from retrace.studies.memory.progress import Run, horizons, progress
from retrace.tabled import ESTIMATED, TIMED, Tabled

if TYPE_CHECKING:
    from retrace.studies.memory.params import Params

CLOCKED = ("ms_step", "log2_ms", "log2_cpu", "log2_rate", "us_rate", "cpu_seconds")
RIVALS = ("logistic", "gram1", "gram2", "gram3", "gram5")  # of `prepare`, without a recurrent network


@dataclass(frozen=True, eq=False)
class Pictures:
    """What figures need beside the table, by (seed, cell)."""

    curves: dict[tuple[int, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    reads: dict[tuple[int, str], dict[str, Array]] = field(default_factory=dict)


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[Pictures]:
    """Quality, steps and costs of every network.

    `steps_<level>`, `cpu_<level>`: optimiser steps and CPU seconds until a window's share of errors is at
    most that level. A run that does not get there is censored: it counts with the cell's cap of steps, and
    with the horizon up to which every network of that cell and seed was watched (restricted means).
    `log2_steps`, `log2_cpu`, `log2_work` (operations) average the logarithm over the three levels;
    `log2_kwh` is `log2_cpu` at the job's energy a CPU second. `area`: mean share of errors up to the cap.
    """
    pictures = Pictures()
    records: list[dict[str, Any]] = []
    untested = dict.fromkeys(CLOCKED, TIMED)
    for row in rows:
        train, measured = row.evidence["train"], row.evidence["measure"]
        if train.meter["method"] in ESTIMATES:
            untested |= dict.fromkeys(("kwh", "log2_kwh"), ESTIMATED)
        key = (row.seed, row.cell)
        pictures.curves[key] = {
            name: {**m["curve"], "stopped": m["stopped"]} for name, m in train.results["models"].items()
        }
        pictures.reads[key] = measured.read_arrays()
        runs = {name: _run(row, name) for name in row.params.models}
        horizon = horizons(list(runs.values()), row.params.levels[-1])
        for name, about in row.params.models.items():
            trained, found = train.results["models"][name], measured.results["models"][name]
            record: dict[str, Any] = {
                "seed": row.seed,
                "cell": row.cell,
                "condition": name,
                "type": row.params.task.kind,
                "network": about.network,
                "family": about.family or "",
                "truncation": about.truncation or row.params.truncation or _whole(row.params.task),
                "batch": about.batch or row.params.batch,
                "parameters": trained["parameters"],
                "accuracy": 1 - found["errors"],
                "errors": found["errors"],
                "bits": found["bits"],
                "sequence_loss": found["loss"],
                "longer": float(np.mean(list(found["longer"].values()))) if found["longer"] else np.nan,
                "log2_operations": float(np.log2(found["operations"] / found["time_steps"])),
                "log2_activation": float(np.log2(found["activation_bytes"] / found["time_steps"])),
                "mops_step": found["operations"] / found["time_steps"] / 1e6,
                "kib_step": found["activation_bytes"] / found["time_steps"] / 1024,
            }
            record |= _published(measured.results["published"].get(name))
            rivals = row.evidence["prepare"].results.get("rivals", {})
            record |= {rival: rivals.get(rival, np.nan) for rival in RIVALS}
            cap = runs[name].steps[-1] if _endless(row) else row.params.steps
            record |= progress(runs[name], row.params.levels, cap, horizon)
            record |= _energy(record, train.meter)
            # CPU time of one time step of one sequence: a character, in a text
            record["log2_rate"] = record["log2_ms"] - float(np.log2(record["batch"] * found["time_steps"]))
            record["us_rate"] = 1000 * 2 ** record["log2_rate"]
            records.append(record)
    return Tabled(_excess(pd.DataFrame.from_records(records)), untested, pictures=pictures)


def _published(found: Mapping[str, int] | None) -> dict[str, float]:
    """Costs of a time step at the published sizes; nan where they are not counted."""
    costs = {"log2_operations_published": "operations", "log2_activation_published": "activation_bytes"}
    return {
        column: float(np.log2(found[cost] / found["time_steps"])) if found else np.nan
        for column, cost in costs.items()
    }


def _whole(task: Task) -> int:
    """Steps that the gradient goes back where nothing cuts it; 0 for images, whose sizes are the data's."""
    return 0 if isinstance(task, Pixels | Characters) else task.steps()


def _excess(frame: pd.DataFrame) -> pd.DataFrame:
    """With `excess`: bits more than the same family needs in the same seed with the longest truncation."""
    if frame.empty:
        return frame
    longest = frame[frame["family"] != ""].sort_values("truncation", kind="stable")
    best = longest.groupby(["seed", "cell", "family"])["bits"].last()
    keys = pd.MultiIndex.from_frame(frame[["seed", "cell", "family"]])
    return frame.assign(excess=frame["bits"].to_numpy() - best.reindex(keys).to_numpy())


def _run(row: EvidenceRow[Params], name: str) -> Run:
    """CPU seconds are steps at the pace of the rounds in which networks took turns, else the clock's."""
    train = row.evidence["train"]
    curve = train.results["models"][name]["curve"]
    # counted on the longest training sequence: an upper bound for shorter ones, alike for all networks
    operations = row.evidence["measure"].results["models"][name]["operations"]
    paces, seconds = train.timing["paces"][name], train.timing["models"][name]["cpu_seconds"]
    if paces:
        seconds = [steps * float(np.median(paces)) / 1000 for steps in curve["steps"]]
    return Run(curve["steps"], curve["errors"], seconds, operations)


def _endless(row: EvidenceRow[Params]) -> bool:
    return isinstance(row.params.task, Pixels | Characters)


def _energy(record: Mapping[str, Any], meter: Mapping[str, Any]) -> dict[str, float]:
    kwh = estimate_kwh(record["cpu_seconds"], meter)
    rate = float(np.log2(kwh / record["cpu_seconds"]))
    return {"kwh": kwh, "log2_kwh": record["log2_cpu"] + rate, "kg_co2e": kwh * meter["factor_kg_per_kwh"]}
