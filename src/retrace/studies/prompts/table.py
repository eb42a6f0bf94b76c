"""The prompts study's evidence as a table: by test item, seed and audit, and as counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.stage import Array, EvidenceRow
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Params


OWN = ("right", "uncalibrated", "chat")  # kinds of answers by the model itself; others name a reader


@dataclass(frozen=True)
class Pictures:
    """What figures need beside the table: curves of the accountants, polls of all votes, and readers."""

    curves: dict[str, list[float]]
    polls: pd.DataFrame
    readers: tuple[str, ...]


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[Pictures]:
    """Rows of the types "item", "prompt", "method", "audit" and "counted".

    Items: `right_<method>`, `uncalibrated_<method>`, and of prompts that travel `chat_<method>` (the other
    template) and `<reader>_<method>`; nan where a method did not answer.
    A prompt row (one a cell and seed): `run_`, `exposure_`, `auc_` (and `auc_least_`, `auc_most_`), `tokens_`
    (of all its candidates, by votes) and `spent_<method>`. A method row holds a method's means, for figures:
    `gain` over the initial instruction on the same items, `first` of the first items, which all answer.
    Audit rows (one an audit and seed): `proved`, `broken`, `exact`, `proven`, `official`, and differences.
    The counted row: tokens for epsilon 8 at the paper's setting and what real votes then give away.
    """
    records: list[dict[str, Any]] = []
    polls: list[dict[str, Any]] = []
    curves: dict[str, list[float]] = {}
    for row in rows:
        about = {"seed": row.seed, "cell": row.cell}
        made = [*_items(row), *_prompts(row), *_audits(row)]
        curves = row.evidence["attack"].results["paper"]["curves"]
        records += [{**about, **record} for record in made]
        for name, found in row.evidence["train"].results["methods"].items():
            kept = {**about, "method": name, "epsilon0": found.get("epsilon0"), "margin": found.get("margin")}
            polls += [{**kept, **poll} for poll in found.get("polls", [])]
    frame = pd.DataFrame.from_records(records)
    kinds = (key.partition("/")[0] for row in rows for key in _answers(row))
    readers = tuple(dict.fromkeys(kind for kind in kinds if kind not in OWN))
    return Tabled(frame, rows="items", pictures=Pictures(curves, pd.DataFrame.from_records(polls), readers))


def _answers(row: EvidenceRow[Params]) -> dict[str, Array]:
    """Right answers by kind and method, those of soft prompts too."""
    both = row.evidence["measure"].read_arrays() | row.evidence["defend"].read_arrays()
    return {key: values for key, values in both.items() if "/" in key}


def _items(row: EvidenceRow[Params]) -> list[dict[str, Any]]:
    arrays = _answers(row)
    count = row.params.counts.test
    soft = ("soft_sgd", *(f"soft_{epsilon:g}".replace(".", "_") for epsilon in row.params.epsilons))
    wide = {f"right_{name}": np.full(count, np.nan) for name in soft}  # a cell may have none
    for key, values in arrays.items():
        kind, _, name = key.partition("/")
        wide[f"{kind}_{name}"] = np.pad(
            values.astype(float), (0, count - len(values)), constant_values=np.nan
        )
    names, lines = list(wide), np.stack(list(wide.values()), 1).tolist()
    few = row.params.counts.few
    return [
        {"condition": f"item:{n}", "type": "item", "few": n < few, **dict(zip(names, line, strict=True))}
        for n, line in enumerate(lines)
    ]


def _prompts(row: EvidenceRow[Params]) -> list[dict[str, Any]]:
    drawn, seen = row.evidence["train"].results["methods"], row.evidence["measure"].results["methods"]
    arrays = _answers(row)
    whole: dict[str, Any] = {"condition": "prompts", "type": "prompt"}
    made = []
    names = dict.fromkeys(key.partition("/")[2] for key in arrays)
    for name in names:
        found = {k: float(v) for k, v in seen.get(name, {}).items()}
        about = drawn.get(name, {})
        if "polls" in about:
            found["tokens"] = float(sum(poll["chosen"] >= 0 for poll in about["polls"]))
            found["spent"] = float(about["epsilon_with_selection"])
        whole |= {f"{key}_{name}": value for key, value in found.items()}
        means = {
            key.removesuffix(f"/{name}"): float(values.mean())
            for key, values in arrays.items()
            if key.endswith(f"/{name}")
        }
        right, zero = arrays[f"right/{name}"].astype(float), arrays["right/zero"]
        means["gain"] = float(right.mean() - zero[: len(right)].mean())  # on the items that both answer
        means["first"] = float(right[: row.params.counts.few].mean())
        kind, _, rest = name.partition("_")
        private = kind in ("dp", "pool", "poisson", "soft") and rest != "sgd"
        epsilon = float(rest.replace("_", ".")) if private else np.nan
        made.append(
            {
                "condition": f"method:{name}",
                "type": "method",
                "method": name,
                "epsilon": epsilon,
                **found,
                **means,
            }
        )
    return [whole, *made]


def _audits(row: EvidenceRow[Params]) -> list[dict[str, Any]]:
    found = row.evidence["attack"].results
    made: list[dict[str, Any]] = []
    for name, values in found["audits"].items():
        less = {
            f"{word}_less_{bound}": values[word] - values[bound]
            for word in ("proved", "broken", "exact")
            for bound in ("proven", "official")
        }
        made.append({"condition": f"audit:{name}", "type": "audit", "audit": name, **values, **less})
    paper = found["paper"]
    counted = {f"{what}_{name}": v for what in ("tokens", "exact") for name, v in paper[what].items()}
    return [*made, {"condition": "counted", "type": "counted", **counted}]
