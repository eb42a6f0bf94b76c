"""The forgetting study's evidence as a table: networks, damaged copies, and wrong labels one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.attacks.membership.signals import hinge, logit_scaled_confidence
from retrace.attacks.roc import auc
from retrace.metrics.memorisation import shares
from retrace.stage import Array, EvidenceRow
from retrace.studies.forgetting.names import TRAINED, copies
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.forgetting.params import Params

SHARES = {"learning": "learned", "memorised": "still"}  # columns of what is left of the kept network's
LEAST = 0.05  # above chance, that a network must have learnt for shares of it to mean anything


@dataclass(frozen=True)
class Labels:
    """Classes of the rows, the other labels, and which training rows were given theirs."""

    y: Array
    other: Array
    wrong: Array
    test_y: Array
    test_other: Array


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[None]:
    """Rows of the types "cell", "copy" and "label".

    Of each network `n` (`start`, those of training, the damaged copies) a cell row has `learning_n` (test
    accuracy), `clean_n` (accuracy on rightly labelled training rows), `memorised_n` and `recovered_n` (shares
    of wrongly labelled rows that get the given, the true label), `auc_n` and `auc_wrong_n` (membership, by
    confidence in the given label: rightly labelled rows against test rows, wrongly labelled ones against test
    rows with such a label). `learned_n` and `still_n` are test accuracy and `memorised_n`, above chance, as
    shares of the kept network's: nan where that has learnt next to nothing. For each kind of damage `m`
    `still_at_m`, `auc_at_m` and `auc_wrong_at_m` are those values where growing damage first costs `lost`
    of test accuracy, between copies by straight lines; nan where none costs as much.
    A copy row is one damaged copy (`method`, `step` from 1, `learned`, `still`). A label row is one wrongly
    labelled training row: `drop_m`, how far damage lowers the margin of the given label, at the copy nearest
    to `lost`.
    """
    records: list[dict[str, Any]] = []
    for row in rows:
        trained = row.evidence["train"].read_arrays()
        labels = Labels(**{name: trained[name] for name in Labels.__annotations__})
        arrays = {**trained, **row.evidence["measure"].read_arrays()}
        about = {"seed": row.seed, "cell": row.cell, "order": row.evidence["train"].results["order"]}
        records += [{**about, **record} for record in _records(arrays, labels, row.params)]
    return Tabled(pd.DataFrame.from_records(records))


def _records(arrays: Mapping[str, Array], labels: Labels, params: Params) -> list[dict[str, Any]]:
    damaged = copies(params)
    names = [*TRAINED, *(name for own in damaged.values() for name in own)]
    found = {name: outcome(arrays[f"{name}/train"], arrays[f"{name}/test"], labels) for name in names}
    chance = 1 / arrays["kept/test"].shape[1]
    for values in found.values():
        values |= {word: _left(values[q], found["kept"][q], chance) for q, word in SHARES.items()}
    cell = {
        f"{quantity}_{name}": value for name, values in found.items() for quantity, value in values.items()
    }
    records: list[dict[str, Any]] = []
    drops: dict[str, Array] = {}
    for method, own in damaged.items():
        steps = [found[name] for name in ("kept", *own)]
        learned = [step["learned"] for step in steps]
        for quantity in ("still", "auc", "auc_wrong"):
            track = [step[quantity] for step in steps]
            cell[f"{quantity}_at_{method}"] = fallen(learned, 1 - params.lost, track)
        for step, name in enumerate(own, 1):
            about = {"condition": f"copy:{name}", "type": "copy", "method": method, "step": step}
            records.append({**about, **{word: found[name][word] for word in SHARES.values()}})
        near = min(own, key=lambda name: abs(np.nan_to_num(found[name]["learned"]) - (1 - params.lost)))
        whole, less = (margins(arrays[f"{name}/train"], labels) for name in ("kept", near))
        drops[f"drop_{method}"] = whole - less
    for number in range(int(labels.wrong.sum())):
        own_drops = {column: float(values[number]) for column, values in drops.items()}
        records.append({"condition": f"label:{number}", "type": "label", **own_drops})
    return [{"condition": "cell", "type": "cell", **cell}, *records]


def outcome(train: Array, test: Array, labels: Labels) -> dict[str, float]:
    """What a network with these logits (N, classes) has learnt, memorised and gives away."""
    wrong = labels.wrong.astype(bool)
    given = np.where(wrong, labels.other, labels.y)
    found = train.argmax(1)
    fate = shares(found[wrong], labels.other[wrong], labels.y[wrong])
    sure, outside = logit_scaled_confidence(train, given), logit_scaled_confidence(test, labels.test_y)
    outside_wrong = logit_scaled_confidence(test, labels.test_other)
    return {
        "learning": float(np.mean(test.argmax(1) == labels.test_y)),
        "clean": float(np.mean(found[~wrong] == labels.y[~wrong])),
        "memorised": fate["memorisation"],
        "recovered": fate["recovery"],
        "auc": _auc(sure[~wrong], outside),
        "auc_wrong": _auc(sure[wrong], outside_wrong),
    }


def margins(logits: Array, labels: Labels) -> Array:
    """Margins (W,) of the given labels of the wrongly labelled rows."""
    wrong = labels.wrong.astype(bool)
    return hinge(logits[wrong], labels.other[wrong])


def fallen(track: Sequence[float], height: float, values: Sequence[float]) -> float:
    """`values` (S,) where `track` (S,) first falls to `height`, by straight lines; else nan."""
    for step in range(1, len(track)):
        above, below = track[step - 1], track[step]
        if below <= height < above:
            share = (above - height) / (above - below)
            return float(values[step - 1] + share * (values[step] - values[step - 1]))
    return float("nan")


def _left(value: float, whole: float, chance: float) -> float:
    return (value - chance) / (whole - chance) if whole - chance >= LEAST else float("nan")


def _auc(inside: Array, outside: Array) -> float:
    member = np.arange(len(inside) + len(outside)) < len(inside)
    return auc(np.concatenate([inside, outside]), member)
