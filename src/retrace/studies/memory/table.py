"""The memory study's evidence as a table: one row per seed, cell and network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from retrace.meter import estimate_kwh
from retrace.stage import Array, EvidenceRow
from retrace.studies.memory.model import LEVELS

ESTIMATES = ("constant", "cpu_load", "rapl")  # no counter of a single job's energy
RIVALS = ("logistic", "gram1", "gram2", "gram3", "gram5")  # of `prepare`, without a recurrent network


@dataclass(frozen=True, eq=False)
class Pictures:
    """What figures need beside the table, by (seed, cell); read only, so copies share it."""

    curves: dict[tuple[int, str], dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    reads: dict[tuple[int, str], dict[str, Array]] = field(default_factory=dict)

    def __deepcopy__(self, _: Any) -> Pictures:
        return self


def table(rows: Sequence[EvidenceRow]) -> pd.DataFrame:
    """Quality, steps and costs of every network.

    `steps_<level>`, `cpu_<level>`: optimiser steps and CPU seconds until a window's share of errors is at
    most that level. A run that never gets there is censored (`censored_<level>`) and has the cell's cap, or
    its whole time: a lower bound, so that means over such runs are restricted means. `log2_steps`,
    `log2_cpu`, `log2_work` (operations) average the logarithm over the three levels. `area`: mean share of
    errors from the first step to the cap, the last one held after an early stop.
    """
    pictures = Pictures()
    records: list[dict[str, Any]] = []
    estimated: set[str] = set()
    for row in rows:
        train, measured = row.evidence["train"], row.evidence["measure"]
        if train.meter["method"] in ESTIMATES:
            estimated |= {"kwh", "log2_kwh"}
        key = (row.seed, row.cell)
        pictures.curves[key] = {name: m["curve"] for name, m in train.results["models"].items()}
        pictures.reads[key] = measured.read_arrays()
        for name, about in row.params["models"].items():
            trained, found = train.results["models"][name], measured.results["models"][name]
            record: dict[str, Any] = {
                "seed": row.seed,
                "cell": row.cell,
                "condition": name,
                "type": row.params["task"]["kind"],
                "network": about["network"],
                "family": about["family"] or "",
                "truncation": about["truncation"] or row.params["truncation"] or 0,
                "batch": about["batch"] or row.params["batch"],
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
            rivals = row.evidence["prepare"].results.get("rivals", {})
            record |= {rival: rivals.get(rival, np.nan) for rival in RIVALS}
            seconds = train.timing["models"][name]["cpu_seconds"]
            record |= _progress(row, trained, found, seconds) | _energy(seconds[-1], train.meter)
            # CPU time of one time step of one sequence: a character, in a text
            record["log2_rate"] = record["log2_ms"] - float(np.log2(record["batch"] * found["time_steps"]))
            records.append(record)
    frame = _excess(pd.DataFrame.from_records(records))
    frame.attrs["pictures"] = pictures
    frame.attrs["estimated"] = sorted(estimated)
    return frame


def _excess(frame: pd.DataFrame) -> pd.DataFrame:
    """With `excess`: bits more than the same family needs in the same seed with the longest truncation."""
    if frame.empty:
        return frame
    longest = frame[frame["family"] != ""].sort_values("truncation", kind="stable")
    best = longest.groupby(["seed", "cell", "family"])["bits"].last()
    keys = pd.MultiIndex.from_frame(frame[["seed", "cell", "family"]])
    return frame.assign(excess=frame["bits"].to_numpy() - best.reindex(keys).to_numpy())


def reached(errors: Sequence[float], level: float) -> int | None:
    """Position of the first window whose share of errors is at most `level`; None if there is none."""
    return next((i for i, error in enumerate(errors) if error <= level), None)


def _progress(
    row: EvidenceRow, trained: dict[str, Any], found: dict[str, Any], seconds: list[float]
) -> dict[str, Any]:
    steps, errors = trained["curve"]["steps"], trained["curve"]["errors"]
    endless = row.params["task"]["kind"] in ("pixels", "characters")
    cap = steps[-1] if endless else row.params["steps"]
    # the cost of a step was counted on the longest training sequence: an upper bound for shorter ones
    work = found["operations"]
    columns: dict[str, Any] = {"ms_step": 1000 * seconds[-1] / steps[-1]}
    columns["log2_ms"] = float(np.log2(columns["ms_step"]))
    logs = []
    for name, level in zip(LEVELS, row.params["levels"], strict=True):
        at = reached(errors, level)
        # a run longer than the cap has not reached a level that it reaches later
        late = at is None or steps[at] > cap
        count = cap if late or at is None else steps[at]
        cpu = seconds[-1] if at is None else seconds[at]
        columns |= {f"steps_{name}": count, f"cpu_{name}": cpu, f"censored_{name}": late}
        logs.append(
            (np.log2(count), np.log2(cpu), np.log2(work * float(steps[-1] if at is None else steps[at])))
        )
    means = np.mean(logs, axis=0)
    columns |= dict(zip(("log2_steps", "log2_cpu", "log2_work"), map(float, means), strict=True))
    columns["solved"] = float(not columns["censored_strict"])
    columns["area"] = _area(steps, errors, cap)
    columns["cpu_seconds"] = seconds[-1]
    return columns


def _area(steps: list[int], errors: list[float], cap: int) -> float:
    before = [0, *steps[:-1]]
    inside = [(error, min(b, cap) - min(a, cap)) for error, a, b in zip(errors, before, steps, strict=True)]
    held = errors[-1] * max(cap - steps[-1], 0)
    return (sum(error * width for error, width in inside) + held) / cap


def _energy(cpu_seconds: float, meter: dict[str, Any]) -> dict[str, float]:
    kwh = estimate_kwh(cpu_seconds, meter)
    return {"kwh": kwh, "log2_kwh": float(np.log2(kwh)), "kg_co2e": kwh * meter["factor_kg_per_kwh"]}
