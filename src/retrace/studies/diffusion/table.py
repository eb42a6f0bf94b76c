"""The diffusion study's evidence as a table: a row a seed, cell, tuning or defence, and domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.stage import Array, EvidenceRow
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Params

DEFENCES = ("blank", "half", "dedup", "private")  # `blank`: the model before training


@dataclass(frozen=True, eq=False)
class Pictures:
    """What only figures need: curves of each seed, and images of the first seed by cell."""

    curves: list[dict[str, Any]] = field(default_factory=list)
    drawn: dict[str, dict[str, Array]] = field(default_factory=dict)


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[Pictures]:
    """Rows of type "tuning", "untrained" (the same on the domain of which nothing was trained), "defence".

    `auc` and `tpr` (at `fpr`) are the main attack's, `auc_<attack>` each attack's, `auc_shuffled` with
    membership dealt out at random; `gain_<column>` is the change from the untuned model on the same images.
    Of tunings looked at closely `auc_<attack>_from_<source>` and `moved_...` (by how much the source moves
    the gain), `extracted`, `decoys` (held-out images "found"), `excess` (their difference). `leak`: the best
    attack's AUC on the calibration domain; `quality`: share of the model's own images that a classifier
    recognises; `real`, of real ones. `kept`, `kept_loss`: AUC of the members that stay when near duplicates
    go. `error`: that of the noise in held-out images over the untrained model's, 1: nothing was learnt.
    """
    records: list[dict[str, Any]] = []
    pictures = Pictures()
    first = min((row.seed for row in rows), default=0)
    for row in rows:
        measured = row.evidence["measure"]
        quality = row.evidence["train"].results["quality"]
        judged = slice(row.params.domains - 1)
        common = {
            "seed": row.seed,
            "cell": row.cell,
            "leak": max(measured.results["leak"].values()),
            "quality": float(np.mean(quality["own"][judged])),
            "real": float(np.mean(quality["real"][judged])),
        }
        records += [common | record for record in _records(measured.results["rows"], quality)]
        pictures.curves.append({"cell": row.cell, **measured.results["curves"]})
        if row.seed == first:
            pictures.drawn[row.cell] = measured.read_arrays()
    return Tabled(pd.DataFrame.from_records(records), pictures=pictures)


def _records(rows: list[dict[str, Any]], quality: dict[str, list[float]]) -> list[dict[str, Any]]:
    plain = {row["domain"]: row for row in rows if row["method"] == "none"}
    records = []
    for row in rows:
        kind = "defence" if row["method"] in DEFENCES else "tuning"
        kind = "untrained" if row["domain"] == "untrained" else kind
        base = plain[row["domain"]]
        gains = {
            f"gain_{name}": value - base[name]
            for name, value in row.items()
            if name.startswith(("auc", "tpr")) and name in base
        }
        told = {"type": kind, "condition": f"{row['method']}:{row['domain']}"}
        records.append(told | row | gains | _sources(row, base))
    return records


def _sources(row: dict[str, Any], base: dict[str, Any]) -> dict[str, float]:
    """How far another source of non-members moves the change of the AUC."""
    found = {}
    for source in ("shifted", "other"):
        for attack in ("auc_loss", "auc_calibrated"):
            name = f"{attack}_from_{source}"
            if name in row:
                change = row[name] - base[name] - (row[attack] - base[attack])
                found[f"moved_{attack}_{source}"] = change
    return found
