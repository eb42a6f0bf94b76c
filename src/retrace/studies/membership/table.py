"""The membership study's evidence as a table: a row a target, with every method's figures side by side.

Columns are `<figure>_<method>`, so that a claim compares methods target by target: all methods of a setting
share pool, halves, initial weights and order of batches. Rows of type "checkpoint" follow plain training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.stage import EvidenceRow
from retrace.stats.pareto import pareto
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.membership.params import Params

Key = tuple[int, str]  # seed and setting
BLOCK = ("generality", "risk", "cost", "swap")
FPR = "0.01"  # the false-positive rate that claims speak of
EQUAL = 0.005  # accuracy (of 1) beyond the ends of the curve of stops that still counts as equal


@dataclass(frozen=True, eq=False)
class Pictures:
    """What figures need beside the table, by (seed, setting) and method."""

    fpr: list[float]
    attacked: dict[Key, dict[str, Any]] = field(default_factory=dict)
    noted: dict[Key, dict[str, Any]] = field(default_factory=dict)


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[Pictures]:
    """One row per seed, setting and target; also one per checkpoint of plain training and per block of PPTP.

    Figures of a method: `accuracy`, `train_accuracy`, `test_loss`, `train_loss`, `gap` (test loss less train
    loss), `auc_<attack>`, `tpr_<attack>` (at 1 % false positives; of the seed, all targets pooled),
    `strongest` (the AUC of the attack whose mean is highest), `norm_auc`, `disparity`, and the method's own
    notes. `excess_<method>` is `strongest` less that of early stopping at the same accuracy.
    """
    found: dict[Key, dict[str, Any]] = {}
    pictures = Pictures(rows[0].evidence["attack"].results["fpr"] if rows else [])
    others: list[dict[str, Any]] = []
    for row in rows:
        key = (row.seed, row.params.setting)
        about = {"seed": row.seed, "cell": key[1], "dataset": row.params.dataset or "purchase-like"}
        about |= {"network": row.params.network, "models": row.params.models}
        if key not in found:
            found[key] = dict(about)
            others += _checkpoints(about, row.evidence["train"].results["checkpoints"])
        attacked = row.evidence["attack"].results["methods"]
        pictures.attacked.setdefault(key, {}).update(attacked)
        pictures.noted.setdefault(key, {}).update(row.evidence["defend"].results["pictures"])
        others += _blocks(about, row.evidence["defend"].results["notes"].get("pptp", {}))
        for method, figures in row.evidence["measure"].results["methods"].items():
            found[key] |= _columns(figures | row.evidence["defend"].results["notes"][method], method)
            found[key] |= _attacks(attacked[method], method)
    records = [
        record for key, columns in found.items() for record in _targets(columns, pictures.attacked[key])
    ]
    return Tabled(pd.DataFrame.from_records(records + others), pictures=pictures)


def _columns(figures: dict[str, list[float]], method: str) -> dict[str, Any]:
    columns = {f"{name}_{method}": values for name, values in figures.items()}
    gap = np.subtract(figures["test_loss"], figures["train_loss"])
    return columns | {f"gap_{method}": gap.tolist()}


def _attacks(attacked: dict[str, Any], method: str) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for attack, found in attacked["attacks"].items():
        columns[f"auc_{attack}_{method}"] = found["auc"]["each"]
        columns[f"tpr_{attack}_{method}"] = found["tpr"][FPR]["value"] if FPR in found["tpr"] else np.nan
    best = strongest(attacked)
    columns[f"strongest_{method}"] = attacked["attacks"][best]["auc"]["each"]
    columns[f"norm_auc_{method}"] = [0.5 + abs(v - 0.5) for v in attacked["norms"]["auc"]]
    columns[f"disparity_{method}"] = attacked["norms"]["disparity"]
    return columns


def strongest(attacked: dict[str, Any]) -> str:
    """The attack whose mean AUC over targets is highest."""
    found: dict[str, Any] = attacked["attacks"]
    return max(found, key=lambda name: float(found[name]["auc"]["mean"]))


def _targets(columns: dict[str, Any], attacked: dict[str, Any]) -> list[dict[str, Any]]:
    columns = columns | _excess(columns, attacked)
    records = []
    for k in range(columns["models"]):
        own = {name: value[k] if isinstance(value, list) else value for name, value in columns.items()}
        records.append({**own, "condition": f"target:{k}", "type": "target", "intensity": k})
    return records


def _excess(columns: dict[str, Any], attacked: dict[str, Any]) -> dict[str, Any]:
    """Each method's leak less what plain training leaks when stopped at the same accuracy, target by target.

    Of two stops the one that is less accurate and leaks more does not count. Between the others the curve is
    a straight line in the means over targets. NaN for a method less or more accurate than all of them: no
    stop is as accurate.
    """
    stops = [name for name in attacked if name == "none" or name.startswith("stop_")]
    if len(stops) < 2:
        return {}
    means = [[float(np.mean(columns[f"{of}_{s}"])) for s in stops] for of in ("accuracy", "strongest")]
    front = pareto(*means)
    x, y = (np.array(axis)[front] for axis in means)
    excess = {}
    for method in attacked:
        accuracy = float(np.mean(columns[f"accuracy_{method}"]))
        near = x.min() - EQUAL <= accuracy <= x.max() + EQUAL
        level = float(np.interp(accuracy, x, y)) if near else np.nan
        excess[f"excess_{method}"] = (np.asarray(columns[f"strongest_{method}"]) - level).tolist()
    return excess


def _checkpoints(about: dict[str, Any], looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            **about,
            "condition": f"epoch:{look['epoch']}",
            "type": "checkpoint",
            "intensity": look["epoch"],
            **{f"{name}_epoch": float(np.mean(look[name])) for name in ("disparity", "norm_auc", "loss_auc")},
        }
        for look in looks
    ]


def _blocks(about: dict[str, Any], notes: dict[str, list[float]]) -> list[dict[str, Any]]:
    """PPTP's probe as rows: what each block holds, mean over the models, and over every second of them."""
    numbers = sorted({int(name.split("_")[1]) for name in notes if name.startswith("block_")})
    return [
        {
            **about,
            "condition": f"block:{number}",
            "type": "block",
            "intensity": number,
            **{f"block_{of}": float(np.mean(notes[f"block_{number}_{of}"])) for of in BLOCK},
            **{
                f"block_{of}_{half}": float(np.mean(notes[f"block_{number}_{of}"][first::2]))
                for of in ("generality", "risk")
                for first, half in enumerate(("even", "odd"))
            },
        }
        for number in numbers
    ]
