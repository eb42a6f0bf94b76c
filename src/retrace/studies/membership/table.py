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

from retrace.attacks.membership.names import WHITE_BOX
from retrace.privacy.empirical import epsilon_lower_bound
from retrace.stage import EvidenceRow
from retrace.stats.pareto import pareto
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.membership.params import Params

Key = tuple[int, str]  # seed and setting
BLOCK = ("generality", "risk", "cost", "swap")
FPR = "0.01"  # the false-positive rate that claims speak of
EQUAL = 0.005  # accuracy (of 1) below the least accurate stop that still counts as equal
TRUE = "unflipped_"  # of figures over the examples whose labels are true


@dataclass(frozen=True, eq=False)
class Pictures:
    """What figures need beside the table, by (seed, setting) and method.

    `strongest`: (setting, method) -> the strongest attack on unflipped examples.
    """

    fpr: list[float]
    strongest: dict[tuple[str, str], str] = field(default_factory=dict)
    attacked: dict[Key, dict[str, Any]] = field(default_factory=dict)
    noted: dict[Key, dict[str, Any]] = field(default_factory=dict)


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[Pictures]:
    """One row per seed, setting and target; also one per checkpoint of plain training and per block of PPTP.

    Figures of a method: `accuracy`, `train_accuracy`, `test_loss`, `train_loss`, `gap` (test loss less train
    loss), `auc_<attack>`, `tpr_<attack>` (at 1 % false positives; of the seed, all targets pooled),
    `strongest` (the AUC of the strongest attack), `norm_auc`, `disparity`, and the method's own notes.
    `excess_<method>` is `strongest` less that of early stopping at the same accuracy. `unflipped_` before
    `auc`, `tpr`, `strongest` and `excess`: the same over the examples whose labels are true. Where a method
    notes an `epsilon`, `proved_<method>` is the one that its attacks prove (of the seed, 95 % confidence).
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
            notes = row.evidence["defend"].results["notes"][method]
            found[key] |= _columns(figures | notes, method)
            found[key] |= _attacks(attacked[method], method)
            if "epsilon" in notes:
                found[key][f"proved_{method}"] = _proved(attacked[method]["attacks"], notes, row.params)
    for prefix in ("", TRUE):
        chosen = _strongest(found, pictures.attacked, prefix)
        for key, columns in found.items():
            for method in pictures.attacked[key]:
                attack = chosen[key[1], method]
                columns[f"{prefix}strongest_{method}"] = columns[f"{prefix}auc_{attack}_{method}"]
            columns |= _excess(columns, list(pictures.attacked[key]), prefix)
    pictures.strongest.update(chosen)
    records = [record for columns in found.values() for record in _targets(columns)]
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
    for attack, found in attacked["unflipped"].items():
        columns[f"{TRUE}auc_{attack}_{method}"] = found["auc"]
        columns[f"{TRUE}tpr_{attack}_{method}"] = found["tpr"].get(FPR, np.nan)
    columns[f"norm_auc_{method}"] = [0.5 + abs(v - 0.5) for v in attacked["norms"]["auc"]]
    columns[f"disparity_{method}"] = attacked["norms"]["disparity"]
    return columns


def _proved(attacks: dict[str, Any], notes: dict[str, list[float]], params: Params) -> float:
    """The epsilon that a seed's attacks prove, by `epsilon_lower_bound` at the delta that was spent.

    A threshold at a false-positive rate chosen beforehand is an order statistic of the non-members' scores;
    all attacks and rates share the 5 %. (target, example) pairs count as independent.
    """
    half = params.models * params.pool // 2  # members of all targets, and as many non-members
    rates = [(float(fpr), rate["value"]) for of in attacks.values() for fpr, rate in of["tpr"].items()]
    level = 1 - 0.05 / max(1, len(rates))
    return max(
        (
            epsilon_lower_bound(int(tpr * half), half, round(fpr * half), half, notes["delta"][0], level)
            for fpr, tpr in rates
        ),
        default=float("nan"),
    )


def _strongest(
    found: dict[Key, dict[str, Any]], attacked: dict[Key, dict[str, Any]], prefix: str
) -> dict[tuple[str, str], str]:
    """(setting, method) -> the attack whose mean AUC over the targets of all seeds is highest.

    One attack for all seeds, so that a seed's luck does not choose; of those that ran on every method of the
    setting and need the model's answers alone, which is what every defence here is taken to let out.
    """
    areas: dict[tuple[str, str], dict[str, list[float]]] = {}
    for key, columns in found.items():
        for method, results in attacked[key].items():
            of = areas.setdefault((key[1], method), {})
            for attack in results["attacks"]:
                if not attack.startswith(WHITE_BOX):
                    of.setdefault(attack, []).extend(columns[f"{prefix}auc_{attack}_{method}"])
    chosen = {}
    for (cell, method), of in areas.items():
        everywhere = [
            name for name in of if all(name in other for (c, _), other in areas.items() if c == cell)
        ]
        chosen[cell, method] = max(everywhere or of, key=lambda name: float(np.mean(of[name])))
    return chosen


def _targets(columns: dict[str, Any]) -> list[dict[str, Any]]:
    records = []
    for k in range(columns["models"]):
        own = {name: value[k] if isinstance(value, list) else value for name, value in columns.items()}
        records.append({**own, "condition": f"target:{k}", "type": "target", "intensity": k})
    return records


def _excess(columns: dict[str, Any], methods: list[str], prefix: str) -> dict[str, Any]:
    """Each method's leak less what plain training leaks when stopped at the same accuracy, target by target.

    Of two stops the one that is less accurate and leaks more does not count. Between the others the curve is
    a straight line in the means over targets. A method more accurate than all of them is compared with the
    most accurate stop, one less accurate than all with none (NaN): any could be stopped earlier still.
    """
    stops = [name for name in methods if name == "none" or name.startswith("stop_")]
    if len(stops) < 2:
        return {}
    figures = ("accuracy", f"{prefix}strongest")
    means = [[float(np.mean(columns[f"{of}_{s}"])) for s in stops] for of in figures]
    front = pareto(*means)
    x, y = (np.array(axis)[front] for axis in means)
    excess = {}
    for method in methods:
        accuracy = float(np.mean(columns[f"accuracy_{method}"]))
        level = float(np.interp(accuracy, x, y)) if accuracy >= x.min() - EQUAL else np.nan
        leak = np.asarray(columns[f"{prefix}strongest_{method}"])
        excess[f"{prefix}excess_{method}"] = (leak - level).tolist()
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
