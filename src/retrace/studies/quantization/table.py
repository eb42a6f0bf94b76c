"""The quantization study's evidence as a table: a row a seed, cell, method and group, and a row a method.

Long form: `method` is its name in the sheet, `bits` and the like what it is made of; claims pick rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.metrics.groups import gap
from retrace.stage import Array, EvidenceRow
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.quantization.params import Params

FULL = 32  # bits at full precision
THIRD = 3  # the smallest and the largest third of the groups are compared, at least one each
LOST = ("excess_loss", "accuracy_drop")
CURVES = ("gradient_norm", "eigenvalue", "trace")


@dataclass(frozen=True, eq=False)
class Pictures:
    """Counts of logits: (cell, method) -> edges (bins + 1,) and counts by rank of the group, first seed."""

    logits: dict[tuple[str, str], tuple[Array, Array]] = field(default_factory=dict)


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[Pictures]:
    """Rows of type "group", "random" (the same of groups dealt out at random), "method" and "disparity".

    A group has `part` (minority, middle, majority: the smallest and the largest third), `rank` (0: largest),
    `size`, `log_size`; `accuracy`, `loss`, `confidence`, `variance`, `variance_across`; against full
    precision
    `accuracy_drop`, `excess_loss`, `confidence_drop`, `variance_change` (logarithm of the ratio),
    `feature_error`, `logit_error`; what was known of it at full precision, `fp_<quantity>`, gradient norm,
    eigenvalue and trace among them; these too where they were measured of the rounded network, with
    `log_<quantity>_change`; and, where weights alone are rounded, `bound` (Tran et al. 2022) and `within`.
    A method has `accuracy`, `worst` (accuracy of the worst group), `gap`, `excess_gap` and `random_gap`
    (largest less smallest excess loss, also of groups dealt out at random), `bits`, `weight_error`
    (relative), `shift_ratio` (measured over expected squared shift), and
    where groups are not labels `parity` and `odds`, with their `_change`. A disparity has `excess_loss` and
    `accuracy_drop` of the minority less those of the majority.
    """
    records, logits = [], dict[tuple[str, str], tuple[Array, Array]]()
    first = min((row.seed for row in rows), default=0)
    for row in rows:
        records += _records(row)
        if row.seed == first:
            logits |= _logits(row)
    return Tabled(pd.DataFrame.from_records(records), pictures=Pictures(logits))


def _records(row: EvidenceRow[Params]) -> list[dict[str, Any]]:
    about = row.evidence["prepare"].results
    states = row.evidence["measure"].results["states"] | row.evidence["defend"].results["states"]
    plain = states["fp32"]
    common = {"seed": row.seed, "cell": row.cell}
    records = []
    for name, state in states.items():
        told = {"method": name, **_told(row.params, name, state)}
        records.append(common | {"condition": name, "type": "method"} | told | _whole(state, plain))
        # a network is held against itself at full precision; the small one against the network it stands for
        base = plain if name == "smaller_fp32" else states.get(f"{told['network']}_fp32", plain)
        for kind in ("groups", "random"):
            for group, rank in enumerate(about["rank"]):
                known = {
                    "type": kind.removesuffix("s"),
                    "condition": f"{name}:{kind}:{rank}",
                    "group": about["groups"][group],
                    **_place(rank, len(about["rank"]), about["sizes"][group]),
                }
                numbers = _numbers(state[kind], base[kind], group) | _before(plain, kind, group)
                if kind == "groups" and "curves" in plain:
                    numbers |= _curves(state, plain, numbers["excess_loss"], told, group)
                records.append(common | known | told | numbers)
    return records + _disparities(records)


def _disparities(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each method, what the smallest groups lose beyond the largest."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for record in records:
        if record["type"] == "group":
            found.setdefault(record["method"], {}).setdefault(record["part"], []).append(record)
    rows = []
    for name, parts in found.items():
        first = parts["minority"][0]
        kept = {k: first.get(k) for k in ("seed", "cell", "method", "family", "network", "bits")}
        apart = {q: _mean(parts["minority"], q) - _mean(parts["majority"], q) for q in LOST}
        rows.append({**kept, "type": "disparity", "condition": f"{name}:disparity", **apart})
    return rows


def _mean(records: list[dict[str, Any]], quantity: str) -> float:
    return float(np.mean([record[quantity] for record in records]))


def _told(params: Params, name: str, state: dict[str, Any]) -> dict[str, Any]:
    """What the sheet says of a method."""
    family = name.rpartition("_")[0] if name[-1].isdigit() and name != "fp32" else name
    if name in params.mitigations:
        asked = params.mitigations[name]
        return {"family": family, "network": "full", "bits": state["bits"], "tuned": True} | {
            "sampling": asked.sampling,
            "weighting": asked.weighting,
            "mixed": asked.mixed,
        }
    rounding = params.methods[name]
    bits = rounding.weights or rounding.inputs or FULL
    return {"family": family, "network": rounding.network, "bits": float(bits), "tuned": False}


def _place(rank: int, count: int, size: int) -> dict[str, Any]:
    third = max(1, count // THIRD)
    part = "majority" if rank < third else "minority" if rank >= count - third else "middle"
    logarithm = float(np.log(size))
    return {
        "rank": rank,
        "part": part,
        "smallest": rank == count - 1,
        "size": size,
        "log_size": logarithm,
        "neg_log_size": -logarithm,
    }


def _numbers(own: dict[str, list[float]], base: dict[str, list[float]], group: int) -> dict[str, float]:
    found = {name: values[group] for name, values in own.items()}
    return found | {
        "accuracy_drop": base["accuracy"][group] - found["accuracy"],
        "excess_loss": found["loss"] - base["loss"][group],
        "confidence_drop": base["confidence"][group] - found["confidence"],
        "confidence_rise": found["confidence"] - base["confidence"][group],
        "variance_change": _log_ratio(found["variance"], base["variance"][group]),
        "across_change": _log_ratio(found["variance_across"], base["variance_across"][group]),
    }


def _log_ratio(after: float, before: float) -> float:
    """Minus infinity where nothing varies any more: a network that is pruned may say the same of all."""
    return float(np.log(after / before)) if after > 0 else -np.inf


def _before(plain: dict[str, Any], kind: str, group: int) -> dict[str, float]:
    return {f"fp_{q}": plain[kind][q][group] for q in ("accuracy", "loss", "confidence", "variance")}


def _curves(
    state: dict[str, Any], plain: dict[str, Any], excess: float, told: dict[str, Any], group: int
) -> dict[str, float]:
    known = {name: plain["curves"][name][group] for name in (*CURVES, "sample_gradient_norm")}
    found = {f"fp_{name}": value for name, value in known.items()}
    if "curves" in state:
        own = {name: state["curves"][name][group] for name in CURVES}
        changes = {
            f"log_{name}_change": float(np.log(own[name] / known[name]))
            for name in CURVES
            if own[name] > 0 and known[name] > 0
        }
        found |= own | changes
    if told["family"] == "weights":
        distance = state["shift"] ** 0.5
        bound = known["gradient_norm"] * distance + known["eigenvalue"] * distance**2 / 2
        first = known["gradient_norm"] * distance
        found |= {
            "bound": bound,
            "within": float(excess <= bound),
            "within_first": float(excess <= first / 2),
        }
    return found


def _whole(state: dict[str, Any], plain: dict[str, Any]) -> dict[str, float]:
    accuracy, loss = np.asarray(state["groups"]["accuracy"]), np.asarray(state["groups"]["loss"])
    excess = loss - np.asarray(plain["groups"]["loss"])
    found = {
        "accuracy": float(accuracy.mean()),
        "worst": float(accuracy.min()),
        "gap": gap(accuracy),
        "excess_gap": gap(excess),
        "random_gap": gap(np.asarray(state["random"]["loss"]) - np.asarray(plain["random"]["loss"])),
        "loss": float(loss.mean()),
    }
    if "shift" in state:
        found["weight_error"] = float((state["shift"] / state["length"]) ** 0.5)
        if state["expected_shift"] > 0:
            found["shift_ratio"] = state["shift"] / state["expected_shift"]
    for name in ("parity", "odds"):
        if name in state:
            found |= {name: state[name], f"{name}_change": state[name] - plain[name]}
    return found


def _logits(row: EvidenceRow[Params]) -> dict[tuple[str, str], tuple[Array, Array]]:
    arrays = row.evidence["measure"].read_arrays()
    order = np.argsort(row.evidence["prepare"].results["rank"])
    names = [name.removesuffix(".logits") for name in arrays if name.endswith(".logits")]
    return {(row.cell, n): (arrays["edges"], arrays[f"{n}.logits"][order]) for n in names}
